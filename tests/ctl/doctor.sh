#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl doctor finds each fault that is planted, with its number, and nothing else; its remedy, run as printed, makes it go; on a healthy machine it finds nothing
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1 > bond0    CPUs 0, 1; CPU 2 has no NIC
#
# On the patched kernel, what setup-flowpar.sh up and flowparctl run set up, and then spoilt;
# on a stock one (doctor-stock.sh), a bond and a lighttpd as a distribution sets them up.
# Clients ask in turn, three requests each, so that whatever a second shows the links
# carry the same.
# shellcheck disable=SC1083,SC2016,SC2154,SC2317	# placeholders; jq's and others' variables; called by check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# --- the load ---------------------------------------------------------------------

load() {	# load LINK...: clients of these links, until stop
	remote "rm -f /run/stop /run/stopped
		(until [[ -e /run/stop ]]; do
			for k in $(for link; do echo "${client_on[$link]}"; done | xargs); do
				lab-client \$k ab -q -n 3 -s 5 http://$LAB_SERVER/
			done
		done; touch /run/stopped) > /dev/null 2>&1 &"
	wait_until 60 eval "(($(opened) + 20 < \$(opened)))"
}
stop() { remote "touch /run/stop; until [[ -e /run/stopped ]]; do sleep 0.1; done"; }
opened() { awk '/^Tcp: [0-9]/ { print $7 }' /proc/net/snmp; }

# --- asking ------------------------------------------------------------------------

diagnose() { flowparctl doctor --json "$@" > "$LAB_OUT/found.json"; }
found() { jq -r '.findings[] | .check + " " + .object' "$LAB_OUT/found.json"; }
said() { jq -r --arg check "$1" '.findings[] | select(.check == $check) | .object + ": " + .found' "$LAB_OUT/found.json"; }
remedies() { jq -r '.findings[].command | values' "$LAB_OUT/found.json"; }

# finds TEXT LINES [OPTION]...: exactly these, CHECK OBJECT each, in this order
finds() {
	local text=$1 lines=$2 status=0
	shift 2
	diagnose "$@" || status=$?
	same "$text" "$lines" "$(found)"
	same "... exit status" "$((${#lines} > 0))" "$status"
}
says() { check "... with its number: $1 $2" eval "said $1 | grep -qE -- '$2'"; }

# mended TEXT: the remedies run as printed, and then nothing is found
mended() {
	remedies > "$LAB_OUT/remedies"
	check "... the remedies run as printed" bash -euo pipefail "$LAB_OUT/remedies"
	clean() { diagnose "$@"; }
	check "$1" wait_until 20 clean
	[[ -z $(found) ]] || not_ok "(what is left)" "$(cat "$LAB_OUT/found.json")"
}

# advised CHECK EXPRESSION: the command in its advice
advised() {
	jq -r --arg check "$1" '.findings[] | select(.check == $check).advice' "$LAB_OUT/found.json" | sed "$2" > "$LAB_OUT/advised"
}

