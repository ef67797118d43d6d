#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034,SC2046,SC2068,SC2154,SC2155,SC2206,SC2207
#
# Test the transmit hash policy cpu-bound: what belongs to a CPU leaves by the
# slaves that serve this CPU. The client counts by which link packets arrive.

ALL_TESTS="
	policy_options
	slave_options
	one_slave
	several_slaves
	no_slave
	link_failure
	slave_returns
	learned
	tcp_incoming_cpu
"

source "$(dirname "$0")"/bond_topo_lag.sh

flows=64
seen=(0 0 0)
found=(0 0 0)

# The first two CPUs that may be used, as "0 1"
two_cpus()
{
	taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' | \
		sed 's/-/ /' | xargs -L1 sh -c 'seq $0 ${1:-$0}' | head -n 2 | xargs
}

# server_cpus SLAVE LIST
server_cpus()
{
	ip -n "$s_ns" link set eth$1 type bond_slave cpus "$2"
}

slave_cpus()
{
	cmd_jq "ip -n $s_ns -d -j link show eth$1" \
		".[].linkinfo.info_slave_data.cpus"
}

bond_policy()
{
	cmd_jq "ip -n $s_ns -d -j link show bond0" \
		".[].linkinfo.info_data.xmit_hash_policy"
}

# udp_send NS CPU ADDRESS: a datagram from this CPU in each of $flows flows
udp_send()
{
	ip netns exec "$1" taskset -c "$2" bash -c '
		for ((port = 0; port < $2; port++)); do
			echo > /dev/udp/$1/$((10000 + port))
		done' bash "$3" "$flows"
}

# udp_counts TOTAL: the counts, once they add up to this
udp_counts()
{
	local counts=($(lag_counts 101))

	echo "${counts[@]}"
	((counts[0] + counts[1] + counts[2] >= $1))
}

# udp_links CPU [ADDRESS]: send, and set found to what arrived by each link
udp_links()
{
	local before=(${seen[@]})
	local i

	udp_send "$s_ns" "$1" "${2:-$c_ip4}"
	seen=($(busywait "$BUSYWAIT_TIMEOUT" udp_counts \
		$((before[0] + before[1] + before[2] + flows))))
	for i in $links; do
		found[i]=$((seen[i] - before[i]))
	done
}

# check_links EXPECTED CPU MESSAGE [ADDRESS]
check_links()
{
	udp_links "$2" $4
	[[ "${found[*]}" == "$1" ]]
	check_err $? "$3: packets by eth0, eth1, eth2: ${found[*]}, expected $1"
}

policy_options()
{
	local mode

	RET=0
	for mode in balance-xor 802.3ad; do
		lag_reset mode $mode xmit_hash_policy cpu-bound
		check_err $? "$mode: not all links carry traffic"
		[[ "$(bond_policy)" == "cpu-bound" ]]
		check_err $? "$mode: policy is $(bond_policy)"
		ip -n "$s_ns" link set bond0 type bond xmit_hash_policy layer2
		check_err $? "$mode: policy cannot be changed while up"
		ip -n "$s_ns" link set bond0 type bond xmit_hash_policy cpu-bound
		check_err $? "$mode: policy cannot be set while up"
	done

	for mode in balance-tlb balance-alb; do
		ip -n "$s_ns" link add bond1 type bond mode $mode \
			xmit_hash_policy cpu-bound &> /dev/null
		check_fail $? "$mode: policy accepted"
		ip -n "$s_ns" link add bond1 type bond mode $mode
		ip -n "$s_ns" link set bond1 type bond \
			xmit_hash_policy cpu-bound &> /dev/null
		check_fail $? "$mode: policy accepted later"
		ip -n "$s_ns" link del bond1
	done
	log_test "cpu-bound" "policy"
}

