#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the lab's kernel into a cache and prints the directory: build.sh [--print] [patched|stock|debug][-X.Y]
#
#   patched  Debian's source, kernel-patches/X.Y/series, configs/lab.config and flowpar.config
#   stock    Debian's source untouched, the same options without ours
#   debug    patched, with the checkers of configs/debug.config
#
# X.Y is 6.12, unless given, or 6.1: both are built of the same options and files.
#
# The directory's name carries a hash of everything that went in, so one that
# exists is valid: it is built aside and renamed as the last step. --print says
# where it would be; exit status 1 if it is not there yet. The full output goes to
# build-X.Y-VARIANT.log in the cache. The directory holds bzImage, System.map, config,
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
	patched-* | stock-* | debug-*) variant=${1%%-*}; set_base "${1#*-}" ;;
	*) usage ;;
	esac
	shift
done

tree=patched fragments=("$configs/lab.config" "$configs/flowpar.config")
case $variant in
stock) tree=stock fragments=("$configs/lab.config") ;;
debug) fragments+=("$configs/debug.config") ;;
esac

name=$base-$variant

need_tools "${build_tools[@]}"

key() {
	{
		tree_key "$tree"
		cat "${fragments[@]}" "$here/tree.sh" "$here/build.sh"
		gcc --version
		ld --version
	} | sha256sum
}
set_kdir() {
	hash=$(key)
	kdir=$cache/kernel-$name-${hash:0:12}
}
set_kdir

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

# What Debian's linux-headers package holds: enough for external modules. The
# kernel's own script for it came after 6.1.
install_headers() {	# install_headers SRC DIR
	mkdir -p "$2"
	(
		cd "$1"
		echo Makefile
		find arch/x86 -maxdepth 1 -name 'Makefile*'
		find arch/x86/include include scripts -type f -o -type l
		# Not for modules, but only it says whose a slab page is: the model
		# lab's list of page owners (bench/lab) needs that.
		echo mm/slab.h
	) | tar -C "$1" -T - -c | tar -C "$2" -x
	(
		cd "$1/build"
		echo .config
		echo Module.symvers
		echo tools/objtool/objtool
		find arch/x86/include/generated include/config/{auto.conf,kernel.release} include/generated \
			scripts -type f ! -name '.*.cmd' ! -name '*.o'
	) | tar -C "$1/build" -T - -c | tar -C "$2" -x
}

install_kernel() {	# install_kernel SRC DIR
	local release
	release=$(cat "$1/build/include/config/kernel.release")
	mkdir -p "$2"
	cp "$1/build/arch/x86/boot/bzImage" "$1/build/System.map" "$2/"
	cp "$1/build/.config" "$2/config"
	echo "$release" > "$2/release"
	kmake "$1" LOCALVERSION="-flowpar-$variant" INSTALL_MOD_PATH="$2" DEPMOD=true modules_install
	rm -f "$2/lib/modules/$release"/{build,source}
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$2" -F "$2/System.map" "$release"
	install_headers "$1" "$2/build"
}

# In a function, because bash reads a script while it runs it, and this takes long
# enough for someone to edit or check out another version.
build() {
	mkdir -p "$cache"
	# One build of a variant at a time; the holder's pid is in the file.
	exec 9>> "$cache/lock-$name"
	if ! flock -n 9; then
		say "kernel $base $variant is being built already (pid $(tail -n1 "$cache/lock-$name")); waiting for it"
		flock 9
	fi
	echo $$ > "$cache/lock-$name"
	set_kdir		# we may have waited long
	if [[ -d $kdir ]]; then
		echo "$kdir"
		return
	fi

	rm -rf "$cache/tmp-$name".*	# left by a build that was killed: we hold the lock
	work_in "$cache" "tmp-$name"

	log=$cache/build-$name.log
	objects_file=$cache/objects-$name
	about=$(cat "$objects_file" 2>/dev/null || echo 2100)

	say "building kernel $base $variant, log $log"
	src=$work/src
	say "$(elapsed)  unpacking $tarball"
	note=$(version_note)
	[[ -z $note ]] || say "$note"
	make_tree "$src" "$tree"
	say "$(elapsed)  configuring"
	configure "$src" "${fragments[@]}"
	[[ $(key) == "$hash" ]] || die "a patch, file or fragment changed while it was copied; run this again"
	compile "$log" "$about" "$src" LOCALVERSION="-flowpar-$variant" -j"$(nproc)" bzImage modules
	objects "$log" > "$objects_file"

	say "$(elapsed)  installing"
	new=$work/new
	# Not as part of a condition, where bash would go on after a failed command.
	install_kernel "$src" "$new" >> "$log" 2>&1 9>&- &
	builder=$!
	wait "$builder" || die "kernel $base $variant cannot be installed; full output: $log"
	builder=''

	mv -T "$new" "$kdir"
	# The three last used of a variant stay; each is some 100 MB.
	find "$cache" -maxdepth 1 -type d -name "kernel-$name-*" -printf '%T@ %p\n' |
		sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r -d '\n' rm -rf --
	say "$(elapsed)  done: $(cat "$kdir/release")"
	echo "$kdir"
}

build
