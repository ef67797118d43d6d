# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# between lib.sh and the tests
# Sourced by the netfilter tests: the module under test, a bond whose link k interrupts
# CPU k, and the switch guest as a remote hand of the server's script.
#
# The module is built outside the kernel tree, so these tests see the work tree as it
# is and prove the top-level Kbuild by the way.

peer=$repo/tests/netfilter/peer.py

host() {	# host LAB_RUN_OPTIONS...: build the module, run both guests
	local kernel=${LAB_KERNEL:-patched} module=("$test_out/module/netfilter/nf_flowpar.ko")
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	case $kernel in
	debian-*)
		kernel=$("$repo/bench/lab/debian-kernel" "$kernel") || exit 1
		module=("$kernel"/lib/modules/*/updates/dkms/nf_flowpar.ko*)
		module=("${module[0]#"$kernel"}") ;;
	*)
		[[ -d $kernel ]] || kernel=$("$repo/kernel-patches/build.sh" "$kernel") || exit 1
		check "the module builds outside the kernel tree without a warning" build_module "$kernel" "$test_out/module" ;;
	esac
	lab_run --env "FLOWPAR_MODULE=${module[0]}" "$@"
}

build_module() {	# build_module KERNEL DIR
	mkdir -p "$2/netfilter/uapi/linux"
	cp "$repo/Kbuild" "$2/"
	cp "$repo"/netfilter/{Kbuild,*.c,*.h} "$2/netfilter/"
	cp "$repo"/netfilter/uapi/linux/*.h "$2/netfilter/uapi/linux/"
	make -s -C "$1/build" M="$2" W=1 modules > "$2.log" 2>&1 &&
		! grep -E 'warning:' "$2.log"
}

# --- server guest ---------------------------------------------------------------

# load_module: with what it needs, which in a distribution's kernel are modules too
load_module() {
	local needs
	IFS=, read -ra needs <<< "$(modinfo -F depends "$FLOWPAR_MODULE")"
	((${#needs[@]} == 0)) || modprobe -a "${needs[@]}"
	insmod "$FLOWPAR_MODULE"
}

pin() {		# pin NIC CPU: all interrupts of NIC to CPU
	local irq dir
	dir=$(realpath "/sys/class/net/$1/device")
	[[ -d $dir/msi_irqs ]] || dir=${dir%/*}
	for irq in "$dir"/msi_irqs/*; do
		echo "$2" > "/proc/irq/${irq##*/}/smp_affinity_list"
	done
}

# repin LINK CPU: the same while traffic comes. The interrupt moves once one more has come
# where it was, so one packet is sent for that.
repin() {
	pin "eth$1" "$2"
	remote "lab-client ${client_on[$1]} ping -q -c 2 -i 0.2 $LAB_SERVER" > /dev/null
}

bond_up() {
	local k
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast xmit_hash_policy layer3+4
	for ((k = 0; k < LAB_NICS; k++)); do
		ip link set "eth$k" master bond0
	done
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	for ((k = 0; k < LAB_NICS; k++)); do
		pin "eth$k" $((k % LAB_CPUS))
	done
	check "all $LAB_NICS links are in one aggregator" wait_until 30 lag_ready bond0 "$LAB_NICS"
}

serving() {	# serving PORT...: a listener on each
	local port
	for port; do
		ss -Hltn "sport = $port" | grep -q . || return 1
	done
}

# counter NAME PORT: the sum of a counter of a service over all CPUs
counter() {
	flowparctl stats --json --port "$2" |
		/usr/bin/python3 -c 'import json, sys; print(sum(r[sys.argv[1]] for r in json.load(sys.stdin)))' "$1"
}

established() { ss -Htn state established "sport = $1" | grep -q .; }

# client LINK ARGUMENTS...: peer.py as the client that the switch hashes onto LINK
client() { local k=${client_on[$1]}; shift; remote "lab-client $k $peer $*"; }
client_start() { local k=${client_on[$1]}; shift; remote_start "lab-client $k $peer $*"; }

# grew NAME PORT COMMAND...: run COMMAND, ok if the counter has grown
grew() {
	local before name=$1 port=$2
	before=$(counter "$name" "$port")
	shift 2
	"$@"
	echo "$name was $before, is $(counter "$name" "$port")"
	(($(counter "$name" "$port") > before))
}
fails() { local status=$1; shift; "$@"; local got=$?; ((got == status)) || { echo "exit $got"; return 1; }; }

# Connection tracking for both families, and what it calls invalid is dropped everywhere.
conntrack_on() {
	nft -f - <<-END
	table inet watch {
		chain pre  { type filter hook prerouting priority 0; ct state invalid counter drop; }
		chain in   { type filter hook input priority 0; ct state invalid counter drop; }
		chain out  { type filter hook output priority 0; ct state invalid counter drop; }
		chain post { type filter hook postrouting priority 0; ct state invalid counter drop; }
	}
	END
}
nothing_invalid() { ! nft list table inet watch | grep -v "packets 0" | grep drop; }

# The number of the last command is kept in a file: commands are sent from subshells too.
last=/run/flowpar-test-command

# remote COMMAND: run it in the switch guest, print what it says
remote() {
	remote_start "$1"
	remote_end
}

remote_start() {
	local n=$(($(cat $last 2>/dev/null || echo 0) + 1))
	echo $n > $last
	# Through a file: the value of an event is one line.
	printf '%s\n' "$1" > "$LAB_OUT/do.$n"
	lab-post "do$n"
}

remote_end() {
	local status n
	n=$(< $last)
	status=$(lab-wait "did$n")
	cat "$LAB_OUT/did.$n"
	return "$status"
}

# find_links [ADDRESS]: which client the switch hashes onto which link, into
# client_on[link], by what the NICs receive while one client after the other sends.
find_links() {
	local address=${1:-$LAB_SERVER} k link before after
	client_on=()
	received() { cat /sys/class/net/eth*/statistics/rx_packets; }
	for ((k = 0; k < LAB_NICS; k++)); do
		mapfile -t before < <(received)
		remote "lab-client $k ping -q -c 100 -i 0.002 $address" > /dev/null
		mapfile -t after < <(received)
		for ((link = 0; link < LAB_NICS; link++)); do
			((after[link] - before[link] < 100)) || client_on[link]=$k
		done
	done
}

# server6: the server's IPv6 address; each client has one too, made of its IPv4 address,
# so that the switch's hash fills the links as evenly.
server6=fd77::1
ipv6_up() {
	ip address add "$server6/64" dev bond0 nodad
	# shellcheck disable=SC2016	# for the other guest
	remote 'k=0; for address in $LAB_CLIENTS; do
			ip -n client$k address add fd77::$address/64 dev eth0 nodad
			k=$((k + 1))
		done'
	check "clients reach the server over IPv6" remote "lab-client 0 ping -q -c 3 $server6"
}

# --- switch guest ---------------------------------------------------------------

# Run what the server's script sends, until it says so. One that an error ends before that
# has passed all points it came to.
obey() {
	local n=1
	while lab-wait "do$n" > /dev/null 2>&1; do
		[[ $(< "$LAB_OUT/do.$n") != over ]] || return 0
		bash "$LAB_OUT/do.$n" > "$LAB_OUT/did.$n" 2>&1
		lab-post "did$n" $?
		n=$((n + 1))
	done
	not_ok "the server's script comes to its end"
}