# As pid, with the templates where a package puts them.
start_advised() {
	mkdir -p /etc/flowpar
	cp "$repo"/configs/*.in /etc/flowpar/
	bash -c "exec env $(< "$LAB_OUT/advised")" 2> "$LAB_OUT/run.log" &
	pid=$!
}

# --- a stock kernel ------------------------------------------------------------------

stock() {
	local pid k
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	for ((k = 0; k < LAB_NICS; k++)); do
		ip link set "eth$k" master bond0
	done
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	check "a bond as it comes" wait_until 120 lag_ready bond0 "$LAB_NICS"
	lab-ready
	find_links
	printf 'server.document-root = "/run/www"\nserver.port = 80\nserver.max-worker = 2\n' > /run/lighttpd.conf
	# In a group of its own: one that has workers ends all of its group.
	setsid lighttpd -D -f /run/lighttpd.conf &
	pid=$!
	wait_until 60 serving 80
	load 0 1
	finds "what a distribution sets up" "irq eth0
irq eth1
shared-listener port 80
unpinned port 80
policy bond0" --interval 3 --port 80
	says irq '^eth0: [0-9]+ of [0-9]+ interrupts \([0-9,-]+\) may go to CPUs 0-2, now [0-2,-]+$'
	says shared-listener '^port 80: one listening socket for the flows of 2 cores \(lighttpd, 2 processes\)$'
	says unpinned '^port 80: 2 processes \(lighttpd, pid [0-9]+ and others, 2 threads\) may run on CPUs 0-2$'
	says policy '^bond0: transmit policy layer2: all that is sent to one host or router leaves by one of 2 NICs$'
	same "... the same in words" "costly  eth0
costly  eth1
costly  port 80
costly  port 80
costly  bond0" "$(flowparctl doctor --port 80 | sed -n 's/^\([a-z][a-z]* *[^:]*\): .*/\1/p' | grep -v '^not')"
	check "an ordinary user is told what he may not see" \
		eval 'as_nobody flowparctl doctor > '"$LAB_OUT"'/nobody; grep -q "^not looked at: switch: .*only root may look" '"$LAB_OUT"'/nobody && grep -q "^not looked at: bond0: its LACP partner" '"$LAB_OUT"'/nobody'
	advised shared-listener 's/^stop it and start one a core: //'
	stop
	remedies > "$LAB_OUT/remedies"
	check "... the remedies run as printed" bash -euo pipefail "$LAB_OUT/remedies"
	kill "$pid"
	wait "$pid"
	start_advised
	check "the advice for the server runs as printed" wait_until 60 serving 8000 8008
	load 0 1
	finds "all is left that a stock kernel cannot" "policy bond0" --interval 3
	says policy '^bond0: transmit policy layer3\+4: an answer leaves by its own core.s NIC one time in 2$'
	stop
	kill "$pid"
	wait "$pid"
	remote_start over
}

# --- the patched kernel -----------------------------------------------------------------

healthy() {
	lab-ready
	"$setup_tool" up --bond bond0 --slaves eth0,eth1 --address "$LAB_SERVER/24" --port 80 --base-port 8000 > "$LAB_OUT/up" ||
		not_ok "setup-flowpar.sh up" "$(cat "$LAB_OUT/up")"
	sed 's/#ipv6 //' "$repo/configs/lighttpd.conf.in" > /run/lighttpd.conf.in
	flowparctl run --cpus 0-1 --port-base 8000 --template /run/lighttpd.conf.in -- lighttpd -D -f {conf} 2> "$LAB_OUT/run.log" &
	servers=$!
	wait_until 60 serving 8000 8008
	find_links
	load 0 1
	finds "nothing on a healthy machine" "" --interval 3
	same "... nor is there anything that it could not look at, but for want of traffic" '[]' \
		"$(jq -c '.unseen | map(select(.why | test("^the load of its ports") | not))' "$LAB_OUT/found.json")"
	same "... in words" "nothing found" "$(flowparctl doctor --interval 3 | sed '/^not looked at: bond0: the load of its ports/d; s/ in .*//')"
}

pid_of() { ss -Hltnp "sport = $1" | grep -o 'pid=[0-9]*' | cut -d= -f2 | head -n 1; }

# One that answers, and never looks at the machine.
balance() {
	mkdir -p /run/irqbalance
	irqbalance --foreground --interval=3600 > /run/irqbalance.log 2>&1 &
	balancer=$!
	wait_until 30 flowparctl irqbalance
}

