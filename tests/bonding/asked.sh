#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: XDP sends by the slave that a packet would leave by, and drivers that ask the bond are told the same one
# Suite: test debug
#
#   server guest                    switch guest
#   CPU k - ethk \                  / client0 - client3
#                 > bond0 --- LACP -
#           ...  /                  \ counts by which link frames come back
#
# asker/ is a module that asks as drivers do; xdp_tx returns datagrams to port 7777 where they came from.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

params=/sys/module/bond_asker/parameters

# asked WHICH CPU: "a b c d", for how many of a burst's flows eth0..eth3 is named, asked on CPU
asked() {
	taskset -c "$2" cat "$params/$1" | awk '{ n[$1]++; all++ } END { print n["eth0"] + 0, n["eth1"] + 0, n["eth2"] + 0, n["eth3"] + 0, all }'
}

# asked_as_sent TEXT CPU: what a burst of CPU leaves by is what is told there
asked_as_sent() {
	burst "$2"
	same "$1: CPU $2 is told the slaves that its packets leave by ($left)" "$left $n" "$(asked usable "$2")"
}

not_counted() {
	local before
	before=$("$repo/tests/bonding/xstats.py" bond0)
	asked usable 0 > /dev/null
	asked all 1 > /dev/null
	[[ $before == "$("$repo/tests/bonding/xstats.py" bond0)" ]]
}

asking() {
	local k
	for k in 0 1 2 3; do asked_as_sent "own lists" $k; done
	check "asking is not counted as sending" wait_until 30 not_counted
	cpus eth2 1-2
	asked_as_sent "two slaves" 1
	check "... and it uses both" test "$(tr ' ' '\n' <<< "$left" | grep -cv '^0$')" = 2
	no_lists
	for k in 0 3; do asked_as_sent "no lists" $k; done
	own_lists

	lab-link 1 down
	check "link cut: seen" wait_until 20 grep -q down $sys/eth1/bonding_slave/mii_status
	check "... CPU 1 leaves by the others" wait_until 20 leaves_without 1
	asked_as_sent "link cut" 1
	same "... of all slaves it is told its own nevertheless" "0 $n 0 0 $n" "$(asked all 1)"
	ip link set eth1 nomaster
	same "... until that one has left" "0 0 0 0" "$(asked all 1 | awk '{ print $2, 0, 0, $5 - 64 }')"
	lab-link 1 up
	gigabit eth1
	ip link set eth1 master bond0
	cpus eth1 1
	check "link and slave are back" wait_until 60 leaves_by_own 1
}

gigabit() {
	ethtool -s "$1" speed 1000 duplex full 2>/dev/null
}

# told POLICY: what a driver is told of the hash when a slave comes
told() {
	policy "$1"
	ip link set eth3 nomaster
	gigabit eth3
	ip link set eth3 master bond0
	cat "$params/hash"
}

offload() {
	same "a driver is told that the hash is unknown" unknown "$(told cpu-bound)"
	same "... of layer3+4, which one it is" 2 "$(told layer3+4)"
	check "a socket's device under layer3+4 is a slave" grep -q '^eth' $params/socket
	policy cpu-bound
	same "... under cpu-bound the bond, for its CPU may change" bond0 "$(cat $params/socket)"
	cpus eth3 3
	check "four ports again" wait_until 60 lag_ready bond0 4
}

# Frames to port 7777 at the switch: sets came to what came back by each link, went to what it sent by each
look_there() {
	read -ra went < <(on_switch "for k in 0 1 2 3; do tc -s filter show dev eth\$k egress; done | awk '/Sent / { print \$4 }' | xargs")
	read -ra came < <(on_switch "for k in 0 1 2 3; do tc -s filter show dev eth\$k ingress; done | awk '/Sent / { print \$4 }' | xargs")
}

all_back() {
	local k all=0
	look_there
	for k in 0 1 2 3; do ((all += came[k] - came_before[k])); done
	((all == n))
}

