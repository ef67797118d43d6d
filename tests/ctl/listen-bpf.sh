#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl run --listen bpf gives a new flow to the listener of the CPU it arrives on, on a stock kernel and with nothing rewritten, passes over who does not listen, and leaves nothing attached however it ends
#
#   a client --- switch --- link k --- IRQ k on CPU k --- listener at port 8000 + 8k, k = 0, 1
#
# CPU 2 has no link and no listener.
#
# Clients are named by the link that the switch hashes them onto. An instance listens
# once /run/go.CPU is there, so that it can be missing for as long as is wanted.
# shellcheck disable=SC1083,SC2016,SC2154,SC2317	# placeholders; others' variables; called by check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

main=(--cpus 0-1 --port-base 8000 --listen bpf --port 80)
waits='until [[ -e /run/go.{cpu} ]]; do sleep 0.1; done; exec "$0" serve6 {cpu}:{port}'

# run NAME ARGUMENT...: flowparctl run in the background, as $pid, what it says in $log
run() {
	log=$LAB_OUT/$1.run
	shift
	flowparctl run "$@" 2> "$log" &
	pid=$!
}
said() { grep -qE "$1" "$log"; }

# refused TEXT REGEX COMMAND...: status 1, one line that matches, nothing attached by it
refused() {
	local text=$1 regex=$2 said status=0 before
	shift 2
	before=$(flowparctl stats --listen bpf --json)
	said=$("$@" 2>&1) || status=$?
	if ((status == 1)) && [[ $said != *$'\n'* ]] && grep -qE "^flowparctl: $regex" <<< "$said" &&
	   [[ $(flowparctl stats --listen bpf --json | jq -c '[.[].pid]') == "$(jq -c '[.[].pid]' <<< "$before")" ]]; then
		ok "$text"
	else
		not_ok "$text" "exit $status: $said"$'\n'"expected exit 1: $regex"
	fi
}

total() { flowparctl stats --listen bpf --json --port "${2:-80}" | jq "map(.$1) | add"; }
listening() { [[ $(flowparctl stats --listen bpf --json --port "${2:-80}" | jq -c 'map(select(.core_ports != []).listening)') == "$1" ]]; }
nothing_attached() { [[ $(flowparctl stats --listen bpf --json) == '[]' ]]; }
pids_of() { ss -Hltnp "sport = $1" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u; }
leader_of() { ps -o pgid= -p "$(pids_of "$1" | head -n 1)" | tr -d ' '; }
has_ended() { ! kill -0 "$1" 2> /dev/null; }

# own_cores TEXT ADDRESS: the clients of links 0 and 1, each five times
own_cores() {
	same "$1" "0 8000 5
1 8008 5" "$(for link in 0 1; do client $link who "$2" 80 5 | sed "s/^/$link /"; done)"
}

refusals() {
	local peer0
	refused "an ordinary user is told what it takes" '--listen bpf: the kernel refuses the program: .*; it needs CAP_BPF, CAP_NET_ADMIN and CAP_SYS_PTRACE: run it as root$' \
		as_nobody flowparctl run "${main[@]}" -- /bin/true
	refused "root without CAP_BPF too" '--listen bpf: the kernel refuses the program: .*; it needs CAP_BPF' \
		setpriv --bounding-set=-bpf,-sys_admin flowparctl run "${main[@]}" -- /bin/true
	refused "root without CAP_NET_ADMIN too" '--listen bpf: .*: Operation not permitted; it needs CAP_BPF, CAP_NET_ADMIN' \
		setpriv --bounding-set=-net_admin,-sys_admin flowparctl run "${main[@]}" -- /bin/true
	sysctl -qw net.core.bpf_jit_enable=0
	refused "a kernel that interprets BPF is told what it takes" '--listen bpf: the kernel refuses the program: .*; it needs Linux 5.17 or newer .* net.core.bpf_jit_enable=1, or use --listen nat$' \
		flowparctl run "${main[@]}" -- /bin/true
	sysctl -qw net.core.bpf_jit_enable=1
	"$peer" serve 0:80 &
	peer0=$!
	wait_until 60 serving 80
	refused "somebody listens on the public port" 'port 80: a socket of user id 0 listens on it already, on 0.0.0.0; stop it \(ss -tlnp sport = :80\)' \
		flowparctl run "${main[@]}" -- /bin/true
	kill "$(pids_of 80)"
	wait "$peer0"
	check "counters of what is not there: status 1" fails 1 flowparctl stats --listen bpf --port 80
	check "nothing is attached" nothing_attached
}