# Nobody asks meanwhile: some of these faults have each other's effects.
settings() {
	echo 0 > "/proc/irq/$(basename "$(printf '%s\n' "$(realpath /sys/class/net/eth1/device/..)"/msi_irqs/* | tail -n 1)")/smp_affinity_list"
	stop
	echo 4 > /sys/class/net/eth0/queues/rx-0/rps_cpus
	echo 1024 > /proc/sys/net/core/rps_sock_flow_entries
	echo 64 > /sys/class/net/eth1/queues/rx-0/rps_flow_cnt
	ip link set eth1 mtu 1400
	echo 0 > /sys/class/net/bond0/bonding/miimon
	echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy
	ethtool -K eth0 gro off
	taskset -acp 0-2 "$(pid_of 8000)" > /dev/null
	taskset -acp 2 "$(pid_of 8008)" > /dev/null
	balance
	sysctl -q net.core.somaxconn=16 net.ipv4.tcp_max_tw_buckets=3 net.ipv4.ip_local_port_range='7000 9000'
	finds "settings" "mtu eth1
miimon bond0
irq eth1
irqbalance irqbalance
rps eth0
rfs eth1
unpinned port 8000
server-core port 8008
policy bond0
offloads eth0
somaxconn net.core.somaxconn
time-wait net.ipv4.tcp_max_tw_buckets
ephemeral per-core ports"
	says mtu '^eth1: MTU 1400, but bond0 has 1500$'
	says irq '^eth1: 1 of 2 interrupts \([0-9]+\) go to CPU 0; the bond sends what CPU 1 sends by it$'
	says irqbalance '\(pid [0-9]+\), and free to move 4 of the NICs. 4 interrupts$'
	says rps '^eth0: RPS hands the packets of 1 of 1 queues on to CPUs 2$'
	says rfs '^eth1: RFS moves flows of 1 of 1 queues .* \(1024 entries\)$'
	says unpinned '^port 8000: lighttpd \(pid [0-9]+, 1 threads\) may run on CPUs 0-2$'
	says server-core '^port 8008: lighttpd \(pid [0-9]+\) is pinned to CPU 2, but has CPU 1.s flows$'
	says somaxconn ': 16 connections at most'
	says ephemeral '^per-core ports: 2 of them are in ip_local_port_range 7000-9000'
	mended "settings are mended"
	kill "$balancer"
	sysctl -q net.ipv4.ip_local_port_range='32768 60999'
}

firewall() {
	local k
	load 0 1
	nft 'table inet filter { chain input { type filter hook input priority filter; policy accept; ct state established accept; }; chain forward { type filter hook forward priority filter; ct state established accept; }; }'
	for ((k = 0; k < 40; k++)); do
		echo "insert rule inet filter input tcp dport $((9000 + k)) drop"
	done | nft -f -
	tracked() { diagnose --interval 3; found | grep -q '^conntrack'; }
	wait_until 30 tracked
	same "connection tracking and a long ruleset" "conntrack conntrack
firewall firewall" "$(found)"
	says conntrack '^conntrack: tracks the service: [1-9][0-9]* of its flows in [0-9.]+ s, [0-9]+ entries in all$'
	says firewall '^firewall: a packet of port 8000 is compared with 41 rules of chain inet filter input$'
	same "... no command, since a rule goes by what is tracked" null "$(jq -c '.findings[] | select(.check == "conntrack").command' "$LAB_OUT/found.json")"
	nft delete rule inet filter input handle "$(nft -a list chain inet filter input | sed -n 's/.*ct state established accept # handle //p')"
	diagnose --interval 3
	check "... but one where none on the service's way does" eval 'remedies | grep -q notrack'
	mended "the firewall is mended"
	nft flush ruleset

	stop
	nft 'table inet filter { chain input { type filter hook input priority filter; policy drop; tcp dport { 22, 80 } accept; }; }'
	check "per-core ports that a firewall drops" wait_until 30 dropped "$LAB_SERVER"
	same "... and nothing else" "silent-service tcp *:80" "$(found | grep -v '^port-load')"
	says silent-service '^tcp \*:80: CPU 0.s port 8000 was given [0-9]+ packets in [0-9.]+ s, and none came back$'
	remedies > "$LAB_OUT/remedies"
	check "... the remedy runs as printed" bash -euo pipefail "$LAB_OUT/remedies"
	check "... and lets them in" load 0 1
	check "... who was kept out has ended" wait_until 60 remote "! lab-client ${client_on[0]} ss -tanH dst $LAB_SERVER | grep -qv TIME-WAIT"
	finds "nothing is found" "" --interval 3
	nft flush ruleset
}

# dropped ADDRESS: whom the firewall does not let in. ab would wait for its first connection.
dropped() {
	remote "lab-client ${client_on[0]} /usr/bin/python3 -c 'import socket, time
s = [socket.socket(socket.AF_INET6 if \":\" in \"$1\" else socket.AF_INET) for _ in range(60)]
for x in s: x.setblocking(False); x.connect_ex((\"$1\", 80))
time.sleep(4)' > /dev/null 2>&1 &"
	diagnose --interval 2
	found | grep -q '^silent'
}

# The same in tables of IPv6, where no rule of IPv4 is.
firewall6() {
	local k
	ipv6_up
	load 0 1
	finds "nothing with an address of IPv6" "" --interval 3
	nft 'table inet forward { chain forward { type filter hook forward priority filter; ct state established accept; }; }'
	nft 'table ip6 filter { chain INPUT { type filter hook input priority filter; ct state established accept; }; }'
	for ((k = 0; k < 40; k++)); do
		echo "insert rule ip6 filter INPUT tcp dport $((9000 + k)) drop"
	done | nft -f -
	wait_until 30 tracked
	same "connection tracking, and a long ruleset of IPv6" "conntrack conntrack
firewall firewall" "$(found | grep -v '^port-load')"
	says firewall '^firewall: a packet of port 8000 is compared with 41 rules of chain ip6 filter INPUT$'
	check "... no command against tracking, since a rule of IPv6 goes by what is tracked" \
		eval '! remedies | grep -q notrack && jq -r ".findings[].advice" "$LAB_OUT/found.json" | grep -q "^rules of chain ip6 filter INPUT go by ct state"'
	nft delete rule ip6 filter INPUT handle "$(nft -a list chain ip6 filter INPUT | sed -n 's/.*ct state established accept # handle //p')"
	diagnose --interval 3
	check "... but one where none does" eval 'remedies | grep -q notrack'
	mended "the firewall of IPv6 is mended"
	nft flush ruleset

	stop
	nft 'table ip6 filter { chain INPUT { type filter hook input priority filter; policy drop; meta l4proto ipv6-icmp accept; tcp dport 22 accept; }; }'
	nft 'table ip filter { chain INPUT { type filter hook input priority filter; policy drop; tcp dport 22 accept; }; }'
	check "per-core ports that a firewall drops of IPv6" wait_until 30 dropped "$server6"
	same "... and nothing else" "silent-service tcp [::]:80" "$(found | grep -v '^port-load')"
	same "... the remedy is for IPv6 alone" "nft insert rule ip6 filter INPUT tcp dport 8000 accept && nft insert rule ip6 filter INPUT tcp dport 8008 accept" "$(remedies)"
	remedies > "$LAB_OUT/remedies"
	check "... runs as printed" bash -euo pipefail "$LAB_OUT/remedies"
	check "... and lets them in" remote "lab-client ${client_on[0]} curl -gsSf -m 10 http://[$server6]/"
	nft flush ruleset
	# Connections that an address has gone from send to it for minutes, and nobody answers.
	check "... who was kept out has ended" wait_until 60 remote "! lab-client ${client_on[0]} ss -tanH dst '[$server6]' | grep -qv TIME-WAIT"
	ip address del "$server6/64" dev bond0
}

# ruleset POLICY RULE [DECLARATION]: with 40 that no packet of the service meets behind it
ruleset() {
	local k
	nft flush ruleset
	{
		echo "table inet filter { ${3:-}"
		echo "	chain input { type filter hook input priority filter; policy $1; $2"
		for ((k = 0; k < 40; k++)); do
			echo "		tcp dport $((9000 + k)) drop"
		done
		printf '	}\n}\n'
	} | nft -f -
}

# decides RULE [DECLARATION]: it is known what becomes of all of the service's packets
decides() {
	ruleset accept "$@"
	finds "decided: $*" ""
}

# passes WANT RULE [DECLARATION]: ... of not all: WANT is the number of rules
passes() {
	local want=$1
	shift
	ruleset accept "$@"
	finds "not decided: $*" "firewall firewall"
	says firewall "^firewall: a packet of port 8000 is compared with $want rules of chain inet filter input"
}

# What rules look up: in sets, and in maps that have verdicts.
sets() {
	local rule web='chain web { accept; }' states='chain states { ct state established,new accept; }'
	decides 'tcp dport { 22, 8000 } accept'
	passes 41 'tcp dport { 22, 80 } accept'
	decides 'tcp dport != { 22, 80 } accept'
	decides 'tcp dport { 22, 7000-7999, 8000-65535 } accept'
	passes 41 'tcp dport { 22, 7000-7999, 8001-65535 } accept'
	decides 'tcp dport 8000-8100 accept'
	decides 'tcp dport != 8001-8100 accept'
	decides 'meta l4proto { tcp, udp } th dport 8000 accept'
	decides 'tcp dport @services accept' 'set services { type inet_service; counter; elements = { 22, 8000 }; }'
	decides 'tcp dport vmap { 22 : drop, 8000-8100 : jump web }' "$web"
	decides 'tcp dport vmap { 22 : drop, * : jump web }' "$web"
	passes 41 'tcp dport vmap { 22 : drop, 8001-8100 : jump web }' "$web"
	decides 'tcp dport vmap @services' "map services { type inet_service : verdict; elements = { 8000 : goto web }; }; $web"
	passes 'up to 42' 'ip saddr vmap { 192.0.2.1 : jump web, 192.0.2.2 : drop }' "$web"

	# What it takes more than the port to know.
	for rule in 'tcp dport { 8000 } ip saddr @some accept' 'ip saddr . tcp dport { 192.0.2.1 . 8000 } accept' \
		'tcp dport @now accept' 'ip saddr . tcp dport vmap { 192.0.2.1 . 8000 : accept }'; do
		ruleset drop "$rule" 'set some { type ipv4_addr; }; set now { type inet_service; flags timeout; elements = { 8000 timeout 1h }; }'
		diagnose
		same "nothing is let in for all that is not: $rule" "null not all of them are let in, as far as the rules tell" \
			"$(jq -r '.findings[] | select(.check == "firewall") | "\(.command) \(.advice)"' "$LAB_OUT/found.json" | sed 's/:.*//')"
	done

	# From here on packets of the service come.
	ruleset accept 'tcp dport vmap { 22 : accept, 8000-8008 : drop }'
	check "per-core ports that a map drops" wait_until 30 dropped "$LAB_SERVER"
	same "... the remedy is for its chain" "nft insert rule inet filter input tcp dport '{ 8000, 8008 }' accept" "$(remedies)"
	remedies > "$LAB_OUT/remedies"
	check "... runs as printed" bash -euo pipefail "$LAB_OUT/remedies"
	check "... and lets them in" load 0 1
	nft flush ruleset
	nft "table inet filter { $states; chain input { type filter hook input priority filter; iifname vmap { \"bond0\" : jump states }; }; }"
	wait_until 30 tracked
	same "no command against tracking, since a chain goes by it that a map leads to" "conntrack null" \
		"$(jq -r '.findings[] | select(.check != "port-load") | "\(.check) \(.command)"' "$LAB_OUT/found.json")"
	nft flush ruleset
	stop
}

# Packets that are not tracked are not rewritten either.
rewritten() {
	load 0 1
	nft 'table ip nat { chain pre { type nat hook prerouting priority dstnat; ip saddr 192.0.2.1 tcp dport 8000 redirect to :80; tcp dport 2222 redirect to :22; }; }'
	wait_until 30 tracked
	same "no command against tracking, where a rule may rewrite the service" "conntrack null" \
		"$(jq -r '.findings[] | select(.check != "port-load") | "\(.check) \(.command)"' "$LAB_OUT/found.json")"
	nft delete rule ip nat pre handle "$(nft -a list chain ip nat pre | sed -n 's/.*redirect to :80 # handle //p')"
	diagnose --interval 3
	check "... but one where rules rewrite others" eval 'remedies | grep -q notrack'
	nft flush ruleset
	stop
}

# One that never accepts, and five who ask for it.
overflow() {
	python3 - <<-'END' &
	import socket, time
	s = socket.socket()
	s.bind(("127.0.0.1", 9999))
	s.listen(1)
	while True:
	    c = [socket.socket() for _ in range(5)]
	    for x in c:
	        x.setblocking(False)
	        x.connect_ex(("127.0.0.1", 9999))
	    time.sleep(0.2)
	END
	local pid=$!
	wait_until 30 serving 9999
	full() { diagnose; found | grep -q '^accept-queue'; }
	check "accept queues that overflow" wait_until 30 full
	says accept-queue '^accept queues: full [1-9][0-9]* times in [0-9.]+ s, with [0-9]+ connections accepted; somaxconn is 4096$'
	kill "$pid"
	wait "$pid" 2> /dev/null
}

# on_six ONLY PORT...: listens on [::], with IPV6_V6ONLY as given, by core
on_six() {
	local only=$1 port cpu=0
	shift
	for port; do
		taskset -c "$cpu" /usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[1]))
