# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034	# shared with common.sh
# The set-ups' servers: lighttpd or nginx, as one with workers, or one a core that
# is found by its port, by BPF sk_lookup or in a SO_REUSEPORT group.
#
# Sourced by common.sh. Every function returns once its sockets listen; $servers
# are the pids, CPU 0's first where each CPU has one.

# server_conf FILE PORT WORKERS [ADDRESS]; for flowparctl, PORT may be {port}
server_conf() {
	case $server in
	lighttpd)
		sed -e "s|{port}|$2|g" -e "s|^server.max-worker .*|server.max-worker = $3|" \
			"$templates/lighttpd.conf.in" > "$1"
		[[ -z ${4:-} ]] || echo "server.bind = \"$4\"" >> "$1" ;;
	nginx)
		# What is 0 workers for lighttpd, one process, is one worker for nginx.
		sed -e "s|listen {port}|listen ${4:+$4:}$2|; s|{port}|$2|g; s|root /var/www/html;|root $www;|" \
			-e "s|^worker_processes .*|worker_processes $(($3 ? $3 : 1));|" \
			"$templates/nginx.conf.in" > "$1"
		# Ports name the instances' pid files, unless all are on the public one.
		[[ $2 == '{port}' ]] || sed -i "s|^pid .*|pid $1.pid;|" "$1" ;;
	*)
		echo "SERVER=$server: no such server; want lighttpd or nginx" >&2
		return 1 ;;
	esac
}

# server_command FILE: the words that start it in the foreground, into $command
server_command() {
	case $server in
	lighttpd) command=(lighttpd -D -f "$1") ;;
	nginx)	command=(nginx -c "$1") ;;
	esac
}

# start CPUS FILE [COMMAND...]: a server there, behind COMMAND
start() {
	local cpus=$1 command
	server_command "$2"
	shift 2
	taskset -c "$cpus" "$@" "${command[@]}" &
	servers+=($!)
}

stop_server() {
	local pid
	for pid in ${servers[@]+"${servers[@]}"}; do
		kill "$pid"
		wait "$pid"
	done
	((!${#holders[@]})) || kill "${holders[@]}"
}

# until_listening PORT COUNT: that many sockets listen there
until_listening() {
	local i found
	for ((i = 0; i < 200; i++)); do
		found=$(ss -Hltn "sport = :$1" | wc -l)
		((found == $2)) && return
		sleep 0.1
	done
	echo "port $1: $found listening sockets after 20 s, expected $2" >&2
	return 1
}

core_port() { echo $((8000 + 8 * $1)); }
core_ports() { seq -s ', ' 8000 8 "$(core_port $((LAB_CPUS - 1)))"; }
core_port_map() {	# by CPU, as nft writes it
	local k
	for ((k = 0; k < LAB_CPUS; k++)); do
		printf '%d : %d, ' "$k" "$(core_port "$k")"
	done
}

# one_listener: on the public port, with a worker for each CPU
one_listener() {
	server_conf /run/server.conf $public_port "$LAB_CPUS"
	start "0-$((LAB_CPUS - 1))" /run/server.conf
	until_listening $public_port 1
}

# instance_per_core port: a pinned instance on each core's own port, or
# instance_per_core address: on the public port of 127.0.1.k
instance_per_core() {
	local k
	for ((k = 0; k < LAB_CPUS; k++)); do
		case $1 in
		port)	server_conf "/run/server.$k.conf" "$(core_port "$k")" 0 ;;
		address) server_conf "/run/server.$k.conf" $public_port 0 "127.0.1.$k" ;;
		esac
		start "$k" "/run/server.$k.conf"
	done
	case $1 in
	port)	for ((k = 0; k < LAB_CPUS; k++)); do until_listening "$(core_port "$k")" 1; done ;;
	address) until_listening $public_port "$LAB_CPUS" ;;
	esac
}

# sk_lookup_listeners: a pinned instance per core, chosen by BPF sk_lookup.
#
# Each listens on the public port, of an address of its own that nobody outside
# reaches: a listener on another port costs each new connection a search for the
# public port's bind bucket and a write to it (__inet_inherit_port()), tried on four
# modelled cores about 1 % of a request's cycles.
sk_lookup_listeners() {
	local holder
	instance_per_core address
	holder=$(steer sk-lookup $public_port "${servers[@]}")
	holders+=("$holder")
}

# reuseport_listeners: a SO_REUSEPORT group in which CPU k's socket is its k-th.
#
# nginx makes the group itself and pins its workers. lighttpd cannot, but takes
# a socket from systemd (ReusePort=yes in a socket unit), here from steer; the
# group's order is that of listen(), so one is started after the other.
reuseport_listeners() {
	local k mask
	case $server in
	nginx)
		server_conf /run/server.conf "$public_port" "$LAB_CPUS"
		mask=$(printf '%0*d' "$LAB_CPUS" 0)
		for ((k = LAB_CPUS - 1; k >= 0; k--)); do
			echo -n " ${mask:0:k}1${mask:k + 1}"
		done > /run/server.masks
		sed -i -e "s|^\(\s*listen .*\);|\1 reuseport;|" \
			-e "s|^worker_processes .*|&\nworker_cpu_affinity$(< /run/server.masks);|" /run/server.conf
		start "0-$((LAB_CPUS - 1))" /run/server.conf
		until_listening $public_port "$LAB_CPUS" ;;
	*)
		for ((k = 0; k < LAB_CPUS; k++)); do
			server_conf "/run/server.$k.conf" $public_port 0
			echo 'server.systemd-socket-activation = "enable"' >> "/run/server.$k.conf"
			start "$k" "/run/server.$k.conf" steer listen $public_port
			until_listening $public_port $((k + 1))
		done ;;
	esac
	steer reuseport $public_port "${servers[@]}"
}
