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
	kdir=$cache/kernel-$base-$variant-${hash:0:12}
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

# In a function, because bash reads a script while it runs it, and this takes long
# enough for someone to edit or check out another version.
build() {
	mkdir -p "$cache"
	# One build of a variant at a time; the holder's pid is in the file.
	exec 9>> "$cache/lock-$variant"
	if ! flock -n 9; then
		say "the $variant kernel is being built already (pid $(tail -n1 "$cache/lock-$variant")); waiting for it"
		flock 9
	fi
	echo $$ > "$cache/lock-$variant"
	set_kdir		# we may have waited long
	if [[ -d $kdir ]]; then
		echo "$kdir"
		return
	fi

	rm -rf "$cache/tmp-$variant".*	# left by a build that was killed: we hold the lock
	work_in "$cache" "tmp-$variant"

	log=$cache/build-$variant.log
	objects_file=$cache/objects-$variant
	about=$(cat "$objects_file" 2>/dev/null || echo 2100)

	say "building kernel $base $variant, log $log"
	src=$work/src
	say "$(elapsed)  unpacking $tarball"
	make_tree "$src" "$tree"
	say "$(elapsed)  configuring"
	configure "$src" "${fragments[@]}"
	[[ $(key) == "$hash" ]] || die "a patch, file or fragment changed while it was copied; run this again"
	compile "$log" "$about" "$src" LOCALVERSION="-flowpar-$variant" -j"$(nproc)" bzImage modules
	objects "$log" > "$objects_file"

	say "$(elapsed)  installing"
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
			# Not for modules, but only it says whose a slab page is: the model
			# lab's list of page owners (bench/lab) needs that.
			install -Dm644 ../mm/slab.h "$new/build/mm/slab.h"
		)
	} >> "$log" 2>&1 || die "the $variant kernel cannot be installed; full output: $log"

	mv -T "$new" "$kdir"
	# The three last used of a variant stay; each is some 100 MB.
	find "$cache" -maxdepth 1 -type d -name "kernel-$base-$variant-*" -printf '%T@ %p\n' |
		sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r -d '\n' rm -rf --
	say "$(elapsed)  done: $release"
	echo "$kdir"
}

build
