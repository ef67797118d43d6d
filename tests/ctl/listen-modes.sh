#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the same is done to --listen nat, bpf, nft and reuseport, through setup-flowpar.sh and flowparctl run, and what comes of it is what the table in docs/listen-modes.md says
#
#   a client --- switch --- link k --- IRQ k on CPU k --- an instance, k = 0, 1
#
# CPU 2 has no link and no instance. CPU 0's instance is the one that is stopped and
# killed: in a SO_REUSEPORT group the last socket would take its place.
#
# An instance listens once /run/go.CPU is there, so that it can be missing for as long as
# is wanted. Clients are named by the link that the switch hashes them onto.
# shellcheck disable=SC1083,SC2016,SC2154,SC2317	# placeholders; others' variables; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

setup=$repo/affinity/setup-flowpar.sh
waits='until [[ -e /run/go.{cpu} ]]; do sleep 0.1; done; exec "$0" serve6 {cpu}:{port}'
modes=(nat bpf nft reuseport)

# --- the table ---------------------------------------------------------------------

# rows: the keys of the table
rows() { sed -n 's/^| `\([a-z0-9-]*\)`:.*/\1/p' "$repo/docs/listen-modes.md"; }

# expected KEY: the mode's cell without its remarks
expected() {
	local column i
	for i in "${!modes[@]}"; do [[ ${modes[i]} != "$mode" ]] || column=$((i + 3)); done
	awk -F '|' -v key="^ \`$1\`:" -v column="$column" '$2 ~ key {
		cell = $column; sub(/\(.*/, "", cell); gsub(/^ +| +$/, "", cell); print cell }' "$repo/docs/listen-modes.md"
}

# found KEY WHAT: ok if the table says so
declare -A done_keys
found() {
	done_keys[$1]=1
	same "$mode: $1: $(expected "$1")" "$(expected "$1")" "$2"
}

# --- what is seen, in the table's words --------------------------------------------

# served_by ADDRESS [cpus-udp PORT]: of flows on links 0 and 1
served_by() {
	local said
	said=$(for link in 0 1; do client $link "${2:-cpus}" "$1" "${3:-80}" 3 | sed "s/^/$link /"; done | paste -sd,)
	case $said in
	'0 0 3,1 1 3') echo 'own core' ;;
	'0 refused 3,1 refused 3') echo refused ;;
	*) echo "links' CPUs: $said" ;;
	esac
}

# victims WHAT: of what CPU 0's link is told
victims() {
	case $1 in
	0\ *) echo "${2:-own core}" ;;
	1\ *) echo 'other core' ;;
	*) echo "${1% *}" ;;
	esac
}

port_kind() {
	case $1 in
	80) echo public ;;
	8000|8008) echo per-core ;;
	*) echo "$1" ;;
	esac
}

# reached COMMAND...: of peer.py refused
reached() {
	local status=0
	"$@" > /dev/null 2>&1 || status=$?
	case $status in
	0) echo refused ;;
	3) echo silence ;;
	*) echo answers ;;
	esac
}

# --- servers -----------------------------------------------------------------------

# run PUBLIC BASE ARGUMENT...: flowparctl run of this mode, as $pid, what it says in $log
run() {
	local public=$1 base=$2 ports
	shift 2
	case $mode in
	nat|nft) ports=(--port-base "$base") ;;
	bpf) ports=(--port-base "$base" --listen bpf --port "$public") ;;
	reuseport) ports=(--listen reuseport --port "$public") ;;
	esac
	log=$LAB_OUT/$mode.$public.run
	flowparctl run --cpus 0-1 "${ports[@]}" "$@" 2>> "$log" &
	pid=$!
}
said() { grep -qE "$1" "$log"; }
# stop: sets stopped to its exit status
stop() {
	stopped=0
	kill "$pid"
	wait "$pid" || stopped=$?
}

# listener CPU: "PID QUEUE" of who listens there
listener() {
	local queue pid
	while read -r queue pid; do
		[[ $(taskset -pc "$pid") != *": $1" ]] || { echo "$pid $queue"; return; }
	done < <(ss -Hltnp "sport = 80 or sport = 8000 or sport = 8008" | sed -nE 's/^LISTEN +([0-9]+) .*pid=([0-9]+).*/\1 \2/p')
	return 1
}
queue_is() { [[ $(listener "$1") == *" $2" ]]; }
leader_of() { ps -o pgid= -p "$1" | tr -d ' '; }