slave_options()
{
	local list

	RET=0
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	[[ "$(slave_cpus 0)" == "" ]]
	check_err $? "a new slave has a list: $(slave_cpus 0)"
	server_cpus 0 "$cpu_b,$cpu_a,$cpu_a"
	check_err $? "list not accepted"
	server_cpus 1 "$cpu_b"
	check_err $? "overlapping list not accepted"
	for list in x 1- -1 999999; do
		server_cpus 0 "$list" &> /dev/null
		check_fail $? "bad list $list accepted"
	done
	[[ "$(slave_cpus 1)" == "$cpu_b" ]]
	check_err $? "list is $(slave_cpus 1), expected $cpu_b"
	server_cpus 1 ""
	check_err $? "list not cleared"
	[[ "$(slave_cpus 1)" == "" ]]
	check_err $? "list still there: $(slave_cpus 1)"
	[[ "$(slave_cpus 0)" == *"$cpu_a"*"$cpu_b"* ]]
	check_err $? "another slave's list is $(slave_cpus 0)"
	log_test "cpu-bound" "slave's CPUs"
}

one_slave()
{
	local mode

	for mode in balance-xor 802.3ad; do
		RET=0
		lag_reset mode $mode xmit_hash_policy cpu-bound
		server_cpus 1 "$cpu_a"
		server_cpus 2 "$cpu_b"
		check_links "0 $flows 0" "$cpu_a" "CPU $cpu_a"
		check_links "0 0 $flows" "$cpu_b" "CPU $cpu_b"
		check_links "0 0 $flows" "$cpu_b" "CPU $cpu_b, IPv6" "$c_ip6"
		server_cpus 1 "$cpu_b"
		server_cpus 2 "$cpu_a"
		check_links "0 0 $flows" "$cpu_a" "lists exchanged, CPU $cpu_a"
		log_test "cpu-bound" "$mode: a CPU with one slave"
	done
}

several_slaves()
{
	RET=0
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	server_cpus 0 "$cpu_a,$cpu_b"
	server_cpus 1 "$cpu_b"
	server_cpus 2 "$cpu_a"
	udp_links "$cpu_a"
	((found[0] && !found[1] && found[2] && found[0] + found[2] == flows))
	check_err $? "CPU $cpu_a, served by eth0 and eth2: ${found[*]}"
	udp_links "$cpu_b"
	((found[0] && found[1] && !found[2] && found[0] + found[1] == flows))
	check_err $? "CPU $cpu_b, served by eth0 and eth1: ${found[*]}"
	log_test "cpu-bound" "a CPU with several slaves"
}

no_slave()
{
	RET=0
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	udp_links "$cpu_a"
	((found[0] && found[1] && found[2]))
	check_err $? "without any list: ${found[*]}"
	server_cpus 1 "$cpu_b"
	udp_links "$cpu_a"
	((found[0] && found[1] && found[2]))
	check_err $? "with a list for another CPU: ${found[*]}"
	log_test "cpu-bound" "a CPU without a slave"
}

# peer_link LINK up|down: the server's carrier follows
peer_link()
{
	ip -n "$c_ns" link set eth$1 "$2"
}

slave_mii_down()
{
	cmd_jq "ip -n $s_ns -d -j link show eth$1" \
		'.[].linkinfo.info_slave_data | select(.mii_status == "DOWN")' \
		-e &> /dev/null
}

link_failure()
{
	local mode

	for mode in balance-xor 802.3ad; do
		RET=0
		lag_reset mode $mode xmit_hash_policy cpu-bound
		server_cpus 1 "$cpu_a"
		server_cpus 2 "$cpu_b"
		peer_link 1 down
		slowwait 5 slave_mii_down 1
		check_err $? "link is not noticed to be down"
		udp_links "$cpu_a"
		((found[1] == 0 && found[0] + found[2] == flows))
		check_err $? "while down: ${found[*]}"
		check_links "0 0 $flows" "$cpu_b" "the other CPU meanwhile"
		peer_link 1 up
		slowwait 30 lag_distributing
		check_err $? "link does not come back"
		check_links "0 $flows 0" "$cpu_a" "when it is up again"
		log_test "cpu-bound" "$mode: link failure"
	done
}

slave_returns()
{
	RET=0
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	server_cpus 1 "$cpu_a"
	ip -n "$s_ns" link set eth1 nomaster
	udp_links "$cpu_a"
	((found[1] == 0 && found[0] + found[2] == flows))
	check_err $? "after removal: ${found[*]}"
	ip -n "$s_ns" link set eth1 down
	ip -n "$s_ns" link set eth1 master bond0
	slowwait 5 lag_distributing
	[[ "$(slave_cpus 1)" == "" ]]
	check_err $? "it came back with a list: $(slave_cpus 1)"
	server_cpus 1 "$cpu_a"
	check_links "0 $flows 0" "$cpu_a" "with its list again"
	log_test "cpu-bound" "a slave leaves and returns"
}

