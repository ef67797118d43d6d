#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: installed from the packages on Debian's kernels, systemd running, setup-flowpar.sh and flowparctl pass the tests of the source: kill -9 at every step of up, an irqbalance for a minute, watch, doctor
# Suite: long
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/packages/common.sh
. "$repo/tests/packages/common.sh"

# passes KERNEL TEST: its points and failures are those of the test itself, whose log stays
passes() {
	local log=$test_out/$1.${2//\//-}.log status=0
	env -u LAB_ROLE -u LAB_OUT LAB_KERNEL="$1" "$repo/tests/$2.sh" > "$log" 2>&1 || status=$?
	same "$1: $2 ends well, $(grep -c '^ok - ' "$log") points" 0 "$status"
	sed -n 's/^not ok - /#   &/p' "$log"
}

case ${LAB_ROLE:-host} in
host)	build_packages; inside debian_machine ;;
inside)	install_packages
	tests=(affinity/{setup,adopt,kill-every-step,kill-every-step-adopt,watch,irqbalance,irqbalance-minute} ctl/doctor)
	[[ ! ${TESTS:-} ]] || read -ra tests <<< "$TESTS"
	for kernel in ${KERNELS:-debian-6.12 debian-6.1}; do
		for name in "${tests[@]}"; do
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
