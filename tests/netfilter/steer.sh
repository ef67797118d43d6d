#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the CPU a connection arrives on serves it, nobody outside sees its port, and a flow that moves lives on
#
#   a client --- switch --- link k --- IRQ k on CPU k --- port 8000 + 8k as 10.77.0.1:80
#
# About 3 minutes in full; on the debug kernel 15.
#
# Clients are named by the link that the switch hashes them onto.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# who_all: what each client's connections say about their server
who_all() {
	local link
	for link in 0 1 2 3; do
		client $link who "$LAB_SERVER" "${1:-80}" "${2:-5}" | sed "s/^/$link /"
	done
}
own_cores() { printf '%d %d 5\n' 0 8000 1 8008 2 8016 3 8024; }

server() {
	load_module
	bond_up
	check "a service is added" flowparctl service add --port 80 --base-port 8000 --cpus 0-3
	"$peer" serve 0:8000 1:8008 2:8016 3:8024 &
	check "the instances listen" wait_until 60 serving 8000 8008 8016 8024
	lab-ready
	find_links
	same "every link has a client" "0 1 2 3" "${!client_on[*]}"
	remote 'tcpdump -i lag0 -s 96 -w /tmp/all.pcap tcp & sleep 1' > /dev/null

	same "each client is served by the core that its link interrupts" "$(own_cores)" "$(who_all)"
	check "segments found their sockets at PRE_ROUTING" grew attached 80 client 0 who "$LAB_SERVER" 80 1
	sysctl -q net.ipv4.tcp_early_demux=0
	check "tcp_early_demux=0: still served" client 1 who "$LAB_SERVER" 80 1
	check "tcp_early_demux=0: nothing is attached" fails 1 grew attached 80 client 1 who "$LAB_SERVER" 80 1
	sysctl -q net.ipv4.tcp_early_demux=1

	# From outside, a per-core port does not exist: no answer, not even a reset.
	check "a per-core port is closed from outside" client 0 refused "$LAB_SERVER" 8008 \; test '$?' = 3
	check "... and counted" test "$(counter closed 80)" -ge 1
	same "a per-core port is plain on 127.0.0.1" "8008 1" "$("$peer" who 127.0.0.1 8008 1)"
	check "the host itself is refused a per-core port of its address" "$peer" refused "$LAB_SERVER" 8008
	check "the host itself reaches the public port" "$peer" who "$LAB_SERVER" 80 20
	check "... also in bulk, while the client moves between CPUs" "$peer" get "$LAB_SERVER" 80 20000000 2
	check "a port between two cores' is nobody's" client 0 refused "$LAB_SERVER" 8001

	fragments
	conntrack_on
	same "conntrack, invalid dropped in every chain: served" "$(own_cores)" "$(who_all)"
	same "... a fragmented SYN too" "80 accepts" "$(client 2 fragmented "$LAB_SERVER" 80)"
	check "... no packet was invalid" nothing_invalid
	moved
	nft delete table inet watch
	cookies
	flood
	instances
	older
	foreign
	wire
	unload
	remote_start over
}

# The second fragment has no port: both wait here until the datagram is whole.
fragments() {
	same "a SYN in two fragments is answered from the public port" "80 accepts" "$(client 2 fragmented "$LAB_SERVER" 80)"
	same "... at a per-core port by nobody" silence "$(client 2 fragmented "$LAB_SERVER" 8016)"
	same "... at another port by the kernel" "7000 refuses" "$(client 2 fragmented "$LAB_SERVER" 7000)"
}

# The interrupt moves in mid-transfer, there and back; also while the flow is idle.
moved() {
	local before
	before=$(counter moved 80)
	client_start 1 get "$LAB_SERVER" 80 6000000 6
	wait_until 30 established 8008
	sleep 1
	pin eth1 3
	sleep 2
	pin eth1 2
	same "a flow that moves twice in mid-transfer arrives whole" 8008 "$(remote_end)"
	check "... and is counted as moved" test "$(counter moved 80)" -gt "$before"
	same "new connections go to the new core" "8016 3" "$(client 1 who "$LAB_SERVER" 80 3)"
	client_start 1 idle "$LAB_SERVER" 80 3
	wait_until 30 established 8016
	sleep 1
	pin eth1 1
	same "an idle flow that moves is found" "8016 8016" "$(remote_end)"
	same "the interrupt is back, the core is too" "$(own_cores)" "$(who_all)"
}

# The last ACK of a handshake that left no request: the listener must get it.
cookies() {
	sysctl -q net.ipv4.tcp_syncookies=2
	same "connections made by SYN cookies are served" "$(own_cores)" "$(who_all)"
	sysctl -q net.ipv4.tcp_syncookies=1
}

