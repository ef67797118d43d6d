#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: with watch running, a link down and up, a driver reload, a CPU that goes and comes and a deleted bond leave verify clean, and down brings all back
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1 > bond0    e1000e: it requests interrupts when opened
# shellcheck disable=SC2034,SC2046,SC2119,SC2317	# numbers
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

# A NIC whose driver was reloaded has another index, so another place in every list, and
# sysctls as any new one; ethtool tells of a link that it has had what the other end can.
eval "whole_$(declare -f snapshot)"
snapshot() {
	whole_snapshot | sed -E 's/^[0-9]+: //' | sort |
		grep -vE 'baseT/|Link partner|/conf/eth1/(accept_dad|autoconf):'
}

up=("${slaves[@]}" "${service[@]}" --address "${LAB_SERVER:-}/24,fd77::1/64" --gateway '10.77.0.200,fd77::c0')
log=/run/watch.log

start_watch() {
	"$setup_tool" watch > "$log" 2>&1 &
	pid=$!
}

# mends TEXT REGEX COMMAND...: COMMAND undoes something that the log is to name; verify ends clean
mends() {
	local text=$1 regex=$2
	shift 2
	# What a step before has caused is over: no try begins within a second.
	wait_until 30 quiet
	: > "$log"
	"$@"
	check "$text: the log says what was mended" wait_until 60 grep -qE "$regex" "$log"
	check "$text: verify ends clean" wait_until 60 setup verify
	check "$text: no try has failed" bash -c '! grep -aE "given up|failed with|refuse" "$1"' _ "$log"
}

quiet() { for _ in {1..10}; do flock -n /run/flowpar true || return; sleep 0.1; done; }

down_up() { ip link set eth1 down; ip link set eth1 up; }
take_down() { ip link set eth1 down; }
steer() { echo 3 > /sys/class/net/eth1/queues/rx-0/rps_cpus; ip link set eth1 down; ip link set eth1 up; }
reload() {
	local device
	device=$(basename "$(realpath /sys/class/net/eth1/device)")
	echo "$device" > /sys/bus/pci/drivers/e1000e/unbind
	wait_until 10 test ! -e /sys/class/net/eth1
	gone=$(setup verify 2>&1)
	echo "$device" > /sys/bus/pci/drivers/e1000e/bind
}
offline() { echo 0 > /sys/devices/system/cpu/cpu1/online; }
online() { echo 1 > /sys/devices/system/cpu/cpu1/online; }
no_address() { ip address del "$LAB_SERVER/24" dev bond0; }
no_address6() { ip address del fd77::1/64 dev bond0; }
bond_down_up() { ip link set bond0 down; ip link set bond0 up; }
delete_bond() { ip link del bond0; }
new_firewall() { nft -f - <<< $'flush ruleset\ntable inet filter { chain input { type filter hook input priority filter; policy accept; }; }'; }

server() {
	local pid gone=''
	lived_in
	before=$(snapshot)
	start_watch
	check 'watch waits while nothing is set up' wait_until 20 grep -q 'nothing is set up; watching' "$log"
	check 'up' setup up "${up[@]}"
	check 'watch takes that up' wait_until 20 grep -qx 'setup-flowpar.sh: bond0: watched, with eth0,eth1' "$log"

	mends 'link down' 'link eth1: set to up, found down|after: .*link eth1' take_down
	mends 'link down and up with RPS' 'rps eth1/rx-0: set to 0, found 3: .*' steer
	mends 'driver reload' 'master eth1: set to bond0, found none: its driver was reloaded' reload
	check '... while it is gone verify says so' grep -q '^setup-flowpar.sh: eth1: gone: its driver was taken out' <<< "$gone"
	same '... its interrupts are on CPU 1 again' 1 "$(sort -u $(printf '/proc/irq/%s/smp_affinity_list ' $(irqs_of eth1)))"
	offline
	check_fails 'a CPU that is offline is named' 1 'irq eth1/[0-9]: set to CPU 1, which is offline.*; mend it with: echo 1 > .*/cpu1/online' setup verify
	mends 'CPU offline and online' 'irq eth1/[0-9]: set to 1, found|after: .*cpu1' online
	mends 'address removed' "address bond0 $LAB_SERVER/24: set to present, found absent" no_address
	check '... the default route is back' grep -q 'via 10.77.0.200 dev bond0' <(ip route show default)
	mends 'address of IPv6 removed' 'address bond0 fd77::1/64: set to present, found absent' no_address6
	mends 'bond down and up' 'address bond0 fd77::1/64: set to present, found absent' bond_down_up
	check '... the default route of IPv6 is back' grep -q 'via fd77::c0 dev bond0' <(ip -6 route show default)
	mends 'bond deleted' 'bond bond0: set to 802.3ad, found absent' delete_bond
	check 'the LAG is whole' wait_until 60 lag_ready bond0 2

	check 'down' setup down
	check 'watch waits again' wait_until 20 grep -q 'nothing is set up; watching' "$log"
	: > "$log"
	check 'up --listen nft' setup up "${up[@]}" --listen nft
	check 'watch takes that up' wait_until 20 grep -q 'bond0: watched, with eth0,eth1' "$log"
	mends 'a firewall loaded anew' 'table inet flowpar: not what up set: .*flush ruleset' new_firewall
	check '... which stays' nft list table inet filter
	nft delete table inet filter
	check 'down' setup down
	kill "$pid"
	wait "$pid" 2>/dev/null
	unchanged 'every file is back'
	same 'nothing of watch runs on' '' "$(pgrep -f 'flowparctl watch')"
}

case ${LAB_ROLE:-host} in
host)	affinity_lab --nic e1000e ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
