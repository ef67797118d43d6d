#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on modelled cores flowpar moves far fewer lines between cores than the stock kernel, and rewriting costs little; equal runs count equally
# Suite: unit
#
# Not on the debug kernel: its checks would be what is counted. Counts only, with
# limits: a change that breaks locality fails here. Small on purpose, and two runs at a
# time; `make bench` is the same at full size.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

requests=60
declare -A pids
begin() {	# begin NAME [option]...: a run, its results in $test_out/NAME
	local name=$1
	shift
	setpriv --pdeathsig TERM "$repo/bench/lab/lab" model --out "$test_out/$name" --requests $requests \
		--warm 100 --timeout 400 "$@" > "$test_out/$name.log" 2>&1 &
	pids[$name]=$!
}
ended() {	# ended NAME...
	local name status
	for name; do
		status=0
		wait "${pids[$name]}" || status=$?
		if ((status)); then
			not_ok "$name: the run ends well" "exit $status: $(tail -n 20 "$test_out/$name.log")"
		else
			ok "$name: the run ends well"
		fi
	done
}
field() { jq ".$2" "$test_out/$1/run.json"; }
per_request() {	# per_request NAME FIELD: of the server cores
	jq -s --argjson requests "$(field "$1" requests)" \
		"[.[] | select(.record == \"vcpu\" and .role == \"server\") | .$2] | add / \$requests" "$test_out/$1/cohsim.jsonl"
}
# In bonding and the flow dissector, to choose a slave. What both policies share is left out: bond_start_xmit(), into
# which the compiler puts bond_dev_queue_xmit(), and of layer3+4 the last step as well.
choosing() {	# choosing NAME: instructions a request
	jq -s --argjson requests "$(field "$1" requests)" '
		[.[] | select(.record == "function" and (.function | test(
			"^(_*bond_xmit_|bond_flow_|bond_cpu_bound_(?!learn)|_*skb_flow_|flow_get_)"))) | .insns] |
		add / $requests | round' "$test_out/$1/cohsim.jsonl"
}
# On the way that rewriting is on: IP, netfilter, the lookup of sockets. So short a run has more or fewer ticks and
# interrupts for reasons that have nothing to do with it, worth 2 % of a request either way.
on_the_way() {	# on_the_way NAME: instructions a request
	jq -s --argjson requests "$(field "$1" requests)" '
		[.[] | select(.record == "function" and (.function | test(
			"^(flowpar_|nf_|nft_|_*ip_|_*inet_|ipv4_|tcp_v4_early_demux|skb_ensure_)"))) | .insns] |
		add / $requests | round' "$test_out/$1/cohsim.jsonl"
}
# What a set-up adds to flowpar-direct, whose clients name their core's port. How a slave is chosen differs for another
# reason, so that is left out of both.
added() {	# added NAME: instructions a request
	awk "BEGIN { printf \"%d\", $(per_request "$1" insns) - $(choosing "$1") - ($(per_request direct2 insns) - $(choosing direct2)) }"
}
holds() { awk "BEGIN { exit !($1) }"; }

for cores in 2 4; do
	begin stock$cores --setup 8023ad-l34 --cores $cores
	begin flowpar$cores --setup flowpar-nat --cores $cores
	ended stock$cores flowpar$cores
	for name in stock$cores flowpar$cores; do
		same "$name: every request is counted, none failed" "$((cores * requests)) 0" "$(field $name requests) $(field $name failed)"
	done
	stock=$(per_request stock$cores c2c) flowpar=$(per_request flowpar$cores c2c)
	check "$cores cores: flowpar moves at most 15 lines per request ($flowpar)" holds "$flowpar > 0 && $flowpar <= 15"
	check "$cores cores: that is a tenth of stock's at most ($stock)" holds "10 * $flowpar <= $stock"
	check "$cores cores: choosing a slave takes at most half of layer3+4's instructions ($(choosing flowpar$cores) of $(choosing stock$cores))" \
		holds "$(choosing flowpar$cores) > 0 && 2 * $(choosing flowpar$cores) <= $(choosing stock$cores)"
	check "$cores cores: flowpar sends by its own NIC ($(field flowpar$cores own_nic_pct) %)" \
		holds "$(field flowpar$cores own_nic_pct) >= 99"
	check "$cores cores: flowpar keeps connections on one core ($(field flowpar$cores one_core_pct) %)" \
		holds "$(field flowpar$cores one_core_pct) >= 99"
	check "$cores cores: stock does neither ($(field stock$cores own_nic_pct) %, $(field stock$cores one_core_pct) %)" \
		holds "$(field stock$cores own_nic_pct) < 75 && $(field stock$cores one_core_pct) < 75"
done

begin direct2 --setup flowpar-direct --cores 2
begin redirect2 --setup nft-redirect --cores 2
ended direct2 redirect2
begin stateless2 --setup nft-stateless --cores 2
begin again --setup flowpar-nat --cores 2
ended stateless2 again
for name in direct2 redirect2 stateless2; do
	same "$name: every request is counted, none failed" "$((2 * requests)) 0" "$(field $name requests) $(field $name failed)"
	check "$name: connections stay on one core ($(field $name one_core_pct) %)" holds "$(field $name one_core_pct) >= 99"
done
nat=$(added flowpar2) redirect=$(added redirect2) stateless=$(added stateless2)
way=$(($(on_the_way flowpar2) - $(on_the_way direct2)))
check "rewriting adds at most 5 % to a request's instructions ($way on its way, $nat in all, to $(per_request direct2 insns))" \
	holds "$way > 0 && 20 * $way <= $(per_request direct2 insns)"
check "that is at most a third of what nft redirect adds ($redirect)" holds "3 * $nat <= $redirect"
check "and less than two stateless nft rules add ($stateless)" holds "$nat < $stateless"

begin seed2 --setup flowpar-nat --cores 2 --seed 2
ended seed2
check "the same arguments count the same, to the byte" cmp "$test_out/flowpar2/cohsim.jsonl" "$test_out/again/cohsim.jsonl"
check "another seed interleaves otherwise" \
	holds "$(per_request flowpar2 accesses) != $(per_request seed2 accesses) && $(per_request flowpar2 cycles) != $(per_request seed2 cycles)"

finish
