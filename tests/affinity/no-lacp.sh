#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a switch that speaks no LACP gives one clear line, and everything is rolled back
#
#   lag0 (balance-xor, no LACP) ==== eth0, eth1 > bond0
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

server() {
	local status=0
	lived_in
	before=$(snapshot)
	setup up "${slaves[@]}" "${service[@]}" --lacp-timeout 2 > /run/out 2> /run/err || status=$?
	same 'up fails' 1 "$status"
	same 'with one line' 'setup-flowpar.sh: bond0: no LACP partner answers after 2 s; make the switch ports of eth0 eth1 one 802.3ad group with active LACP' \
		"$(cat /run/err)"
	check 'after it had tried' grep -q 'ip link set bond0 up' /run/out
	unchanged 'everything is rolled back'
}

case ${LAB_ROLE:-host} in
host)	affinity_lab --lag static ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
