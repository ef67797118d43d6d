#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: beside forwarding, NAT, proxies, bridges, VRFs, tc and XDP a service is what it is without, and so are they
#
#   two clients --- switch --- link k --- bond0 10.77.0.1, CPU k's port 8000 + 8k --- veth --- "behind" 10.79.0.2
#
# "behind" is another host on whose way this one lies; it has ports 80 and 8008 of its own.
# conntrack, and what it calls invalid, is in the way throughout. Clients are named by
# the link that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

behind=10.79.0.2 behind6=fd79::2

own_cores() { printf '%d %d 3\n' 0 8000 1 8008; }
who_all() {
	local link
	for link in 0 1; do
		client $link who "${1:-$LAB_SERVER}" 80 3 | sed "s/^/$link /"
	done
}
# served TEXT: both families, by the core of each link
served() {
	same "$1: IPv4 is served by its cores" "$(own_cores)" "$(who_all)"
	local client_on
	find_links $server6
	same "$1: IPv6 is" "$(own_cores)" "$(who_all $server6)"
	check "$1: per-core ports stay closed" client 0 refused "$LAB_SERVER" 8008 \; test '$?' = 3
}
counters() {
	flowparctl stats --json | /usr/bin/python3 -c '
import json, sys
rows = json.load(sys.stdin)
print(*("%s=%d" % (name, sum(r[name] for r in rows)) for name in ("in", "out", "closed", "icmp", "error")))'
}

pid_of() { ss -Hltnp "sport = $1" | grep -o 'pid=[0-9]*' | cut -d= -f2 | head -1; }

behind_up() {
	ip netns add behind
	ip link add inner type veth peer name eth0 netns behind
	ip address add 10.79.0.1/24 dev inner
	ip address add fd79::1/64 dev inner nodad
	ip link set inner up
	ip -n behind link set lo up
	ip -n behind link set eth0 up
	ip -n behind address add $behind/24 dev eth0
	ip -n behind address add $behind6/64 dev eth0 nodad
	ip -n behind route add default via 10.79.0.1
	ip -n behind -6 route add default via fd79::1
	sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# shellcheck disable=SC2016	# for the other guest
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k route add 10.79.0.0/24 via '"$LAB_SERVER"'
			ip -n client$k -6 route add fd79::/64 via '"$server6"'
			k=$((k + 1))
		done'
	ip netns exec behind "$peer" serve6 0:80 1:8008 &
	wait_until 60 ip netns exec behind bash -c 'ss -Hltn "sport = 8008" | grep -q .'
}

# Packets that only pass through have the same ports, either way.
forwarding() {
	local before
	before=$(counters)
	same "forwarding: another host's public port is its own" "80 3" "$(client 0 who $behind 80 3)"
	same "forwarding: so is its port that is a core's here" "8008 3" "$(client 1 who $behind 8008 3)"
	same "forwarding: also over IPv6" "$(printf '80 3\n8008 3')" "$(client 0 who $behind6 80 3; client 0 who $behind6 8008 3)"
	same "forwarding: in bulk" 8008 "$(client 1 get $behind 8008 2000000 0)"
	same "forwarding: in fragments" "8008 accepts" "$(client 1 fragmented $behind 8008)"
	same "forwarding: nothing of it is counted" "$before" "$(counters)"
	check "forwarding: the other host reaches the service here" ip netns exec behind "$peer" who "$LAB_SERVER" 80 3
	check "forwarding: ... and no per-core port" bash -c "ip netns exec behind $peer refused $LAB_SERVER 8008; test \$? = 3"
}

# A client on this host meets its own service over loopback as one on another host does:
# its side of the firewall sees the public port, the server's the core's.
clients_here() {	# clients_here TEXT [skip]: with skip, not at per-core ports
	local address
	for address in "$LAB_SERVER" $server6; do
		same "$1: a client here is served at $address" 10 \
			"$("$peer" who "$address" 80 10 | awk '$1 == 8000 || $1 == 8008 { n += $2 } END { print n }')"
		check "$1: ... in bulk" "$peer" get "$address" 80 2000000 0
		[[ ${2:-} ]] || check "$1: ... and refused at a per-core port" "$peer" refused "$address" 8008
	done
}

