#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: each set-up has the locality that it claims, loses no request, and leaves nothing behind
# Suite: long
#
#   server guest            switch guest
#   eth0, eth1 = bond0 ===  LAG, layer2+3 -- client0, client1 (an ab each)
#
# Two runs, for what the switch speaks; in each the set-ups one after the other.
# What they claim, as lab/probe/flowpar_probe.c counts it: packets that leave by
# the sending CPU's own NIC, connections that stay on one core. "all": at least 99 %;
# "some": at most 90 %, since of two NICs a hash picks the own one for half; "any":
# nothing, where the scheduler decides.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

requests=60	# of each client
# name, own NIC, one core, server; LAB_LAG says which list is a run's
# shellcheck disable=SC2034
lacp='8023ad-l34 some any lighttpd
nft-redirect some all lighttpd
nft-stateless some all lighttpd
sk-lookup some all lighttpd
reuseport some all lighttpd
reuseport some all nginx
flowpar-nat all all lighttpd
flowpar-nat all all nginx
flowpar-nat-tuned all all lighttpd
flowpar-bpf all all lighttpd
flowpar-reuseport all all lighttpd
flowpar-reuseport all all nginx'
# shellcheck disable=SC2034
static='balance-rr some any lighttpd
rr-queue-id all any lighttpd
rr-queue-id-bpf all all lighttpd
team-cpu all any lighttpd'

host() {
	local steer=$repo/out/bin/steer
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	make -s -C "$repo/bench/steer" || { not_ok "steer builds"; finish; }
	check_fails "steer: a number that is none is a usage error" 2 'steer: x: not a port' "$steer" sk-lookup x 1
	check_fails "steer: a process that does not listen is named" 1 "steer: $$: this process does not listen on port 1;" "$steer" reuseport 1 $$
	check_fails "steer: a team that does not exist is named" 1 'steer: no-team: No such device; make it by' "$steer" team no-team
	check_fails "multiqueue refuses, with the reason" 2 '^run-ab.sh: --setups multiqueue: QEMU 7.2 has no NIC' \
		"$repo/bench/run-ab.sh" --setups multiqueue --out "$test_out/multiqueue"

	local kernel=${LAB_KERNEL:-patched} probe
	[[ -d $kernel ]] || kernel=$("$repo/kernel-patches/build.sh" "$kernel") || exit 1
	probe=$("$repo/bench/lab/module" "$kernel" "$repo/bench/lab/probe") || { not_ok "the probe builds"; finish; }
	LAB_RUN=lacp lab_run --timeout 600 --cpus 2 --nics 2 --lag lacp --env PROBE="$probe"
	LAB_RUN=static lab_run --timeout 600 --cpus 2 --nics 2 --lag static --env PROBE="$probe"
}

# --- server guest ----------------------------------------------------------------

# Of the probe's counts, with NIC k's interrupts on CPU k: "own sent one connections"
counts() {
	awk '$1 == "sent" { sent += $4; if ($2 == "eth" $3) own += $4 }
	     $1 == "one_core" { one = $2 } $1 == "connections" { connections = $2 }
	     END { print own + 0, sent + 0, one, connections }' /proc/flowpar_probe
}

share() {	# share TEXT all|some PART WHOLE
	case $2 in
	all)	check "$1: $3 of $4, at least 99 %" test "$4" -gt 0 -a $((100 * $3)) -ge $((99 * $4)) ;;
	some)	check "$1: $3 of $4, at most 90 %" test "$4" -gt 0 -a $((10 * $3)) -le $((9 * $4)) ;;
	esac
}

# shellcheck disable=SC2317	# called by wait_until
all_counted() {
	local connections
	read -r _ _ _ connections < <(counts)
	((connections >= 2 * requests))		# ab opens some that it does not use
}

one_setup() {	# N NAME OWN-NIC ONE-CORE SERVER
	local n=$1 text="$2 ($5)" own sent one connections
	export SERVER=$5
	# shellcheck source=bench/setups/common.sh
	. "$repo/bench/setups/common.sh"
	# shellcheck source=bench/setups/flowpar.sh
	. "$repo/bench/setups/$2.sh"
	make_files 128
	{ setup_network; setup_server; } >&2
	echo reset > /proc/flowpar_probe
	lab-post "go$n" "$text"
	lab-wait "done$n" > /dev/null
	check "$text: every connection is counted" wait_until 10 all_counted
	read -r own sent one connections < <(counts)
	share "$text: packets by the own NIC" "$3" "$own" "$sent"
	share "$text: connections on one core" "$4" "$one" "$connections"
	case $2 in
	sk-lookup)
		kill "${holders[@]}"
		holders=()
		check_fails "$text: without the program, nobody listens on $LAB_SERVER" 1 refused \
			bash -c "< /dev/tcp/$LAB_SERVER/80" ;;
	reuseport)
		check "$text: the filter is taken off" steer reuseport-off 80 "${servers[@]}"
		check_fails "$text: ... and then there is none" 1 'steer: 80: the filter cannot be detached' \
			steer reuseport-off 80 "${servers[@]}" ;;
	esac
	setup_down >&2
	same "$text: nothing listens afterwards, no bond is left" "" "$(ss -Hltn; ls -d /sys/class/net/{bond0,team0} 2>/dev/null)"
}

server() {
	local n=0 name own one with log
	# shellcheck disable=SC2153	# from the host
	insmod "$PROBE" ports=80,8000,8008
	lab-ready
	while read -r name own one with; do
		n=$((n + 1)) log=$LAB_OUT/$name.$with.log
		# In the background, since errexit means nothing to the left of ||.
		(set -eE; one_setup "$n" "$name" "$own" "$one" "$with") 2> "$log" < /dev/null &
		wait $! || { not_ok "$name ($with): up and down again" "$(tail -n 15 "$log")"; break; }
	done <<< "${!LAB_LAG}"
	rmmod flowpar_probe
	# After a set-up that failed, before its clients began or later.
	lab-post "go$n" none
	lab-post "go$((n + 1))" none
	lab-wait client-exit > /dev/null
}

# --- switch guest ----------------------------------------------------------------

client() {
	local n=1 k text pids clients
	read -ra clients <<< "$LAB_CLIENTS"
	while text=$(lab-wait "go$n") && [[ $text != none ]]; do
		pids=()
		for k in 0 1; do
			lab-client "$k" ab -q -B "${clients[k]}" -c 4 -n "$requests" "http://$LAB_SERVER/f128" > "$LAB_OUT/ab.$n.$k" 2>&1 &
			pids+=($!)
		done
		wait "${pids[@]}"
		same "$text: every request is answered" "2 Complete requests: $requests, 2 Failed requests: 0" \
			"$(grep -hE '^(Complete|Failed) requests' "$LAB_OUT/ab.$n".* | tr -s ' ' | sort | uniq -c | awk '{ $1 = $1; printf "%s%s", sep, $0; sep = ", " }')"
		lab-post "done$n"
		n=$((n + 1))
	done
}

case ${LAB_ROLE:-host} in
host)	host ;;
server)	server ;;
client)	client ;;
esac
finish
