# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every set-up shares. A set-up is a file setups/NAME.sh, sourced on the
# host and in the server guest, that sets
#   lag=lacp|static       what the switch speaks
#   kernel=stock|patched  which kernel it needs
#   ports                 the service's ports, public one first (guest only)
# and defines setup_up (guest: from unconfigured NICs to a listening server) and
# setup_down. All set-ups serve the same files by the same server configuration
# and bind NIC k's interrupts to CPU k; only what they are named for differs.

readonly public_port=80
readonly www=/run/www
export FLOWPAR_DOCROOT=$www	# read by configs/lighttpd.conf.in

slaves() { seq -f eth%g 0 $((LAB_NICS - 1)); }

# interrupts of NIC $1, virtio's live on the PCI function above the virtio device
irqs_of() {
	local d=/sys/class/net/$1/device
	[[ -d $d/msi_irqs ]] || d=$d/..
	ls "$d/msi_irqs"
}

pin_irqs() {
	local k irq
	for ((k = 0; k < LAB_NICS; k++)); do
		for irq in $(irqs_of "eth$k"); do
			echo $((k % LAB_CPUS)) > "/proc/irq/$irq/smp_affinity_list"
		done
	done
}

# stock_bond MODE [POLICY]: bond0 over all NICs, and wait until it can carry traffic
stock_bond() {
	local nic ports=
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode "$1" miimon 100 ${2:+lacp_rate fast xmit_hash_policy "$2"}
	for nic in $(slaves); do
		ip link set "$nic" master bond0
	done
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	[[ $1 == 802.3ad ]] || return 0
	for ((i = 0; i < 150; i++)); do
		ports=$(< /sys/class/net/bond0/bonding/ad_num_ports)
		((ports == LAB_NICS)) && return
		sleep 0.1
	done
	echo "bond0: $ports of $LAB_NICS ports in the aggregator after 15 s" >&2
	return 1
}

# stock_server WORKERS: one listener on the public port
stock_server() {
	sed -e "s|{port}|$public_port|g" -e "s|^server.max-worker .*|server.max-worker = $1|" \
		"$LAB_REPO/configs/lighttpd.conf.in" > /run/lighttpd.conf
	lighttpd -D -f /run/lighttpd.conf &
}

make_files() {	# make_files BYTES...
	local size
	mkdir -p "$www"
	for size; do
		head -c "$size" /dev/zero | tr '\0' x > "$www/f$size"
	done
}

listening() {	# listening PORT...: all of them
	local port
	for port; do
		ss -Hltn "sport = :$port" | grep -q . || return 1
	done
}
