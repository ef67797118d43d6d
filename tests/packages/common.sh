# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by tests that need a Debian server of its own with the packages installed, which
# the lab then boots: systemd is number 1 in it, and what is tested is what is installed.

# in_machine: on the host. The test file is run again, as role "inside" and with $over such a
# system, which is gone afterwards.
in_machine() {
	((EUID == 0)) || skip "a Debian to install into needs root"
	# shellcheck source=bench/lab/debian.sh
	. "$repo/bench/lab/debian.sh"
	local root
	root=$(debian_machine) || exit 1
	check "the packages build" "$repo/debian/build-deb.sh" "$test_out/debs"
	export -f debian_in
	export LAB_OUT=$test_out
	LAB_ROLE=inside debian_over "$root" "$test_file" > "$test_out/machine.log" 2>&1 || true
	grep -aE '^(ok|not ok) - |^#   ' "$test_out/machine.log"
	points=$((points + $(grep -acE '^(ok|not ok) - ' "$test_out/machine.log")))
	failed=$((failed + $(grep -acE '^not ok - ' "$test_out/machine.log")))
	check "all of it was tried" grep -qx 'the end' "$test_out/machine.log"
	finish
}

# Inside: the packages, and the modules that DKMS builds for both kernels.
install_packages() {
	export LAB_ROOT=$over
	cp "$test_out"/debs/*.deb "$over/root/"
	check "install" in_debian sh -c 'dpkg -i /root/flowpar_*.deb /root/flowpar-dkms_*.deb'
}

in_debian() { debian_in "$over" "$@"; }
