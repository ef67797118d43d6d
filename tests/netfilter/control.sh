#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: services are added, listed and deleted per namespace; each refusal says why and changes nothing
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

add() { flowparctl service add "$@"; }
# refused REGEX ARGUMENTS...: service add is refused with a reason
refused() {
	local regex=$1
	shift
	check_fails "refused: $*" 1 "$regex" flowparctl service add "$@"
}
server() {
	local listed i
	load_module
	lab-ready

	check "a service is added" add --port 80 --base-port 8000 --cpus 0-1
	check "another beside it" add --port 443 --base-port 8100 --cpus 0,1 --stride 4 --per-core 2
	check "one for an address" add --port 80 --base-port 8200 --cpus 1 --address 10.77.0.1
	listed=$(flowparctl service list --json)
	same "what is listed is what was asked for" \
		"10.77.0.1:80 8200 8 1 [1]|None:443 8100 4 2 [0, 1]|None:80 8000 8 1 [0, 1]" \
		"$(/usr/bin/python3 -c '
import json, sys
print("|".join(sorted("%s:%s %s %s %s %s" % (s["address"], s["port"], s["base_port"], s["stride"], s["per_core"], s["cpus"]) for s in json.load(sys.stdin))))' <<< "$listed")"

	refused 'has a service already' --port 80 --base-port 9000 --cpus 0-1
	refused 'overlap 8000-8008 of port 80' --port 81 --base-port 8008 --cpus 0-1
	refused 'overlap' --port 81 --base-port 7999 --cpus 0-1 --per-core 2
	refused 'lies within the other' --port 8101 --base-port 9000 --cpus 0-1
	refused 'lies within the other' --port 81 --base-port 440 --cpus 0-1
	refused 'lies within its per-core ports 9000-9008' --port 9004 --base-port 9000 --cpus 0-1
	refused '4098 per-core ports, more than 4096' --port 81 --base-port 9000 --cpus 0-1 --stride 2049 --per-core 2049
	refused 'past 65535' --port 81 --base-port 65530 --cpus 0-1
	refused 'do not fit a stride of 2' --port 81 --base-port 9000 --cpus 0-1 --stride 2 --per-core 3
	refused 'CPU|CPUs' --port 81 --base-port 9000 --cpus 0-400
	refused 'port 40000 is ephemeral' --port 81 --base-port 40000 --cpus 0-1
	refused 'port 50000 is ephemeral' --port 50000 --base-port 9000 --cpus 0-1
	refused 'not a unicast address' --port 81 --base-port 9000 --cpus 0-1 --address 224.0.0.1
	refused 'not a unicast address' --port 81 --base-port 9000 --cpus 0-1 --address ff02::1
	refused 'an IPv4 address' --port 81 --base-port 9000 --cpus 0-1 --address ::ffff:10.77.0.1
	check_fails "a service that is not there is not deleted" 1 'no service of this address' flowparctl service del --port 81
	same "nothing of this changed anything" "$listed" "$(flowparctl service list --json)"
	sysctl -q net.ipv4.ip_local_reserved_ports=40000-40008
	"$peer" signed 9008 &
	wait_until 60 serving 9008
	refused 'port 9008 has TCP-MD5' --port 81 --base-port 9000 --cpus 0-1
	kill $!
	wait $! 2> /dev/null
	refused 'only TCP spills' --port 81 --base-port 9000 --cpus 0-1 --protocol udp --spill 50
	check "IPv6 beside IPv4 on the same ports" add --family inet6 --port 80 --base-port 8000 --cpus 0-1
	refused 'overlap 8000-8008 of port 80' --family inet6 --port 81 --base-port 8008 --cpus 0-1
	check "UDP beside TCP on the same ports" add --protocol udp --port 80 --base-port 8000 --cpus 0-1
	refused 'overlap 8000-8008 of port 80' --protocol udp --port 81 --base-port 8008 --cpus 0-1
	same "all are listed" 5 "$(flowparctl service list --json | grep -o '"port"' | wc -l)"
	check "each goes alone" flowparctl service del --family inet6 --port 80
	check "... UDP too" flowparctl service del --protocol udp --port 80
	same "... and changes nothing else" "$listed" "$(flowparctl service list --json)"
	check "reserved ephemeral ports are accepted" add --port 81 --base-port 40000 --cpus 0-1
	flowparctl service del --port 81

	check_fails "without privilege: refused" 1 'not permitted' \
		as_nobody flowparctl service add --port 81 --base-port 9000 --cpus 0
	check "... though everybody may look" as_nobody flowparctl service list
	check "root of a container rules the container's namespace" unshare -Urn flowparctl service add --port 80 --base-port 8000 --cpus 0

	raw
	namespaces

	for ((i = 0; i < 61; i++)); do
		add --port $((1000 + i)) --base-port $((10000 + i * 16)) --cpus 0-1 || break
	done
	same "as many as fit are accepted" 64 "$(flowparctl service list --json | grep -o '"port"' | wc -l)"
	refused 'has 64 services' --port 2000 --base-port 20000 --cpus 0
	# Two messages each, but one for the service on one CPU.
	same "a dump of many messages is whole" 127 \
		"$(flowparctl stats --json | /usr/bin/python3 -c 'import json, sys; print(len({(s["address"], s["port"], s["cpu"]) for s in json.load(sys.stdin)}))')"
	check "the module goes with services in two namespaces" rmmod nf_flowpar
}

# What flowparctl is too careful to send, and what only a listener sees.
raw() {
	check "malformed requests are refused with the attribute at fault; changes are announced" \
		/usr/bin/python3 "$repo/tests/netfilter/netlink.py"
}

# The other namespace has its own services on the same ports, and its own listeners.
namespaces() {
	ip netns add other
	ip link add here type veth peer name there netns other
	ip address add 10.99.0.1/24 dev here
	ip link set here up
	ip -n other address add 10.99.0.2/24 dev there
	ip -n other link set there up
	ip -n other link set lo up
	same "another namespace starts empty" "[]" "$(ip netns exec other flowparctl service list --json | tr -d ' \n')"
	check "the same port is free there" ip netns exec other flowparctl service add --port 80 --base-port 9000 --cpus 0-1
	ip netns exec other "$peer" serve 0:9000 1:9008 &
	wait_until 60 ip netns exec other bash -c 'ss -Hltn sport = 9008 | grep -q .'
	same "its CPUs' listeners serve this namespace's CPUs" "$(printf '9000 3\n9008 3')" \
		"$(taskset -c 0 "$peer" who 10.99.0.2 80 3; taskset -c 1 "$peer" who 10.99.0.2 80 3)"
	check "its per-core ports are closed to us" bash -c "$peer refused 10.99.0.2 9000; test \$? = 3"
	ip netns pids other | xargs kill
	ip netns del other
	ip netns add third
	check "a namespace dies with its services" ip netns exec third flowparctl service add --port 80 --base-port 8000 --cpus 0
	ip netns del third
	ip netns add fourth
	ip netns exec fourth flowparctl service add --port 80 --base-port 8000 --cpus 0
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 1 ;;
server)	server ;;
client)	true ;;
esac
finish
