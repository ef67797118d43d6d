# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# What `lab run` and `lab model` share on the host: options, the kernel under
# test, the clients' addresses. Needs $repo.

readonly server_ip=10.77.0.1

die() { echo "lab: $*" >&2; exit 2; }

count() {	# count NAME VALUE MAX: a whole number from 1 to MAX
	if ! [[ $2 =~ ^[1-9][0-9]*$ ]] || (( ${#2} > 6 || $2 > $3 )); then
		die "$1 $2: want a whole number from 1 to $3"
	fi
}

kernel_dir() {	# kernel_dir NAME|DIR: a directory has a slash
	case $1 in
	*/*)	[[ -r $1/bzImage && -d $1/lib/modules ]] ||
			die "--kernel $1: no bzImage and lib/modules there; give patched, stock, debug or a directory that kernel-patches/build.sh printed"
		(cd "$1" && pwd) ;;
	debian-*) "$repo/bench/lab/debian-kernel" "$1" ;;
	*)	"$repo/kernel-patches/build.sh" "$1" ;;
	esac
}

# The LAG's port of frames from client (mac byte, address byte) to the server:
# Linux's layer2+3 hash, modulo the number of ports. What the switch will do.
lag_port() {
	local mac=$1 ip=$2 ports=$3
	local hash=$(( 0x00 ^ mac ^ 0x0800 ))		# server's last MAC byte is 0
	hash=$(( hash ^ ((1 << 24) | 77 << 8 | 10) ^ (ip << 24 | 77 << 8 | 10) ))
	hash=$(( hash ^ hash >> 16 ))
	hash=$(( hash ^ hash >> 8 ))
	echo $(( hash % ports ))
}

# client_links PORTS MAC ADDRESSES: the link of each, if the switch keeps its ports in the
# order in which it was given them; all clients have the MAC
client_links() {
	local address links=()
	for address in $3; do
		links+=("$(lag_port "$2" "${address##*.}" "$1")")
	done
	echo "${links[*]}"
}

# client_addresses N PORTS MAC STEP [skew]: addresses for client 0..N-1, whose MAC
# ends in MAC + k * STEP, so that each run of PORTS clients fills each port of the
# LAG once, whatever order the switch keeps its ports in. With skew two clients
# share a port each, and half of the ports have none.
client_addresses() {
	local n=$1 ports=$2 mac=$3 step=$4 skew=${5:-} k ip port round taken=() used=() found=()
	for ((k = 0; k < n; k++)); do
		round=$((k / ports))
		for ((ip = 100; ip < 250; ip++)); do
			port=$(lag_port $((mac + k * step)) $ip "$ports")
			[[ -z ${used[ip]:-} ]] || continue
			if [[ $skew ]]; then
				((port == k / 2)) || continue
			else
				[[ -z ${taken[round * ports + port]:-} ]] || continue
			fi
			used[ip]=1 taken[round * ports + port]=1
			found+=("10.77.0.$ip")
			continue 2
		done
		die "no address left for client $k of $n over $ports ports"
	done
	echo "${found[*]}"
}
