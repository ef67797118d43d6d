# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# flowpar: cpu-bound transmit and, by flowparctl's own --listen reuseport, a socket per
# core in a SO_REUSEPORT group on the public port: nothing is rewritten. The servers are
# flowpar-nat's, configured as for it.
lag=lacp
kernel=patched
ports=(80)

setup_network() { flowpar_bond --port "$public_port" --listen reuseport; }

setup_server() {
	local command ready=/run/flowparctl.ready
	server_conf /run/server.conf.in '{port}' 0
	# Here all instances have one port.
	[[ $server != nginx ]] || sed -i 's|^pid .*|pid {conf}.pid;|' /run/server.conf.in
	server_command '{conf}'
	mkfifo "$ready"
	flowparctl run --cpus "0-$((LAB_CPUS - 1))" --listen reuseport --port "$public_port" --ready-fd 9 \
		--template /run/server.conf.in -- "${command[@]}" 9> "$ready" &
	servers+=($!)
	# A line once the group's program knows every instance's socket.
	read -r < "$ready"
	rm "$ready"
}

setup_down() {
	flowparctl stats --listen reuseport
	flowpar_down
}
