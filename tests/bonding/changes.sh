#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: whatever changes below a cpu-bound bond that sends, it recovers as fast as with layer3+4, sends nothing by
# what is gone, and is back on each CPU's own slave afterwards
# Suite: test debug
# Alone: how soon a bond recovers is compared with how soon it does under layer3+4
#
#   server guest                    switch guest
#   CPU k - ethk \                  / client0
#                 > bond0 --- LACP -  ...       what goes wrong there, the server asks for
#           ...  /                  \ client3
#
# stream.py sends on each CPU, datagrams and TCP, and its receiver behind the switch knows how
# long each flow was silent. Every packet is counted at the egress of its slave.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

stream=$repo/tests/bonding/stream.py
slow=$([[ ${LAB_KERNEL:-} == *debug* ]] && echo 1 || echo 0)
interval=$((slow ? 400 : 20))	# ms between the packets of a flow
margin=1000	# ms, see compare
patience=$((slow ? 300 : 60))
declare -A lost silent
names=()

stream() {	# stream mark|report
	# whose opening waits for a receiver that may be gone
	on_switch "timeout 60 bash -c 'echo $1 > /tmp/stream.ctl; read -r line < /tmp/stream.out; echo \$line'"
}

# Filters 1 to 4 count the datagrams of the sender on CPU 0 to 3, 5 to 8 the segments of the
# connections with it, 9 all other IP.
count_streams() {
	local s k
	for s in 0 1 2 3; do
		tc qdisc replace dev "eth$s" clsact
		tc filter del dev "eth$s" egress 2>/dev/null
		for k in 0 1 2 3; do
			tc filter add dev "eth$s" egress pref $((k + 1)) protocol ip flower ip_proto udp dst_port $((9100 + k)) action pass
			tc filter add dev "eth$s" egress pref $((k + 5)) protocol ip flower ip_proto tcp src_port $((5100 + k)) action pass
		done
		tc filter add dev "eth$s" egress pref 9 protocol ip matchall action pass
	done
}

by() {	# by SLAVE: what has left by ethSLAVE since `remember`, as `look` saw it
	local k all=0
	for k in {1..9}; do ((all += count[$1,$k] - before[$1,$k])); done
	echo "$all"
}

# enough N: each sender's datagrams have left N times since `remember`, by whatever slave
enough() {
	local k
	look
	for k in 1 2 3 4; do
		((count[0,$k] + count[1,$k] + count[2,$k] + count[3,$k] >=
		  before[0,$k] + before[1,$k] + before[2,$k] + before[3,$k] + $1)) || return
	done
}

# A grace period: who read what there was before has finished.
grace() {
	perl -e 'exit(syscall(324, 1, 0, 0) != 0)'	# membarrier(MEMBARRIER_CMD_GLOBAL)
}

# unused SLAVE...: traffic is there, and none leaves by these
unused() {
	local s
	remember
	wait_until $patience enough 10 || return
	for s; do (($(by "$s") == 0)) || return; done
}