# Given flows, too, where flowparctl does that.
given() {
	listener "$1" > /dev/null || return
	case $mode in
	bpf|reuseport) flowparctl stats --listen "$mode" --port 80 --json | jq -e "any(.[]; .cpu == $1 and .listening)" ;;
	esac
}
overflows() { nstat -asz TcpExtListenOverflows | awk '/Overflows/ { print $2 }'; }
overflowed() { (($(overflows) > before)); }

left() {
	{
		[[ ! -d /sys/class/net/bond0 ]] || echo 'a bond'
		[[ ! -e /run/flowpar ]] || echo "/run/flowpar: $(ls /run/flowpar)"
		ss -Hltun 'sport = 80 or sport = 8000 or sport = 8008'
		nft list ruleset
		flowparctl service list | tail -n +2
		flowparctl stats --listen bpf | tail -n +2
		flowparctl stats --listen reuseport | tail -n +2
		pgrep -a flowpar
	} > "$LAB_OUT/$mode.left" 2>&1
	if [[ -s $LAB_OUT/$mode.left ]]; then cat "$LAB_OUT/$mode.left"; else echo nothing; fi
}
nothing_left() { [[ $(left) == nothing ]]; }

# --- one mode ----------------------------------------------------------------------

up() {
	local base=(--base-port 8000)
	[[ $mode != reuseport ]] || base=()
	check "$mode: setup-flowpar.sh up" "$setup" up --bond bond0 --slaves eth0,eth1 --cpus 0-1 --policy layer3+4 --lacp-timeout 120 \
		--address "$LAB_SERVER/24" --port 80 "${base[@]}" --listen "$mode"
	ip address add "$server6/64" dev bond0 nodad
	[[ $mode != nat ]] || flowparctl service add --protocol udp --port 53 --base-port 5000 --cpus 0-1
	wait_until 120 remote "lab-client 0 ping -q -c 1 -W 1 $LAB_SERVER"
}

one_mode() {
	local before said
	mode=$1
	done_keys=()
	up
	find_links
	same "$mode: every link has a client" "0 1" "${!client_on[*]}"
	touch /run/go.{0,1}
	run 80 8000 -- bash -c "$waits" "$peer"
	check "$mode: both instances listen" wait_until 120 both_given
	check "$mode: verify finds nothing that drifted" "$setup" verify
	case $mode in
	bpf|reuseport) check "$mode: ... and status says who serves" grep -q "attached by flowparctl run (pid $pid)" <("$setup" status) ;;
	esac

	found new-flow "$(served_by "$LAB_SERVER")"
	found accepted-port "$(port_kind "$(client 0 local "$LAB_SERVER" 80)")"
	found outside "$(reached client 0 refused "$LAB_SERVER" 8008)"
	found inside "$(reached "$peer" refused 127.0.0.1 8008)"
	said=$("$peer" cpus "$LAB_SERVER" 80 3 | awk '$1 != "refused" { n += $2 } END { print n }')
	found host "$(if [[ $said == 3 ]]; then echo served; else echo refused; fi)"
	repin 1 2
	said=$(client 1 cpus "$LAB_SERVER" 80 10 | awk '$1 == 0 || $1 == 1 { n += $2 } END { print n }')
	found foreign-cpu "$(if [[ $said == 10 ]]; then echo served; else echo "$said of 10"; fi)"
	repin 1 1
	moved
	killed
	find_links $server6
	found ipv6 "$(served_by $server6)"
	find_links
	[[ $mode != reuseport ]] || { reuseport_stats; reuseport_only; }
	udp
	ends
	same "$mode: every row of the table is tested" "$(rows | sort)" "$(printf '%s\n' "${!done_keys[@]}" | sort)"
}
both_given() { given 0 && given 1; }

moved() {
	local said status=0
	client_start 1 get "$LAB_SERVER" 80 3000000 3
	wait_until 120 transferring
	pin eth1 0
	sleep 1
	pin eth1 1
	said=$(remote_end) || status=$?
	found moved "$(if ((status == 0)); then echo lives; else echo "$said"; fi)"
}
transferring() { ss -Htn state established '( sport = 80 or sport = 8008 )' | grep -q .; }

