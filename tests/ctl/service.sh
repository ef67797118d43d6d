#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl adds, lists, counts and deletes services of this network namespace, prints the kernel's reason for each refusal, and run checks CPUs against the real machine
#
#   namespace client --- veth --- CPU that sends --- port 8000 + 8k as 10.99.0.1:80 --- lighttpd k of flowparctl run
# shellcheck disable=SC1083,SC2317	# placeholders; called by wait_until
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# refused TEXT LINE ARGUMENT...: status 1, exactly this one line, and the list as before
refused() {
	local text=$1 line=$2 said status=0 before
	shift 2
	before=$(flowparctl service list 2>&1)
	said=$("$@" 2>&1) || status=$?
	same "$text" "1 flowparctl: $line" "$status $said"
	[[ $(flowparctl service list 2>&1) == "$before" ]] || not_ok "$text: nothing changed" "$(flowparctl service list)"
}

add() { flowparctl service add --port 80 --base-port 8000 --cpus 0-1; }
# total COUNTER: its sum over the CPUs of port 80
total() { flowparctl stats --json --port 80 | grep -o "\"$1\":[0-9]*" | awk -F: '{ n += $2 } END { print n }'; }
ask() {	# ask CPU N: N requests of the client, sent on CPU
	ip netns exec client taskset -c "$1" bash -c "for ((i = 0; i < $2; i++)); do curl -sf http://10.99.0.1/; done"
}

services() {
	refused "not loaded" "nf_flowpar: not loaded; modprobe nf_flowpar" flowparctl service list
	check "the module loads" load_module
	same "no service yet" "[]" "$(flowparctl service list --json)"
	same "no counters yet" "[]" "$(flowparctl stats --json)"

	same "add says nothing" "" "$(add 2>&1)"
	same "add with everything" "" "$(flowparctl service add --port 443 --base-port 9000 --cpus 1,3,2 --stride 4 --per-core 2 --address 10.77.0.1 --protocol tcp --spill 75 2>&1)"
	same "list, a service of an address before one of any" \
"SERVICE                  BASE-PORT STRIDE PER-CORE  CPUS        SPILL
tcp 10.77.0.1:443             9000      4        2  1-3           75%
tcp *:80                      8000      8        1  0-1             -" "$(flowparctl service list)"
	same "list --json" \
'[{"family":"inet","protocol":"tcp","address":"10.77.0.1","port":443,"base_port":9000,"stride":4,"per_core":2,"spill":75,"cpus":[1,2,3]},
{"family":"inet","protocol":"tcp","address":null,"port":80,"base_port":8000,"stride":8,"per_core":1,"spill":0,"cpus":[0,1]}]' \
		"$(flowparctl service list --json)"
	same "stats" \
"SERVICE               CPU   CORE-PORT          IN         OUT    ATTACHED       MOVED      MISSED   THROTTLED      CLOSED FOREIGN-CPU       ERROR        ICMP     SPILLED
tcp *:80                0        8000           0           0           0           0           0           0           0           0           0           0           0
tcp *:80                1        8008           0           0           0           0           0           0           0           0           0           0           0" \
		"$(flowparctl stats --port 80)"
	same "stats --json" \
