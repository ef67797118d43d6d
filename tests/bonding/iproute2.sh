#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the patched ip sets and shows cpu-bound and a slave's CPUs, and says what is refused, also by a stock kernel
# Suite: test
#
#   server guest: bond0 (802.3ad) over eth0 and eth1; no traffic
#
# Run on the patched kernel and on the stock one, with the same ip.
. "$(dirname "$0")/../lib.sh"

sys=/sys/class/net
PATH=${IPROUTE2:-}:$PATH

policy() {
	cat "$sys/$1/bonding/xmit_hash_policy"
}

cpus() {
	cat "$sys/$1/bonding_slave/cpus"
}

# json JQ LINK...: from ip's answer about LINK, or about all
json() {
	local filter=$1
	shift
	ip -d -j link show "$@" | jq -rc "$filter"
}

shown() {	# shown REGEX LINK: as text
	ip -d link show "$2" | grep -qE -- "$1"
}

not_shown() {
	ip -d link show "$2" | grep -qE 'bond_slave' && ! shown "$@"
}

help_has() {	# help_has TYPE REGEX
	ip link help "$1" 2>&1 | grep -E -- "$2"
}

bond() {	# bond OPTION...: bond0 anew, down, without slaves
	ip link del bond0 2>/dev/null
	ip link add bond0 type bond "$@"
}

both() {	# eth0 and eth1 become bond0's slaves
	ip link set eth0 master bond0
	ip link set eth1 master bond0
}

# counted COMMAND...: "name number" a line, of cpu-bound in ip's JSON
counted() {
	"$@" | jq -r '.. | objects | .["cpu-bound"]? // empty | to_entries[] | "\(.key) \(.value)"'
}

statistics() {
	local want
	local xstats=(link xstats type bond) stats=(stats show dev bond0 group xstats subgroup bond)

	ip link set eth0 type bond_slave cpus 0
	ip link set bond0 up
	ip address add 192.0.2.1/24 dev bond0
	# Nobody answers: what leaves is ARP requests, and no LACPDU counts.
	taskset -c 0 ping -c 3 -i 0.2 -W 1 192.0.2.2 > /dev/null
	ip link set bond0 down
	want=$("$repo/tests/bonding/xstats.py" bond0)
	check "something was counted, by six names" awk '{ sum += $2 } END { exit !(sum && NR == 6) }' <<< "$want"
	same "ip link xstats: as the kernel reports it" "$want" "$(counted ip -j "${xstats[@]}" cpu-bound dev bond0)"
	same "ip stats: the same" "$want" "$(counted ip -j "${stats[@]}" suite cpu-bound)"
	same "... as text too" "$(cut -d' ' -f2 <<< "$want")" "$(ip "${xstats[@]}" cpu-bound dev bond0 | awk 'NR > 1 { print $NF }')"
	same "both kinds are shown if none is named" 2 \
		"$(ip -j "${xstats[@]}" dev bond0 | jq '[.. | objects | .["802.3ad", "cpu-bound"]? // empty] | length')"
	same "802.3ad alone if asked for" "" "$(counted ip -j "${xstats[@]}" 802.3ad dev bond0)"
	ip link set bond0 type bond xmit_hash_policy layer2
	same "another policy: no such statistics" "" "$(counted ip -j "${xstats[@]}" dev bond0)"
	ip link set bond0 type bond xmit_hash_policy cpu-bound
}

