# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# between lib.sh and the tests
# Sourced by the netfilter tests: the module under test, a bond whose link k interrupts
# CPU k, and the switch guest as a remote hand of the server's script.
#
# The module is built outside the kernel tree, so these tests see the work tree as it
# is and prove the top-level Kbuild by the way.

peer=$repo/tests/netfilter/peer.py

host() {	# host LAB_RUN_OPTIONS...: build the module, run both guests
	local kernel=${LAB_KERNEL:-patched} build=$test_out/module
	[[ -d $kernel ]] || kernel=$("$repo/kernel-patches/build.sh" "$kernel") || exit 1
	mkdir -p "$build/netfilter/uapi/linux"
	cp "$repo/Kbuild" "$build/"
	cp "$repo"/netfilter/{Kbuild,*.c,*.h} "$build/netfilter/"
	cp "$repo"/netfilter/uapi/linux/*.h "$build/netfilter/uapi/linux/"
	quiet_build() {
		make -s -C "$kernel/build" M="$build" W=1 modules > "$build.log" 2>&1 &&
			! grep -E 'warning:' "$build.log"
	}
	check "the module builds outside the kernel tree without a warning" quiet_build
	make -s -C "$repo/ctl" || { not_ok "flowparctl builds"; finish; }
	lab_run --env "FLOWPAR_MODULE=$build/netfilter/nf_flowpar.ko" "$@"
}

# --- server guest ---------------------------------------------------------------

pin() {		# pin NIC CPU: all interrupts of NIC to CPU
	local irq dir
	dir=$(realpath "/sys/class/net/$1/device")
	[[ -d $dir/msi_irqs ]] || dir=${dir%/*}
	for irq in "$dir"/msi_irqs/*; do
		echo "$2" > "/proc/irq/${irq##*/}/smp_affinity_list"
	done
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

# find_links: which client the switch hashes onto which link, into client_on[link],
# by what the NICs receive while one client after the other sends.
find_links() {
	local k link before after
	client_on=()
	received() { cat /sys/class/net/eth*/statistics/rx_packets; }
	for ((k = 0; k < LAB_NICS; k++)); do
		mapfile -t before < <(received)
		remote "lab-client $k ping -q -c 100 -i 0.002 $LAB_SERVER" > /dev/null
		mapfile -t after < <(received)
		for ((link = 0; link < LAB_NICS; link++)); do
			((after[link] - before[link] < 100)) || client_on[link]=$k
		done
	done
}

# --- switch guest ---------------------------------------------------------------

# Run what the server's script sends, until it says so or is gone.
obey() {
	local n=1
	while lab-wait "do$n" > /dev/null 2>&1; do
		[[ $(< "$LAB_OUT/do.$n") != over ]] || return 0
		bash "$LAB_OUT/do.$n" > "$LAB_OUT/did.$n" 2>&1
		lab-post "did$n" $?
		n=$((n + 1))
	done
}
