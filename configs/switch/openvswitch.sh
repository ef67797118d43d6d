#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Open vSwitch as the switch: openvswitch.sh NIC NIC...
#
# Bridge br0 with bond lag0 over the NICs that lead to the server; clients' ports are
# added with `ovs-vsctl add-port br0 NIC`. Open vSwitch keeps all this in its database,
# so once is enough. Tested with 3.1 (Debian 12): `lab run --switch ovs` uses this script.
#
# balance-tcp hashes addresses and ports of layers 2 to 4 into 256 buckets, and every 10 s
# moves buckets from busy links to idle ones: flows then change their link, and the
# server's core, while they live. flowpar follows them ("moved" in flowparctl stats). To keep
# every flow where it started, at the price of uneven links:
#   ovs-vsctl set port lag0 other_config:bond-rebalance-interval=0
# Without a partner that speaks LACP balance-tcp carries nothing (other_config:
# lacp-fallback-ab=true would fall back to one link).
#
# How to check:  ovs-appctl lacp/show lag0      each port "current attached", flags of both ends
#                ovs-appctl bond/show lag0      "lacp_status: negotiated", hashes per port
set -euo pipefail
(($# > 1)) || { echo "usage: openvswitch.sh NIC NIC...   a bond has two or more" >&2; exit 2; }

ovs-vsctl -- add-br br0 \
	-- add-bond br0 lag0 "$@" bond_mode=balance-tcp lacp=active other_config:lacp-time=fast
for nic; do
	ip link set "$nic" up
done
ip link set br0 up
