#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: installed from the packages on Debian's kernels, systemd running, setup-flowpar.sh and flowparctl pass the tests of the source: kill -9 at every step of up, an irqbalance for a minute, watch, doctor
# Suite: long
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/packages/common.sh
. "$repo/tests/packages/common.sh"

# Each test has its own log, as when it runs alone.
passes() {	# passes KERNEL TEST
	local log=$test_out/$1.${2//\//-}.log said
	check "$1: $2" env -u LAB_ROLE -u LAB_OUT LAB_KERNEL="$1" bash -c '"$1" > "$2" 2>&1' _ "$repo/tests/$2.sh" "$log"
	said=$(grep -E '^not ok|^#  ' "$log") && printf '%s\n' "${said//#/#   #}"
	ok "... $(grep -c '^ok' "$log") points"
}

case ${LAB_ROLE:-host} in
host)	in_machine ;;
inside)	install_packages
	for kernel in ${KERNELS:-debian-6.12 debian-6.1}; do
		for name in affinity/{setup,adopt,kill-every-step,kill-every-step-adopt,watch,irqbalance,irqbalance-minute} ctl/doctor; do
			passes "$kernel" "$name"
		done
	done
	unset LAB_ROOT
	for kernel in ${KERNELS:-debian-6.12 debian-6.1}; do
		passes "$kernel-plain" ctl/doctor-stock
	done
	echo "the end" ;;
esac
finish
