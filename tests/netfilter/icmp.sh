#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: ICMP errors of both families quote what is on the wire: ours the public port; a router's, on whatever link it comes, reaches the flow's socket
#
#   server --- switch --- client0, a router that sends on no more than 1280 bytes --- far
#                  \----- client1
#
# A far host's flow is hashed by its own address, the router's errors about it by the
# router's: with far's address well chosen, they come by different links.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

far_up() {
	local router
	remote 'ip netns add far
		ip link add out netns client0 type veth peer name eth0 netns far
		ip -n client0 link set out mtu 1280 up
		ip -n far link set eth0 up
		for sysctl in net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0; do
			nsenter --net=/run/netns/client0 sysctl -q $sysctl
		done
		ip -n client0 address add 10.78.0.1/24 dev out
		ip -n client0 address add fd78::1/64 dev out nodad
		ip -n far link set lo up
		for k in 2 3 4 5 6 7 8 9; do
			ip -n far address add 10.78.0.$k/24 dev eth0
			ip -n far address add fd78::$k/64 dev eth0 nodad
		done
		ip -n far route add default via 10.78.0.1
		ip -n far -6 route add default via fd78::1
		ip -n client0 -o -4 address show dev eth0' > "$LAB_OUT/router"
	router=$(sed 's/.*inet \([^/]*\).*/\1/' "$LAB_OUT/router")
	ip route add 10.78.0.0/24 via "$router"
	ip -6 route add fd78::/64 via "fd77::$router"
}

# link_of COMMAND...: on which link what it sends arrives
link_of() {
	local before after k
	mapfile -t before < <(cat /sys/class/net/eth*/statistics/rx_packets)
	remote "$*" > /dev/null
	mapfile -t after < <(cat /sys/class/net/eth*/statistics/rx_packets)
	for k in 0 1; do
		((after[k] - before[k] < 100)) || echo $k
	done
}

# family NAME ADDRESS FAR_PREFIX
family() {
	local k link router far=
	router=$(link_of "lab-client 0 ping -q -c 100 -i 0.002 $2")
	for k in 2 3 4 5 6 7 8 9; do
		link=$(link_of "nsenter --net=/run/netns/far ping -I $3$k -q -c 100 -i 0.002 $2")
		[[ -z $link || $link == "$router" ]] || { far=$3$k; break; }
	done
	check "$1: a far host that comes by another link than its router: $far by $link" test -n "$far"
	check "$1: path MTU discovery over 1280 bytes" grew icmp 80 \
		remote "timeout 60 nsenter --net=/run/netns/far $peer get $2 80 1000000 0 $far"
	same "$1: ... by the core of the flow's link" $((8000 + 8 * link)) \
		"$(remote "nsenter --net=/run/netns/far $peer get $2 80 100000 0 $far")"
	check "$1: ... which the route knows" bash -c "ip -${1#IPv} route get $far | grep -q 'mtu 1280'"
	check "$1: an error for a missing UDP instance quotes the public port" \
		grew icmp 54 remote "lab-client 1 $peer refused-udp $2 54"
	nft -f - <<-END
	table inet refuse {
		chain in { type filter hook input priority 0; tcp dport 8000-8008 reject with icmpx type port-unreachable; }
	}
	END
	check "$1: so does a firewall's for TCP" grew icmp 80 remote "lab-client 1 $peer refused $2 80"
	nft delete table inet refuse
	conntrack_on
	# Another one, whose path is not known yet.
	far=$3$((k == 9 ? 2 : k + 1))
	check "$1: conntrack: path MTU discovery" grew icmp 80 remote "timeout 60 nsenter --net=/run/netns/far $peer get $2 80 1000000 0 $far"
	check "$1: conntrack: ours" remote "lab-client 1 $peer refused-udp $2 54"
	check "$1: ... no packet was invalid" nothing_invalid
	nft delete table inet watch
}

# A server's connected socket hears that its client is gone, also on another core.
late() {
	local before
	find_links "$2"
	: > "$LAB_OUT/udp.said"
	remote "lab-client ${client_on[1]} $peer late $2 53"
	sleep 1
	pin eth1 0
	check "$1: a client's error reaches the connected socket, on another core" \
		wait_until 20 grep -q 'late refused' "$LAB_OUT/udp.said"
	pin eth1 1
}

server() {
	load_module
	bond_up
	lab-ready
	ipv6_up
	local family
	for family in inet inet6; do
		flowparctl service add --family $family --port 80 --base-port 8000 --cpus 0-1
		flowparctl service add --family $family --protocol udp --port 53 --base-port 5000 --cpus 0-1
		flowparctl service add --family $family --protocol udp --port 54 --base-port 5100 --cpus 0-1
	done
	sysctl -q net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	"$peer" serve6 0:8000 1:8008 &
	"$peer" serve-udp 0:5000 1:5008 > "$LAB_OUT/udp.said" &
	check "the instances listen" wait_until 60 serving 8000 8008
	far_up
	remote 'tcpdump -i lag0 -w /tmp/all.pcap "icmp or icmp6 or tcp" & sleep 1' > /dev/null
	family IPv4 "$LAB_SERVER" 10.78.0.
	family IPv6 $server6 fd78::
	late IPv4 "$LAB_SERVER"
	late IPv6 $server6
	check "the host itself: an error for a missing UDP instance" "$peer" refused-udp "$LAB_SERVER" 54
	check "... over IPv6" "$peer" refused-udp $server6 54
	check "an error about a per-core port is nobody's from outside" grew closed 53 forged
	flood
	wire
	remote_start over
}

# One search takes half of what a jiffy has, so errors have one a jiffy, and segments the other half.
flood() {
	local hz start jiffies searched throttled
	hz=$(sed -n 's/^CONFIG_HZ=//p' "$LAB_KDIR/config")
	echo $((8 * hz)) > /sys/module/nf_flowpar/parameters/search_budget
	searched=$(counter missed 80) throttled=$(counter throttled 80)
	start=$(date +%s%N)
	remote "lab-client 1 $peer forged-flood $LAB_SERVER 80 3"
	jiffies=$((($(date +%s%N) - start) * hz / 1000000000))
	searched=$(($(counter missed 80) - searched)) throttled=$(($(counter throttled 80) - throttled))
	echo "# $searched searched in vain, $throttled throttled in $jiffies jiffies"
	check "errors about flows that there are not are searched for" test $searched -gt 0
	check "... no more often than the budget says" test $searched -le $((jiffies + hz))
	check "... the others are let pass" test $throttled -gt $searched
	echo 1000000 > /sys/module/nf_flowpar/parameters/search_budget
}

forged() { remote "lab-client 1 $peer forged $LAB_SERVER 5000"; }

wire() {
	remote 'pkill -x tcpdump; sleep 1
		tcpdump -nvvr /tmp/all.pcap "(icmp[0] == 3 or icmp6[0] < 5) and (src host 10.77.0.1 or src host fd77::1)" 2> /dev/null > /tmp/said
		grep -cE "unreachable.* (udp port 54|tcp port 80)|(udp port 54|tcp port 80) unreachable" /tmp/said
		grep -E "bad|wrong|incorrect|\.(5100|5108|8000|8008)" /tmp/said | head -3
		true' > "$LAB_OUT/wire"
	check "the switch saw our errors about the public ports" test "$(sed -n 1p "$LAB_OUT/wire")" -ge 6
	same "... none with a wrong checksum or a per-core port" "" "$(tail -n +2 "$LAB_OUT/wire")"
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
