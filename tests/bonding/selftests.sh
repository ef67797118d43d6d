# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# repo is lib.sh's
# Sourced by the tests that run kernel selftests of bonding in the lab, after lib.sh.

selftests_dir=tools/testing/selftests/drivers/net/bonding

# selftests_tree DIR [BASE]: the kernel's selftests of bonding, as in a kernel tree, and ours, which are 6.12's
selftests_tree() (
	# shellcheck source=kernel-patches/tree.sh
	. "$repo/kernel-patches/tree.sh"
	set_base "${2:-6.12}"
	ours=$repo/kernel-patches/selftests
	[[ -r $tarball ]] || die "$tarball: no kernel source; as root: apt-get install linux-source-$base"
	mkdir -p "$1"
	files=("*/$selftests_dir" '*/tools/testing/selftests/net/forwarding/lib.sh')
	[[ $base == 6.1 ]] || files+=('*/tools/testing/selftests/net/lib.sh')
	tar -C "$1" --strip-components=1 -I 'xz -T0' --wildcards -xf "$tarball" "${files[@]}" || exit
	[[ $base == 6.12 ]] || exit 0
	for p in "$ours"/*.patch; do
		patch -d "$1" -p1 -F0 -N -r - < "$p" || exit
	done
	cp "$ours"/*.sh "$1/$selftests_dir/"
)

# selftest_names DIR: what its Makefile runs
selftest_names() {
	sed -n '/^TEST_PROGS := *\\$/,/[^\\]$/p' "$1/$selftests_dir/Makefile" | grep -o '[^[:space:]]*\.sh'
}

# selftest DIR NAME: runs one where it is, as the kernel's runner does
selftest() {
	cd "$1/$selftests_dir" && "./$2"
}
