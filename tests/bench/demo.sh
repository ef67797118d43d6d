#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowpar keeps every packet and connection on its core and loses no request, the stock set-ups do not, in one run
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

out=$test_out/result
cpus=${CPUS:-4}
kernel=()
# On the debug kernel all three run on it: it is the reports that count there.
[[ -z ${LAB_KERNEL:-} ]] || kernel=(--kernel "$LAB_KERNEL")
check "the benchmark runs" "$repo/bench/run-ab.sh" --out "$out" --cpus "$cpus" --requests "${REQUESTS:-200}" --cut "${kernel[@]}"

same "result.csv has the agreed header" \
	setup,cpus,nics,lag_ports,requests,failed,own_nic_pct,one_core_pct,requests_per_s "$(head -n 1 "$out/result.csv")"
field() { awk -F, -v s="$1" -v f="$2" '$1 == s { print $f }' "$out/result.csv"; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= b) }'; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 < b) }'; }

same "flowpar: all $cpus ports in the aggregator" "$cpus" "$(field flowpar 4)"
same "flowpar: every request counted" $((cpus * ${REQUESTS:-200})) "$(field flowpar 5)"
same "flowpar: none failed" 0 "$(field flowpar 6)"
check "flowpar: own NIC $(field flowpar 7) % is at least 99" at_least "$(field flowpar 7)" 99
check "flowpar: one core $(field flowpar 8) % is at least 99" at_least "$(field flowpar 8)" 99
for s in balance-rr 8023ad-l34; do
	same "$s: none failed" 0 "$(field $s 6)"
	check "$s: own NIC $(field $s 7) % is below 50" below "$(field $s 7)" 50
done

read -r least most share < <(sed -n '/^flowpar:/,/^$/s/.*per core: least \([0-9]*\), most \([0-9]*\), share \([0-9]*\)/\1 \2 \3/p' "$out/report.txt")
check "flowpar: the idlest core serves at least half its share ($least of $share)" at_least "$((2 * least))" "$share"
check "flowpar: the busiest at most twice ($most of $share)" at_least "$((2 * share))" "$most"

cut=$(grep -A2 'link 1 cut' "$out/report.txt")
same "link cut: no failed request" "0 failed" "$(grep -o '[0-9]* failed' <<< "$cut" | head -1)"
longest=$(sed -n 's/.*longest took \([0-9]*\) ms.*/\1/p' <<< "$cut")
check "link cut: longest request $longest ms is at most 3 s" below "$longest" 3001
same "link cut: both ends of the link saw it" $'switch: eth1 carrier 0\nswitch: eth1 carrier 1' "$(cat "$out/run/flowpar/cut.carrier")"
after=$(sed -n 's/.*own NIC \([0-9.]*\) %.*/\1/p' <<< "$cut")
check "link restored: own NIC $after % is at least 99 again" at_least "$after" 99

again=$(sed -n 's/.*eth1 carries \([0-9.]*\) %.*/\1/p' <<< "$cut")
check "link restored: its NIC carries its core's share again ($again %)" at_least "$again" $((50 / cpus))
same "link restored: no failed request" "0 failed" "$(grep -o 'after it: [0-9]* failed' <<< "$cut" | cut -d' ' -f3-)"

for f in locality cores matrix; do
	check "$f.svg is drawn" grep -q '</svg>' "$out/$f.svg"
done
check "report.html embeds them" grep -qc 'id="locality' "$out/report.html"
finish