s.bind(("::", int(sys.argv[2])))
s.listen()
time.sleep(1000)' "$only" "$port" &
		pids+=("$!")
		cpu=$((cpu + 1))
	done
	wait_until 30 serving "$@"
}
off_six() {
	kill "${pids[@]}"
	wait "${pids[@]}" 2> /dev/null
	pids=()
}

others() {
	local pid pids=()
	flowparctl service add --port 81 --base-port 9000 --cpus 0-1
	finds "a service without servers" "no-listener tcp *:81"
	says no-listener '^tcp \*:81: nobody listens for 2 of 2 cores \(CPU 0-1, from port 9000 on\)$'
	advised no-listener 's/.*instances: //; s|SERVER\.\.\.|busybox httpd -f -p {port} -h /run/www|'
	start_advised
	check "the advice runs, with a server's command" wait_until 60 serving 9000 9008
	finds "... and nothing is found" ""
	kill "$pid"
	wait "$pid"
	on_six 1 9000 9008
	finds "servers on [::] that are for IPv6 only" "no-listener tcp *:81"
	says no-listener '^tcp \*:81: who listens for 2 of 2 cores \(CPU 0-1, from port 9000 on\) does so for IPv6 only: IPv4 is refused there$'
	off_six
	on_six 0 9000 9008
	finds "... and for both" ""
	same "... of which none is only assumed" '[]' "$(jq -c '.unseen | map(select(.why | test("::")))' "$LAB_OUT/found.json")"
	off_six
	flowparctl service del --port 81

	# A core that has no NIC sends more than the others answer.
	taskset -c 2 ping -q -i 0.002 -w 60 "${LAB_CLIENTS%% *}" > /dev/null &
	pid=$!
	foreign() { diagnose --interval 3; found | grep -q '^own-nic'; }
	check "a core without a NIC that sends" wait_until 30 foreign
	says own-nic '^bond0: [1-9][0-9.]* % of [0-9]+ packets left by another NIC than their core.s own$'
	kill "$pid"
	wait "$pid"

	ip link set eth1 down
	finds "a slave set down" "slave-down eth1"
	says slave-down '^eth1: down; 1 of the 2 slaves of bond0 work$'
	mended "it is up again"
	check "... and in the aggregator" wait_until 60 lag_ready bond0 2
}

