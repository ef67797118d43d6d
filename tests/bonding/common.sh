# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# between lib.sh and the tests
# Sourced by the bonding tests that send: a bond of eth0 to eth3, packets counted at
# the egress of the slave that they leave by, and bursts whose CPU is known.

flows=$repo/tests/bonding/flows.py
sys=/sys/class/net
seen=(0 0 0 0) sum=(0 0 0 0) moved=(0 0 0 0)
n=64			# flows of a burst, so that a hash uses every slave

cpus() {	# cpus SLAVE LIST
	echo "$2" > "$sys/$1/bonding_slave/cpus"
}

policy() {
	echo "$1" > $sys/bond0/bonding/xmit_hash_policy
}

irqs() {	# irqs SLAVE CPU: all interrupts of the slave to CPU
	local irq
	for irq in "$(realpath "$sys/eth$1/device/..")"/msi_irqs/*; do
		echo "$2" > "/proc/irq/${irq##*/}/smp_affinity_list"
	done
}

own_irqs() {
	local k
	for k in 0 1 2 3; do irqs $k $k; done
}

own_lists() {
	local k
	for k in 0 1 2 3; do cpus "eth$k" "$k"; done
}

no_lists() {
	local k
	for k in 0 1 2 3; do cpus "eth$k" ""; done
}

# count_packets MATCH: at the egress of every slave, from now on
count_packets() {
	local k
	for k in 0 1 2 3; do
		tc qdisc replace dev "eth$k" clsact
		tc filter del dev "eth$k" egress 2>/dev/null
		# shellcheck disable=SC2086
		tc filter add dev "eth$k" egress protocol ip flower ip_proto $1 action pass
	done
	seen=(0 0 0 0)
	now || not_ok "packets are counted"
}

now() {		# sets sum: matches at eth0..eth3 since count_packets
	local k
	for k in 0 1 2 3; do
		sum[k]=$(tc -s filter show dev "eth$k" egress | awk '/Sent / { print $4; n++ } END { exit n != 1 }') || return
	done
}

# counted: sets moved to what has left by eth0..eth3 since the last call
counted() {
	local k
	now
	for k in 0 1 2 3; do
		moved[k]=$((sum[k] - seen[k]))
	done
	seen=("${sum[@]}")
}

# burst CPU [FLOWS [ROUNDS]]: sends, and sets left to "a b c d", where it left
burst() {
	counted
	"$flows" udp "$1" "$client" "${2:-$n}" "${3:-1}"
	counted
	left=${moved[*]}
}

# leaves_by SLAVE CPU: a burst of CPU leaves by ethSLAVE, all of it
leaves_by() {
	local want=(0 0 0 0)
	want[$1]=$n
	burst "$2"
	[[ $left == "${want[*]}" ]] || { echo "$left"; return 1; }
}

leaves_by_own() {
	leaves_by "$1" "$1"
}

# leaves_without K: a burst of CPU K leaves, all of it, none by ethK
leaves_without() {
	burst "$1"
	((moved[$1] == 0 && moved[0] + moved[1] + moved[2] + moved[3] == n)) || { echo "$left"; return 1; }
}

# spread K: all of a burst of CPU K, by every slave
spread() {
	local k used=0 all=0
	burst "$1"
	for k in 0 1 2 3; do
		((used += moved[k] > 0, all += moved[k]))
	done
	((used == 4 && all == n)) || { echo "$left"; return 1; }
}

# rises REASON CPU: one burst of CPU, and no packet besides, counts as REASON
rises() {
	local before after
	before=$("$repo/tests/bonding/xstats.py" bond0) || return
	burst "$2"
	after=$("$repo/tests/bonding/xstats.py" bond0 | awk -v "name=$1" -v n=$n '$1 == name { $2 -= n } 1')
	[[ $before == "$after" ]] || diff <(echo "$before") <(echo "$after")
}

aggregated() {	# aggregated COUNT: so many ports in the active aggregator
	grep -qx "	Number of ports: $1" /proc/net/bonding/bond0
}

sending() {
	counted
	((moved[0] + moved[1] + moved[2] + moved[3] > 0))
}

# bring_up POLICY: a bond of all four in one aggregator, which the first client reaches
bring_up() {
	local k
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	policy "$1"
	for k in 0 1 2 3; do ip link set "eth$k" master bond0; done
	ip address add "$LAB_SERVER/24" dev bond0
	ip link set bond0 up
	check "802.3ad: four ports in one aggregator" wait_until 60 aggregated 4
	check "... and all carry traffic" wait_until 60 lag_ready bond0 4
	client=${LAB_CLIENTS%% *}
	check "the client answers" wait_until 60 ping -c1 -W1 "$client"
	count_packets "udp dst_port 9000"
}

# on_switch COMMAND: bash runs it in the switch guest, whose script is in answer_server; its last line of output
on_switch() {
	local n answer
	n=$(($(cat /tmp/asked 2>/dev/null || echo 0) + 1))
	echo "$n" > /tmp/asked		# not a variable: callers are subshells
	lab-post "ask$n" "$*"
	answer=$(lab-wait "answer$n") || return
	[[ ${answer#* } == "$answer" ]] || echo "${answer#* }"
	return "${answer%% *}"
}

answer_server() {
	local n=0 command out status
	while :; do
		n=$((n + 1))
		command=$(lab-wait "ask$n") || return
		[[ $command != end ]] || return 0
		out=$(bash -c "$command" 2>&1 | tail -n1; exit "${PIPESTATUS[0]}")
		status=$?
		lab-post "answer$n" "$status $out"
	done
}

# What counts by filter: count[SLAVE,PREF] is what has left by ethSLAVE and matched the filter PREF at its egress.
declare -A count before

look() {
	local at n
	while read -r at n; do
		count[$at]=$n
	done < <(printf 'filter show dev eth%d egress\n' 0 1 2 3 | tc -s -batch - | awk '
		/ pref / { for (i = 1; i < NF; i++) if ($i == "pref") { s += pref > $(i + 1); pref = $(i + 1) } }
		/Sent / { print s + 0 "," pref, $4 }')
}

remember() {
	local at
	look
	for at in "${!count[@]}"; do before[$at]=${count[$at]}; done
}

left() {	# left SLAVE PREF: since `remember`, as `look` saw it
	echo $((count[$1,$2] - before[$1,$2]))
}