# rps CPU LINK...: this CPU receives what arrives at the server by these links;
# nobody's choice with CPU ""
rps()
{
	local cpu=$1; shift
	local mask=0
	local i

	[[ -z "$cpu" ]] || mask=$(printf %x $((1 << cpu)))
	for i in "$@"; do
		ip netns exec "$s_ns" sh -c \
			"echo $mask > /sys/class/net/eth$i/queues/rx-0/rps_cpus"
	done
}

# Without a list, a CPU sends by the slave whose frames it receives. It stays
# with that as long as it hears it each second.
learned()
{
	RET=0
	if ((cpu_a > 31 || cpu_b > 31)); then
		log_test_skip "cpu-bound" "learned: needs CPUs < 32"
		return
	fi
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	rps "$cpu_a" 1
	rps "$cpu_b" 0 2
	udp_send "$c_ns" "$cpu_b" "$s_ip4"
	check_links "0 $flows 0" "$cpu_a" "CPU $cpu_a receives eth1"
	udp_links "$cpu_b"
	((found[1] == 0 && (found[0] == flows || found[2] == flows)))
	check_err $? "CPU $cpu_b receives eth0 and eth2: ${found[*]}"

	rps "$cpu_b" 1
	rps "$cpu_a" 0 2
	sleep 2
	udp_send "$c_ns" "$cpu_b" "$s_ip4"
	check_links "0 $flows 0" "$cpu_b" "eth1 moved to CPU $cpu_b"
	server_cpus 2 "$cpu_b"
	check_links "0 0 $flows" "$cpu_b" "a list comes first"
	rps "" $links
	log_test "cpu-bound" "learned"
}

tcp_listens()
{
	ip netns exec "$c_ns" ss -Htln "sport = :$1" | grep -q LISTEN
}

# A flow lives on the CPU where its segments arrive. RPS puts that apart from
# the CPU of the task that sends.
tcp_incoming_cpu()
{
	local port=9000
	local listener

	RET=0
	if [[ ! -x "$(command -v socat)" ]] || ((cpu_a > 31)); then
		log_test_skip "cpu-bound" "TCP, by arrival: needs socat, CPU < 32"
		return
	fi
	lag_reset mode balance-xor xmit_hash_policy cpu-bound
	server_cpus 1 "$cpu_a"
	server_cpus 2 "$cpu_b"
	rps "$cpu_a" $links
	# all but the SYN, which is sent before anything has arrived
	lag_count 102 3 ip ip_proto tcp tcp_flags 0x10/0x12 action pass

	ip netns exec "$c_ns" timeout 60 socat -u "TCP-LISTEN:$port" - > /dev/null &
	listener=$!
	slowwait 5 tcp_listens "$port"
	head -c 1M /dev/zero | ip netns exec "$s_ns" taskset -c "$cpu_b" \
		timeout 60 socat -u - "TCP:$c_ip4:$port"
	check_err $? "transfer failed"
	wait "$listener"
	check_err $? "transfer not received"

	found=($(lag_counts 102))
	((found[0] == 0 && found[1] > 0 && found[2] == 0))
	check_err $? "segments by eth0, eth1, eth2: ${found[*]}, expected eth1 only"
	rps "" $links
	log_test "cpu-bound" "TCP leaves by the CPU it arrives on"
}

require_command taskset
cpus=($(two_cpus))
if ((${#cpus[@]} < 2)); then
	echo "SKIP: needs two CPUs"
	exit $ksft_skip
fi
cpu_a=${cpus[0]}
cpu_b=${cpus[1]}

trap cleanup EXIT

setup_prepare
if ! lag_reset mode balance-xor xmit_hash_policy cpu-bound &> /dev/null; then
	echo "SKIP: kernel or iproute2 too old; no xmit_hash_policy cpu-bound"
	exit $ksft_skip
fi
if ! server_cpus 0 "" &> /dev/null; then
	echo "SKIP: kernel or iproute2 too old; no bond_slave cpus"
	exit $ksft_skip
fi
lag_count 101 1 ip ip_proto udp action drop
lag_count 101 2 ipv6 ip_proto udp action drop

tests_run

exit $EXIT_STATUS
