# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# repo, test_out and failed are lib.sh's
# Sourced by the tests that run others on the older kernel, after lib.sh.

# on_older NAME...: these tests there, their points as ours
on_older() {
	local name status
	[[ -z ${LAB_KERNEL:-} ]] || skip "LAB_KERNEL=$LAB_KERNEL says which kernel to test"
	export LAB_KERNEL=patched-6.1
	for name; do
		LAB_OUT=$test_out/$name "$repo/tests/$name.sh" > "$test_out/points" 2>&1
		status=$?
		sed -E "s|^((not )?ok) - |\1 - 6.1: $name: |" "$test_out/points"
		points=$((points + 1))
		((status == 0)) || failed=$((failed + 1))
		grep -qE '^(not )?ok - ' "$test_out/points" || not_ok "$name says something" "exit $status"
	done
}
