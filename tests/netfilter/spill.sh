#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a new flow passes over a listener that is missing or past its threshold, for the least loaded; flows that live stay; without any, the kernel answers
#
#   a client --- switch --- link k --- IRQ k on CPU k --- port 8000 + 8k, or another
#
# Clients are named by the link that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

queue() { ss -Hltn "sport = $1" | awk '{ print $2 }'; }
queue_is() { [[ $(queue "$1") == "$2" ]]; }
pid_of() { ss -Hltnp "sport = $1" | grep -o 'pid=[0-9]*' | cut -d= -f2 | head -1; }
accept() { kill -USR1 "$(pid_of 8000)"; }

server() {
	load_module
	bond_up
	lab-ready
	ipv6_up
	find_links
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1 --spill 50
	flowparctl service add --family inet6 --port 80 --base-port 8000 --cpus 0-1
	threshold
	missing
	none
	remote_start over
}

# Five in a queue that holds ten are the threshold, three quarters of it the way back.
threshold() {
	"$peer" serve-slow 0:8000 &
	"$peer" serve 1:8008 &
	wait_until 60 serving 8000 8008
	# shellcheck disable=SC2154	# find_links
	remote "lab-client ${client_on[0]} $peer hold $LAB_SERVER 80 5 600 > /dev/null 2>&1 &"
	check "a busy listener takes flows up to the threshold" wait_until 60 queue_is 8000 5
	same "... none is spilled before" 0 "$(counter spilled 80)"
	same "past it they go to another" "8008 5" "$(client 0 who "$LAB_SERVER" 80 5)"
	same "... which is counted" 5 "$(counter spilled 80)"
	same "... and its own flows are as ever" "8008 3" "$(client 1 who "$LAB_SERVER" 80 3)"
	same "a spilled flow arrives whole" 8008 "$(client 0 get "$LAB_SERVER" 80 1000000 1)"
	accept
	check "one is accepted" wait_until 30 queue_is 8000 4
	same "just below the threshold they still go to another" "8008 1" "$(client 0 who "$LAB_SERVER" 80 1)"
	accept
	check "another is accepted" wait_until 30 queue_is 8000 3
	local before
	before=$(counter spilled 80)
	remote "lab-client ${client_on[0]} $peer hold $LAB_SERVER 80 1 600 > /dev/null 2>&1 &"
	check "well below it, they come home" wait_until 30 queue_is 8000 4
	same "... uncounted" "$before" "$(counter spilled 80)"
}

missing() {
	kill "$(pid_of 8000)"
	wait_until 30 fails 1 serving 8000
	same "a missing listener is passed over" "8008 5" "$(client 0 who "$LAB_SERVER" 80 5)"
	same "... also in bulk" 8008 "$(client 0 get "$LAB_SERVER" 80 1000000 1)"
	check "... on this host too" "$peer" who "$LAB_SERVER" 80 10
	sysctl -q net.ipv4.tcp_syncookies=2
	same "... by SYN cookies too" "8008 5" "$(client 0 who "$LAB_SERVER" 80 5)"
	sysctl -q net.ipv4.tcp_syncookies=1
	"$peer" serve 0:8000 &
	wait_until 60 serving 8000
	same "it is back, and its flows with it" "8000 5" "$(client 0 who "$LAB_SERVER" 80 5)"
}

none() {
	kill "$(pid_of 8000)" "$(pid_of 8008)"
	wait_until 30 fails 1 serving 8000
	wait_until 30 fails 1 serving 8008
	check "no listener at all: refused, from the public port" client 0 refused "$LAB_SERVER" 80
	"$peer" serve6 1:8008 &
	wait_until 60 serving 8008
	find_links $server6
	same "IPv6: a missing listener is passed over" "8008 5" "$(client 0 who $server6 80 5)"
	sysctl -q net.ipv4.tcp_syncookies=2
	same "IPv6: ... by SYN cookies too" "8008 5" "$(client 0 who $server6 80 5)"
	sysctl -q net.ipv4.tcp_syncookies=1
	kill "$(pid_of 8008)"
	wait_until 30 fails 1 serving 8008
	check "IPv6: none at all: refused, from the public port" client 0 refused $server6 80
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
