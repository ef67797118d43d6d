#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: every frame of a service is, byte for byte, what it would be if the server sat on the public port, whatever the NIC offloads
#
#   exact.py at the switch's port --- eth0, eth0.5 --- TCP 80 and UDP 53 as ports 8000 and 5000
#
# TCP, UDP and what refuses both, over IPv4 and IPv6, with and without a VLAN tag, while
# eth0 (e1000e) has checksums of either direction, segmentation and merging on and off.
# exact-long.sh goes through all combinations, TSO among them, which QEMU's NIC carries out
# as fragmentation, and for IPv6 in no way that could be put together again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"
# RX TX TSO GSO GRO
: "${EXACT:=off off off off off, on on off on on, off on off off on, on off off off off}"

offload() { ethtool -k eth0 | awk -v name="$1:" '$1 == name { print $2 }'; }
serving_udp() { ss -Hlun "sport = 5000" | grep -q .; }
carrier() { [[ $(< /sys/class/net/eth0/carrier) == 1 ]]; }

exact() {	# exact RX TX TSO GSO GRO
	local text="rx $1, tx $2, tso $3, gso $4, gro $5" said vlan before segments=on
	# 6.1 refuses UDP_SEGMENT where the device does not sum; later kernels sum themselves.
	[[ $2 == on || $(uname -r) != 6.1.* ]] || segments=off
	ethtool -K eth0 rx "$1" tx "$2" sg "$2" tso "$3" gso "$4" gro "$5" tx-tcp6-segmentation off > /dev/null
	same "$text: is set" "$*" "$(offload rx-checksumming) $(offload tx-checksumming) $(offload tcp-segmentation-offload) $(offload generic-segmentation-offload) $(offload generic-receive-offload)"
	wait_until 30 carrier
	for vlan in 0 5; do
		from=$((from + 10)) before="$(counter closed 80) $(counter closed 53)"
		said=$(remote "$repo/tests/netfilter/exact.py eth0 $(< /sys/class/net/eth0/address) $vlan $from $segments")
		if [[ $said =~ ^[0-9]+$ ]] && ((said > 100)); then
			ok "$text, ${vlan/#0/no} VLAN: $said frames are right"
		else
			not_ok "$text, ${vlan/#0/no} VLAN: every frame is right" "$said"
		fi
		# 6 sources of IPv4, 4 of IPv6; two segments and one datagram each.
		same "... per-core ports are closed to the oddest sources" "20 10" \
			"$(($(counter closed 80) - ${before% *})) $(($(counter closed 53) - ${before#* }))"
	done
}

server() {
	local vlan dev family from=20000 combination
	load_module
	pin eth0 0
	# What the client cannot know: a label that comes of a random number, and patience.
	sysctl -q net.ipv6.auto_flowlabels=0 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	# No frame is lost here: one that the client is slow to acknowledge is not to come again.
	sysctl -qe net.ipv4.tcp_rto_min_us=30000000
	sysctl -q net.ipv4.tcp_timestamps=0
	ip link set eth0 up
	ip link add link eth0 name eth0.5 type vlan id 5
	ip link set eth0.5 up
	for vlan in 0 5; do
		dev=eth0; ((vlan == 0)) || dev=eth0.5
		ip address add 10.77.$vlan.1/24 dev $dev
		ip address add fd77:$vlan::1/64 dev $dev nodad
		ip neighbour replace 10.77.$vlan.200 lladdr 02:00:00:00:00:c8 dev $dev nud permanent
		ip neighbour replace fd77:$vlan::c8 lladdr 02:00:00:00:00:c8 dev $dev nud permanent
	done
	for family in inet inet6; do
		flowparctl service add --family $family --port 80 --base-port 8000 --cpus 0
		flowparctl service add --family $family --port 81 --base-port 8100 --cpus 0
		flowparctl service add --family $family --protocol udp --port 53 --base-port 5000 --cpus 0
		flowparctl service add --family $family --protocol udp --port 54 --base-port 5100 --cpus 0
	done
	"$peer" serve6 0:8000 &
	"$peer" serve-udp 0:5000 &
	check "the instances listen" wait_until 60 serving 8000
	wait_until 60 serving_udp
	lab-ready
	# What the switch merges on receipt it would show as one.
	remote 'ethtool -K eth0 gro off; ethtool -K eth0 gso off tso off' > /dev/null
	while IFS= read -r -d, combination; do
		# shellcheck disable=SC2086	# five words
		exact $combination
	done <<< "$EXACT,"
	same "nothing failed to be rewritten" 0 "$(counter error 80)"
	check "frames to the service were counted" test "$(counter in 80)" -gt 100
	remote_start over
}

case ${LAB_ROLE:-host} in
host)	host --cpus 1 --nics 1 --nic e1000e --lag static --timeout "${EXACT_TIMEOUT:-900}" --env "EXACT=$EXACT" ;;
server)	server ;;
client)	obey ;;
esac
finish
