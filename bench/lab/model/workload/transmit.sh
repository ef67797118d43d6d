# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# of init and the set-up
# Workload transmit, sourced by init: the bond's transmit path alone. On each
# server core pktgen sends UDP through dev_queue_xmit() of the bond, every packet
# from another port, so that a hash of the ports spreads them.

workload_up() {
	setup_network
	modprobe pktgen
}

pgset() {	# pgset FILE COMMAND: pktgen says what it thinks of it on its Result line
	echo "$2" > "/proc/net/pktgen/$1"
}

load() {	# load PHASE PACKETS: from each core; what was sent goes to pktgen.PHASE
	local cpu dev
	for ((cpu = 0; cpu < LAB_CPUS; cpu++)); do
		dev=$bond@$cpu
		[[ -e /proc/net/pktgen/$dev ]] || pktgen_device "$cpu" "$dev"
		pgset "$dev" "count $2"
	done
	phase_begins "$1"
	pgset pgctrl start	# returns when all have sent theirs
	phase_ends "$1"
	for ((cpu = 0; cpu < LAB_CPUS; cpu++)); do
		sed -n "s/^ *pkts-sofar: \([0-9]*\) *errors: \([0-9]*\).*/$cpu \1 \2/p" "/proc/net/pktgen/$bond@$cpu"
	done > "$LAB_OUT/pktgen.$1"
}

pktgen_device() {	# pktgen_device CPU DEVICE
	pgset "kpktgend_$1" "add_device $2"
	pgset "$2" "xmit_mode queue_xmit"
	pgset "$2" "pkt_size 60"
	pgset "$2" "delay 0"
	pgset "$2" "dst_min ${LAB_CLIENTS%% *}"
	pgset "$2" "dst_max ${LAB_CLIENTS%% *}"
	# An address that no NIC has: answers would be another workload.
	pgset "$2" "dst_mac 02:00:00:00:00:99"
	pgset "$2" "udp_src_min 1024"
	pgset "$2" "udp_src_max 2047"
}

frames() { sent; }	# by the server

locality() { :; }	# the probe knows TCP only