# At this budget a CPU searches once per jiffy at most. A flow moves amid the flood:
# its segments are dropped like the stray ones, never reset, until one is found.
flood() {
	local start end searched throttled before hz
	hz=$(sed -n 's/^CONFIG_HZ=//p' "$LAB_KDIR/config")
	before=$(counter moved 80)
	echo 1 > /sys/module/nf_flowpar/parameters/search_budget
	searched=$(counter missed 80) throttled=$(counter throttled 80)
	remote_start "lab-client ${client_on[1]} $peer stray $LAB_SERVER 80 4 & lab-client ${client_on[1]} $peer get $LAB_SERVER 80 3000000 10; status=\$?; wait; exit \$status"
	start=$(date +%s%N)
	wait_until 30 established 8008
	sleep 1
	pin eth1 3
	same "a flow that moves amid stray ACKs arrives whole" 8008 "$(remote_end)"
	end=$(date +%s%N)
	pin eth1 1
	searched=$(($(counter missed 80) - searched)) throttled=$(($(counter throttled 80) - throttled))
	echo "# $searched searched in vain, $throttled throttled in $(((end - start) / 1000000)) ms"
	check "... and moved, though throttled" test "$(counter moved 80)" -gt "$before"
	check "the flood was throttled" test "$throttled" -gt "$searched"
	# Two CPUs took it, one after the other.
	check "searches stay within the budget" test "$searched" -le $(((end - start) * hz / 1000000000 + hz))
	# As much as can be said is no less than enough.
	echo 4294967295 > /sys/module/nf_flowpar/parameters/search_budget
	throttled=$(counter throttled 80)
	client 1 stray "$LAB_SERVER" 80 1
	same "the largest budget throttles nothing" "$throttled" "$(counter throttled 80)"
	echo 1000000 > /sys/module/nf_flowpar/parameters/search_budget
}

instances() {
	check "two instances per core" flowparctl service add --port 81 --base-port 8100 --cpus 0-3 --per-core 2
	"$peer" serve 0:8100 0:8101 1:8108 1:8109 2:8116 2:8117 3:8124 3:8125 &
	wait_until 60 serving 8100 8101 8108 8109 8116 8117 8124 8125
	local said
	said=$(who_all 81 20)
	same "a client meets both instances of its core and no other" \
		"$(printf '%d %d\n' 0 8100 0 8101 1 8108 1 8109 2 8116 2 8117 3 8124 3 8125)" \
		"$(cut -d' ' -f1,2 <<< "$said")"
	check "the service is deleted" flowparctl service del --port 81
	same "its ports are plain again" "8109 1" "$(client 0 who "$LAB_SERVER" 8109 1)"
}

# A server that is live on the public port when the service is added.
older() {
	"$peer" serve 0:82 0:8200 1:8208 2:8216 3:8224 &
	wait_until 60 serving 82 8200 8208 8216 8224
	client_start 2 idle "$LAB_SERVER" 82 3
	wait_until 30 established 82
	flowparctl service add --port 82 --base-port 8200 --cpus 0-3
	same "a flow older than the service keeps its server" "82 82" "$(remote_end)"
	same "new ones go to their core" "8216 2" "$(client 2 who "$LAB_SERVER" 82 2)"
	flowparctl service del --port 82
}

foreign() {
	flowparctl service add --port 82 --base-port 8200 --cpus 0-1
	check "a CPU outside the list is served" grew foreign_cpu 82 client 3 who "$LAB_SERVER" 82 8
	check "... by the CPUs of the list" bash -c '! grep -vE "^(8200|8208) "' <<< "$(client 3 who "$LAB_SERVER" 82 8)"
	flowparctl service del --port 82
}

unload() {
	# shellcheck disable=SC2016	# for the other guest
	remote_start 'for k in 0 1 2 3; do lab-client $k timeout 8 '"$peer who $LAB_SERVER"' 80 100000 & done; wait; true'
	sleep 2
	check "the module goes under traffic" rmmod nf_flowpar
	sleep 1
	check "... and comes back" load_module
	check "... without services" test -z "$(flowparctl service list --json | tr -d '[] \n')"
	flowparctl service add --port 80 --base-port 8000 --cpus 0-3
	remote_end > /dev/null
	same "and serves as before" "$(own_cores)" "$(who_all)"
}

wire() {
	local seen
	remote 'pkill -x tcpdump; sleep 1; tcpdump -nr /tmp/all.pcap 2> /dev/null | wc -l' > "$LAB_OUT/packets"
	seen=$(tail -1 "$LAB_OUT/packets")
	remote 'tcpdump -nr /tmp/all.pcap "dst portrange 8000-8031" 2>/dev/null | head -5' > "$LAB_OUT/attempts"
	check "the switch saw the traffic ($seen packets)" test "$seen" -gt 5000
	check "... among it a client's attempt at a per-core port" grep -q ' > 10.77.0.1.8008: Flags \[S\]' "$LAB_OUT/attempts"
	same "no packet from a per-core port ever left" "" \
		"$(remote 'tcpdump -nr /tmp/all.pcap "src host 10.77.0.1 and src portrange 8000-8031 and not src port 8001" 2>/dev/null | head -5')"
}

case ${LAB_ROLE:-host} in
host)	host --cpus 4 --nics 4 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