# What only the switch can mend is mended at the switch.
switch() {
	remote 'ip link set eth1 nomaster; ip link set eth1 up'
	apart() { diagnose; found | grep -q '^aggregator eth1'; }
	check "a port that is not in the switch's group" wait_until 60 apart
	says aggregator '^eth1: in aggregator [0-9]+, but bond0 sends through aggregator [0-9]+$'
	remote 'ip link set eth1 down; ip link set eth1 master lag0'
	check "... back in it" wait_until 120 lag_ready bond0 2
	stop

	load 1
	uneven() { diagnose --interval 10; found | grep -q '^port-load'; }
	check "all flows by one port" wait_until 120 uneven
	says port-load '^bond0: new flows in [0-9.]+ s: eth0 ([0-9]+, eth1 0|0, eth1 [0-9]+): a hash that is fair to [0-9]+ flows does that less than one time in 1000$'
	stop

	# Twelve addresses of one client, for a switch that sees but one Ethernet address.
	remote 'echo layer2 > /sys/class/net/lag0/bonding/xmit_hash_policy
		for k in {1..12}; do ip -n client0 address add 10.77.0.$((200 + k))/24 dev eth0; done
		rm -f /run/stop /run/stopped
		(until [[ -e /run/stop ]]; do
			for k in {1..12}; do lab-client 0 curl -s -m 5 --interface 10.77.0.$((200 + k)) http://'"$LAB_SERVER"'/ & done
			wait
		done; touch /run/stopped) > /dev/null 2>&1 &'
	layer2() { diagnose --interval 5; found | grep -q '^switch-hash'; }
	check "a switch that hashes layer 2" wait_until 60 layer2
	says switch-hash '^bond0: the switch sends all [0-9]+ new flows of the 1[23] addresses behind 02:00:00:00:00:10 to eth[01]: it hashes layer 2 only$'
	remote 'echo layer2+3 > /sys/class/net/lag0/bonding/xmit_hash_policy'
	remote 'echo layer3+4 > /sys/class/net/lag0/bonding/xmit_hash_policy'
	# It takes two dozen flows, however slow the guests are. Beside cpu-bound it is no fault.
	echo layer3+4 > /sys/class/net/bond0/bonding/xmit_hash_policy
	symmetric() { diagnose --interval 15; found | grep -q '^symmetric-hash'; }
	check "a switch that hashes as Linux does" wait_until 240 symmetric
	says symmetric-hash '^bond0: all [0-9]+ new flows came by the slave that its own layer3\+4 chooses'
	check "... which the bond's own policy is found beside" eval 'found | grep -qx "policy bond0"'
	echo cpu-bound > /sys/class/net/bond0/bonding/xmit_hash_policy
	diagnose --interval 15
	check "... and which is no fault of a bond that goes by cores" eval '! found | grep -qE "^(policy|symmetric)"'
	remote 'echo layer2+3 > /sys/class/net/lag0/bonding/xmit_hash_policy'
	gone() { diagnose --interval 5; ! found | grep -qE '^(switch|symmetric)-hash'; }
	check "... and by addresses again" wait_until 60 gone
	stop
}

