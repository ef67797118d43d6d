#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: over IPv6 a service is what it is over IPv4, extension headers, link-local and dual-stack sockets included
#
#   a client --- switch --- link k --- IRQ k on CPU k --- port 8000 + 8k as [fd77::1]:80
#
# What does not depend on the address family is steer.sh's. Clients are named by the link
# that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# who_all [ADDRESS]: what each client's connections say about their server
who_all() {
	local link
	for link in 0 1; do
		client $link who "${1:-$server6}" 80 5 | sed "s/^/$link /"
	done
}
# served TEXT ADDRESS: the switch's hash looks at the address, so links are found anew
served() {
	local client_on
	find_links "$2"
	same "$1" "$(own_cores)" "$(who_all "$2")"
}
own_cores() { printf '%d %d 5\n' 0 8000 1 8008; }

server() {
	load_module
	bond_up
	lab-ready
	ipv6_up
	check "a service is added" flowparctl service add --family inet6 --port 80 --base-port 8000 --cpus 0-1
	"$peer" serve6 0:8000 1:8008 &
	check "the instances listen" wait_until 60 serving 8000 8008
	find_links $server6
	same "every link has a client" "0 1" "${!client_on[*]}"
	remote 'tcpdump -i lag0 -s 128 -w /tmp/all.pcap tcp & sleep 1' > /dev/null

	same "each client is served by the core that its link interrupts" "$(own_cores)" "$(who_all)"
	check "segments found their sockets at PRE_ROUTING" grew attached 80 client 0 who $server6 80 1
	check "a per-core port is closed from outside" client 0 refused $server6 8008 \; test '$?' = 3
	check "... and counted" test "$(counter closed 80)" -ge 1
	same "a per-core port is plain on ::1" "8008 1" "$("$peer" who ::1 8008 1)"
	check "the host itself is refused a per-core port of its address" "$peer" refused $server6 8008
	check "the host itself reaches the public port" "$peer" who $server6 80 20
	check "... also in bulk, while the client moves between CPUs" "$peer" get $server6 80 20000000 2
	extension_headers
	addresses
	dual_stack

	conntrack_on
	same "conntrack, invalid dropped in every chain: served" "$(own_cores)" "$(who_all)"
	extension_headers
	moved
	check "... no packet was invalid" nothing_invalid
	nft delete table inet watch
	sysctl -q net.ipv4.tcp_syncookies=2
	same "connections made by SYN cookies are served" "$(own_cores)" "$(who_all)"
	sysctl -q net.ipv4.tcp_syncookies=1
	wire
	flowparctl service del --family inet6 --port 80
	same "without the service its ports are plain" "8008 1" "$(client 0 who $server6 8008 1)"
	remote_start over
}

# The second fragment has no port: both wait until the datagram is whole.
extension_headers() {
	same "a SYN in two fragments is answered from the public port" "80 accepts" "$(client 1 fragmented $server6 80)"
	same "... at a per-core port by nobody" silence "$(client 1 fragmented $server6 8008)"
	same "... at another port by the kernel" "7000 refuses" "$(client 1 fragmented $server6 7000)"
	same "a SYN behind destination options is answered from the public port" "80 accepts" "$(client 1 options $server6 80)"
	same "... at a per-core port by nobody" silence "$(client 1 options $server6 8008)"
}

# Any local address: of the link, of a route, given to lo.
addresses() {
	local link_local
	link_local=$(ip -6 -o address show dev bond0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
	# Made of the MAC, which the switch's hash looks at too, theirs would cancel.
	# shellcheck disable=SC2016	# for the other guest
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k address flush dev eth0 scope link
			ip -n client$k address add fe80::$address/64 dev eth0 nodad
			k=$((k + 1))
		done'
	served "link-local addresses are served" "$link_local%eth0"
	check "... to this host too" "$peer" who "$link_local%bond0" 80 3
	ip -6 route add local fd78::/64 dev lo
	ip address add fd79::1/128 dev lo nodad
	# shellcheck disable=SC2016	# for the other guest
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k route add fd78::/15 via '"$server6"' dev eth0
			k=$((k + 1))
		done'
	served "addresses of a local route are served" fd78::5
	served "an address on lo is served" fd79::1
}

dual_stack() {
	check "IPv4 on the same ports" flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	check "... is served by the same sockets" client 0 who "$LAB_SERVER" 80 3
	check "... which are found at PRE_ROUTING" grew attached 80 client 0 who "$LAB_SERVER" 80 1
	check "... and closed there too" client 0 refused "$LAB_SERVER" 8008 \; test '$?' = 3
	flowparctl service del --port 80
	same "IPv6 goes on alone" "$(own_cores)" "$(who_all)"
}

moved() {
	local before
	before=$(counter moved 80)
	client_start 1 get $server6 80 6000000 6
	wait_until 30 established 8008
	sleep 1
	pin eth1 0
	sleep 2
	pin eth1 1
	same "a flow that moves twice in mid-transfer arrives whole" 8008 "$(remote_end)"
	check "... and is counted as moved" test "$(counter moved 80)" -gt "$before"
}

wire() {
	local seen
	seen=$(remote 'pkill -x tcpdump; sleep 1; tcpdump -nr /tmp/all.pcap "ip6 and tcp port 80" 2> /dev/null | wc -l' | tail -1)
	check "the switch saw the traffic ($seen packets)" test "$seen" -gt 1000
	same "no packet from a per-core port ever left" "" \
		"$(remote 'tcpdump -nr /tmp/all.pcap "ip6 and src portrange 8000-8008 and not dst portrange 8000-8008" 2>/dev/null | head -5')"
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
