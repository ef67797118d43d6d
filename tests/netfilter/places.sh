#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a service is where it is said to be: its namespace, its address, its sockets' device; and a server may ask which port its client used
#
#   a client --- switch --- link k --- IRQ k on CPU k --- bond0 10.77.0.1, dummy 10.80.0.1 --- veth --- "inside" 10.81.0.2
#
# dummy's address is one that a balancer in front of several servers sends to each of them
# (direct server return). Clients are named by the link that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

shared=10.80.0.1 shared6=fd80::1 inside=10.81.0.2

who_all() {
	local link
	for link in 0 1; do
		client $link who "$1" "${2:-80}" 3 | sed "s/^/$link /"
	done
}
own_cores() { printf '%d %d 3\n' 0 "${1:-8000}" 1 $((${1:-8000} + 8)); }
within() { ip netns exec inside "$@"; }
serving_within() { within ss -Hltn "sport = $1" | grep -q .; }

up() {
	ip link add shared type dummy
	ip link set shared up
	ip address add $shared/32 dev shared
	ip address add $shared6/128 dev shared nodad
	ip netns add inside
	ip link add inner type veth peer name eth0 netns inside
	ip address add 10.81.0.1/24 dev inner
	ip link set inner up
	ip -n inside link set lo up
	ip -n inside link set eth0 up
	ip -n inside address add $inside/24 dev eth0
	ip -n inside route add default via 10.81.0.1
	sysctl -q net.ipv4.ip_forward=1
	# shellcheck disable=SC2016	# for the other guest
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k route add 10.80.0.0/15 via '"$LAB_SERVER"'
			ip -n client$k -6 route add fd80::/64 via '"$server6"'
			k=$((k + 1))
		done'
}

# The address that many servers have: no ARP for it here, it only is local.
addresses() {
	local client_on
	find_links $shared
	same "any address: one on a dummy is served" "$(own_cores)" "$(who_all $shared)"
	same "... by the public port of that address" "::ffff:$shared 80" "$(client 1 public $shared 80)"
	check "... which closes the per-core ports" client 1 refused $shared 8008 \; test '$?' = 3
	check "... for this host as well" "$peer" who $shared 80 3
	flowparctl service add --port 84 --base-port 8000 --address $shared --cpus 0-1 > /dev/null 2>&1
	same "another service may not have the same ports" 1 $?
	flowparctl service del --port 80
	check "one address: a service of it is added" flowparctl service add --port 80 --base-port 8000 --address $shared --cpus 0-1
	same "... and served" "$(own_cores)" "$(who_all $shared)"
	same "... that port is no other address's" "8008 3" "$(client 1 who "$LAB_SERVER" 8008 3)"
	same "... whose server is told so" ENOENT "$(client 1 public "$LAB_SERVER" 8008)"
	check "... nor the public one" client 0 refused "$LAB_SERVER" 80
	flowparctl service del --port 80 --address $shared
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	find_links $shared6
	same "any address: one of IPv6 on a dummy is served" "$(own_cores)" "$(who_all $shared6)"
	same "... by the public port of that address" "$shared6 80" "$(client 1 public $shared6 80)"
}

# Each namespace has services, or none, of its own.
namespaces() {
	within "$peer" serve 0:8000 1:8008 0:8200 1:8208 &
	wait_until 60 serving_within 8208
	same "a namespace without services has plain ports" "8008 3" "$(client 0 who $inside 8008 3)"
	same "... which no service is told of" ENOENT "$(client 0 public $inside 8008)"
	check "... and has not the other's public port" client 0 refused $inside 80
	check "it has a service of its own on the same port" within flowparctl service add --port 80 --base-port 8200 --cpus 0-1
	find_links $inside
	same "... and its own cores' ports" "$(own_cores 8200)" "$(who_all $inside)"
	same "... of which it is told" "$inside 80" "$(client 0 public $inside 80)"
	same "... while the other namespace's ports are plain there" "8008 3" "$(client 0 who $inside 8008 3)"
	check "... and its own are closed" client 0 refused $inside 8208 \; test '$?' = 3
	check "one namespace reaches the other's service" within "$peer" who "$LAB_SERVER" 80 5
	check "... and it that one's" "$peer" who $inside 80 5
	find_links
	same "the first one's is what it was" "$(own_cores)" "$(who_all "$LAB_SERVER")"
	same "statistics are each one's own" "8000 8200" "$(bases) $(within flowparctl service list --json | /usr/bin/python3 -c "$print_bases")"
	ip netns pids inside | xargs kill
	ip netns del inside
	check "the namespace goes with its service" wait_until 30 fails 1 ip link show inner
	same "... the first one's stays" "$(own_cores)" "$(who_all "$LAB_SERVER")"
}
print_bases='import json, sys; print(*sorted({r["base_port"] for r in json.load(sys.stdin) if r["family"] == "inet" and r["port"] == 80}))'
bases() { flowparctl service list --json | /usr/bin/python3 -c "$print_bases"; }

