# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every set-up shares. A set-up is a file setups/NAME.sh, sourced on the
# host and in the server guest, that sets
#   lag=lacp|static       what the switch speaks
#   kernel=stock|patched  which kernel it needs
#   ports                 the service's ports, public one first (guest only)
#   isolated=yes          the server's CPUs are to be isolcpus=domain (model lab only)
#   refuses               instead of the rest: why the lab cannot run it
#   model_only            why run-ab.sh cannot run it, though lab model can
#   ab_options            of the clients, besides those that all have (lab model)
# and defines
#   setup_network         from unconfigured NICs to a bond with the address; below
#                         802.3ad by layer3+4, for those that bring no own
#   setup_server          from there to a listening server
#   setup_down            the reverse; below for all that bring no own
#   request_port          which port a client asks for; below: the public one (lab model)
#
# All set-ups serve the same files by the same server configuration, bind NIC
# k's interrupts to CPU k and keep RPS off; only what they are named for differs.
# SERVER is lighttpd unless set to nginx. The server's CPUs are 0..LAB_CPUS-1;
# the machine may have more, which are not its own.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib/servers.sh"

readonly public_port=80
readonly www=/run/www
export FLOWPAR_DOCROOT=$www	# read by configs/lighttpd.conf.in
server=${SERVER:-lighttpd}
bond=bond0		# or the team
servers=()		# pids, CPU 0's first where each CPU has one
holders=()		# pids of steer's, which hold BPF programs
# shellcheck disable=SC2034	# read by the clients
ab_options=()
# The repository's own tools and templates, or those of the package that run-ab.sh --deb names.
setup_flowpar=${LAB_REPO:-}/affinity/setup-flowpar.sh
templates=${LAB_REPO:-}/configs
if [[ ${DEB:-} ]]; then
	setup_flowpar=/usr/sbin/setup-flowpar.sh
	templates=/usr/share/flowpar/configs
	export PATH=/usr/sbin:$PATH	# its flowparctl before ours
fi

# The careful administrator's, unless a set-up brings its own.
setup_network() {
	stock_bond 802.3ad layer3+4
	pin_irqs
}

# request_port LINK: for the clients behind a link, as a URL has it
request_port() { :; }

setup_up() {
	setup_network
	setup_server
}

setup_down() {
	stop_server
	nft flush ruleset
	ip link delete "$bond"
}

make_files() {	# make_files BYTES...
	local size
	mkdir -p "$www"
	for size; do
		head -c "$size" /dev/zero | tr '\0' x > "$www/f$size"
	done
}

# What report.sh reads of the bond.
lag_state() { cat "/proc/net/bonding/$bond"; }

# --- NICs and bonds ------------------------------------------------------------

slaves() { seq -f eth%g 0 $((LAB_NICS - 1)); }

# interrupts of NIC $1, virtio's live on the PCI function above the virtio device
irqs_of() {
	local d=/sys/class/net/$1/device
	[[ -d $d/msi_irqs ]] || d=$d/..
	ls "$d/msi_irqs"
}

# NIC k is CPU k's. XPS has nothing to choose: the lab's NICs have one queue.
pin_irqs() {
	local k irq
	for ((k = 0; k < LAB_NICS; k++)); do
		for irq in $(irqs_of "eth$k"); do
			echo $((k % LAB_CPUS)) > "/proc/irq/$irq/smp_affinity_list"
		done
		echo 0 > "/sys/class/net/eth$k/queues/rx-0/rps_cpus"
	done
}

# stock_bond MODE [POLICY]: bond0 over all NICs, and wait until it can carry traffic
stock_bond() {
	local nic i
	modprobe bonding max_bonds=0
	# Bonding's own number of queues, or what rr-queue-id needs for many slaves.
	ip link add bond0 numtxqueues $((LAB_NICS < 16 ? 16 : LAB_NICS + 1)) type bond mode "$1" miimon 100 ${2:+lacp_rate fast xmit_hash_policy "$2"}
	for nic in $(slaves); do
		ip link set "$nic" master bond0
	done
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	[[ $1 == 802.3ad ]] || return 0
	for ((i = 0; i < 150; i++)); do
		awk -f "$LAB_REPO/bench/lab/guest/lag-ready" ports="$LAB_NICS" lag=lacp /proc/net/bonding/bond0 && return
		sleep 0.1
	done
	echo "bond0: not all of $LAB_NICS ports distribute after 15 s" >&2
	return 1
}

# flowpar_bond [OPTION...]: bond0 by flowpar's policy, as an administrator makes it
flowpar_bond() {
	"$setup_flowpar" up --bond bond0 --slaves "$(slaves | paste -sd,)" \
		--cpus "0-$((LAB_CPUS - 1))" --address "$LAB_SERVER/24" "$@"
}

flowpar_down() {
	"$setup_flowpar" status
	"$setup_flowpar" verify
	stop_server
	"$setup_flowpar" down
}