server() {
	bond_up
	lab-ready
	ipv6_up
	find_links
	same "every link has a client" "0 1" "${!client_on[*]}"
	refusals

	run main "${main[@]}" --wait-listen 120 -- bash -c "$waits" "$peer"
	wait_until 30 listening '[false,false]'
	check "no listener yet: refused, the kernel's own answer" client 0 refused "$LAB_SERVER" 80
	check "... which is counted" test "$(total refused)" -ge 1
	check "... and it does not say that servers listen" fails 1 said 'servers listen'
	touch /run/go.0
	check "one CPU's instance listens" wait_until 60 listening '[true,false]'
	same "... and takes the other's flows" "8000 5" "$(client 1 who "$LAB_SERVER" 80 5)"
	same "... counted as spilled" 5 "$(total spilled)"
	check "... still not all listen" fails 1 said 'servers listen'
	touch /run/go.1
	check "all listen, and are said to" wait_until 60 said '^flowparctl: run: 2 servers listen$'

	own_cores "each client is served by the core that its link interrupts" "$LAB_SERVER"
	check "the server sees the public port" wait_until 10 public_port_seen
	outside
	moved
	passed_over
	second
	families
	loopback
	ends
	remote_start over
}

# An accepted socket has the port that the client used.
public_port_seen() {
	client_start 0 idle "$LAB_SERVER" 80 2
	wait_until 20 established 80
	local found=$?
	remote_end > /dev/null
	return $found
}

outside() {
	local before
	before=$(total closed)
	check "a per-core port is refused from outside" client 0 refused "$LAB_SERVER" 8008
	check "... over IPv6 too" client 0 refused $server6 8008
	check "... and counted" test "$(total closed)" -ge $((before + 2))
	same "a per-core port is plain on 127.0.0.1" "8008 1" "$("$peer" who 127.0.0.1 8008 1)"
	same "... and on ::1" "8008 1" "$("$peer" who ::1 8008 1)"
	"$peer" serve 2:8001 &
	wait_until 60 serving 8001
	same "a port between two cores' is nobody's: open" "8001 1" "$(client 0 who "$LAB_SERVER" 8001 1)"
	kill "$(pids_of 8001)"
	same "the host itself reaches the public port, by its CPU" "8008 3" "$(taskset -c 1 "$peer" who "$LAB_SERVER" 80 3)"
	same "... also on 127.0.0.1" "8000 3" "$(taskset -c 0 "$peer" who 127.0.0.1 80 3)"
	repin 1 2
	before=$(total foreign_cpu)
	same "a CPU outside the list is served by those of the list" 20 \
		"$(client 1 who "$LAB_SERVER" 80 20 | awk '$1 == 8000 || $1 == 8008 { n += $2; ports++ } END { print ports == 2 ? n : "one port" }')"
	same "... which is counted" $((before + 20)) "$(total foreign_cpu)"
	repin 1 1
	sysctl -q net.ipv4.tcp_syncookies=2
	own_cores "by SYN cookies too" "$LAB_SERVER"
	sysctl -q net.ipv4.tcp_syncookies=1
	find_links $server6
	own_cores "IPv6: each client is served by the core that its link interrupts" $server6
	find_links
	same "another namespace has no such service" '[]' "$(unshare -n flowparctl stats --listen bpf --json)"
	refused "the public port is taken, by its pid" 'port 80: another flowparctl run --listen bpf or reuseport serves it' \
		flowparctl run --cpus 0-1 --port-base 9000 --listen bpf --port 80 -- /bin/true
	same "... which counters show" "$pid" "$(flowparctl stats --listen bpf --port 80 | awk 'NR == 2 { print $3 }')"
	check "... in another namespace it is free" bash -c "unshare -n flowparctl run --cpus 0-1 --port-base 9000 --listen bpf --port 80 -- /bin/false 2>&1 | grep -q 'no server stays up, giving up'"
}

# Nothing depends on the CPU once a flow has its socket.
moved() {
	client_start 1 get "$LAB_SERVER" 80 6000000 4
	wait_until 30 established 80
	pin eth1 0
	sleep 1
	pin eth1 1
	same "a flow whose interrupt moves twice arrives whole, from its server" 8008 "$(remote_end)"
	own_cores "the interrupt is back, the core is too" "$LAB_SERVER"
}

passed_over() {
	local leader spilled
	rm /run/go.1
	leader=$(leader_of 8008)
	spilled=$(total spilled)
	kill -KILL "$leader"
	check "a killed instance is missed" wait_until 30 listening '[true,false]'
	check "... and started again" wait_until 30 said 'port 8008 .*: started, pid [0-9]+$'
	same "its flows go to another's" "8000 5" "$(client 1 who "$LAB_SERVER" 80 5)"
	find_links $server6
	same "... over IPv6 too" "8000 5" "$(client 1 who $server6 80 5)"
	find_links
	same "... counted as spilled" $((spilled + 10)) "$(total spilled)"
	touch /run/go.1
	check "it listens again" wait_until 60 listening '[true,true]'
	own_cores "and has its flows back" "$LAB_SERVER"
	same "... nothing more was spilled" $((spilled + 10)) "$(total spilled)"
}