# Listeners of one device only: for those of another, nobody listens there.
devices() {
	"$peer" serve-bound bond0 0:8300 1:8308 &
	wait_until 60 serving 8300 8308
	flowparctl service add --port 83 --base-port 8300 --cpus 0-1
	same "SO_BINDTODEVICE: served on its device" "$(own_cores 8300)" "$(who_all "$LAB_SERVER" 83)"
	check "SO_BINDTODEVICE: its flows are found" grew attached 83 client 0 who "$LAB_SERVER" 83 1
	check "SO_BINDTODEVICE: not on another" within "$peer" refused 10.81.0.1 83
	local before
	before=$(counter moved 83)
	client_start 1 get "$LAB_SERVER" 83 4000000 6
	wait_until 30 established 8308
	pin eth1 0
	same "SO_BINDTODEVICE: a flow that moves arrives whole" 8308 "$(remote_end)"
	pin eth1 1
	check "... and has moved" test "$(counter moved 83)" -gt "$before"
}

# getsockopt(FLOWPAR_SO_PUBLIC), see uapi/linux/flowpar_sockopt.h
public() {
	same "public port: of a connection" "::ffff:$LAB_SERVER 80" "$(client 1 public "$LAB_SERVER" 80)"
	same "public port: over IPv6" "$server6 80" "$(client 0 public $server6 80)"
	same "public port: of an IPv4 socket" "$LAB_SERVER 83" "$(client 1 public "$LAB_SERVER" 83)"
	same "public port: of a client on this host" "::ffff:$LAB_SERVER 80" "$("$peer" public "$LAB_SERVER" 80)"
	same "public port: of no service on loopback" "ENOENT ENOENT" "$("$peer" public 127.0.0.1 8008) $("$peer" public ::1 8008)"
	same "public port: of UDP, which has no address" ":: 53" "$(client 1 udp-public "$LAB_SERVER" 53)"
	flowparctl service add --port 85 --base-port 8500 --cpus 0-1
	flowparctl service add --family inet6 --port 86 --base-port 8600 --cpus 0-1
	same "public port: as a socket is bound" "$(printf '%s\n' "tcp 0.0.0.0 85" "listening 0.0.0.0 85" "udp ENOENT" "raw ENOPROTOOPT")" \
		"$("$peer" own-public "" 8508)"
	same "public port: ... to an address" "$(printf '%s\n' "tcp $LAB_SERVER 85" "listening $LAB_SERVER 85" "udp ENOENT" "raw ENOPROTOOPT")" \
		"$("$peer" own-public "$LAB_SERVER" 8508)"
	same "public port: ... to IPv6's any, by the service of IPv4" "$(printf '%s\n' "tcp :: 85" "listening :: 85" "udp ENOENT" "raw ENOPROTOOPT")" \
		"$("$peer" own-public - 8508)"
	same "public port: ... to the public port itself" "tcp 0.0.0.0 85" "$("$peer" own-public "" 85 | head -1)"
	same "public port: ... to a port between two cores'" "tcp ENOENT" "$("$peer" own-public "" 8501 | head -1)"
	same "public port: ... to that of a service of the other family" "tcp ENOENT tcp :: 86" \
		"$("$peer" own-public "" 8608 | head -1) $("$peer" own-public - 8608 | head -1)"
	same "public port: anybody may ask" "tcp 0.0.0.0 85" "$(as_nobody "$peer" own-public "" 8508 | head -1)"
	flowparctl service add --family inet6 --port 85 --base-port 8500 --cpus 0-1
	same "public port: what cannot be answered" \
		"$(printf '%s\n' "short EINVAL EINVAL" "negative EINVAL" "long 16 28" "nowhere EFAULT EFAULT" "family ENOPROTOOPT" "set ENOPROTOOPT")" \
		"$("$peer" misused 0 8508)"
}

# While it is asked, also in the middle of an answer.
unload() {
	local n rounds=0 asked
	rm -f "$LAB_OUT/stop"
	"$peer" asking 0 8508 "$LAB_OUT/stop" > "$LAB_OUT/asked" &
	asked=$!
	wait_until 60 grep -q begun "$LAB_OUT/asked"
	for ((n = 0; n < 300 && rounds < 5; n++)); do
		# One that is being answered holds it.
		rmmod nf_flowpar 2> /dev/null || { sleep 0.1; continue; }
		rounds=$((rounds + 1))
		load_module
		flowparctl service add --port 85 --base-port 8500 --cpus 0-1
		flowparctl service add --family inet6 --port 85 --base-port 8500 --cpus 0-1
		sleep 0.2
	done
	same "the module goes while sockets are answered" 5 $rounds
	touch "$LAB_OUT/stop"
	wait $asked
	same "... with these answers in between" "0.0.0.0 85 :: 85 ENOPROTOOPT" "$(grep -vxE 'begun|ENOENT' "$LAB_OUT/asked" | sort | paste -sd' ')"
	rmmod nf_flowpar
	same "without it no socket knows the option" "tcp ENOPROTOOPT" "$("$peer" own-public "" 8508 | head -1)"
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
	done
	"$peer" serve6 0:8000 1:8008 &
	"$peer" serve-udp 0:5000 1:5008 &
	check "the instances listen" wait_until 60 serving 8000 8008
	up
	find_links
	devices
	public
	addresses
	namespaces
	unload
	remote_start over
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 1500 ;;
server)	server ;;
client)	obey ;;
esac
finish