# CPU 0's instance hangs, is killed with a connection in its queue, stays away, comes back.
killed() {
	local victim before
	read -r victim _ < <(listener 0)
	kill -STOP "$victim"
	remote "lab-client ${client_on[0]} $peer hold $LAB_SERVER 80 $((somaxconn + 1)) 600 > /dev/null 2>&1 &"
	check "$mode: (its queue fills)" wait_until 120 queue_is 0 $((somaxconn + 1))
	before=$(overflows)
	client_start 0 cpus "$LAB_SERVER" 80 1
	check "$mode: (it is full)" wait_until 120 overflowed
	kill -CONT "$victim"
	found full "$(victims "$(remote_end)" waits)"

	rm /run/go.0
	check "$mode: (its queue empties)" wait_until 120 queue_is 0 0
	kill -STOP "$victim"
	client_start 0 cpus "$LAB_SERVER" 80 1
	check "$mode: (a connection waits in it)" wait_until 120 queue_is 0 1
	kill -KILL "$(leader_of "$victim")"
	found unaccepted "$(victims "$(remote_end)")"
	check "$mode: (it is gone)" wait_until 120 fails 1 listener 0
	found missing "$(victims "$(client 0 cpus "$LAB_SERVER" 80 3)")"
	touch /run/go.0
	check "$mode: (it listens again)" wait_until 120 given 0
	found back "$(served_by "$LAB_SERVER")"
}

udp() {
	local first=$pid first_log=$log
	run 53 5000 -- "$peer" serve-udp {cpu}:{port}
	case $mode in
	bpf) check "bpf: a UDP server is told what to do" wait_until 120 said '^flowparctl: port 50(00|08): a UDP socket has it, and --listen bpf serves TCP only: .*; use --listen reuseport, or nat' ;;
	reuseport) wait_until 120 udp_given ;;
	*) wait_until 120 udp_bound ;;
	esac
	found udp "$(served_by "$LAB_SERVER" cpus-udp 53)"
	kill "$pid"
	wait "$pid"
	pid=$first log=$first_log
}
udp_bound() { [[ $(ss -Hlun 'sport = 5000 or sport = 5008' | wc -l) == 2 ]]; }
udp_given() { flowparctl stats --listen reuseport --port 53 --json | jq -e 'map(select(.protocol == "udp").listening) == [true, true]'; }

# traffic: from every client, until no_traffic
traffic() {
	remote "for k in 0 1; do lab-client \$k $peer cpus $LAB_SERVER 80 10000000 > /dev/null 2>&1 & done"
	check "$mode: (clients connect over and over)" wait_until 120 transferring
}
no_traffic() { remote "pkill -f 'peer.py (cpus|hold) '"; }

top_sees() { flowparctl top --listen "$1" --port 80 --once --json | jq -e '.cpus | length >= 2 and (map(.in) | add) > 0'; }

# Under traffic; in between the same service by lighttpd.
ends() {
	traffic
	case $mode in
	bpf|reuseport) check "$mode: top shows rates" wait_until 120 top_sees "$mode" ;;
	esac
	stop
	same "$mode: flowparctl ends by SIGTERM under traffic: status 0" 0 "$stopped"
	found ended "$(reached client 0 refused "$LAB_SERVER" 80)"
	no_traffic
	web
	run 80 8000 -- "$peer" serve6 {cpu}:{port}
	traffic
	kill "$pid"
	[[ $mode != nat ]] || flowparctl service del --protocol udp --port 53
	check "$mode: setup-flowpar.sh down" "$setup" down
	wait "$pid"
	wait_until 120 nothing_left
	found left "$(left)"
	no_traffic
}

web() {
	FLOWPAR_DOCROOT=/run/www run 80 8000 --wait-listen 120 --template /run/lighttpd.conf.in -- lighttpd -D -f {conf}
	check "$mode: lighttpd by its template" wait_until 120 said '^flowparctl: run: 2 servers listen$'
	found location "$(if [[ $(get /dir -L) == 'of the directory' ]]; then echo arrives; else get /dir -v; fi)"
	found server-port "$(port_kind "$(get /env.cgi)")"
	stop
	same "$mode: lighttpd ends well" 0 "$stopped"
}
get() {		# get PATH [curl option...]
	local path=$1
	shift
	remote "lab-client ${client_on[0]} curl -sS -m 20 $* http://$LAB_SERVER$path"
}

# --- only reuseport ----------------------------------------------------------------

total() { flowparctl stats --listen reuseport --json --port "${2:-80}" | jq "map(.$1) | add"; }

reuseport_stats() {
	check "reuseport: what was given, spilled, migrated and came to other CPUs was counted" \
		test "$(total in)" -gt 20 -a "$(total spilled)" -ge 3 -a "$(total migrated)" -ge 1 -a "$(total foreign_cpu)" -ge 10
}

