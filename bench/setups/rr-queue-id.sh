# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# Transmit by the sending CPU with what bonding has: each slave has a queue_id, a
# BPF program at the bond's egress writes the CPU's into each packet. Fair: at tcx,
# so without a qdisc and its lock, which the documented multiq and skbedit
# would bring; one listener, as with balance-rr, since it is about the bond only.
# A packet whose slave is down falls back to round robin.
lag=static
kernel=stock
ports=(80)

setup_network() {
	local k holder
	stock_bond balance-rr
	for ((k = 0; k < LAB_NICS; k++)); do
		ip link set "eth$k" type bond_slave queue_id $((k + 1))
	done
	holder=$(steer queue-id bond0 "$LAB_NICS")
	holders+=("$holder")
	pin_irqs
}

setup_server() { one_listener; }
