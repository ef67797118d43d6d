#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: in every state of TCP a segment that comes on another core than the ones before it does what it does on one core
#
#   states.py at the switch's ports --- link k --- IRQ k on CPU k --- port 8000 + 8k as 10.77.0.1:80 and [fd77:0::1]:80
#
# The client is states.py, which sends each of its segments by the link of its choice; it
# has addresses of its own. This script is the server, and does what the client asks for.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# --- what the client asks for -----------------------------------------------------

# fresh FAMILY PORT BASE: a service in which no flow has moved
fresh() {
	flowparctl service del --family "$1" --port "$2"
	flowparctl service add --family "$1" --port "$2" --base-port "$3" --cpus 0-1
}
# at STATE PORT: on which of the service's ports the client's PORT is in STATE, once it is
at() {
	wait_until 20 in_state "$1" "$2"
	ss -Htan state "$1" "dport = $2" | sed -n 's/.*:\(8[0-9]*\) .*/\1/p' | sort | paste -sd' '
}
in_state() { ss -Htan state "$1" "dport = $2" | grep -q .; }
budget() {
	echo "$1" > /sys/module/nf_flowpar/parameters/search_budget || echo "refused $(< /sys/module/nf_flowpar/parameters/search_budget)"
}
served_half() {	# what the server got after it had closed its half
	wait_until 60 grep -q half "$LAB_OUT/served"
	tail -1 "$LAB_OUT/served"
	: > "$LAB_OUT/served"
}
two_instances() {	# of core 1; core 0 has none
	flowparctl service add --port 81 --base-port 8100 --cpus 0-1 --per-core 2
	"$peer" serve 1:8108 1:8109 &
	wait_until 60 serving 8108 8109
}

answer_client() {
	local n=1
	while lab-wait "ask$n" > /dev/null && [[ $(< "$LAB_OUT/ask.$n") != over ]]; do
		# Anything it starts must not hold the file open.
		eval "$(< "$LAB_OUT/ask.$n")" > "$LAB_OUT/told.$n" < /dev/null
		lab-post "told$n"
		n=$((n + 1))
	done
}

server() {
	local family
	load_module
	bond_up
	ip address add fd77:0::1/64 dev bond0 nodad
	ip neighbour replace 10.77.0.200 lladdr 02:00:00:00:00:c8 dev bond0 nud permanent
	ip neighbour replace fd77:0::c8 lladdr 02:00:00:00:00:c8 dev bond0 nud permanent
	# Requests, and what is half closed, must be there yet when it is looked at.
	# No frame is lost here: one that the client is slow to acknowledge is not to come again.
	sysctl -qe net.ipv4.tcp_rto_min_us=30000000
	sysctl -q net.ipv4.tcp_synack_retries=7 net.ipv4.tcp_orphan_retries=15
	# For listeners that do not ask for it.
	sysctl -q net.ipv4.tcp_fastopen=1027 net.ipv6.auto_flowlabels=0
	for family in inet inet6; do
		flowparctl service add --family $family --port 80 --base-port 8000 --cpus 0-1
		flowparctl service add --family $family --port 82 --base-port 8200 --cpus 0-1
	done
	"$peer" serve6 0:8000 1:8008 0:8200 1:8208 >> "$LAB_OUT/served" &
	check "the instances listen" wait_until 60 serving 8000 8008 8200 8208
	lab-ready
	remote_start "$repo/tests/netfilter/states.py $(< /sys/class/net/bond0/address)"
	answer_client
	remote_end || failed=$((failed + 1))
	same "nothing failed to be rewritten" 0 "$(counter error 80)"
	remote_start over
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