here() {
	local before
	before=$(counter in 80)
	clients_here "here"
	check "here: the packets were rewritten" test "$(counter in 80)" -gt $((before + 40))
	nft -f - <<-END
	table inet sides {
		chain out {
			type filter hook output priority 0;
			oif lo tcp dport { 8000, 8008 } counter drop
			oif lo tcp sport 80 counter drop
		}
		chain in {
			type filter hook input priority 0;
			iif lo tcp dport 80 counter drop
			iif lo tcp sport { 8000, 8008 } counter drop
		}
	}
	END
	clients_here "here, each side with its port" skip	# the rules drop what goes there
	nft delete table inet sides
	# NAT on the client's side, before the packet comes to us and after the answer has.
	"$peer" serve6 0:9002 &
	wait_until 60 serving 9002
	nft -f - <<-END
	table inet nat {
		chain out {
			type nat hook output priority -100;
			meta nfproto ipv4 ip daddr $LAB_SERVER tcp dport 81 dnat ip to $LAB_SERVER:8008
			meta nfproto ipv6 ip6 daddr $server6 tcp dport 81 dnat ip6 to [$server6]:8008
			meta nfproto ipv4 ip daddr $LAB_SERVER tcp dport 82 dnat ip to $LAB_SERVER:80
			meta nfproto ipv6 ip6 daddr $server6 tcp dport 82 dnat ip6 to [$server6]:80
			ip daddr $behind tcp dport 80 redirect to :9002
			ip6 daddr $behind6 tcp dport 80 redirect to :9002
		}
	}
	END
	clients_here "here, NAT"
	same "here, NAT: another port that goes to a core's" "$(printf '8008 3\n8008 3')" "$("$peer" who "$LAB_SERVER" 81 3; "$peer" who $server6 81 3)"
	same "here, NAT: another port that goes to the public one" 6 \
		"$({ "$peer" who "$LAB_SERVER" 82 3; "$peer" who $server6 82 3; } | awk '/^80/ { n += $2 } END { print n }')"
	same "here, NAT: another host's public port that goes to a proxy" "$(printf '9002 3\n9002 3')" "$("$peer" who $behind 80 3; "$peer" who $behind6 80 3)"
	check "here, NAT: ... in bulk" "$peer" get $behind 80 2000000 0
	nft delete table inet nat
	nft -f - <<-END
	table ip hide {
		chain post { type nat hook postrouting priority srcnat; oif lo ip daddr $LAB_SERVER masquerade; }
	}
	END
	clients_here "here, masqueraded"
	nft delete table ip hide
	kill "$(pid_of 9002)"
}

# What NAT after us sees are per-core ports; other ports are its own.
nat() {
	nft -f - <<-END
	table ip nat {
		chain pre {
			type nat hook prerouting priority dstnat;
			tcp dport 8443 dnat to $behind:8008
			tcp dport 81 redirect to :8008
		}
		chain post {
			type nat hook postrouting priority srcnat;
			ip saddr $behind tcp dport 7777 masquerade
		}
	}
	END
	same "NAT: another port that goes to another host's port" "8008 3" "$(client 0 who "$LAB_SERVER" 8443 3)"
	same "NAT: another port that goes to a core's" "8008 3" "$(client 0 who "$LAB_SERVER" 81 3)"
	same "NAT: ... in bulk" 8008 "$(client 0 get "$LAB_SERVER" 81 2000000 0)"
	remote "lab-client 0 $peer serve 0:7777 > /dev/null 2>&1 & until lab-client 0 ss -Hltn 'sport = 7777' | grep -q .; do sleep 0.1; done"
	same "NAT: another host, masqueraded as this one" "7777 3" \
		"$(ip netns exec behind "$peer" who "$(remote "lab-client 0 ip -o -4 address show dev eth0" | sed 's/.*inet \([^/]*\).*/\1/')" 7777 3)"
	served "NAT"
	nft delete table ip nat
}

# A proxy that answers from other hosts' addresses and ports: a core's port is among them.
tproxy() {
	local before
	"$peer" serve-transparent 0:9000 &
	wait_until 60 serving 9000
	ip rule add fwmark 1 lookup 100
	ip route add local default dev lo table 100
	nft -f - <<-END
	table ip proxy {
		chain pre {
			type filter hook prerouting priority mangle;
			ip daddr $behind tcp dport { 80, 8008 } tproxy to :9000 meta mark set 1 accept
			tcp dport 8443 tproxy to :9000 meta mark set 1 accept
		}
	}
	END
	before=$(counters)
	same "TPROXY: answers from another host's public port" "9000 3" "$(client 0 who $behind 80 3)"
	same "TPROXY: ... and from its port that is a core's here" "9000 3" "$(client 1 who $behind 8008 3)"
	same "TPROXY: ... in bulk" 9000 "$(client 1 get $behind 8008 2000000 0)"
	same "TPROXY: nothing of it is counted" "$before" "$(counters)"
	same "TPROXY: ... nor told to be a service's" ENOENT "$(client 1 public $behind 8008)"
	same "TPROXY: another port of this host" "9000 3" "$(client 1 who "$LAB_SERVER" 8443 3)"
	served "TPROXY"
	# The service itself, taken over by a proxy that sees the per-core port.
	nft add rule ip proxy pre ip daddr "$LAB_SERVER" tcp dport 8000 tproxy to :9000 meta mark set 1 accept
	same "TPROXY: one core's flows" "$(printf '%d %d 3\n' 0 9000 1 8008)" "$(who_all)"
	nft delete table ip proxy
	ip rule del fwmark 1
	ip route flush table 100
	kill "$(pid_of 9000)"
}