flowing() {	# no flow is silent now
	local now
	now=$(stream report) || return
	now=${now##*silent=}
	((now < 10 * interval + 200))
}

# own: for a while each sender's datagrams leave by its CPU's slave alone, and each sender's connections by one
own() {
	local s k used
	remember
	wait_until $patience enough 10 || { echo "no traffic"; return 1; }
	for k in 0 1 2 3; do
		used=0
		for s in 0 1 2 3; do
			((s == k || $(left $s $((k + 1))) == 0)) || { echo "CPU $k's datagrams by eth$s: $(left $s $((k + 1)))"; return 1; }
			((used += $(left $s $((k + 5))) > 0))
		done
		((used == 1)) || { echo "the connections with CPU $k by $used slaves"; return 1; }
	done
}

xstats() {
	python3 -IS "$repo/tests/bonding/xstats.py" bond0
}

# own_nic: `own`, and so say the bond's statistics
own_nic() {
	local a b
	a=$(xstats) && own && b=$(xstats) || return
	# shellcheck disable=SC2046
	set -- $(join <(sort <<< "$a") <(sort <<< "$b") |
		awk '{ n[$1] = $3 - $2 } END { print n["listed"], n["shared"] + n["learned"] + n["node"] + n["any"] }')
	(($1 >= 100 && $2 == 0)) || { echo "statistics: $1 by the list, $2 otherwise"; return 1; }
}

is_own() {	# is_own TEXT: each CPU's traffic leaves by its own slave, at last
	if wait_until $patience own_nic; then
		ok "$1: each CPU is on its own slave, say counters and statistics"
	else
		not_ok "$1: each CPU is on its own slave, say counters and statistics" "$(own_nic)"$'\n'"$(grep -E 'Slave Int|port state|Aggregator ID' /proc/net/bonding/bond0)"
	fi
}

# dropped SLAVE: a datagram of its CPU has left by another, so the array is without it
dropped() {
	local s
	look
	for s in 0 1 2 3; do
		((s == $1 || $(left "$s" $(($1 + 1))) == 0)) || return 0
	done
	return 1
}

# note NAME: every flow goes on; remembers what the receiver saw since `stream mark`
note() {
	local said
	check "$policy: $1: all flows go on" wait_until $patience flowing
	said=$(stream report)
	[[ $said == *" broken=0 flows=16+8 "* ]] || not_ok "$policy: $1: no connection ends" "$said"
	lost["$policy,$1"]=$(sed -E 's/.*lost=([0-9]+).*/\1/' <<< "$said")
	silent["$policy,$1"]=$(sed -E 's/.*tcp=([0-9]+).*/\1/' <<< "$said")
	[[ $policy == cpu-bound ]] || names+=("$1")
}

# change NAME SLAVES KNOWS HOW: HOW takes SLAVES out of use while all send; KNOWS tells when the bond knows. After the
# first packet by another slave, none is to leave by them.
change() {
	local name=$1 slaves=$2 knows=$3 how=$4 s used=0
	stream mark > /dev/null
	remember
	eval "$how"
	wait_until $patience eval "$knows" || not_ok "$policy: $name: seen by the bond" "$(cat /proc/net/bonding/bond0)"
	if [[ $policy == cpu-bound ]]; then
		for s in $slaves; do
			check "$name: CPU $s's traffic leaves by others" wait_until $patience dropped "$s"
		done
		grace
		remember
		wait_until $patience enough 10 || not_ok "$name: all send"
	else
		# shellcheck disable=SC2086
		wait_until $patience unused $slaves || not_ok "$policy: $name: others are used"
	fi
	note "$name"
	[[ $policy == cpu-bound ]] || return
	look
	for s in $slaves; do ((used += $(by "$s"))); done
	same "$name: from then on nothing by the own slave" 0 "$used"
}

# back NAME HOW: HOW undoes a change
back() {
	stream mark > /dev/null
	eval "$2"
	wait_until $patience lag_ready bond0 4 || not_ok "$policy: $1: four ports again" "$(cat /proc/net/bonding/bond0)"
	[[ $policy != cpu-bound ]] || is_own "$1"
	note "$1"
}

mii_down() {	# mii_down SLAVE
	grep -q down "$sys/eth$1/bonding_slave/mii_status"
}

# The same under both policies
rows() {
	change "link cut" 1 "mii_down 1" "lab-link 1 down"
	back "link back" "lab-link 1 up"

	change "slave removed" 2 true "ip link set eth2 nomaster"
	back "slave returned" "gigabit eth2; ip link set eth2 master bond0; cpus eth2 2"

	change "port moved to another LAG of the switch" 3 "aggregated 3" \
		"on_switch 'ip link set eth3 nomaster; ethtool -s eth3 speed 1000 duplex full; ip link set eth3 master lag1'"
	back "port moved back" "on_switch 'ip link set eth3 nomaster; ethtool -s eth3 speed 1000 duplex full; ip link set eth3 master lag0'"

	if ((slow)); then
		change "LACP stops on a port" 0 "aggregated 3" \
			"on_switch 'tc qdisc add dev eth0 clsact; for way in egress ingress; do tc filter add dev eth0 \$way protocol 0x8809 matchall action drop; done'"
		[[ $policy != cpu-bound ]] ||
			check "... until it churns" wait_until 120 grep -q "Churn State: churned" /proc/net/bonding/bond0
		back "LACP is back" "on_switch 'tc qdisc del dev eth0 clsact'"
	fi

	cpus eth1 0-1
	change "all slaves of CPU 0 and 1 gone" "0 1" "mii_down 0 && mii_down 1" "lab-link 0 down; lab-link 1 down"
	cpus eth1 1
	back "all slaves back" "lab-link 0 up; lab-link 1 up"

	stream mark > /dev/null
	echo 0 > /sys/devices/system/cpu/cpu2/online
	note "CPU offline"
	stream mark > /dev/null
	echo 1 > /sys/devices/system/cpu/cpu2/online
	own_irqs
	[[ $policy != cpu-bound ]] || is_own "CPU online"
	note "CPU online"
}

# What a flow has lost of its datagrams is its recovery, in units of the interval: stalls of the emulator do not count
# there, but overruns do, and LACP is as slow as the phases of two state machines. TCP's own timer doubles.
compare() {
	local name l t l34 t34
	for name in "${names[@]}"; do
		l=$((${lost[cpu-bound,$name]} * interval)) l34=$((${lost[layer3+4,$name]} * interval))
		t=${silent[cpu-bound,$name]} t34=${silent[layer3+4,$name]}
		check "$name: recovery in $l ms, TCP $t; under layer3+4 $l34, TCP $t34; margin $margin ms, TCP twice that and twice as long" \
			test $((l <= l34 + margin && t <= 2 * (t34 + margin))) = 1
	done
}

gigabit() {	# gigabit NIC: 802.3ad wants a speed
	ethtool -s "$1" speed 1000 duplex full 2>/dev/null
}

enslave() {
	local k
	for k in 0 1 2 3; do
		gigabit "eth$k"
		ip link set "eth$k" master bond0
	done
	own_lists
}

set_up() {	# set_up POLICY
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	echo "$1" > $sys/bond0/bonding/xmit_hash_policy
	enslave
	ip address add "$LAB_SERVER/24" dev bond0
	ip link set bond0 up
}

rewriting() {
	local i
	stream mark > /dev/null
	for ((i = 0; i < (slow ? 60 : 200); i++)); do
		cpus "eth$((i % 4))" "$((i % 3))-3"
		cpus "eth$(((i + 1) % 4))" "$((i % 4))"
		cpus "eth$((i * 3 % 4))" ""
		((i % 5)) || { echo layer3+4 > $sys/bond0/bonding/xmit_hash_policy; echo cpu-bound > $sys/bond0/bonding/xmit_hash_policy; }
	done
	own_lists
	is_own "lists and policy rewritten $i times"
	note "lists and policy rewritten"
}

set_mode() {	# set_mode MODE: of the server's bond
	local k
	ip link set bond0 down
	for k in 0 1 2 3; do ip link set "eth$k" nomaster; done
	echo "$1" > $sys/bond0/bonding/mode || return
	enslave
	ip link set bond0 up
}

set_modes() {	# set_modes MODE: of both ends
	on_switch "ip link set lag0 down; for k in 0 1 2 3; do ip link set eth\$k nomaster; ethtool -s eth\$k speed 1000 duplex full; done; echo $1 > /sys/class/net/lag0/bonding/mode && for k in 0 1 2 3; do ip link set eth\$k master lag0; done; ip link set lag0 up"
	set_mode "$1"
}

modes() {
	local mode
	for mode in balance-rr active-backup broadcast; do
		set_mode "$mode" || not_ok "mode $mode is set"
		same "mode changed under traffic: $mode" "$mode" "$(cut -d' ' -f1 $sys/bond0/bonding/mode)"
	done
	stream mark > /dev/null
	set_modes balance-xor
	is_own "mode balance-xor"
	set_modes 802.3ad
	wait_until $patience lag_ready bond0 4 || not_ok "802.3ad again: four ports"
	is_own "mode 802.3ad again"
	note "mode changed"
}

module() {
	stream mark > /dev/null
	check "the module goes while all send" rmmod bonding
	modprobe bonding max_bonds=0
	set_up cpu-bound
	wait_until $patience lag_ready bond0 4 || not_ok "module loaded again: four ports"
	count_streams
	is_own "module loaded again"
	note "module loaded again"
}

timeouts() {
	awk '/^TcpExt:/ && !at { for (i = 2; i <= NF; i++) if ($i == "TCPTimeouts") at = i; next } /^TcpExt:/ { print $at }' /proc/net/netstat
}

timed_out() {
	(($(timeouts) >= $1))
}

# Each sender moves to the CPU that its connections' segments arrive on, so that this one sends all its packets,
# except that a timer of an idle CPU may run elsewhere. The clients hear nothing for a while, so that there are timers.
share() {
	local k s own=0 all=0 start
	rm -f /tmp/stream.?
	kill -USR1 "$sender"
	for k in 0 1 2 3; do wait_until $patience test -s "/tmp/stream.$k" || not_ok "sender $k moves"; done
	wait_until $patience flowing
	remember
	wait_until $patience enough 1
	remember
	start=$(timeouts)
	on_switch "for k in 0 1 2 3; do lab-client \$k nft 'add table ip loss; add chain ip loss in { type filter hook input priority 0; }; add rule ip loss in tcp sport 5100-5103 drop'; done"
	check "share: retransmits from timers" wait_until $patience timed_out $((start + 16))
	on_switch "for k in 0 1 2 3; do lab-client \$k nft delete table ip loss; done"
	check "share: all flows go on" wait_until $patience flowing
	wait_until $patience enough $((slow ? 20 : 100))
	for k in 0 1 2 3; do
		for s in 0 1 2 3; do
			((all += $(left "$s" $((k + 1))) + $(left "$s" $((k + 5)))))
			((s != $(< "/tmp/stream.$k"))) || ((own += $(left "$s" $((k + 1))) + $(left "$s" $((k + 5)))))
		done
	done
	check "explicit lists: $own of $all frames left by the sending CPU's slave, $(($(timeouts) - start)) timers included: at least 99.9 %" \
		test $((all >= (slow ? 500 : 2000) && own * 1000 >= all * 999)) = 1
}

start_sender() {
	# shellcheck disable=SC2086
	"$stream" send 4 "$interval" $LAB_CLIENTS &
	sender=$!
}

# In the namespace: a bond of its own, with the NICs
inside() {
	policy=cpu-bound
	ip link set lo up
	own_irqs
	set_up cpu-bound
	check "namespace: four ports" wait_until $patience lag_ready bond0 4
	count_streams
	start_sender
	on_switch "kill \$(< /tmp/receiver.pid)"
	start_receiver
	is_own "namespace"
	echo "$sender" > /tmp/sender
}

nics_here() {
	[[ -e $sys/eth0 && -e $sys/eth1 && -e $sys/eth2 && -e $sys/eth3 ]]
}

namespace() {
	local k
	ip netns add other
	kill "$sender"
	ip link del bond0
	for k in 0 1 2 3; do ip link set "eth$k" netns other; done
	LAB_ROLE=inside ip netns exec other "$test_file" || failed=$((failed + 1))
	ip netns del other
	kill "$(< /tmp/sender)"
	check "namespace deleted while all send: its NICs return" wait_until 60 nics_here
	check "... its bond is gone, and the module goes" wait_until 60 rmmod bonding
}

start_receiver() {
	on_switch "setsid $stream receive $LAB_SERVER 4 > /tmp/receiver 2>&1 & echo \$! > /tmp/receiver.pid"
	if ! wait_until $patience on_switch 'grep -q receiving /tmp/receiver'; then
		not_ok "the clients receive" "$(on_switch 'tail -n1 /tmp/receiver')"
		finish
	fi
}

server() {
	own_irqs
	modprobe bonding max_bonds=0
	policy=layer3+4
	set_up $policy
	check "four ports carry traffic" wait_until $patience lag_ready bond0 4
	count_streams
	start_sender
	lab-ready
	start_receiver
	check "in all flows" wait_until $patience flowing
	# The checkers make times meaningless: nothing is compared with theirs.
	((slow)) || rows
	policy=cpu-bound
	echo $policy > $sys/bond0/bonding/xmit_hash_policy
	is_own "cpu-bound"
	rows
	((slow)) || compare
	check_fails "a bond does not move to another namespace" 2 "Invalid argument|netns" ip link set bond0 netns $$
	rewriting
	modes
	module
	share
	namespace
	lab-post "ask$(($(< /tmp/asked) + 1))" end
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --timeout $((slow ? 3600 : 1200)) ;;
server)	server ;;
inside)	inside ;;
client)
	ip link add lag1 type bond mode 802.3ad miimon 100 lacp_rate fast
	ip link set lag1 up
	answer_server
	kill "$(< /tmp/receiver.pid)"
	;;
esac
finish
