#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian packages of the patched kernel for a real machine: build-deb.sh [--base X.Y] CONFIG [DIR]
#
# X.Y is 6.12, unless given, or 6.1.
# CONFIG is a kernel configuration, such as /boot/config-$(uname -r); DIR, out/deb
# unless given, gets the packages. Bonding and nf_flowpar become modules; else
# the configuration is used as it is, with the defaults of options that are new.
# With a distribution's configuration this takes an hour or more on a few cores,
# and 30 GB if it has debugging information.
set -euo pipefail
# shellcheck source=kernel-patches/tree.sh
. "$(dirname "$0")/tree.sh"

if [[ ${1:-} == --base ]] && (($# > 1)); then
	set_base "$2"
	shift 2
fi
(($# == 1 || $# == 2)) || { sed -n '3s/.*: //p' "$0" >&2; exit 2; }
config=$1 dest=${2:-$top/out/deb}
[[ -f $config && -r $config ]] || die "$config: no such configuration; the running kernel's is /boot/config-$(uname -r)"
grep -q '^CONFIG_64BIT=y' "$config" || die "$config: not the configuration of a 64-bit kernel; pass one like /boot/config-$(uname -r)"

# What packaging needs, and what only this configuration needs: most of it would be
# missed at the end of the build.
asks() {
	grep -q "^CONFIG_$1=y" "$config"
}
extra=(dpkg-buildpackage:dpkg-dev dh_builddeb:debhelper cpio:cpio rsync:rsync
	/usr/include/openssl/ssl.h:libssl-dev)
if asks KERNEL_ZSTD || asks MODULE_COMPRESS_ZSTD; then extra+=(zstd:zstd); fi
if asks KERNEL_LZ4; then extra+=(lz4:lz4); fi
if asks KERNEL_LZO; then extra+=(lzop:lzop); fi
if asks MODULE_SIG; then extra+=(openssl:openssl); fi
if asks DEBUG_INFO_BTF; then extra+=(pahole:pahole); fi
need_tools "${build_tools[@]}" "${extra[@]}"

mkdir -p "$cache"
exec 9> "$cache/lock-deb"
flock -n 9 || die "another build of packages runs; wait for it to end"
rm -rf "$cache"/deb.??????	# left by a build that was killed: we hold the lock
work_in "$cache" deb
src=$work/src log=$cache/build-deb.log
KBUILD_BUILD_TIMESTAMP=$(date -u)

say "building packages from $config, log $log"
say "$(elapsed)  unpacking $tarball"
make_tree "$src" patched
say "$(elapsed)  configuring"
mkdir -p "$src/build" "$dest"
cp "$config" "$src/build/.config"
cat > "$src/build/wanted" <<-'END'
	CONFIG_BONDING=m
	CONFIG_NF_FLOWPAR=m
END
# A distribution's certificates are not in its source package: without its key
# there is nothing to verify against them either.
"$src/scripts/config" --file "$src/build/.config" --set-str SYSTEM_TRUSTED_KEYS '' \
	--set-str SYSTEM_REVOCATION_KEYS '' --module BONDING --module NF_FLOWPAR
kmake "$src" olddefconfig > "$log" 2>&1 || die "$config cannot be used; full output: $log"
bad=$(check_config "$src/build/.config" "$src/build/wanted") ||
	die "$config lacks what our modules depend on:"$'\n'"$bad"

set_up=(LOCALVERSION=-flowpar KDEB_PKGVERSION="$(kmake "$src" -s --no-print-directory kernelversion)-1flowpar"
	KDEB_CHANGELOG_DIST=local)

compile "$log" '' "$src" "${set_up[@]}" -j"$(nproc)" bindeb-pkg
mv "$src"/*.deb "$dest/"
release=$(cat "$src/build/include/config/kernel.release")
say "$(elapsed)  done: $release; as root: apt-get install $dest/linux-image-${release}_*.deb"
ls "$dest"/*"$release"*.deb
