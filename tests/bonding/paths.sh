#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a CPU's packets leave by its own slave through qdiscs, a bridge and a VLAN on the bond, multicast too, and a
# flow lives where threaded NAPI or RPS put it
# Suite: test debug
#
#   server guest                                         switch guest
#   fq, htb                    CPU k - ethk \            / client0, client0.10
#   br1 with a namespace  - bond0            > LACP -     ...
#   bond0.10                        ...     /            \ client3
#
# All CPUs send at once, so that one runs the qdisc for others. Packets are counted at the egress of the slave.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

rounds=3

# Filters 1 to 4 count datagrams to port 9000 to 9003, 5 segments from 5001, 6 IGMP; 11 to 15 the same in a VLAN
count_paths() {
	local s k
	for s in 0 1 2 3; do
		tc qdisc replace dev "eth$s" clsact
		tc filter del dev "eth$s" egress 2>/dev/null
		for k in 0 1 2 3; do
			tc filter add dev "eth$s" egress pref $((k + 1)) protocol ip flower ip_proto udp dst_port $((9000 + k)) action pass
			tc filter add dev "eth$s" egress pref $((k + 11)) protocol 802.1q flower vlan_ethtype ip ip_proto udp dst_port $((9000 + k)) action pass
		done
		tc filter add dev "eth$s" egress pref 5 protocol ip flower ip_proto tcp src_port 5001 action pass
		tc filter add dev "eth$s" egress pref 6 protocol ip flower ip_proto 2 action pass
		tc filter add dev "eth$s" egress pref 15 protocol 802.1q flower vlan_ethtype ip ip_proto tcp src_port 5001 action pass
	done
}

# all_sent FILTER: what all CPUs were to send has left, by whatever slave
all_sent() {
	local k s all=0
	look
	for k in 0 1 2 3; do
		for s in 0 1 2 3; do ((all += $(left $s $(($1 + k))))); done
	done
	((all == 4 * n * rounds))
}

# own_bursts TEXT FILTER ADDRESS [COMMAND...]: all CPUs send at once to ADDRESS (COMMAND says where), and what each
# sends leaves by its own slave
own_bursts() {
	local text=$1 filter=$2 address=$3 k s went="" own="" pids=()
	shift 3
	remember
	for k in 0 1 2 3; do
		"$@" "$flows" udp $k "$address" $n $rounds $((9000 + k)) &
		pids+=($!)
	done
	wait "${pids[@]}"
	wait_until 60 all_sent "$filter"
	for k in 0 1 2 3; do
		for s in 0 1 2 3; do
			went+=" $(left $s $((filter + k)))"
			own+=" $((s == k ? n * rounds : 0))"
		done
	done
	same "$text: each CPU's datagrams leave by its own slave" "$own" "$went"
}

served() {
	(($(wc -l < /tmp/served) == 2))
}

# own_tcp TEXT FILTER ADDRESS: client 0 fetches from ADDRESS a server that runs on every CPU in turn; the flow leaves by
# the slave of the CPU that its segments arrive on
own_tcp() {
	local text=$1 filter=$2 address=$3 server cpu s others=0 own
	remember
	"$flows" serve 5001 4 > /tmp/served 2>&1 &
	server=$!
	wait_until 20 grep -q listening /tmp/served
	same "$text: client 0 got all of its bytes" 16000 "$(on_switch "lab-client 0 $flows fetch $address 5001")"
	wait_until 20 served || kill "$server"
	wait "$server"
	cpu=$(tail -n1 /tmp/served)
	look
	[[ $cpu =~ ^[0-3]$ ]] || { not_ok "$text: its flow lives on one CPU" "$cpu"; return; }
	for s in 0 1 2 3; do
		((s == cpu)) || ((others += $(left $s "$filter")))
	done
	own=$(left "$cpu" "$filter")
	check "$text: the flow lives on CPU $cpu and leaves by eth$cpu ($own), none by others ($others)" \
		test $((own > 10 && others == 0)) = 1
}

qdisc_says() {	# qdisc_says COUNTER: of the bond's qdisc is not 0
	local said
	said=$(tc -s qdisc show dev bond0; tc -s class show dev bond0)
	grep -E "$1 [1-9]" <<< "$said" || { echo "$said"; return 1; }
}

qdiscs() {
	# so slow that a flow's datagram of the next round has always to wait
	tc qdisc replace dev bond0 root fq maxrate 1kbit quantum 100 initial_quantum 100
	own_bursts "fq" 1 "$client"
	check "... which has held packets back" qdisc_says throttled
	tc qdisc change dev bond0 root fq maxrate 100kbit
	own_tcp "fq" 5 "$LAB_SERVER"
	tc qdisc replace dev bond0 root handle 1: htb default 1
	tc class add dev bond0 parent 1: classid 1:1 htb rate 50kbit burst 2k cburst 1k
	own_bursts "htb" 1 "$client"
	check "... which has held packets back" qdisc_says overlimits
	tc class change dev bond0 parent 1: classid 1:1 htb rate 1mbit burst 1k
	own_tcp "htb" 5 "$LAB_SERVER"
	tc qdisc del dev bond0 root
}

