# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# flowpar: cpu-bound transmit, a listener and a pinned instance per core, all
# through the tools that an administrator uses.
lag=lacp
kernel=patched
ports=(80)
for ((k = 0; k < ${LAB_CPUS:-0}; k++)); do
	ports+=($((8000 + 8 * k)))
done

setup_network() { flowpar_bond --port "$public_port" --base-port 8000; }

setup_server() { pinned_instances "$www"; }

pinned_instances() {	# pinned_instances DOCROOT
	local command k
	server_conf /run/server.conf.in '{port}' 0
	sed -i "s|env.FLOWPAR_DOCROOT|\"$1\"|; s|$www;|$1;|" /run/server.conf.in
	server_command '{conf}'
	flowparctl run --cpus "0-$((LAB_CPUS - 1))" --port-base 8000 \
		--template /run/server.conf.in -- "${command[@]}" &
	servers+=($!)
	for ((k = 0; k < LAB_CPUS; k++)); do
		until_listening "$(core_port "$k")" 1
	done
}

setup_down() {
	flowparctl stats
	flowpar_down
}