# A second service beside the first, with two instances a core.
second() {
	local first=$pid first_log=$log status=0 link
	run second --cpus 0-1 --port-base 8100 --per-core 2 --listen bpf --port 81 --wait-listen 120 -- "$peer" serve {cpu}:{port}
	check "a second service, with two instances a core" wait_until 120 said '4 servers listen'
	same "a client meets both instances of its core and no other" "0 8100
0 8101
1 8108
1 8109" "$(for link in 0 1; do client $link who "$LAB_SERVER" 81 20 | sed "s/ .*//; s/^/$link /"; done)"
	own_cores "the first is as it was" "$LAB_SERVER"
	kill "$pid"
	wait "$pid" || status=$?
	same "it ends well" 0 "$status"
	same "the first is left" "$first" "$(flowparctl stats --listen bpf --json | jq -r 'map(.pid) | unique[]')"
	# Nobody's server is not for everybody to look into.
	log=$LAB_OUT/ptrace.run status=0
	setpriv --bounding-set=-sys_ptrace flowparctl run --cpus 0 --port-base 8100 --listen bpf --port 81 --wait-listen 10 --stop-timeout 1 \
		-- setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search \
		"$peer" serve 0:8100 2> "$log" || status=$?
	same "a server whose sockets are out of reach: status 1" 1 "$status"
	check "... and once said why" test "$(grep -cE '^flowparctl: port 8100: its listener cannot be given flows: .*; flowparctl needs CAP_SYS_PTRACE: run it as root$' "$log")" = 1
	pid=$first log=$first_log
}

# A socket for each family, opened one after the other, in a process that is not the
# first one of its instance and that the first one replaces.
families() {
	local first=$pid first_log=$log worker
	run families --cpus 0-1 --port-base 8200 --listen bpf --port 82 --wait-listen 120 --stop-timeout 1 \
		-- bash -c 'while :; do "$0" serve-families {cpu}:{port}; done' "$peer"
	check "a server with a socket for each family" wait_until 120 said '2 servers listen'
	same "takes IPv4" "8200 3" "$(client 0 who "$LAB_SERVER" 82 3)"
	find_links $server6
	check "... and IPv6, which it opens later" wait_until 30 eval '[[ $(client 0 who $server6 82 1) == "8200 1" ]]'
	same "... by its core" "8200 3" "$(client 0 who $server6 82 3)"
	find_links
	worker=$(pids_of 8200)
	kill -KILL "$worker"
	replaced() { local now; now=$(pids_of 8200) && [[ $now && $now != "$worker" ]] && listening '[true,true]' 82; }
	check "a worker is replaced behind flowparctl's back" wait_until 60 replaced
	same "... and is given flows" "8200 3" "$(client 0 who "$LAB_SERVER" 82 3)"
	kill "$pid"
	wait "$pid"
	pid=$first log=$first_log
}

# Which address an instance listens on does not matter; this one is nobody's but ours.
loopback() {
	local first=$pid first_log=$log
	mkdir -p /run/www
	echo 'on loopback' > /run/www/index.html
	run loopback --cpus 0-1 --port-base 8300 --listen bpf --port 83 --wait-listen 120 \
		-- busybox httpd -f -p 127.0.0.1:{port} -h /run/www
	check "instances that listen on 127.0.0.1" wait_until 120 said '2 servers listen'
	same "... are served from outside" 'on loopback' "$(remote "lab-client ${client_on[1]} curl -sS -m 10 http://$LAB_SERVER:83/")"
	check "... not over IPv6, which they do not speak" client 0 refused $server6 83
	kill "$pid"
	wait "$pid"
	pid=$first log=$first_log
}

ends() {
	local status=0
	kill "$pid"
	wait "$pid" || status=$?
	same "SIGTERM: status 0" 0 "$status"
	check "... nothing is attached" nothing_attached
	check "... the public port is refused" client 0 refused "$LAB_SERVER" 80
	"$peer" serve 0:8000 &
	wait_until 60 serving 8000
	same "... a per-core port is plain" "8000 1" "$(client 0 who "$LAB_SERVER" 8000 1)"
	kill "$(pids_of 8000)"
	wait_until 30 fails 1 serving 8000

	run killed "${main[@]}" -- bash -c "$waits" "$peer"
	check "it starts again" wait_until 60 listening '[true,true]'
	own_cores "and serves" "$LAB_SERVER"
	kill -KILL "$pid"
	wait "$pid" 2> /dev/null
	check "SIGKILL: nothing is attached" wait_until 30 nothing_attached
	check "... the servers are gone" wait_until 30 fails 1 serving 8000 8008
	check "... the public port is refused" client 0 refused "$LAB_SERVER" 80
	run again "${main[@]}" --wait-listen 120 -- bash -c "$waits" "$peer"
	check "... and free for the next" wait_until 60 said '2 servers listen'
	own_cores "which serves" "$LAB_SERVER"
	kill "$pid"
	wait "$pid"
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	# What is tested needs no patch.
	[[ ${LAB_KERNEL:-} ]] || LAB_KERNEL=stock
	lab_run --cpus 3 --nics 2 --timeout 900 ;;
server)	server ;;
client)	obey ;;
esac
finish
