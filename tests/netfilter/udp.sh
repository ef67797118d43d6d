#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a datagram goes to the CPU it arrives on, of either family, any size and checksum, and answers come from the public port
#
#   a client --- switch --- link k --- IRQ k on CPU k --- port 5000 + 8k as 10.77.0.1:53 and [fd77::1]:53
#
# Clients are named by the link that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# who_all ADDRESS: what each client's datagrams say about their server
who_all() {
	local link
	for link in 0 1; do
		client $link who-udp "$1" 53 5 | sed "s/^/$link /"
	done
}
own_cores() { printf '%d %d 5\n' 0 5000 1 5008; }
serving_udp() {
	local port
	for port; do
		ss -Hlun "sport = $port" | grep -q . || return 1
	done
}

answering() { (($(counter in 53) > received)); }

family() {	# family NAME ADDRESS LOOPBACK
	find_links "$2"
	same "$1: every link has a client" "0 1" "${!client_on[*]}"
	same "$1: each client is served by the core that its link interrupts" "$(own_cores)" "$(who_all "$2")"
	same "$1: a per-core port is closed from outside" "silence 1" "$(client 0 who-udp "$2" 5008 1 1)"
	same "$1: ... but plain on $3" "5008 1" "$("$peer" who-udp "$3" 5008 1)"
	check "$1: the host itself is refused a per-core port of its address" "$peer" refused-udp "$2" 5008
	check "$1: the host itself reaches the public port" "$peer" who-udp "$2" 53 5
	same "$1: ... and no other" 5 "$("$peer" who-udp "$2" 53 5 | awk '/^50/ { n += $2 } END { print n }')"
	check "$1: fragments are put together, both ways" client 1 echo "$2" 53 20000 1
	check "$1: segmentation offload on the way out" client 1 echo "$2" 53 1000 20
	same "$1: a socket that the server connects keeps its client" "5008 connected 5008 connected" \
		"$(client 1 pair-udp "$2" 53 1 connect)"
}

server() {
	load_module
	bond_up
	lab-ready
	ipv6_up
	check "a service is added" flowparctl service add --protocol udp --port 53 --base-port 5000 --cpus 0-1
	check "... of IPv6" flowparctl service add --protocol udp --family inet6 --port 53 --base-port 5000 --cpus 0-1
	check "... and TCP on the same ports" flowparctl service add --port 53 --base-port 5000 --cpus 0-1
	"$peer" serve-udp 0:5000 1:5008 0:53 &
	"$peer" serve 0:5000 1:5008 &
	check "the instances listen" wait_until 60 serving_udp 5000 5008 53
	wait_until 60 serving 5000 5008
	remote 'tcpdump -i lag0 -w /tmp/all.pcap udp & sleep 1' > /dev/null

	family IPv4 "$LAB_SERVER" 127.0.0.1
	same "IPv4: a datagram without checksum stays so, both ways" 5008 "$(client 1 unsummed "$LAB_SERVER" 53)"
	same "IPv4: broadcasts are left alone" 53 "$(client 1 broadcast 10.77.0.255 53)"
	same "TCP is served beside it" "5000 3" "$(client 0 who "$LAB_SERVER" 53 3)"
	family IPv6 $server6 ::1
	check "per-core ports from outside are counted" test "$(counter closed 53)" -ge 2
	same "nothing is attached, searched or moved" "0 0 0" "$(udp_counters attached missed moved)"

	conntrack_on
	same "conntrack, invalid dropped in every chain: served" "$(own_cores)" "$(who_all $server6)"
	check "... fragments too" client 1 echo $server6 53 20000 1
	check "... no packet was invalid" nothing_invalid
	nft delete table inet watch
	received=$(counter in 53)
	client_start 1 pair-udp $server6 53 8
	wait_until 60 answering
	pin eth1 0
	same "datagrams follow the interrupt" "5008 5000" "$(remote_end)"
	pin eth1 1
	same "nothing failed to be rewritten" 0 "$(counter error 53)"
	wire
	remote_start over
}

udp_counters() {
	flowparctl stats --json --port 53 | /usr/bin/python3 -c '
import json, sys
rows = [r for r in json.load(sys.stdin) if r["protocol"] == "udp"]
print(*(sum(r[name] for r in rows) for name in sys.argv[1:]))' "$@"
}

wire() {
	# What the switch's own NICs merge or leave to hardware would show: these do neither.
	remote 'pkill -x tcpdump; sleep 1
		tcpdump -nvvr /tmp/all.pcap "src host 10.77.0.1 or src host fd77::1" 2> /dev/null > /tmp/said
		grep -c "udp sum ok" /tmp/said; grep -c "no cksum" /tmp/said; grep "bad udp" /tmp/said | head -3
		tcpdump -nr /tmp/all.pcap "src host 10.77.0.1 or src host fd77::1" 2> /dev/null |
			grep -E "(10.77.0.1|fd77::1)\.50(00|08) >" | head -3
		true' > "$LAB_OUT/wire"
	check "the switch saw answers with right checksums" test "$(sed -n 1p "$LAB_OUT/wire")" -gt 40
	same "... one of them without" 1 "$(sed -n 2p "$LAB_OUT/wire")"
	same "... none with a wrong one, none from a per-core port" "" "$(tail -n +3 "$LAB_OUT/wire")"
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
