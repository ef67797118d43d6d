# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# repo is lib.sh's
# Sourced by the tests that run kernel selftests of bonding in the lab, after lib.sh.

selftests_dir=tools/testing/selftests/drivers/net/bonding

# selftests_tree DIR: the kernel's selftests of bonding and ours, as in a kernel tree
selftests_tree() (
	# shellcheck source=kernel-patches/tree.sh
	. "$repo/kernel-patches/tree.sh"
	ours=$repo/kernel-patches/selftests
	[[ -r $tarball ]] || die "$tarball: no kernel source; as root: apt-get install linux-source-$base"
	mkdir -p "$1"
	tar -C "$1" --strip-components=1 -I 'xz -T0' --wildcards -xf "$tarball" \
		"*/$selftests_dir" '*/tools/testing/selftests/net/forwarding/lib.sh' '*/tools/testing/selftests/net/lib.sh' || exit
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
