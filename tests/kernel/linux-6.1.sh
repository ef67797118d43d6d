#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on the older kernel, too, the policy works by every interface and under traffic, and the rewriting works
#
# The part of the suite that touches the kernel most, as a whole: LAB_KERNEL=patched-6.1 make test
# linux-6.1-long.sh goes through the rest of what nf_flowpar has.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
: "${names:=bonding/interfaces bonding/traffic netfilter/control netfilter/steer}"

[[ -z ${LAB_KERNEL:-} ]] || skip "LAB_KERNEL=$LAB_KERNEL says which kernel to test"
export LAB_KERNEL=patched-6.1
for name in $names; do
	LAB_OUT=$test_out/$name "$repo/tests/$name.sh" > "$test_out/points" 2>&1
	status=$?
	sed -E "s|^((not )?ok) - |\1 - 6.1: $name: |" "$test_out/points"
	points=$((points + 1))
	((status == 0)) || failed=$((failed + 1))
	grep -qE '^(not )?ok - ' "$test_out/points" || not_ok "$name says something" "exit $status"
done
finish