patched() {
	local long

	check "a bond is added with the policy" bond mode 802.3ad xmit_hash_policy cpu-bound
	same "... has it" "cpu-bound 6" "$(policy bond0)"
	check "... and ip shows it" shown ' xmit_hash_policy cpu-bound ' bond0
	same "... and as JSON" cpu-bound "$(json '.[].linkinfo.info_data.xmit_hash_policy' bond0)"
	ip link set bond0 type bond xmit_hash_policy layer2
	check "a bond gets it by number" ip link set bond0 type bond xmit_hash_policy 6
	same "... and has it" "cpu-bound 6" "$(policy bond0)"
	check_fails "balance-tlb: refused in the kernel's words" 2 \
		'^Error: xmit_hash_policy cpu-bound is not supported in modes balance-tlb and balance-alb\.$' \
		ip link set bond0 type bond mode balance-tlb
	check_fails "a new balance-alb bond too" 2 '^Error: xmit_hash_policy cpu-bound is not supported' \
		ip link add bond9 type bond mode balance-alb xmit_hash_policy cpu-bound
	check "... and is not there" test ! -e $sys/bond9

	both
	same "a new slave has no list, as JSON" "" "$(json '.[].linkinfo.info_slave_data.cpus' eth0)"
	check "... and as text no word of it" not_shown 'cpus' eth0
	check "a slave's list is set" ip link set eth0 type bond_slave cpus 0,2-3
	same "... the kernel has it" "0,2-3" "$(cpus eth0)"
	check "... ip shows it" shown ' cpus 0,2-3 ' eth0
	same "... and as JSON" "0,2-3" "$(json '.[].linkinfo.info_slave_data.cpus' eth0)"
	check "with another option, in one request" ip link set eth1 type bond_slave queue_id 1 cpus 3,1,1
	same "... both are set, the list in its shortest form" "1 1,3" "$(cat $sys/eth1/bonding_slave/queue_id) $(cpus eth1)"
	same "a dump shows every slave's" '["eth0","0,2-3"] ["eth1","1,3"]' \
		"$(json '.[] | select(.master == "bond0") | [.ifname, .linkinfo.info_slave_data.cpus]' | xargs -d '\n')"

	check_fails "no list: refused in the kernel's words" 2 '^Error: not a CPU list like 0,8-11\.$' \
		ip link set eth0 type bond_slave cpus 1-
	check_fails "no such CPU" 2 '^Error: no such CPU, possible are 0-3\.$' ip link set eth0 type bond_slave cpus 0,4
	long=$(printf '0,%.0s' {1..600})0
	check_fails "a list that does not fit into a request" 255 '"cpus" is wrong|cpus is too long' \
		ip link set eth0 type bond_slave cpus "$long"
	check_fails "no list at all" 255 'Command line is not complete' ip link set eth0 type bond_slave cpus
	same "after all that the list is the last good one" "0,2-3" "$(cpus eth0)"

	ip -d monitor link > /tmp/monitor &
	local monitor=$!
	# until it listens
	announced() {
		ip link set eth0 type bond_slave cpus 3
		ip link set eth0 type bond_slave cpus 2
		grep -q ' cpus 2 ' /tmp/monitor
	}
	check "ip monitor shows a change" wait_until 20 announced
	kill "$monitor"
	check "an empty list removes it" ip link set eth0 type bond_slave cpus ""
	same "... it is gone" "" "$(cpus eth0)"
	statistics
	check "a batch" ip -batch - <<-END
		link set eth0 type bond_slave cpus 0
		link set eth1 type bond_slave cpus 2-3
	END
	same "... has set both" "0 2-3" "$(cpus eth0) $(cpus eth1)"
}

stock() {
	check_fails "the stock kernel refuses the policy in its words" 2 '^Error: invalid option value\.$' \
		ip link add bond0 type bond mode 802.3ad xmit_hash_policy cpu-bound
	check "... and no bond is left behind" test ! -e $sys/bond0
	check "what it knows it takes" bond mode 802.3ad xmit_hash_policy layer3+4
	check_fails "a set policy stays" 2 '^Error: invalid option value\.$' \
		ip link set bond0 type bond xmit_hash_policy cpu-bound
	same "... as it was" "layer3+4 1" "$(policy bond0)"
	both
	check_fails "a slave's CPUs, which it would ignore, are refused" 1 "^Error: this kernel's bonding has no cpus\.$" \
		ip link set eth0 type bond_slave cpus 0
	check_fails "... also behind an option that it knows" 1 "no cpus" \
		ip link set eth0 type bond_slave queue_id 1 cpus 0
	same "... which is not set then" 0 "$(cat $sys/eth0/bonding_slave/queue_id)"
	same "nothing is shown as JSON" false "$(json '.[].linkinfo.info_slave_data | has("cpus")' eth0)"
	check "... and as text" not_shown 'cpus' eth0
}

server() {
	same "the ip under test is the first one" "$IPROUTE2/ip" "$(command -v ip)"
	modprobe bonding max_bonds=0
	case $LAB_KERNEL in
	*stock*) stock ;;
	*) patched ;;
	esac

	check_fails "an unknown policy name: ip says so" 255 'invalid xmit_hash_policy' \
		ip link set bond0 type bond xmit_hash_policy cpu-bind
	check_fails "a number that no policy can have: ip says so" 255 'invalid xmit_hash_policy' \
		ip link set bond0 type bond xmit_hash_policy 262
	check_fails "a number that no policy has: the kernel says so" 2 '^Error: invalid option value\.$' \
		ip link set bond0 type bond xmit_hash_policy 7
	check_fails "... of other options too" 2 '^Error: invalid option value\.$' \
		ip link set bond0 type bond ad_select 7
	check_fails "no slave of a bond: the kernel says so" 2 'Operation not supported' \
		ip link set lo type bond_slave cpus 0
	check "help names the policy" help_has bond 'XMIT_HASH_POLICY := .*\|cpu-bound$'
	check "help names the option" help_has bond_slave 'bond_slave .*\[ cpus CPU_LIST \]'
	ip link del bond0
}

case ${LAB_ROLE:-host} in
host)	IPROUTE2=$("$repo/kernel-patches/build-iproute2.sh") || { not_ok "the patched ip is built"; finish; }
	LAB_RUN=patched lab_run --cpus 4 --nics 2 --env "IPROUTE2=$IPROUTE2"
	LAB_KERNEL=stock${LAB_KERNEL:+-${LAB_KERNEL##*-}} LAB_RUN=stock lab_run --cpus 4 --nics 2 --env "IPROUTE2=$IPROUTE2" ;;
server)	server; lab-ready ;;
client)	;;
esac
finish
