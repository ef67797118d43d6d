#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a CPU that nothing is known of sends by the slaves of its NUMA node, which share its flows by hash
# Suite: test debug
#
#   server guest                               switch guest
#   node 0: CPU 0, 1 - eth0, eth1 \            / client0 - client3
#                                  > bond0 LACP
#   node 1: CPU 2, 3 - eth2, eth3 /            \
#
# CPU 0 has all interrupts, so that the others learn nothing.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

# shared_by A B CPU: a burst of CPU leaves by ethA and ethB, by both, and each flow by the same one again
shared_by() {
	burst "$3"
	((moved[$1] > 0 && moved[$2] > 0 && moved[$1] + moved[$2] == n)) || { echo "$left"; return 1; }
	set -- "$3" "${moved[@]}"
	burst "$1" $n 2
	[[ $left == "$((2 * $2)) $((2 * $3)) $((2 * $4)) $((2 * $5))" ]] || { echo "${*:2}, then $left"; return 1; }
}

# heard SLAVE CPU: the clients answer, one of them by this link, and the CPU has learned it
heard() {
	local address
	for address in $LAB_CLIENTS; do ping -c1 -W1 "$address"; done
	grep -qx "$2" "$sys/eth$1/bonding_slave/cpus_learned"
}

as_l34() {	# as_l34 CPU: its burst leaves as it does under layer3+4
	burst "$1"
	[[ $left == "$l34" ]] || { echo "$left, not $l34"; return 1; }
}

mii() {	# mii SLAVE up|down
	grep -q "$2" "$sys/eth$1/bonding_slave/mii_status"
}

server() {
	local k l34
	same "CPUs of the nodes" "0-1 2-3" "$(cat /sys/devices/system/node/node{0,1}/cpulist | xargs)"
	same "NICs of the nodes" "0 0 1 1" "$(for k in 0 1 2 3; do cat "$(realpath $sys/eth$k/device/..)/numa_node"; done | xargs)"
	for k in 0 1 2 3; do irqs $k 0; done
	bring_up layer3+4
	lab-ready
	burst 3
	l34=$left
	policy cpu-bound
	ping -c1 -W5 "$client" > /dev/null
	check "node 0: CPU 1's flows are shared by eth0 and eth1" shared_by 0 1 1
	check "node 1: CPU 2's by eth2 and eth3" shared_by 2 3 2
	check "... and CPU 3's" shared_by 2 3 3
	check "statistics say so: node" wait_until 120 rises node 2
	same "nothing is known of them" "" "$(cat $sys/eth{0,1,2,3}/bonding_slave/cpus_learned | tr , '\n' | grep -v '^0\?$')"

	lab-link 2 down
	check "eth2 is cut: seen" wait_until 20 mii 2 down
	check "... CPU 2 has eth3" wait_until 20 leaves_by 3 2
	check "... statistics: node" wait_until 120 rises node 3
	check "... CPU 1 has what it had" shared_by 0 1 1
	lab-link 3 down
	check "eth3 is cut as well: seen" wait_until 20 mii 3 down
	check "... CPU 2 has any that are left" wait_until 20 shared_by 0 1 2
	check "... statistics: any" wait_until 120 rises any 2
	lab-link 2 up
	lab-link 3 up
	check "both are back: so is CPU 2" wait_until 60 shared_by 2 3 2
	ip link set eth3 nomaster
	check "eth3 leaves: CPU 3 has eth2" wait_until 20 leaves_by 2 3
	ethtool -s eth3 speed 1000 duplex full 2>/dev/null
	ip link set eth3 master bond0
	check "... and both when it returns" wait_until 60 shared_by 2 3 3

	# of another node, so that it cannot be taken for that
	irqs 0 2
	check "CPU 2 hears eth0: it learns it" wait_until 60 heard 0 2
	check "... and that counts more" leaves_by 0 2
	check "... for CPU 3 the node still" shared_by 2 3 3
	cpus eth1 3
	check "a list counts more, too" leaves_by 1 3
	cpus eth1 ""

	for k in 2 3; do ip link set eth$k nomaster; done
	check "all slaves on one node: it tells nothing apart" wait_until 120 rises any 3
	policy layer3+4
	burst 3
	l34=$left
	policy cpu-bound
	check "... and CPU 3 sends as under layer3+4" as_l34 3
	ip link del bond0
	check "the module goes" rmmod bonding
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --nodes 2 --timeout 600 ;;
server)	server ;;
client)
	for k in 0 1 2 3; do ping_server() { lab-client $k ping -c1 -W1 "$LAB_SERVER"; }; wait_until 60 ping_server; done
	lab-wait server-exit ;;
esac
finish
