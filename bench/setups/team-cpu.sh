# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# Transmit by the sending CPU with what the team driver has: mode loadbalance,
# whose hash function is a filter, here one that returns the CPU. Fair: the
# ports are added in the order of the CPUs and no teamd runs beside; one
# listener, since it is about the team only. Without teamd nothing takes a
# port whose link is down out of the team, and there is no LACP.
lag=static
kernel=stock
ports=(80)
declare -gA own_address=()

setup_network() {
	local nic address
	bond=team0
	modprobe team
	modprobe team_mode_loadbalance
	# What a bond does by itself, for a team teamd does: one address for all.
	address=$(< /sys/class/net/eth0/address)
	ip link add team0 address "$address" type team
	steer team team0
	for nic in $(slaves); do
		own_address[$nic]=$(< "/sys/class/net/$nic/address")
		ip link set "$nic" address "$address"
		ip link set "$nic" master team0
	done
	ip link set team0 up
	ip address add "$LAB_SERVER/24" dev team0
	pin_irqs
}

setup_server() { one_listener; }

setup_down() {
	local nic
	stop_server
	ip link delete team0
	for nic in "${!own_address[@]}"; do
		ip link set "$nic" down
		ip link set "$nic" address "${own_address[$nic]}"
	done
}

lag_state() {	# in /proc/net/bonding's words
	local nic
	echo "Bonding Mode: team, loadbalance by the sending CPU"
	for nic in $(slaves); do
		echo "Slave Interface: $nic"
		((!$(< "/sys/class/net/$nic/carrier"))) || echo "MII Status: up"
	done
}
