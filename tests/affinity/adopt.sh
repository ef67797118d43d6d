#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a bond that serves is taken over and given back while it serves: no link goes down, no address or route moves, each value comes back
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1, eth2 > bond0, made by hand; route through it
# shellcheck disable=SC2034,SC2119,SC2317
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

up=(--adopt --bond bond0 --port 80 --base-port 8000 --cpus 0-1)
[[ $listen == nat ]] || up+=(--listen nft)

# How often a carrier went, of each.
carriers() { grep -H '' /sys/class/net/{bond0,eth0,eth1,eth2}/carrier_changes; }
routes() { ip address show dev bond0; ip route show; ip link show; grep -E 'Slave Interface|Failure|Mode|MII' /proc/net/bonding/bond0; }

server() {
	local carried out status was nic
	modprobe bonding max_bonds=0
	check_fails 'no bond of that name' 1 '^setup-flowpar.sh: bond0: no such bond to take over' setup up "${up[@]}"
	check_fails 'a route of its own' 2 '^setup-flowpar.sh: --gateway 192.0.2.9: the bond that --adopt takes over keeps its routes' setup up "${up[@]}" --gateway 192.0.2.9
	check_fails 'an address of its own' 2 '^setup-flowpar.sh: --address 192.0.2.1/24: the bond that --adopt takes over keeps' setup up "${up[@]}" --address 192.0.2.1/24
	ip link add bond0 type bond mode balance-rr
	check_fails 'a mode without a policy' 1 '^setup-flowpar.sh: bond0: is in mode balance-rr, where no policy' setup up "${up[@]}"
	ip link del bond0
	ip link add bond0 type bond mode 802.3ad
	check_fails 'a bond without slaves' 1 '^setup-flowpar.sh: bond0: has no slaves' setup up "${up[@]}"
	ip link del bond0

	adopted_bond mode 802.3ad lacp_rate fast xmit_hash_policy layer2+3
	check 'the bond that is to be taken over is up' wait_until 60 lag_ready bond0 3
	check_fails 'a NIC that is not in it' 1 '^setup-flowpar.sh: lo: not a slave of bond0, which has eth0 eth1 eth2; ' setup up "${up[@]}" --slaves eth0,lo
	mkdir -p /run/www
	echo served > /run/www/index.html
	for port in 8000 8008; do busybox httpd -p "$port" -h /run/www; done
	settled eth2
	before=$(snapshot)
	carried=$(carriers) was=$(routes)
	lab-post begin
	lab-wait begin-pinging

	dry=$(setup up "${up[@]}" --dry-run)
	unchanged 'up --adopt --dry-run changes nothing'
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up --adopt succeeds, printing what --dry-run printed' "0 $dry" "$status $out"
	check 'it takes all slaves' grep -qx 'SLAVES=eth0 eth1 eth2' /run/flowpar/config
	check "the policy is $policy" grep -q "^$policy " /sys/class/net/bond0/bonding/xmit_hash_policy
	check 'interrupts are on the slaves'\'' CPUs' on_cpus eth0:0 eth1:1 eth2:0
	check 'flow steering is off' grep -qx 0 /sys/class/net/eth1/queues/rx-0/rps_flow_cnt
	same 'no command took a link down, made or filled a bond' '' "$(grep -E 'ip link|ip address' <<< "$out")"
	same 'addresses, routes, slaves are what they were' "$was" "$(routes)"
	same 'no carrier has changed' "$carried" "$(carriers)"
	check 'verify finds nothing' setup verify
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up again changes nothing' '0 ' "$status $out"
	lab-post adopted
	lab-wait served

	ip link set eth1 nomaster
	check_fails 'a slave that left is named, and whose turn it is' 1 '^setup-flowpar.sh: eth1: no slave of bond0 any more: .*; put it back by what configures bond0, and run' setup verify
	ip link set eth1 down; ip link set eth1 master bond0
	if [[ $policy == cpu-bound ]]; then
		check_fails '... back, it lacks its list' 1 '^setup-flowpar.sh: cpus eth1: set to 1, found [^;]*: it left the bond and came back' setup verify
	fi
	setup up "${up[@]}" > /dev/null 2>&1
	# LACP goes on with eth1 from where it started again; until then verify says so.
	check 'the bond is whole again' wait_until 60 lag_ready bond0 3
	check 'up has mended that' wait_until 10 setup verify
	carried=$(carriers)
	lab-post whole
	lab-wait whole-pinging

	check 'down succeeds' setup down
	unchanged 'every file is back, the bond serves on'
	same 'addresses, routes and slaves too' "$(grep -v Failure <<< "$was" | sort)" "$(routes | grep -v Failure | sort)"
	same 'no carrier has changed' "$carried" "$(carriers)"
	lab-post down
	lab-wait pinged

	# A bond without LACP.
	ip link del bond0
	adopted_bond mode balance-xor xmit_hash_policy layer2
	before=$(snapshot)
	check 'balance-xor: up' setup up "${up[@]}"
	check "... policy $policy" grep -q "^$policy " /sys/class/net/bond0/bonding/xmit_hash_policy
	check '... verify' setup verify
	ip link del bond0
	check_fails '... verify without the bond' 1 'bond0' setup verify
	check '... down without the bond: what is left comes back' setup down
	check '... of interrupts and queues' grep -qx 3 /sys/class/net/eth0/queues/rx-0/rps_cpus
}

on_cpus() {	# on_cpus NIC:CPU...
	local nic irq
	for nic; do
		for irq in $(irqs_of "${nic%:*}"); do
			grep -qx "${nic#*:}" "/proc/irq/$irq/smp_affinity_list" || { echo "$nic irq $irq: $(< "/proc/irq/$irq/smp_affinity_list")"; return 1; }
		done
	done
}

# One ping after the other until the server says so: a moment without the bond would lose one.
pings() {	# pings TEXT FROM UNTIL
	local pid
	rm -f /run/stop /run/pings
	lab-wait "$2"
	check "$1: the server can be reached" wait_until 60 lab-client 0 ping -c 1 -W 1 "$LAB_SERVER"
	while [[ ! -e /run/stop ]]; do
		lab-client 0 ping -c 1 -W 20 "$LAB_SERVER" >> /run/pings 2>&1
	done &
	pid=$!
	wait_until 60 grep -q ' 0% packet loss' /run/pings
	lab-post "$2-pinging"
	lab-wait "$3"
	touch /run/stop
	wait "$pid"
	same "$1: not one ping is lost" 0 "$(grep -c ' 100% packet loss' /run/pings)"
}

client() {
	pings up begin adopted
	same 'port 80 is served by the cores'\'' instances' served "$(lab-client 1 curl -sS -m 20 "http://$LAB_SERVER/" 2>&1)"
	lab-post served
	pings down whole down
	lab-post pinged
	lab-wait server-exit
}

case ${LAB_ROLE:-host} in
host)	affinity_lab ;;
server)	lab-ready; server ;;
client)	client ;;
esac
finish