# returned: client 0 sends a burst; sets back to "a b c d", how much came back by each link, and in to the one it went by
returned() {
	local k went_before came_before
	look_there
	went_before=("${went[@]}") came_before=("${came[@]}") in=''
	on_switch "lab-client 0 $flows udp 0 $LAB_SERVER $n 1 7777"
	wait_until 30 all_back
	back=''
	for k in 0 1 2 3; do
		((went[k] == went_before[k])) || in+=$k
		back+="$((came[k] - came_before[k])) "
	done
	back=${back% }
}

only() {	# only SLAVE: "0 64 0 0"
	local want=(0 0 0 0)
	want[$1]=$n
	echo "${want[*]}"
}

xdp() {
	local holder in back before k a b
	on_switch "for k in 0 1 2 3; do tc qdisc add dev eth\$k clsact; for way in ingress egress; do tc filter add dev eth\$k \$way protocol ip flower ip_proto udp dst_port 7777 action pass; done; done"
	holder=$("$XDP_TX" bond0 7777) || { not_ok "XDP: the bond takes a program"; return; }
	check "XDP: it is there" bash -c "ip link show bond0 | grep -q xdp"
	check "... and four ports carry traffic" wait_until 60 lag_ready bond0 4
	returned
	check "XDP: client 0's frames come by one link: ${in:-none}" test "${#in}" = 1
	((${#in} == 1)) || return
	same "XDP, own list: they return by the same slave" "$(only "$in")" "$back"
	a=$(((in + 1) % 4)) b=$(((in + 2) % 4))
	for k in 0 1 2 3; do cpus "eth$(((k + 1) % 4))" "$k"; done
	before=$("$repo/tests/bonding/xstats.py" bond0 | awk '$1 == "listed" { print $2 }')
	returned
	same "XDP, another slave lists the CPU: by that one" "$(only $a)" "$back"
	check "... and they are counted" test $(($("$repo/tests/bonding/xstats.py" bond0 | awk '$1 == "listed" { print $2 }') - before)) -ge "$n"
	cpus "eth$b" "$(((b + 3) % 4)),$in"
	returned
	read -ra k <<< "$back"
	check "XDP, two slaves: by both, flow by flow, and no other ($back)" test $((k[a] > 0 && k[b] > 0 && k[a] + k[b] == n)) = 1
	lab-link $a down
	check "XDP: a link is cut: seen" wait_until 20 grep -q down "$sys/eth$a/bonding_slave/mii_status"
	check "... all come back by the other" wait_until 30 by_one $b
	lab-link $a up
	check "... and by both when it is back" wait_until 60 by_both
	kill "$holder"
}

by_one() {	# by_one SLAVE
	returned
	[[ $back == "$(only "$1")" ]]
}

by_both() {
	returned
	[[ $back != "$(only $a)" && $back != "$(only $b)" ]]
}

server() {
	own_irqs
	bring_up cpu-bound
	own_lists
	lab-ready
	insmod "$ASKER" bond=bond0 from="$LAB_SERVER" to="$client" flows=$n || { not_ok "the asker loads"; finish; }
	asking
	offload
	own_lists
	xdp
	rmmod bond_asker
	ip link del bond0
	check "the module goes" rmmod bonding
	lab-post "ask$(($(< /tmp/asked) + 1))" end
}

case ${LAB_ROLE:-host} in
host)
	check "xdp_tx builds" cc -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$repo/bench/steer" -o "$test_out/xdp_tx" \
		"$repo/tests/bonding/xdp_tx.c" "$repo/bench/steer/bpf.c"
	kernel=${LAB_KERNEL:-patched}
	[[ $kernel == */* ]] || kernel=$("$repo/kernel-patches/build.sh" "$kernel") || { not_ok "the kernel builds"; finish; }
	asker=$("$repo/bench/lab/module" "$kernel" "$repo/tests/bonding/asker") || { not_ok "the asker builds"; finish; }
	lab_run --cpus 4 --nics 4 --timeout 600 --env "ASKER=$asker" --env "XDP_TX=$test_out/xdp_tx" ;;
server)	server ;;
client)	answer_server ;;
esac
finish