# Last, since it takes the bond apart.
mode() {
	ip link set bond0 down
	ip link set eth0 nomaster
	ip link set eth1 nomaster
	echo balance-rr > /sys/class/net/bond0/bonding/mode
	ip link set eth0 master bond0
	ip link set eth1 master bond0
	ip link set bond0 up
	diagnose
	check "round robin" eval 'found | grep -qx "bond-mode bond0"'
	says bond-mode '^bond0: mode balance-rr: the packets of a flow leave by all of 2 NICs in turn, whichever core sends$'
	jq -r '.findings[] | select(.check == "bond-mode").command' "$LAB_OUT/found.json" > "$LAB_OUT/remedies"
	check "... the remedy runs as printed" bash -euo pipefail "$LAB_OUT/remedies"
	check "... and makes it 802.3ad, which the switch answers" wait_until 120 lag_ready bond0 2
	diagnose
	check "round robin is mended" eval '! found | grep -q ^bond-mode'
}

# --- NICs with several queues -------------------------------------------------------------

# on_cpus NIC CPU...: the interrupt of the q-th queue goes to the q-th of them, and its map
on_cpus() {
	local nic=$1 text='' maps='' q irq
	shift
	for ((q = 0; q < $#; q++)); do
		irq=$(awk -v name="$nic-rxtx-$q" '$NF == name { sub(":", "", $1); print $1 }' /proc/interrupts)
		text+="${text:+ }$(< "/proc/irq/$irq/smp_affinity_list")"
		maps+="${maps:+ }$((16#$(< "/sys/class/net/$nic/queues/tx-$q/xps_cpus")))"
	done
	same "... the interrupts of $nic are on CPUs $*" "$*" "$text"
	same "... and what it sends" "$(for q; do echo $((1 << q)); done | xargs)" "$maps"
}

multiqueue() {
	local pid q nic irq
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	echo cpu-bound > /sys/class/net/bond0/bonding/xmit_hash_policy
	ip link set eth0 master bond0
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	check "a bond of a NIC with four queues" wait_until 120 lag_ready bond0 1
	printf 'server.document-root = "/run/www"\nserver.port = 80\n' > /run/lighttpd.conf
	lighttpd -D -f /run/lighttpd.conf &
	pid=$!
	wait_until 60 serving 80
	finds "its interrupts, and a server for all of them" "irq eth0
shared-listener port 80
unpinned port 80
xps eth0" --port 80
	says irq '^eth0: 4 of 4 interrupts \([0-9,-]+\) may go to CPUs 0-3, now [0-3,-]+$'
	says shared-listener '^port 80: one listening socket for the flows of 4 cores \(lighttpd, 1 processes\)$'
	advised shared-listener 's/^stop it and start one a core: //'
	kill "$pid"
	wait "$pid"
	start_advised
	check "the advice for the server runs as printed" wait_until 120 serving 8000 8008 8016 8024
	diagnose
	mended "a queue on each core"
	on_cpus eth0 0 1 2 3

	# As drivers do that begin to count at CPU 0.
	ip link set eth1 down
	ip link set eth1 master bond0
	check "another NIC" wait_until 120 lag_ready bond0 2
	for nic in eth0 eth1; do
		for q in 0 1 2 3; do
			irq=$(awk -v name="$nic-rxtx-$q" '$NF == name { sub(":", "", $1); print $1 }' /proc/interrupts)
			echo $((q % 2)) > "/proc/irq/$irq/smp_affinity_list"
		done
	done
	ethtool -K bond0 tso off
	finds "two NICs on the same cores, and offloads that the bond does not pass on" "irq eth1
xps eth0
xps eth1
offloads bond0"
	says irq '^eth1: 4 of 4 interrupts \([0-9,-]+\) go to CPU 0-1, as eth0.s do$'
	says offloads '^bond0: 1 of 2 offloads off that it has: TCP segmentation offload$'
	mended "each has its own"
	on_cpus eth0 0 1 0 1
	on_cpus eth1 2 3 2 3
	kill "$pid"
	wait "$pid"
}

server() {
	export FLOWPAR_DOCROOT=/run/www
	mkdir -p /run/www
	echo served > /run/www/index.html
	if [[ ${multiqueue:-} ]]; then
		lab-ready
		multiqueue
		return
	fi
	if [[ $LAB_KERNEL == *@(stock*|-plain) ]]; then
		stock
		return
	fi
	healthy
	settings
	firewall
	firewall6
	sets
	rewritten
	overflow
	others
	switch
	mode
	kill "$servers"
	wait "$servers"
	remote_start over
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	if [[ ${multiqueue:-} ]]; then
		lab_run --nic vmxnet3 --cpus 4 --nics 2 --timeout 900
	else
		lab_run --cpus 3 --nics 2 --timeout 1200
	fi ;;
server)	server ;;
client)	if [[ ${multiqueue:-} ]]; then lab-wait server-exit; else obey; fi ;;
esac
finish
