#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: with Open vSwitch as the 802.3ad switch (LACP, balance-tcp) flowpar keeps every packet on its core's own NIC, uses all ports and survives a link cut
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

out=$test_out/result
kernel=()
[[ -z ${LAB_KERNEL:-} ]] || kernel=(--kernel "$LAB_KERNEL")
check_fails "a bond of one link is refused" 2 '^lab: --switch ovs: its bond has two links or more' \
	"$repo/bench/lab/lab" run --switch ovs --nics 1 --server "$0" --client "$0" --out "$test_out/x"
check_fails "a LAG without LACP is refused" 2 '^lab: --switch ovs: balance-tcp needs LACP' \
	"$repo/bench/lab/lab" run --switch ovs --lag static --server "$0" --client "$0" --out "$test_out/x"
check_fails "another switch is refused" 2 '^lab: --switch hub: want bridge or ovs' \
	"$repo/bench/lab/lab" run --switch hub --server "$0" --client "$0" --out "$test_out/x"
check "the benchmark runs behind Open vSwitch" "$repo/bench/run-ab.sh" --out "$out" --setups flowpar --cpus 2 --requests "${REQUESTS:-200}" \
	--switch ovs --cut "${kernel[@]}"

field() { awk -F, -v f="$1" '$1 == "flowpar" { print $f }' "$out/result.csv"; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= b) }'; }

same "both ports are in the aggregator" 2 "$(field 4)"
same "every request counted, none failed" "$((2 * ${REQUESTS:-200})) 0" "$(field 5) $(field 6)"
check "own NIC $(field 7) % is at least 99" at_least "$(field 7)" 99
check "one core $(field 8) % is at least 99" at_least "$(field 8)" 99

lag=$out/run/flowpar
same "LACP is negotiated" 'lacp_status: negotiated' "$(grep -ax 'lacp_status: negotiated' "$lag/ovs.bond")"
same "balance-tcp over both links" "bond_mode: balance-tcp 2" "$(grep -ax 'bond_mode: balance-tcp' "$lag/ovs.bond") $(grep -acE '^(member|slave) eth[01]: enabled' "$lag/ovs.bond")"
for nic in eth0 eth1; do
	sent=$(awk -v nic=$nic 'NR == FNR { was[$1] = $2; next } $1 == nic { print $2 - was[nic] }' "$lag"/split.128.{begin,end})
	check "the switch sent by $nic ($sent frames)" at_least "$sent" 100
done

cut=$(grep -A2 'link 1 cut' "$out/report.txt")
same "link cut: both ends saw it" $'switch: eth1 carrier 0\nswitch: eth1 carrier 1' "$(cat "$lag/cut.carrier")"
same "link cut: no failed request" "0 failed" "$(grep -o '[0-9]* failed' <<< "$cut" | head -1)"
same "link restored: no failed request" "0 failed" "$(grep -o 'after it: [0-9]* failed' <<< "$cut" | cut -d' ' -f3-)"
after=$(sed -n 's/.*own NIC \([0-9.]*\) %.*/\1/p' <<< "$cut")
check "link restored: own NIC $after % is at least 99 again" at_least "$after" 99
finish
