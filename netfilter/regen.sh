#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Regenerate the netlink code of nf_flowpar from flowpar.yaml.
#
# Usage: netfilter/regen.sh KERNEL_SOURCE_DIR
#
# Uses the generator of that kernel source (6.12), which needs python3-yaml and
# python3-jsonschema. The generator finds its schemas beside the spec and climbs from
# there until it sees MAINTAINERS, so they meet in a temporary directory laid out
# like the kernel's.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "usage: ${0##*/} KERNEL_SOURCE_DIR" >&2; exit 2; }
here=$(dirname "$(realpath "$0")")
kernel=$(realpath "$1")
generator=$kernel/tools/net/ynl/ynl-gen-c.py
[[ -f $generator ]] || {
	echo "${0##*/}: $1: has no tools/net/ynl/ynl-gen-c.py; give a kernel source directory" >&2
	exit 1
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
spec=$tmp/Documentation/netlink/specs/flowpar.yaml
mkdir -p "${spec%/*}"
touch "$tmp/MAINTAINERS"
cp "$kernel"/Documentation/netlink/*.yaml "$tmp/Documentation/netlink/"
cp "$here/flowpar.yaml" "$spec"
# A container may rule its own namespace. The generator knows that permission; the
# schema of plain genetlink lists it only since 6.13.
sed -i 's/enum: \[ admin-perm \]/enum: [ admin-perm, uns-admin-perm ]/' \
	"$tmp/Documentation/netlink/genetlink.yaml"

gen() {
	PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$generator" --spec "$spec" --mode "$1" "--$2" -o "$here/$3"
}
gen uapi header uapi/linux/flowpar.h
gen kernel header nf_flowpar_nl.h
gen kernel source nf_flowpar_nl.c
