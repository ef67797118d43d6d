#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: iproute2's patches apply with fuzz 0, each builds on its own; an ip that cannot be built is said why and not left
# Suite: unit
. "$(dirname "$0")/../lib.sh"
. "$repo/kernel-patches/tree.sh"
set +e

build=$repo/kernel-patches/build-iproute2.sh
patches=$repo/kernel-patches/iproute2
tree=$test_out/tree
names() { sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$patches/series"; }

check "ip is built" "$build"
version=$(sed -n 's/^version=//p' "$build")
same "README and script name one version" "$version" \
	"$(sed -n 's/^Patches for iproute2, exactly: .* \([^ ]*\)\.$/\1/p' "$patches/README")"
same "series lists every patch there is" "$(cd "$patches" && ls ./*.patch | sed 's|^./||')" "$(names | sort)"

# --- the patches --------------------------------------------------------------------
tar -C "$test_out" --strip-components=1 -I 'xz -T0' --wildcards -xf "$tarball" \
	'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
package=$cache/source-iproute2-$version

# made: ip is built and starts; its warnings are in made.log
made() {
	rm -f "$tree"/ip/iplink_bond*.o "$tree"/ip/ip
	make -C "$tree" -j"$(nproc)" SUBDIRS='lib ip' KERNEL_INCLUDE=./include > "$test_out/made.log" 2>&1 &&
		"$tree/ip/ip" -V
}

dpkg-source -x "$package"/*.dsc "$tree" > "$test_out/unpack.log" 2>&1
(cd "$tree" && ./configure) > "$test_out/configure.log" 2>&1
check "Debian's own builds" made
for name in $(names); do
	check "checkpatch --strict: $name" "$test_out/scripts/checkpatch.pl" --strict --no-tree --terse --no-summary "$patches/$name"
	check "... applies with fuzz 0" patch -d "$tree" -p1 -F0 -N -i "$patches/$name"
	check "... builds on its own" made
	same "... without a warning" "" "$(grep 'warning:' "$test_out/made.log")"
done
rm -rf "$tree"

# --- the script ---------------------------------------------------------------------
common=$cache
export XDG_CACHE_HOME=$test_out/cache
cache=$XDG_CACHE_HOME/flowpar

nothing_left() {
	! compgen -G "$cache/iproute2-*" && ! compgen -G "$cache/tmp-*"
}

check_fails "--print of what is not built: 1 and the place" 1 "^$cache/iproute2-$version-[0-9a-f]{12}\$" "$build" --print
check_fails "an unknown option: usage" 2 '^build-iproute2.sh \[--print\]$' "$build" --fast
check_fails "a mirror that does not answer is named" 1 \
	'^build-iproute2.sh: iproute2 .* cannot be had from http://127.0.0.1:9/debian: E: .*Connection refused' \
	env FLOWPAR_DEBIAN_MIRROR=http://127.0.0.1:9/debian "$build"
mkdir -p "$test_out/mirror/dists/bookworm"
printf 'Origin: Debian\nSuite: oldstable\nCodename: bookworm\n' > "$test_out/mirror/dists/bookworm/Release"
check_fails "one without Debian's signature is refused" 1 "bookworm Release' is not signed" \
	env FLOWPAR_DEBIAN_MIRROR="file://$test_out/mirror" "$build"
check "... and nothing is left" nothing_left

cp -r "$common/source-iproute2-$version" "$cache/"
cp -r "$patches" "$test_out/patches"
first=$(names | head -1)
sed -i 's/vlan + source MAC/vlan + MAC/' "$test_out/patches/$first"
check "another patch is another ip" test "$("$build" --print)" != "$(FLOWPAR_IPROUTE2_PATCHES=$test_out/patches "$build" --print)"
check_fails "a patch that does not fit exactly is named" 1 "^build-iproute2.sh: kernel-patches/iproute2/$first does not apply" \
	env FLOWPAR_IPROUTE2_PATCHES="$test_out/patches" "$build"
cp "$patches/$first" "$test_out/patches/"
sed -i '/"cpu-bound",$/s/",$/"!/' "$test_out"/patches/*.patch
check_fails "one that does not compile is shown with its error" 1 \
	"^build-iproute2.sh: iproute2 does not build: iplink_bond.c:.*error:" \
	env FLOWPAR_IPROUTE2_PATCHES="$test_out/patches" "$build"
echo >> "$(compgen -G "$cache/source-iproute2-$version/*.orig.tar.xz")"
check_fails "a package that has changed since is not built" 1 "source-iproute2-$version: cannot be unpacked" "$build"
check "... and nothing is left" nothing_left
rm -rf "$XDG_CACHE_HOME"
finish
