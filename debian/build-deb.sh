#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the packages of debian/ in a copy of the tree, so that nothing of it is left here,
# and puts them into out/deb (or the directory given). The names of the .debs are printed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$top/out/deb}
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/build.log
# What `make V=1 deb` means for us is nothing to debhelper.
unset MAKEFLAGS MAKELEVEL V

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/flowpar"
tar -C "$top" --exclude=./out --exclude=./.git -c . | tar -C "$work/flowpar" -x
if ! (cd "$work/flowpar" && dpkg-buildpackage -us -uc -b) > "$log" 2>&1; then
	tail -n 12 "$log" >&2
	echo "build-deb.sh: the packages do not build; full output: $log" >&2
	exit 1
fi
rm -f "$out"/flowpar{,-dkms,-bench}_*.deb
mv "$work"/*.deb "$out/"
# lintian wants what belongs together beside it.
mv "$work"/*.changes "$work"/*.buildinfo "$out/"
ls "$out"/flowpar{,-dkms,-bench}_*.deb