'{"family":"inet","protocol":"tcp","address":"10.77.0.1","port":443,"cpu":3,"core_ports":[9008,9009],"in":0,"out":0,"attached":0,"moved":0,"missed":0,"throttled":0,"closed":0,"foreign_cpu":0,"error":0,"icmp":0,"spilled":0}]' \
		"$(flowparctl stats --json --port 443 | tail -n 1)"
	same "anybody may look" "$(flowparctl service list)" "$(as_nobody flowparctl service list)"
	same "another namespace has none" "[]" "$(unshare -n flowparctl service list --json)"

	refused "the same again" "service tcp *:80: port 80 has a service already; delete it first" add
	refused "overlap" "service tcp *:81: per-core ports 8001-8009 overlap 8000-8008 of port 80; change --base-port" \
		flowparctl service add --port 81 --base-port 8001 --cpus 0-1
	refused "public port inside" "service tcp *:8004: port 8004 or 80 lies within the other's per-core ports; change --base-port" \
		flowparctl service add --port 8004 --base-port 7000 --cpus 0-1
	refused "ephemeral ports" "service tcp *:81: port 40000 is ephemeral: reserve it in ip_local_reserved_ports; change --base-port" \
		flowparctl service add --port 81 --base-port 40000 --cpus 0-1
	refused "past 65535" "service tcp *:81: per-core ports would end at 65538, past 65535; change --base-port" \
		flowparctl service add --port 81 --base-port 65530 --cpus 0-1
	refused "more instances than stride" "service tcp *:81: 3 instances per core do not fit a stride of 2; change --per-core" \
		flowparctl service add --port 81 --base-port 7000 --cpus 0-1 --stride 2 --per-core 3
	refused "no such CPU" "service tcp *:81: not a list of CPUs from 0 to 3; change --cpus" \
		flowparctl service add --port 81 --base-port 7000 --cpus 0-3,4
	refused "IPv4 in IPv6's clothes" "service tcp [::ffff:10.77.0.1]:81: an IPv4 address; give it as one: packets have it so" \
		flowparctl service add --port 81 --base-port 7000 --cpus 0 --address ::ffff:10.77.0.1
	refused "not unicast" "service tcp 224.0.0.1:81: not a unicast address; leave it out for any" \
		flowparctl service add --port 81 --base-port 7000 --cpus 0 --address 224.0.0.1
	refused "no permission" "service tcp *:80: Operation not permitted; run as root, or with CAP_NET_ADMIN in the network namespace" \
		as_nobody flowparctl service del --port 80
	refused "deleting what is not there" "service tcp *:443: no service of this address has port 443; flowparctl service list shows those that there are" \
		flowparctl service del --port 443
	refused "stats of a port without service" "--port: no service has public port 81; flowparctl service list shows those that there are" \
		flowparctl stats --port 81
	check "IPv6 on the same ports" flowparctl service add --port 80 --base-port 8000 --cpus 0-1 --family inet6
	check "... and at an address" flowparctl service add --port 443 --base-port 9000 --cpus 1 --address fd77::1
	same "both are listed" \
'{"family":"inet6","protocol":"tcp","address":"fd77::1","port":443,"base_port":9000,"stride":8,"per_core":1,"spill":0,"cpus":[1]},
{"family":"inet6","protocol":"tcp","address":null,"port":80,"base_port":8000,"stride":8,"per_core":1,"spill":0,"cpus":[0,1]}]' \
		"$(flowparctl service list --json | tail -n 2)"
	same "... in words too" "tcp [fd77::1]:443 tcp [::]:80" "$(flowparctl service list | awk 'NR > 3 { printf s $1 " " $2; s = " " }')"
	check "deleted by family" flowparctl service del --port 80 --family inet6
	check "... and by address" flowparctl service del --port 443 --address fd77::1
	check "delete by address" flowparctl service del --port 443 --address 10.77.0.1
	same "... takes that one" "tcp *:80" "$(flowparctl service list | awk 'NR > 1 { print $1, $2 }')"
}

traffic() {
	ip link set lo up
	ip netns add client
	ip link add veth0 type veth peer name eth0 netns client
	ip address add 10.99.0.1/24 dev veth0
	ip link set veth0 up
	ip -n client address add 10.99.0.2/24 dev eth0
	ip -n client link set eth0 up
	mkdir -p "$LAB_OUT/docs"
	echo served > "$LAB_OUT/docs/index.html"
	FLOWPAR_DOCROOT=$LAB_OUT/docs flowparctl run --cpus 0-1 --port-base 8000 --template "$repo/configs/lighttpd.conf.in" \
		-- lighttpd -D -f {conf} 2> "$LAB_OUT/run.log" &
	local pid=$! status=0
	check "lighttpd on each CPU listens" wait_until 30 serving 8000 8008
	same "requests through the service are served" "$(yes served | head -n 20)" "$(ask 0 10; ask 1 10)"
	check "packets in are counted" test "$(total in)" -ge 60
	check "packets out are counted" test "$(total out)" -ge 60
	same "redirects show the public port" "/docs/" \
		"$(mkdir "$LAB_OUT/docs/docs"; ip netns exec client curl -s -o /dev/null -D - http://10.99.0.1/docs | tr -d '\r' | sed -n 's/^Location: //p')"
	check "memory of a server is local" grep -q ' local ' "/proc/$(pgrep -P "$pid" -x lighttpd | head -n 1)/numa_maps"
	refused "run --listen bpf at a port that nf_flowpar serves" "port 80: nf_flowpar serves it already; delete that (flowparctl service list) or choose another --port" \
		flowparctl run --cpus 0 --port-base 9000 --listen bpf --port 80 -- /bin/true
	rates
	screen
	kill "$pid"
	wait "$pid" || status=$?
	same "run stops with status 0" 0 "$status"
	check "delete" flowparctl service del --port 80
	same "nothing is left" "[]" "$(flowparctl service list --json)"
	check "the module unloads" rmmod nf_flowpar
}