vlan() {
	ip link add link bond0 name bond0.10 type vlan id 10
	ip address add 10.78.0.1/24 dev bond0.10
	ip link set bond0.10 up
	on_switch "ip -n client0 link add link eth0 name eth0.10 type vlan id 10; ip -n client0 address add 10.78.0.2/24 dev eth0.10; ip -n client0 link set eth0.10 up"
	check "VLAN: the client answers" wait_until 20 ping -c1 -W1 10.78.0.2
	own_bursts "VLAN" 11 10.78.0.2
	own_tcp "VLAN" 15 10.78.0.1
	ip link del bond0.10
}

arrived() {	# IGMP at client 0
	on_switch "tc -n client0 -s filter show dev eth0 ingress | awk '/Sent / { print \$4 }'"
}

reports() {	# as many have left by slaves as have arrived, and at least one
	local s
	reported=0
	look
	for s in 0 1 2 3; do ((reported += $(left $s 6))); done
	((reported >= 1 && reported == $(arrived)))
}

igmp() {
	local reported member
	on_switch "tc -n client0 qdisc add dev eth0 clsact; tc -n client0 filter add dev eth0 ingress protocol ip flower ip_proto 2 action pass"
	remember
	"$flows" join 239.1.2.3 "$LAB_SERVER" > /tmp/joined &
	member=$!
	check "IGMP: membership reports leave once and arrive" wait_until 30 reports
	check "... the group is joined on the bond" grep -q 030201EF /proc/net/igmp
	wait_until 10 reports || not_ok "IGMP: a quiet moment"
	kill $member
	check "IGMP: leaving is told, too" wait_until 30 more_reports "$reported"
	ip route add 239.0.0.0/8 dev bond0
	own_bursts "multicast" 1 239.1.2.3
	ip route del 239.0.0.0/8 dev bond0
}

more_reports() {
	reports && ((reported > $1))
}

bridge() {
	# not a port's address by chance: the clients know this one
	ip link add br1 address "$(< $sys/bond0/address)" type bridge stp_state 0 forward_delay 0
	ip address del "$LAB_SERVER/24" dev bond0
	ip link set bond0 master br1
	ip address add "$LAB_SERVER/24" dev br1
	ip link set br1 up
	ip netns add behind
	ip link add behind0 type veth peer name eth0 netns behind
	ip link set behind0 master br1 up
	ip -n behind address add 10.77.0.2/24 dev eth0
	ip -n behind link set eth0 up
	check "bridge: the client answers" wait_until 20 ping -c1 -W1 "$client"
	own_bursts "bridge" 1 "$client"
	own_tcp "bridge" 5 "$LAB_SERVER"
	check "behind the bridge: the client answers" wait_until 20 ip netns exec behind ping -c1 -W1 "$client"
	own_bursts "behind the bridge" 1 "$client" ip netns exec behind
	ip netns del behind
	ip link del br1
	ip address add "$LAB_SERVER/24" dev bond0
	# A packet that waits for ARP is sent by the CPU that the reply comes to.
	check "without bridge the client answers" wait_until 20 ping -c1 -W1 "$client"
}

# Every slave's frames are processed on the next CPU: that one's slave is the flow's.
steering() {
	local k pid
	for k in 0 1 2 3; do printf '%x\n' $((1 << (k + 1) % 4)) > "$sys/eth$k/queues/rx-0/rps_cpus"; done
	steered "RPS"
	for k in 0 1 2 3; do echo 0 > "$sys/eth$k/queues/rx-0/rps_cpus"; done
	for k in 0 1 2 3; do
		echo 1 > "$sys/eth$k/threaded"
		for pid in $(pgrep "^napi/eth$k-"); do taskset -cp $(((k + 1) % 4)) "$pid" > /dev/null; done
	done
	steered "threaded NAPI"
	own_bursts "threaded NAPI" 1 "$client"
	for k in 0 1 2 3; do echo 0 > "$sys/eth$k/threaded"; done
}

# steered HOW: client 0's segments arrive by one slave, and live on the CPU after that one's
steered() {
	local first last in
	first=$(received)
	own_tcp "$1" 5 "$LAB_SERVER"
	last=$(received)
	# the link that client 0 comes by has most of what arrived meanwhile
	in=$(paste <(echo "$first") <(echo "$last") | awk '{ d = $2 - $1; if (d > most) { most = d; at = NR - 1 } } END { print at }')
	same "... which is the one after eth$in's" $(((in + 1) % 4)) "$(tail -n1 /tmp/served)"
}

received() {
	local k
	for k in 0 1 2 3; do cat "$sys/eth$k/statistics/rx_packets"; done
}

server() {
	own_irqs
	bring_up cpu-bound
	own_lists
	count_paths
	lab-ready
	own_bursts "no qdisc" 1 "$client"
	qdiscs
	vlan
	igmp
	bridge
	steering
	ip link del bond0
	check "the module goes" rmmod bonding
	lab-post "ask$(($(< /tmp/asked) + 1))" end
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --timeout 600 ;;
server)	server ;;
client)	answer_server ;;
esac
finish
