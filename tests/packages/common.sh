# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by tests that install the packages into a Debian of its own, which the lab can boot
# (debian_machine): systemd is number 1 in it then, and what is tested is what is installed.

# inside DEBIAN: on the host, once the packages are built. The test file is run again, as role
# "inside" and with $over what DEBIAN prints, writable; it is gone afterwards.
inside() {
	local root log=$test_out/inside.log
	root=$("$1") || exit 1
	export -f debian_in
	export LAB_OUT=$test_out
	LAB_ROLE=inside debian_over "$root" "$test_file" > "$log" 2>&1 || true
	grep -aE '^(ok|not ok) - |^#   ' "$log"
	points=$((points + $(grep -acE '^(ok|not ok) - ' "$log")))
	failed=$((failed + $(grep -acE '^not ok - ' "$log")))
	check "all of it was tried" grep -qx 'the end' "$log"
	finish
}

# Before that.
build_packages() {
	((EUID == 0)) || skip "a Debian to install into needs root"
	# shellcheck source=bench/lab/debian.sh
	. "$repo/bench/lab/debian.sh"
	check "the packages build" "$repo/debian/build-deb.sh" "$test_out/debs"
}

# Inside: the packages, and the modules that DKMS builds for both kernels.
install_packages() {
	export LAB_ROOT=$over
	cp "$test_out"/debs/*.deb "$over/root/"
	check "install" in_debian sh -c 'dpkg -i /root/flowpar_*.deb /root/flowpar-dkms_*.deb'
}

in_debian() { debian_in "$over" "$@"; }
