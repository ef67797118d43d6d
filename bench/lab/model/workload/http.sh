# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# of init and the set-up
# Workload http, sourced by init: the set-up's server and one ab per client
# address, a connection a request.

workload_up() {
	make_files "$LAB_FILE"
	setup_up
}

load() {	# load PHASE REQUESTS: of each client; replies are counted in ab.PHASE.K
	local k=0 address pids=() pid
	for address in $LAB_CLIENTS; do
		in_clients taskset -c "$(client_cpu $k)" ab -q -r -B "$address" -c "$LAB_CONCURRENCY" -n "$2" \
			"http://$LAB_SERVER/f$LAB_FILE" > "$LAB_OUT/ab.$1.$k" 2>&1 &
		pids+=($!)
		k=$((k + 1))
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
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