# What top says, against what stats counts.
rates() {
	local counted top said
	quiet() { [[ $(flowparctl top --json --once | jq '.cpus | map(.in + .out) | add') == 0 ]]; }
	wait_until 30 quiet
	# A CPU outside the list has a row if it has ever sent, as a timer may on any.
	same "top --once, a table of nothing" \
"PACKETS/S             CPU   CORE-PORT         IN        OUT   ATTACHED      MOVED     MISSED  THROTTLED    SPILLED
tcp *:80                0        8000          0          0          0          0          0          0          0
tcp *:80                1        8008          0          0          0          0          0          0          0" \
		"$(flowparctl top --once | awk '$4 != "-"')"
	counted=$(total in)
	flowparctl top --json --port 80 > "$LAB_OUT/top" &
	top=$!
	lines() { (($(wc -l < "$LAB_OUT/top") >= $1)); }
	wait_until 30 lines 1
	ask 1 20 > /dev/null
	said=$(wc -l < "$LAB_OUT/top")
	wait_until 30 lines $((said + 2))
	kill "$top"
	wait "$top"
	same "top --json ends by SIGTERM with status 0" 0 $?
	counted=$(($(total in) - counted))
	said=$(jq -s 'map(.seconds as $s | .cpus | map(.in * $s) | add) | add | round' "$LAB_OUT/top")
	check "its rates add up to what was counted ($counted, by rates $said)" test $((counted - said)) -ge -2 -a $((counted - said)) -le 2 -a "$counted" -ge 60
	same "... on the CPU that it was on" '[0,true]' "$(jq -sc '[(map(.cpus[0].in) | add), ((map(.cpus[1].in) | add) > 0)]' "$LAB_OUT/top")"
	modprobe bonding max_bonds=0
	ip link add 'b"\0' type bond mode 802.3ad
	echo cpu-bound > '/sys/class/net/b"\0/bonding/xmit_hash_policy'
	same 'top --json: a bond by any name' 'b"\0' "$(flowparctl top --json --once | jq -r '.bonds[].bond')"
	ip link del 'b"\0'
	refused "top of a port without service" "--port: no service has public port 81; flowparctl service list shows those that there are" \
		flowparctl top --once --port 81
	refused "top without a terminal" "stdout: no terminal; give --once or --json" flowparctl top
}

screen() {
	local tty=$repo/tests/ctl/terminal.py
	same "top on a terminal: q gives it back as it was" "exit 0; terminal as before" "$("$tty" q 'q quits' flowparctl top)"
	same "... ^C too" "exit 0; terminal as before" "$("$tty" ctrl-c 'q quits' flowparctl top)"
	same "... SIGTERM too" "exit 0; terminal as before" "$("$tty" TERM 'tcp *:80 ' flowparctl top)"
	same "... for as long as it is stopped too" "stopped: terminal as before
exit 0; terminal as before" "$("$tty" stop 'q quits' flowparctl top)"
	same "... no more lines are drawn than there are" "lines drawn: 2
exit 0; terminal as before" "$("$tty" small 'q quits' flowparctl top)"
	same "... what goes wrong is said on the terminal that was there" \
		"exit 1: flowparctl: --port: no service has public port 80; flowparctl service list shows those that there are; terminal as before" \
		"$("$tty" 'flowparctl service del --port 80' 'tcp *:80 ' flowparctl top --port 80)"
	add
}

cpus() {
	echo 0 > /sys/devices/system/cpu/cpu3/online
	refused "run on an offline CPU" "CPU 3: offline; write 1 to /sys/devices/system/cpu/cpu3/online or leave it out" \
		flowparctl run --cpus 2-3 --port-base 8000 -- /bin/true
	echo 1 > /sys/devices/system/cpu/cpu3/online
	refused "run on a CPU that there is not" "CPU 4: this machine has no such CPU; it has 0-3" \
		flowparctl run --cpus 2-4 --port-base 8000 -- /bin/true
}

case ${LAB_ROLE:-host} in
host)	host --cpus 4 --nics 1 --lag static ;;
server)	# The family's name loads an installed module; this one is to come from the work tree.
	echo > /proc/sys/kernel/modprobe
	cpus; services; traffic; lab-ready ;;
client)	: ;;
esac
finish