# only_once TEXT REGEX: said for one of two instances or for both, however often they are looked at
only_once() {
	check "$1" wait_until 120 said "$2"
	check "... and not over and over" test "$(grep -cE "$2" "$log")" -le 2
}

reuseport_only() {
	local first=$pid first_log=$log
	check_fails "reuseport: a port that somebody listens on is refused" 1 'port 80: a socket of user id 0 listens on it already, on \[::\]; stop it \(ss -tlnp sport = :80\)$' \
		flowparctl run --cpus 0-1 --listen reuseport --port 80 -- /bin/true
	check_fails "reuseport: ... and one that is served over UDP alone" 1 'port 81: another flowparctl run --listen bpf or reuseport serves it' \
		two_of_udp
	check_fails "reuseport: an ordinary user is told what it takes" 1 '--listen reuseport: the kernel refuses the program: .*; it needs CAP_BPF' \
		as_nobody flowparctl run --cpus 0-1 --listen reuseport --port 82 -- /bin/true
	same "reuseport: another namespace has no such service" '[]' "$(unshare -n flowparctl stats --listen reuseport --json)"

	run 83 0 --per-core 2 --wait-listen 120 -- "$peer" serve-families {cpu}:{port}
	check "reuseport: two instances a core, a socket for each family" wait_until 120 said '4 servers listen'
	check "... make two services" wait_until 120 eval "flowparctl stats --listen reuseport --port 83 --json | jq -e 'map(select(.listening).family) == [\"inet\", \"inet\", \"inet6\", \"inet6\"]'"
	same "... that serve IPv4" '0 0 6,1 1 6' "$(for link in 0 1; do client $link cpus "$LAB_SERVER" 83 6 | sed "s/^/$link /"; done | paste -sd,)"
	find_links $server6
	same "... and IPv6" '0 0 6,1 1 6' "$(for link in 0 1; do client $link cpus $server6 83 6 | sed "s/^/$link /"; done | paste -sd,)"
	find_links
	same "... each instance its share" 4 "$(ss -Hltn4 'sport = 83' | wc -l)"
	kill -KILL "$pid"
	wait "$pid" 2> /dev/null
	check "... SIGKILL: nothing is left of them" wait_until 120 eval "[[ ! \$(ss -Hltn 'sport = 83') && \$(flowparctl stats --listen reuseport --json | jq 'any(.port == 83)') == false ]]"

	run 84 0 -- env -u LD_PRELOAD "$peer" serve {cpu}:{port}
	only_once "reuseport: a server that the library does not reach is told of" \
		'^flowparctl: port 84 \(pid [0-9]+\): it listens without SO_REUSEPORT, so no other instance can; .*, or use --listen bpf or nat$'
	stop
	run 85 0 -- "$peer" serve {cpu}:{port} {cpu}:{port}
	only_once "reuseport: two sockets of an instance at one address are told of" \
		'^flowparctl: port 85 \(pid [0-9]+\): it has several sockets at one address, of which one gets all flows; '
	stop
	pid=$first log=$first_log
}
two_of_udp() {
	local status=0
	run 81 0 -- "$peer" serve-udp {cpu}:{port}
	wait_until 120 eval "flowparctl stats --listen reuseport --port 81 --json"
	flowparctl run --cpus 0-1 --listen reuseport --port 81 -- /bin/true || status=$?
	stop
	pid=$first log=$first_log
	return "$status"
}

server() {
	somaxconn=3
	sysctl -qw net.core.somaxconn=$somaxconn
	load_module
	mkdir -p /run/www/dir
	echo 'of the directory' > /run/www/dir/index.html
	printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "$SERVER_PORT"\n' > /run/www/env.cgi
	chmod +x /run/www/env.cgi
	{ cat "$repo/configs/lighttpd.conf.in"; printf 'server.modules += ( "mod_cgi" )\ncgi.assign = ( ".cgi" => "" )\n'; } > /run/lighttpd.conf.in
	lab-ready
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k address add fd77::$address/64 dev eth0 nodad
			k=$((k + 1))
		done'
	for mode in "${modes[@]}"; do
		[[ -z ${ONLY:-} || $mode == "$ONLY" ]] || continue
		one_mode "$mode"
	done
	remote_start over
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	# Three of four need no patch, and the fourth but its module.
	[[ ${LAB_KERNEL:-} ]] || LAB_KERNEL=stock
	host --cpus 3 --nics 2 --timeout 1800 --env "ONLY=${ONLY:-}" ;;
server)	server ;;
client)	obey ;;
esac
finish
