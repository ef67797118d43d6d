#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what CPU k sends leaves by the slave that serves CPU k; else as layer3+4 would
# Suite: test debug
#
#   server guest                    switch guest
#   CPU k - ethk \                  / client0
#                 > bond0 --- LACP -  ...
#           ...  /                  \ client3
#
# Every packet is counted at the egress of the slave that it leaves by.
. "$(dirname "$0")/../lib.sh"

. "$repo/tests/bonding/common.sh"

# hear_on CPU: every slave interrupts CPU, so that the others learn nothing
hear_on() {
	local k
	for k in 0 1 2 3; do irqs $k "$1"; done
}

set_up() {
	hear_on 1
	bring_up layer3+4
}

hashing() {
	local k l34
	# A port is in the aggregator before LACP lets it distribute.
	check "layer3+4 spreads the burst over all four" wait_until 30 spread 0
	burst 0
	l34=$left
	policy cpu-bound
	for k in 0 3; do
		burst $k
		same "no lists: CPU $k's flows leave as under layer3+4" "$l34" "$left"
	done
	for k in 0 1 2 3; do cpus "eth$k" 0-3; done
	burst 2
	same "all lists: CPU 2's flows leave as under layer3+4" "$l34" "$left"

	own_lists
	for k in 0 1 2 3; do
		check "CPU $k sends by eth$k alone" leaves_by_own $k
	done

	no_lists
	cpus eth0 0-1
	cpus eth1 0
	local v
	burst 0
	read -ra v <<< "$left"
	check "CPU 0 of two slaves: both are used, no other ($left)" \
		test $((v[0] > 0 && v[1] > 0 && v[0] + v[1] == n)) = 1
	burst 0 $n 2
	same "... each flow by the same slave again" "$((2 * v[0])) $((2 * v[1])) 0 0" "$left"
	check "CPU 1 of one slave: by that one" leaves_by 0 1
	burst 2
	same "CPU 2 of none: as under layer3+4" "$l34" "$left"

	ip link set bond0 down
	ip link set bond0 up
	check "the aggregator returns" wait_until 60 lag_ready bond0 4
	check "lists outlive down and up of the bond" wait_until 30 leaves_by 0 1
	policy layer2
	own_lists
	policy cpu-bound
	check "lists set under another policy count when cpu-bound is set" leaves_by_own 2
}

# One connection of each client (12 segments or more), whose server runs on every CPU in turn: all of
# it leaves by the slave of the CPU that its segments arrive on.
tcp() {
	local k server cpu
	# The receiving CPU of a TCP segment is the one that its NIC interrupts.
	own_irqs
	# It moves once one more interrupt has come where they were.
	for k in $LAB_CLIENTS; do
		ping -q -c 3 -i 0.2 -W 5 "$k" > /dev/null
	done
	count_packets "tcp src_port 5001"
	for k in 0 1 2 3; do
		"$flows" serve 5001 4 > "/tmp/served$k" 2>&1 &
		server=$!
		wait_until 20 grep -q listening "/tmp/served$k"
		lab-post "tcp-go$k"
		wait "$server"
		same "client $k is served by a task that migrates" 0 $?
		lab-wait "tcp-done$k"
		counted
		cpu=$(tail -n1 "/tmp/served$k")
		[[ $cpu =~ ^[0-9]+$ ]] || { not_ok "... its flow lives on one CPU" "$cpu"; continue; }
		check "... its flow lives on one CPU: $cpu" test -n "${moved[cpu]}"
		check "... and leaves by eth$cpu alone (${moved[*]})" \
			test $((moved[cpu] > 10 && moved[cpu] == moved[0] + moved[1] + moved[2] + moved[3])) = 1
	done
	count_packets "udp dst_port 9000"
}

changes() {
	local before rounds=300
	hear_on 1
	ip link set eth2 nomaster
	ethtool -s eth2 speed 1000 duplex full 2>/dev/null
	check "slave removed: nothing leaves by it, nothing is lost" leaves_without 2
	check "... the others keep theirs" leaves_by_own 1
	ip link set eth2 down
	ip link set eth2 master bond0
	check "slave back: four ports again" wait_until 30 aggregated 4
	check "... without a list CPU 2 is spread" wait_until 30 spread 2
	cpus eth2 2
	check "... with it CPU 2 is eth2's" leaves_by_own 2

	# seen by the bond at the next miimon tick
	lab-link 1 down
	check "link cut: seen" wait_until 10 grep -q down $sys/eth1/bonding_slave/mii_status
	check "link cut: CPU 1's packets leave by the others, all of them" wait_until 20 leaves_without 1
	check "... the others keep theirs" leaves_by_own 3
	lab-link 1 up
	check "link back: CPU 1 is eth1's again" wait_until 30 leaves_by_own 1

	# Everything at once, while CPUs 0 and 3 send; what is checked is the kernel
	# log and that no packet is lost in the bond.
	counted
	before=$(cat $sys/bond0/statistics/tx_dropped)
	"$flows" udp 0 "$client" $n $rounds &
	local a=$!
	"$flows" udp 3 "$client" $n $rounds &
	local b=$! i=0
	while kill -0 $a 2>/dev/null || kill -0 $b 2>/dev/null; do
		i=$((i + 1))
		cpus "eth$((i % 4))" "$((i % 3))-3"
		cpus "eth$(((i + 1) % 4))" "$((i % 4))"
		policy layer3+4
		cpus "eth$((i * 3 % 4))" ""
		policy cpu-bound
	done
	wait $a $b
	check "lists and policy rewritten while sending ($i times)" test "$i" -gt 10
	counted
	same "... every packet left" $((2 * rounds * n)) $((moved[0] + moved[1] + moved[2] + moved[3]))
	same "... none was dropped" "$before" "$(cat $sys/bond0/statistics/tx_dropped)"
	own_lists
	check "... and the lists count as they stand" leaves_by_own 3

	# It goes on until the bond is gone, and the route with it.
	counted
	"$flows" udp 2 "$client" $n $((1000 * rounds)) 2> /dev/null &
	a=$!
	check "sending" wait_until 20 sending
	ip link del bond0
	wait $a
	check "bond deleted meanwhile" test ! -e $sys/bond0
	check "the module goes" rmmod bonding
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --timeout 600 ;;
server)
	set_up
	hashing
	lab-ready
	tcp
	changes
	;;
client)
	for k in 0 1 2 3; do
		lab-wait "tcp-go$k"
		same "client $k got all of its bytes" 16000 "$(lab-client $k "$flows" fetch "$LAB_SERVER" 5001)"
		lab-post "tcp-done$k"
	done
	lab-wait server-exit
	;;
esac
finish
