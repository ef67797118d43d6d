#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034,SC2046,SC2068,SC2154,SC2155,SC2206,SC2207
#
# Topology for modes that need a link aggregation group at the other end:
# balance-xor and 802.3ad
#
#  +---------------------------+
#  |           bond0           |  Server
#  |             +             |  192.0.2.1/24
#  |     eth0  eth1  eth2      |  2001:db8::1/24
#  |      +------+-----+       |
#  |      |      |     |       |
#  +---------------------------+
#         |      |     |
#  +---------------------------+
#  |      |      |     |       |
#  |      +------+-----+       |
#  |     eth0  eth1  eth2      |  Client
#  |             +             |  192.0.2.10/24
#  |           bond0           |  2001:db8::10/24
#  +---------------------------+
#
# Both know each other's address, so nothing but what a test sends is on the
# links, apart from LACPDUs. eth0..eth2 of the client count the packets that
# arrive, each kind by a rule with a handle of its own.

REQUIRE_MZ=no
NUM_NETIFS=0
lib_dir=$(dirname "$0")
source "$lib_dir"/../../../net/forwarding/lib.sh

s_ip4="192.0.2.1"
c_ip4="192.0.2.10"
s_ip6="2001:db8::1"
c_ip6="2001:db8::10"
s_mac="02:00:00:00:00:01"
c_mac="02:00:00:00:00:10"
links="0 1 2"

# host_bond NS MAC IP4 IP6 PARAM: bond0 over eth0..eth2
host_bond()
{
	local ns=$1; shift
	local mac=$1; shift
	local ip4=$1; shift
	local ip6=$1; shift
	local i

	ip -n "$ns" link add bond0 address "$mac" type bond $@ || return
	for i in $links; do
		ip -n "$ns" link set eth$i down
		ip -n "$ns" link set eth$i master bond0
	done
	ip -n "$ns" link set bond0 up
	ip -n "$ns" addr add "$ip4/24" dev bond0
	ip -n "$ns" addr add "$ip6/64" dev bond0 nodad
}

# host_peer NS MAC IP4 IP6
host_peer()
{
	ip -n "$1" neigh replace "$3" lladdr "$2" dev bond0 nud permanent
	ip -n "$1" neigh replace "$4" lladdr "$2" dev bond0 nud permanent
}

# All links of both hosts carry traffic
lag_distributing()
{
	local ns

	for ns in "$s_ns" "$c_ns"; do
		cmd_jq "ip -n $ns -d -j link show master bond0" \
			'[.[].linkinfo.info_slave_data |
			  select(.mii_status == "UP" and
				 (has("ad_aggregator_id") | not) or
				 (.ad_actor_oper_port_state_str // [] |
				  index("distributing")))] |
			 length == '$(wc -w <<< "$links") -e &> /dev/null || return
	done
}

# lag_reset mode MODE [OPTION...]: both bonds anew, the server's with the options
lag_reset()
{
	local common="mode $2 miimon 100"

	[[ "$2" != "802.3ad" ]] || common+=" lacp_rate fast"
	ip -n "$s_ns" link del bond0 &> /dev/null
	ip -n "$c_ns" link del bond0 &> /dev/null
	host_bond "$c_ns" "$c_mac" "$c_ip4" "$c_ip6" $common \
		xmit_hash_policy layer3+4 || return
	host_bond "$s_ns" "$s_mac" "$s_ip4" "$s_ip6" $common "${@:3}" || return
	host_peer "$c_ns" "$s_mac" "$s_ip4" "$s_ip6"
	host_peer "$s_ns" "$c_mac" "$c_ip4" "$c_ip6"
	slowwait 30 lag_distributing
}

# lag_count HANDLE PREF PROTOCOL MATCH: count packets arriving at the client
lag_count()
{
	local handle=$1; shift
	local pref=$1; shift
	local i

	for i in $links; do
		tc -n "$c_ns" filter add dev eth$i ingress pref $pref \
			protocol $1 handle $handle flower skip_hw ${@:2} || return
	done
}

# The counts of all rules of a handle at eth0, eth1 and eth2, in one line
lag_counts()
{
	local counts=()
	local i

	for i in $links; do
		counts+=($(($(tc_rule_handle_stats_get "dev eth$i ingress" \
			$1 .packets "-n $c_ns" | paste -sd+))))
	done
	echo "${counts[@]}"
}

setup_prepare()
{
	local i

	setup_ns s_ns c_ns
	for i in $links; do
		ip -n "$s_ns" link add eth$i type veth peer name eth$i netns "$c_ns"
		tc -n "$c_ns" qdisc add dev eth$i clsact
	done
}

cleanup()
{
	pre_cleanup
	cleanup_all_ns
}
