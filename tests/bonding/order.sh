#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: under cpu-bound a TCP flow's segments arrive no more out of order than under layer3+4
# Suite: test debug
#
#   server guest                        switch guest
#   CPU k - ethk, 5 * k ms late \       / client0
#                      > bond0 --- LACP -  ...       each looks at what arrives
#           ...                 /       \ client3
#
# Each slave delays by another time, so that a flow whose segments leave by two of them is out of order.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

order=$repo/tests/bonding/order.py
rounds=40
declare -A segments late again ofo timers ran

tcpext() {	# tcpext NAME...: the sum of these counters
	awk -v "names=$*" '/^TcpExt:/ && !n { n = split(names, want); for (i = 2; i <= NF; i++) at[$i] = i; next }
		/^TcpExt:/ { for (i = 1; i <= n; i++) sum += $at[want[i]]; print sum }' /proc/net/netstat
}

# transfer CASE HOW: from four servers to the four clients at once
transfer() {
	local k pids=() begun a b c d n=0 key="$policy,$1"
	begun=$(tcpext TCPTimeouts TCPLossProbes)
	for k in 0 1 2 3; do
		"$order" serve $((5200 + k)) $rounds "$2" > "/tmp/serve$k" 2>&1 &
		pids+=($!)
	done
	for k in 0 1 2 3; do wait_until 60 grep -q listening "/tmp/serve$k"; done
	on_switch "for k in 0 1 2 3; do lab-client \$k $order fetch $LAB_SERVER \$((5200 + k)) $rounds > /tmp/fetched\$k 2>&1 & done; wait"
	wait "${pids[@]}"
	timers[$key]=$(($(tcpext TCPTimeouts TCPLossProbes) - begun))
	segments[$key]=0 late[$key]=0 again[$key]=0 ofo[$key]=0 ran[$key]=$(tail -qn1 /tmp/serve? | sort -n | head -1)
	while read -r a b c d; do
		n=$((n + 1))
		((segments[$key] += a, late[$key] += b, again[$key] += c, ofo[$key] += d))
	done < <(on_switch 'echo $(cat /tmp/fetched?)' | xargs -n 4)
	same "$policy, $1: all four clients got all" "4 1" "$n $((segments[$key] >= 12 * rounds))"
}

loss() {	# loss on|off: the clients drop every 7th segment
	local what="delete table ip loss"
	[[ $1 == off ]] || what="add table ip loss; add chain ip loss in { type filter hook input priority 0; }; add rule ip loss in tcp sport 5200-5203 meta length > 400 numgen inc mod 7 == 0 drop"
	on_switch "for k in 0 1 2 3; do lab-client \$k nft '$what'; done" || not_ok "loss is $1"
}

transfers() {
	local hog
	policy=$1
	echo "$policy" > $sys/bond0/bonding/xmit_hash_policy
	transfer "sender migrates" migrate
	"$order" hog 4 &
	hog=$!
	transfer "unpinned server" free
	kill $hog
	loss on
	transfer "retransmits from timers" migrate
	loss off
}

none_more() {	# none_more CASE
	local ours="cpu-bound,$1" theirs="layer3+4,$1"
	check "$1, on ${ran[$ours]} CPUs or more: ${late[$ours]} of ${segments[$ours]} segments were overtaken, under layer3+4 ${late[$theirs]}: none more" \
		test $((ran[$ours] > 1 && late[$ours] <= late[$theirs])) = 1
}

server() {
	local k
	own_irqs
	bring_up layer3+4
	own_lists
	for k in 1 2 3; do tc qdisc replace dev "eth$k" root netem delay $((5 * k))ms; done
	lab-ready
	transfers layer3+4
	transfers cpu-bound
	none_more "sender migrates"
	none_more "unpinned server"
	none_more "retransmits from timers"
	for k in "sender migrates" "unpinned server"; do
		check "$k: TCP queued ${ofo[cpu-bound,$k]} out of order, under layer3+4 ${ofo[layer3+4,$k]}: none more" \
			test $((ofo[cpu-bound,$k] <= ofo[layer3+4,$k])) = 1
	done
	k="retransmits from timers"
	check "$k: ${timers[cpu-bound,$k]} timers, ${again[cpu-bound,$k]} segments came again; under layer3+4 ${timers[layer3+4,$k]} and ${again[layer3+4,$k]}" \
		test $((timers[cpu-bound,$k] >= 8 && timers[layer3+4,$k] >= 8)) = 1
	lab-post "ask$(($(< /tmp/asked) + 1))" end
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --timeout 600 ;;
server)	server ;;
client)	# what is merged on the way has no order
	for k in 0 1 2 3; do ethtool -K "eth$k" gro off; done
	answer_server ;;
esac
finish
