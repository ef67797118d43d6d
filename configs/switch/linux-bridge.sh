#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A Linux machine as the switch: linux-bridge.sh NIC...
#
# Bridge br0 with an 802.3ad LAG lag0 over the NICs that lead to the server; whatever
# else is plugged in (ip link set NIC master br0 up) is a client's port. Needs iproute2
# and the modules bonding and bridge. The NICs must be down and have no address.
# The lab's switch is made by this very script. Nothing of it survives a reboot.
#
# The hash decides which port, so which core of the server, a flow goes to:
#   layer2+3  addresses: all flows of a client on one port; the default here
#   layer3+4  addresses and ports: a client's flows spread too; better for few clients
# MODE=static in the environment: a LAG without LACP.
set -euo pipefail
(($#)) || { echo "usage: [HASH=layer2+3|layer3+4] [MODE=lacp|static] linux-bridge.sh NIC..." >&2; exit 2; }
hash=${HASH:-layer2+3}
case ${MODE:-lacp} in
lacp)	mode=(mode 802.3ad lacp_rate fast) ;;
static)	mode=(mode balance-xor) ;;
*)	echo "linux-bridge.sh: MODE=$MODE: no such mode; want lacp or static" >&2; exit 2 ;;
esac

modprobe bonding max_bonds=0	# else it brings a round-robin bond0 of its own
ip link add lag0 type bond "${mode[@]}" miimon 100 xmit_hash_policy "$hash"
for nic; do
	ip link set "$nic" master lag0
done
ip link add br0 type bridge stp_state 0 forward_delay 0
ip link set lag0 master br0
ip link set lag0 up
ip link set br0 up