# tc and XDP on the slaves, before the bond; a program there may choose the socket.
programs() {
	local k program before
	for k in 0 1; do
		tc qdisc add dev "eth$k" clsact
		tc filter add dev "eth$k" ingress matchall action pass
		tc filter add dev "eth$k" egress matchall action pass
	done
	served "tc on the slaves"
	check "tc on the slaves: it saw the packets" bash -c "tc -s filter show dev eth0 ingress | grep -q 'Sent [1-9]'"
	for k in 0 1; do
		tc qdisc del dev "eth$k" clsact
		program[k]=$("$ATTACH" xdp "eth$k")
	done
	check "XDP on the slaves: it is there" bash -c "ip link show eth0 | grep -q xdp"
	served "XDP on the slaves"
	kill "${program[@]}"

	# attach holds it by a link, which tc has since 6.6.
	[[ $(uname -r) != 6.1.* ]] || return
	"$peer" serve 0:9001 &
	wait_until 60 serving 9001
	k=$("$ATTACH" assign bond0 9001 80 "$(pid_of 9001)")
	before=$(counter in 80)
	same "bpf_sk_assign: the program's socket is given the service's flows" "9001 3" "$(client 1 who "$LAB_SERVER" 80 3)"
	same "bpf_sk_assign: ... which have kept the public port" "$before" "$(counter in 80)"
	kill "$k"
	wait_until 30 fails 1 kill -0 "$k"
	served "after bpf_sk_assign"
}

vrf() {
	ip link add red type vrf table 200
	ip link set red up
	ip link set bond0 master red
	# Enslaving takes IPv6's addresses, and the way to "behind".
	ip address replace "$server6/64" dev bond0 nodad
	sysctl -q net.ipv4.tcp_l3mdev_accept=1
	check "VRF: both links distribute" wait_until 30 lag_ready bond0 2
	served "VRF"
	DEVICE=red clients_here "VRF"
	sysctl -q net.ipv4.tcp_l3mdev_accept=0
	check "VRF: a listener outside of it is not reached" client 0 refused "$LAB_SERVER" 80
	ip link set bond0 nomaster
	ip link del red
	ip address replace "$server6/64" dev bond0 nodad
}

# The bond is a port of a bridge with iptables' hooks; so is another host with these ports.
bridge() {
	local before
	modprobe br_netfilter
	ip link add br1 address "$(< /sys/class/net/bond0/address)" type bridge stp_state 0 forward_delay 0
	ip address flush dev bond0
	ip link set bond0 master br1
	ip link set br1 up
	ip address add "$LAB_SERVER/24" dev br1
	ip address add "$server6/64" dev br1 nodad
	sysctl -q net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
	before=$(counter attached 80)
	served "br_netfilter"
	same "br_netfilter: no socket is attached to what the bridge has yet to pass" "$before" "$(counter attached 80)"

	ip link add port type veth peer name eth1 netns behind
	ip link set port master br1 up
	ip -n behind link set eth1 up
	ip -n behind address add 10.77.0.99/24 dev eth1
	before=$(counters)
	same "br_netfilter: a bridged host's public port is its own" "80 3" "$(client 0 who 10.77.0.99 80 3)"
	same "br_netfilter: so is its port that is a core's here" "8008 3" "$(client 1 who 10.77.0.99 8008 3)"
	same "br_netfilter: nothing of it is counted" "$before" "$(counters)"
}

server() {
	local family
	load_module
	bond_up
	lab-ready
	ipv6_up
	for family in inet inet6; do
		flowparctl service add --family $family --port 80 --base-port 8000 --cpus 0-1
	done
	"$peer" serve6 0:8000 1:8008 &
	check "the instances listen" wait_until 60 serving 8000 8008
	behind_up
	conntrack_on
	find_links
	served "alone"
	here
	forwarding
	nat
	tproxy
	programs
	check "no packet was invalid" nothing_invalid
	vrf
	bridge
	check "no packet was invalid on VRF or bridge" nothing_invalid
	same "nothing failed to be rewritten" 0 "$(counter error 80)"
	remote_start over
}

case ${LAB_ROLE:-host} in
host)
	check "attach builds" cc -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$repo/bench/steer" -o "$test_out/attach" \
		"$repo"/tests/netfilter/attach.c "$repo"/bench/steer/{bpf,listeners}.c "$repo/ctl/listeners.c" -lmnl
	host --cpus 2 --nics 2 --timeout 900 --env "ATTACH=$test_out/attach" ;;
server)	server ;;
client)	obey ;;
esac
finish
