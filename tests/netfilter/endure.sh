#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Suite: test debug
# Alone: its transfers last as long as they last, and have to be moved three times meanwhile
# Rule: links are cut and interrupts moved under load, and no request fails, no transfer is damaged
#
# Eight cores set up as an administrator would, lighttpd on each. First ab from every
# client while one link after the other goes down and comes back, then transfers of which
# each moves to another core and back. endure-long.sh is the same for longer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"
# shellcheck disable=SC2154	# endure-long.sh may have set them
: "${requests:=5000}" "${cut:=1}" "${period:=3}" "${transfers:=200}" "${transfer_seconds:=60}"
readonly cores=8

server() {
	# shellcheck source=bench/setups/common.sh
	. "$repo/bench/setups/common.sh"
	# shellcheck source=bench/setups/flowpar.sh
	. "$repo/bench/setups/flowpar.sh"
	make_files 128
	check "eight cores are set up" setup_network
	# A guest's memory allows 4096; what closes beyond that answers late segments by a reset.
	sysctl -q net.ipv4.tcp_max_tw_buckets=200000
	setup_server
	flowparctl service add --port 81 --base-port 8200 --cpus 0-7
	"$peer" serve 0:8200 1:8208 2:8216 3:8224 4:8232 5:8240 6:8248 7:8256 &
	check "the instances listen" wait_until 60 serving 8200 8208 8216 8224 8232 8240 8248 8256
	lab-ready
	cuts
	moves
	setup_down > "$LAB_OUT/down.log" 2>&1
	remote_start over
}

# Connections of this host and of the clients that a reset ended. A FIN repeated after both
# sides are done is answered by one, too; that ends none.
ended_by_reset() {
	# shellcheck disable=SC2016	# for the other guest
	{ cat /proc/net/snmp; remote 'for address in $LAB_CLIENTS; do lab-client $((k++)) cat /proc/net/snmp; done'; } |
		awk '$1 == "Tcp:" && $2 == "RtoAlgorithm" { for (i = 1; i <= NF; i++) if ($i == "EstabResets") column = i; next }
		     $1 == "Tcp:" { n += $column } END { print n }'
}
received() { cat "/sys/class/net/$1/statistics/rx_packets"; }
carries() { (($(received "$1") >= $2)); }
carrier() { [[ $(< "/sys/class/net/$1/carrier") == "$2" ]]; }

# Link k goes, and while it is away the interrupt of another NIC moves; both come back.
cut_link() {
	local k=$1 other=$((($1 + 3) % cores)) before
	lab-link "$k" down
	wait_until 10 carrier "eth$k" 0 || echo "eth$k: still a carrier after 10 s"
	pin "eth$other" $(((other + 1) % cores))
	sleep "$cut"
	lab-link "$k" up
	wait_until 30 lag_ready bond0 $cores || echo "eth$k: not back in the aggregator after 30 s"
	pin "eth$other" "$other"
	before=$(received "eth$k")
	wait_until 15 carries "eth$k" $((before + 50)) || echo "eth$k: carries nothing after it is back"
}

sum_of() { sed -n "s/^$1: *//p" "$LAB_OUT"/ab.[0-9]* | awk '{ n += $1 } END { print n + 0 }'; }

cuts() {
	local load k cycles=0 complaints='' start runs
	# Again, until a link was cut meanwhile, which lasts as long as LACP does.
	# shellcheck disable=SC2016	# for the other guest
	remote_start 'k=0
		for address in $LAB_CLIENTS; do
			{	run=0
				until ((run)) && [[ -e $LAB_OUT/cut ]]; do
					lab-client $k ab -q -r -s 120 -B $address -c 4 -n '$((requests / cores))' http://$LAB_SERVER/f128 > $LAB_OUT/ab.$k.$run 2>&1
					run=$((run + 1))
				done
			} &
			k=$((k + 1))
		done
		wait'
	remote_end > /dev/null &
	load=$!
	sleep 1
	# The last cut may end after the load: only those that end under it count.
	while start=$SECONDS k=$((cycles % cores)) && said=$(cut_link $k) && kill -0 $load 2>/dev/null; do
		cycles=$((cycles + 1))
		complaints+=$said
		touch "$LAB_OUT/cut"
		while ((SECONDS < start + period)) && kill -0 $load 2>/dev/null; do sleep 0.2; done
	done
	touch "$LAB_OUT/cut"
	wait $load
	runs=("$LAB_OUT"/ab.[0-9]*)
	requests=$((${#runs[@]} * (requests / cores)))
	check "links were cut under load ($cycles times for $cut s)" test $cycles -ge 1
	same "... and each carried traffic again" "" "$complaints"
	same "$requests requests meanwhile are all answered" "$requests" "$(sum_of 'Complete requests')"
	same "... and none failed" 0 "$(sum_of 'Failed requests')"
	same "... or was ended by a reset" 0 "$(ended_by_reset)"
	check "flows moved" test "$(counter moved 80)" -gt 0
	check "every core served" every_core
}
every_core() {
	flowparctl stats --json --port 80 | /usr/bin/python3 -c 'import json, sys
rows = [r for r in json.load(sys.stdin) if r["family"] == "inet"]	# the clients have no other
print([(r["cpu"], r["in"]) for r in rows])
sys.exit(len(rows) < 8 or any(not r["in"] for r in rows))'
}

all_established() { (($(ss -Htn state established '( sport >= :8200 and sport <= :8263 )' | wc -l) >= transfers)); }
moved_by() { (($(counter moved 81) >= $1)); }

# Every segment of every flow then arrives on another CPU than the flow's.
move_all() {	# move_all BY
	local k
	for ((k = 0; k < cores; k++)); do
		pin "eth$k" $(((k + $1) % cores))
	done
}

moves() {
	local before
	# shellcheck disable=SC2016	# for the other guest
	remote_start 'for ((k = 0; k < '$cores'; k++)); do
			lab-client $k '"$peer gets $LAB_SERVER 81 $((transfer_seconds * 4096)) $transfer_seconds $((transfers / cores))"' &
		done
		wait'
	check "$transfers transfers run" wait_until 60 all_established
	before=$(counter moved 81)
	move_all 3
	check "all of them move to another core" wait_until 30 moved_by $((before + transfers))
	check "... and are still there" all_established
	before=$(counter moved 81)
	move_all 5
	check "... and to a third" wait_until 30 moved_by $((before + transfers))
	check "... and are still there" all_established
	move_all 0
	same "all $transfers, of $transfer_seconds s at least, arrive whole" "$transfers" "$(remote_end | awk '{ n += $1 } END { print n + 0 }')"
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	lab_run --cpus $cores --nics $cores --timeout $((900 + requests / 20)) ;;
server)	server ;;
client)	obey ;;
esac
finish
