#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: 20,000 frames of broken packets, fragments and extension headers leave the service answering, its flows whole and the kernel without a report
#
#   two clients --- switch --- links --- 10.77.0.1 and [fd77::1], TCP port 80 and UDP port 53
#
# What fuzz/send.c makes of fuzz/packets.hex, half of it with conntrack in the way. Meanwhile
# a transfer goes on. FUZZ_SEED and FUZZ_COUNT ask for other packets.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

fuzz=$repo/tests/netfilter/fuzz
count=${FUZZ_COUNT:-20000}

serving_udp() { ss -Hlun "sport = 5000" | grep -q . && ss -Hlun "sport = 5008" | grep -q .; }
frames_in() { awk '{ n += $1 } END { print n }' /sys/class/net/eth*/statistics/rx_packets; }
own_cores() { printf '%d %d 3\n' 0 "$1" 1 $(($1 + 8)); }
who_all() {	# who_all COMMAND ADDRESS PORT
	local link
	for link in 0 1; do
		client $link "$1" "$2" "$3" 3 | sed "s/^/$link /"
	done
}

# flood TEXT SEED: half of the frames from both clients, while a transfer goes on
flood() {
	local before after said mac part=$((count / 4)) sent
	mac=$(< /sys/class/net/bond0/address)
	before=$(frames_in)
	# shellcheck disable=SC2016	# for the other guest
	said=$(remote "lab-client ${client_on[0]} $peer until $LAB_SERVER 80 /tmp/enough > /tmp/whole 2>&1 & transfer=\$!"'
		until grep -q begun /tmp/whole || ! kill -0 $transfer; do sleep 0.1; done
		k=0
		for address in $LAB_CLIENTS; do
			lab-client $k '"$FUZZ_BIN/fuzz-send $fuzz/packets.hex"' eth0 '"$mac"' $address fd77::$address '"$2"'$k '"$part"' > /tmp/sent.$k 2>&1 &
			eval flood$k=$!
			k=$((k + 1))
		done
		wait $flood0 && wait $flood1; status=$?
		touch /tmp/enough
		wait $transfer || status=$?
		cat /tmp/sent.0 /tmp/sent.1 /tmp/whole
		rm /tmp/enough
		exit $status')
	check "$1: the frames are sent and the transfer beside them is whole" test $? = 0
	after=$(frames_in)
	sent=$((2 * part))
	echo "# $1: $((after - before)) frames received; transfer and frames: $(paste -sd' ' <<< "$said")"
	# The switch keeps for itself what it takes for broken multicast, and nothing else.
	check "$1: all of them arrived, or nearly" test $((after - before)) -ge $((sent * 97 / 100))
}

# counted: one counter over all services
counted() {
	flowparctl stats --json | /usr/bin/python3 -c '
import json, sys; print(sum(r[sys.argv[1]] for r in json.load(sys.stdin)))' "$1"
}

answers() {	# answers TEXT
	same "$1: IPv4 is served by its cores" "$(own_cores 8000)" "$(who_all who "$LAB_SERVER" 80)"
	same "$1: UDP is" "$(own_cores 5000)" "$(who_all who-udp "$LAB_SERVER" 53)"
	find_links $server6
	same "$1: IPv6 is" "$(own_cores 8000)" "$(who_all who $server6 80)"
	same "$1: UDP over IPv6 is" "$(own_cores 5000)" "$(who_all who-udp $server6 53)"
	find_links
}

server() {
	local family name k
	load_module
	bond_up
	lab-ready
	ipv6_up
	for family in inet inet6; do
		flowparctl service add --family $family --port 80 --base-port 8000 --cpus 0-1 --spill 90
		flowparctl service add --family $family --protocol udp --port 53 --base-port 5000 --cpus 0-1
	done
	"$peer" serve6 0:8000 1:8008 &
	"$peer" serve-udp 0:5000 1:5008 &
	wait_until 60 serving 8000 8008
	check "the instances listen" wait_until 60 serving_udp
	# Requests live on if the client does not reset what it knows nothing of; and the
	# transfer's port is none of the corpus's.
	for k in 0 1; do
		remote "nsenter --net=/run/netns/client$k nft 'table inet quiet { chain out { type filter hook output priority 0; meta l4proto tcp tcp flags & rst == rst drop; }; }'
			nsenter --net=/run/netns/client$k sysctl -q net.ipv4.ip_local_port_range='50000 60999'"
	done
	find_links
	answers before

	flood "stateless" "${FUZZ_SEED:-1}1"
	conntrack_on
	flood "conntrack" "${FUZZ_SEED:-1}2"
	nft delete table inet watch
	for name in in out closed icmp missed; do
		k=$(counted $name)
		check "the packets got as far as to be counted as $name: $k" test "$k" -ge $((count / 500))
	done
	same "none failed to be rewritten" 0 "$(counted error)"
	answers afterwards
	# Put together once here, it is still a fragment; nobody may do that a second time.
	same "a fragment of a fragment reaches no per-core port" silence "$(client 0 nested $server6 8008)"
	same "... nor the public one" silence "$(client 0 nested $server6 80)"
	check "the module goes" rmmod nf_flowpar
	remote_start over
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$fuzz" lab O="$test_out/fuzz" > "$test_out/fuzz.log" 2>&1 ||
		{ not_ok "the fuzzers build" "$(< "$test_out/fuzz.log")"; finish; }
	host --cpus 2 --nics 2 --timeout "${FUZZ_TIMEOUT:-900}" --env "FUZZ_BIN=$test_out/fuzz" \
		--env "FUZZ_COUNT=$count" --env "FUZZ_SEED=${FUZZ_SEED:-1}" ;;
server)	server ;;
client)	obey ;;
esac
finish
