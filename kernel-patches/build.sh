#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the lab's kernel into a cache and prints the directory: build.sh [--print] [patched|stock|debug]
#
#   patched  Debian's source, kernel-patches/6.12/series, configs/lab.config and flowpar.config
#   stock    Debian's source untouched, the same options without ours
#   debug    patched, with the checkers of configs/debug.config
#
# The directory's name carries a hash of everything that went in, so one that
# exists is valid: it is built aside and renamed as the last step. --print says
# where it would be; exit status 1 if it is not there yet. The full output goes to
# build-VARIANT.log in the cache. The directory holds bzImage, System.map, config,
# release, lib/modules/RELEASE and build/ for external modules.
set -euo pipefail
# shellcheck source=kernel-patches/tree.sh
. "$(dirname "$0")/tree.sh"

usage() {
	sed -n '3s/.*: //p' "$0" >&2
	exit 2
}

print=0 variant=patched
while (($#)); do
	case $1 in
	--print) print=1 ;;
	patched | stock | debug) variant=$1 ;;
	*) usage ;;
	esac
	shift
done

tree=patched fragments=("$configs/lab.config" "$configs/flowpar.config")
case $variant in
stock) tree=stock fragments=("$configs/lab.config") ;;
debug) fragments+=("$configs/debug.config") ;;
esac

missing=()
for need in gcc:gcc make:make bc:bc flex:flex bison:bison patch:patch xz:xz-utils depmod:kmod \
	setpriv:util-linux flock:util-linux /usr/include/libelf.h:libelf-dev; do
	thing=${need%%:*}
	[[ -e $thing ]] || PATH=$PATH:/sbin:/usr/sbin command -v "$thing" >/dev/null || missing+=("${need#*:}")
done
((${#missing[@]} == 0)) || die "missing tools; as root: apt-get install ${missing[*]}"

hash=$({
	tree_key "$tree"
	cat "${fragments[@]}" "$here/tree.sh" "$here/build.sh"
	gcc --version
	ld --version
} | sha256sum)
kdir=$cache/kernel-$base-$variant-${hash:0:12}

if ((print)); then
	echo "$kdir"
	[[ -d $kdir ]]
	exit
fi
if [[ -d $kdir ]]; then
	touch "$kdir"		# what was used last is cleaned up last
	echo "$kdir"
	exit
fi

mkdir -p "$cache"
exec 9> "$cache/lock"
if ! flock -n 9; then
	say "another kernel build is running (pid $(cat "$cache/lock.pid" 2>/dev/null || echo '?')); waiting for it"
	flock 9
fi
echo $$ > "$cache/lock.pid"
if [[ -d $kdir ]]; then
	echo "$kdir"
	exit
fi

rm -rf "$cache"/tmp.*	# left by a build that was killed: we hold the lock
work=$(mktemp -d "$cache/tmp.XXXXXX")
builder=''
cleanup() {
	if [[ -n $builder ]]; then
		kill "$builder" 2>/dev/null || true
		wait "$builder" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

log=$cache/build-$variant.log
objects_file=$cache/objects-$variant
about=$(cat "$objects_file" 2>/dev/null || echo 1900)
began=$SECONDS

objects() {
	grep -cE '^  (CC|AS|LD|AR|HOSTCC) ' "$log" || true
}

say "building kernel $base $variant, log $log"
: > "$log"
src=$work/src
say "   0 s  unpacking $tarball"
make_tree "$src" "$tree"
say "$(printf '%4d' $((SECONDS - began))) s  configuring"
configure "$src" "${fragments[@]}"
jobs=$(nproc)
kmake "$src" LOCALVERSION="-flowpar-$variant" -j"$jobs" bzImage modules > "$log" 2>&1 9>&- &
builder=$!
shown=$SECONDS
while kill -0 "$builder" 2>/dev/null; do
	sleep 1
	if ((SECONDS - shown >= 15)); then
		shown=$SECONDS
		say "$(printf '%4d s  compiling, %d of about %d objects' $((SECONDS - began)) "$(objects)" "$about")"
	fi
done
status=0
wait "$builder" || status=$?
builder=''
if ((status)); then
	grep -aE -m 8 'error:|Error |undefined reference|No space left' "$log" >&2 || tail -n 8 "$log" >&2
	die "the $variant kernel does not build, exit $status; full output: $log"
fi
objects > "$objects_file"

say "$(printf '%4d' $((SECONDS - began))) s  installing"
new=$work/new
release=$(cat "$src/build/include/config/kernel.release")
{
	mkdir -p "$new"
	cp "$src/build/arch/x86/boot/bzImage" "$src/build/System.map" "$new/"
	cp "$src/build/.config" "$new/config"
	echo "$release" > "$new/release"
	kmake "$src" LOCALVERSION="-flowpar-$variant" INSTALL_MOD_PATH="$new" DEPMOD=true modules_install
	rm -f "$new/lib/modules/$release"/{build,source}
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$new" -F "$new/System.map" "$release"
	# What Debian's linux-headers package holds: enough for external modules.
	# HOSTCC as CC says that the host programs that are there already fit.
	(
		cd "$src/build"
		srctree=.. SRCARCH=x86 CC=gcc HOSTCC=gcc MAKE=make \
			sh ../scripts/package/install-extmod-build "$new/build"
		cp .config "$new/build/.config"
	)
} >> "$log" 2>&1 || die "the $variant kernel cannot be installed; full output: $log"

mv -T "$new" "$kdir"
# The three last used of a variant stay; each is some 100 MB.
find "$cache" -maxdepth 1 -type d -name "kernel-$base-$variant-*" -printf '%T@ %p\n' |
	sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r -d '\n' rm -rf --
say "$(printf '%4d' $((SECONDS - began))) s  done: $release"
echo "$kdir"
