# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# of init and the set-up
# Workload http, sourced by init: the set-up's server and one ab per client
# address, a connection a request.

workload_up() {
	make_files "$LAB_FILE"
	setup_up
}

gate_full() { [[ $(grep -c -- '-> FLOCK' /proc/locks) == "$1" ]]; }

# They are made one after the other, so all wait at a lock until all are there; what is
# left of their start, ab's own, they do side by side.
load() {	# load PHASE REQUESTS: of each client; replies are counted in ab.PHASE.K
	local gate k=0 address links pids=() pid
	IFS=, read -ra links <<< "$LAB_LINKS"
	exec {gate}> /run/gate
	flock "$gate"
	for address in $LAB_CLIENTS; do
		in_clients taskset -c "$(client_cpu $k)" flock -s -F /run/gate ab -q -r -B "$address" -c "$LAB_CONCURRENCY" -n "$2" \
			"${ab_options[@]}" "http://$LAB_SERVER$(request_port "${links[k]}")/f$LAB_FILE" > "$LAB_OUT/ab.$1.$k" 2>&1 {gate}>&- &
		pids+=($!)
		k=$((k + 1))
	done
	until_true "all clients at the gate" gate_full $k
	phase_begins "$1"
	exec {gate}>&-
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	phase_ends "$1"
}

# What each link carried: from the switch to the server.
frames() { sent in_clients; }

# Which CPUs a connection touched is counted in a phase of its own: the counting
# is work that the server does not have otherwise.
locality() {
	insmod "$LAB_REPO/modules/flowpar_probe.ko" ports="$(IFS=,; echo "${ports[*]}")"
	load probe "$LAB_PROBE"
	cat /proc/flowpar_probe > "$LAB_OUT/probe"
	rmmod flowpar_probe
}
