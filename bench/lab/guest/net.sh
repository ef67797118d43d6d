# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by both guests' *-up scripts: modules of the kernel under test, and
# NICs that 802.3ad accepts.

# A system of its own has them, those of packages as well.
if [[ ! ${LAB_ROOT:-} ]]; then
	mkdir -p /lib/modules
	mount --bind "$LAB_KDIR/lib/modules" /lib/modules
fi
ip link set lo up
# Addresses of this lab are fixed: no DAD, no router search on any of its NICs.
sysctl -q net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
	net.ipv6.conf.all.autoconf=0 net.ipv6.conf.default.autoconf=0

# eth0.. are numbered in slot order; a NIC in the wrong place would measure the
# wrong link, so look. virtio-net reports no speed, and 802.3ad leaves a port
# without speed and duplex out of the aggregator.
lab_nics_ready() {	# lab_nics_ready MAC_BYTE [FIRST]: LAB_NICS of them from ethFIRST on
	local k mac want nic
	[[ $LAB_NIC != vmxnet3 ]] || modprobe vmxnet3
	for ((k = 0; k < LAB_NICS; k++)); do
		nic=eth$((k + ${2:-0}))
		mac=$(< "/sys/class/net/$nic/address")
		want=$(printf '52:54:00:00:%s:%02x' "$1" "$k")
		[[ $mac == "$want" ]] || { echo "$nic: has address $mac, expected $want" >&2; return 1; }
		[[ $LAB_NIC != virtio-net ]] || ethtool -s "$nic" speed 1000 duplex full
	done
}
