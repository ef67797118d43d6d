# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2153
# Every kind of setting of the machine that up changes: how to read and how to set it.
#
# A setting is a kind, an object and a value: irq eth0/2 = 5. For each KIND there are
#   get_KIND OBJECT        the value now, into REPLY; fails if there is no such object
#   set_KIND OBJECT VALUE  prints and runs the commands that set it
# up, down and verify are nothing but walks over settings, so what one of them
# sets the others restore and compare: no kind can be forgotten by one of them.
# Values go through REPLY, since a subshell for each of hundreds would take seconds.

# read_file FILE: its first line into REPLY; fails if it cannot be read
read_file() {
	{ read -r REPLY < "$1"; } 2>/dev/null
}

# The interrupts of a NIC, ascending, into IRQS. An irq object names them by place
# (eth0/0, eth0/1, ...): drivers may get other numbers when queues change.
nic_irqs() {
	local device=/sys/class/net/$1/device path found=()
	# A virtio NIC hangs off a virtio device; the vectors are the PCI function's above.
	# Not for others: above a NIC is the bridge, with interrupts of its own.
	[[ ! $device/subsystem -ef /sys/bus/virtio ]] || device=$device/..
	for path in "$device"/msi_irqs/*; do
		[[ ! -e /proc/irq/${path##*/}/smp_affinity_list ]] || found[${path##*/}]=1
	done
	if ((${#found[@]} == 0)) && read_file "$device/irq"; then
		[[ $REPLY == 0 || ! -e /proc/irq/$REPLY/smp_affinity_list ]] || found[REPLY]=1
	fi
	irqs_of_others "$1"
	IRQS=("${!found[@]}")
}

# irqs_of_others NIC: a PCI function may have several NICs (mlx4, Chelsio). Those that name
# another are not ours, and those that name none the first slave's. Sees nic_irqs' variables.
irqs_of_others() {
	local other irq first=$1 others=("/sys/class/net/$1"/device/net/*)
	((${#others[@]} > 1)) || return 0
	others=("${others[@]##*/}")
	for other in "${SLAVES[@]}"; do
		[[ " ${others[*]} " != *" $other "* ]] || { first=$other; break; }
	done
	for irq in "${!found[@]}"; do
		irq_name "$irq"
		[[ " $REPLY " != *[^[:alnum:]]"$1"[^[:alnum:]]* ]] || continue
		[[ $first == "$1" ]] || unset "found[$irq]"
		for other in "${others[@]}"; do
			[[ " $REPLY " != *[^[:alnum:]]"$other"[^[:alnum:]]* ]] || unset "found[$irq]"
		done
	done
}

# no_irqs NIC: why it has none, and what to do, into REPLY
no_irqs() {
	local nic
	for nic in "${SLAVES[@]}"; do
		if [[ $nic != "$1" && -e /sys/class/net/$1/device/net/$nic ]]; then
			REPLY="it shares a PCI function with $nic, and their interrupts do not say whose they are; leave one of the two out of --slaves"
			return
		fi
	done
	REPLY='no interrupt found for it; flows need a physical or virtio NIC, not a software device'
}

# irq_name IRQ: what /proc/interrupts calls it, into REPLY; empty while nobody has
# requested it
irq_name() {
	for REPLY in /proc/irq/"$1"/*/; do
		REPLY=${REPLY%/} REPLY=${REPLY##*/}
		[[ $REPLY != '*' ]] || REPLY=''
		return
	done
}

# irq_queue NIC IRQ: the queue it serves, into REPLY, by the names that drivers give:
# virtio0-input.3, eth0-TxRx-3, eth0-rx-3, mlx5_comp3@pci, mlx4-3@pci, eth0-3 and
# "eth0 (queue 3)"; fails for all others.
irq_queue() {
	irq_name "$2"
	REPLY=${REPLY/"$1"/}	# enp3s0f1q2 is no queue 2
	if [[ ${REPLY,,} =~ (input|output|rx|tx|comp|completion|queue|ring|blk|fp|q)[-._\ ]?([0-9]+) ||
			$REPLY =~ ^(mlx4)?-([0-9]+)(@|$) ]]; then
		REPLY=${BASH_REMATCH[2]}
	else
		REPLY=''
		return 1
	fi
}

# irq_queues NIC: its interrupts into IRQS, and the queue that each serves into QUEUES.
# Among others that have a queue's name one that has none is for the link or the
# configuration, so for the first. Where none has, they are taken for the queues'.
irq_queues() {
	local i named=''
	nic_irqs "$1"
	QUEUES=()
	for i in "${!IRQS[@]}"; do
		if irq_queue "$1" "${IRQS[i]}"; then
			named=yes
		else
			REPLY=0
		fi
		QUEUES+=("$REPLY")
	done
	[[ $named ]] || QUEUES=("${!IRQS[@]}")
}

# --- modules ------------------------------------------------------------------

get_module() {	# loaded (also: built in) or absent
	local lines=()
	[[ ! -r /proc/modules ]] || mapfile -t lines < /proc/modules
	if [[ " ${lines[*]/#/$'\n'}" == *$'\n'"$1 "* ]]; then
		REPLY=loaded
		return
	fi
	[[ ! -r /lib/modules/$RELEASE/modules.builtin ]] || mapfile -t lines < "/lib/modules/$RELEASE/modules.builtin"
	lines=("${lines[@]##*/}")
	REPLY=absent
	[[ " ${lines[*]//-/_} " != *" $1.ko "* ]] || REPLY=loaded
}

set_module() {
	case $2 in
	loaded)
		if [[ $1 == bonding ]]; then
			run modprobe bonding max_bonds=0	# or it makes a round-robin bond0 of its own
		else
			run modprobe "$1"
		fi ;;
	absent)
		# Since up loaded it others may have come to need it; then it is theirs.
		local users
		users=$(module_users "$1")
		if [[ $users ]]; then
			echo "$1: stays loaded, in use by $users"
		else
			run rmmod "$1"
		fi ;;
	esac
}

# module_users MODULE: who but us uses it. Neither bonds nor services hold a reference
# on their module: it would take those of every network namespace along.
module_users() {
	local namespace count user
	[[ ! $DRY_RUN ]] || return 0
	# nftables lets go of its modules a moment after the table is gone.
	for _ in {1..10}; do
		count=$(awk -v name="$1" '$1 == name { print $3 }' /proc/modules)
		((count)) || break
		sleep 0.2
	done
	((count == 0)) || { echo "$count others"; return; }
	for namespace in /run/netns/* $(lsns -t net -n -o PID | sed 's|[^0-9]*\([0-9]*\).*|/proc/\1/ns/net|'); do
		user=$(module_objects "$1" "$namespace" 2>/dev/null) || continue
		[[ ! $user ]] || { echo "$user"; return; }
	done
}

module_objects() {	# module_objects MODULE NAMESPACE: one that it has there
	case $1 in
	bonding) nsenter --net="$2" ip -o link show type bond | awk -F': ' '{ print "bond " $2; exit }' ;;
	nf_flowpar) nsenter --net="$2" "$FLOWPARCTL" service list | awk '$1 == "tcp" || $1 == "udp" { print "service " $2; exit }' ;;
	esac
}

# --- the bond and its slaves ----------------------------------------------------

get_bond() {	# its mode, or absent
	if read_file "/sys/class/net/$1/bonding/mode"; then
		REPLY=${REPLY%% *}
	else
		REPLY=absent
	fi
}

set_bond() {
	if [[ $2 == absent ]]; then
		run ip link del "$1"
	else
		run ip link add "$1" type bond mode "$2" miimon 100 lacp_rate fast
		foresee option "$1/miimon" 100
		foresee option "$1/lacp_rate" fast
		foresee mtu "$1" 1500
	fi
}

# An option of the bond, OBJECT bond0/NAME, always through sysfs: an unpatched
# iproute2 knows no new policy's name.
get_option() {
	read_file "/sys/class/net/${1%/*}/bonding/${1#*/}" || return 1
	REPLY=${REPLY%% *}
}

set_option() {
	put "$2" "/sys/class/net/${1%/*}/bonding/${1#*/}" && return
	[[ $2 != cpu-bound ]] || {
		policy_remedy
		die "${1%/*}: the loaded bonding module refuses policy cpu-bound with \"$PUT_SAID\"; $REPLY, or give --policy layer3+4"
	}
	die "${1%/*}: the kernel refuses $2 for ${1#*/} with \"$PUT_SAID\"; see dmesg for its reason"
}

get_link() {	# up or down, as set, whatever the carrier
	read_file "/sys/class/net/$1/flags" || return 1
	if ((REPLY & 1)); then REPLY=up; else REPLY=down; fi
}

set_link() {
	run ip link set "$1" "$2"
}

get_mtu() {
	read_file "/sys/class/net/$1/mtu"
}

set_mtu() {
	run ip link set "$1" mtu "$2"
}

# The bond keeps a slave's MAC address and MTU itself and gives them back when it
# releases the slave; it also closes it, so up or down is a setting of its own.
get_master() {
	[[ -d /sys/class/net/$1 ]] || return 1
	REPLY=none
	[[ ! -L /sys/class/net/$1/master ]] || REPLY=$(readlink "/sys/class/net/$1/master")
	REPLY=${REPLY##*/}
}

set_master() {
	if [[ $2 == none ]]; then
		run ip link set "$1" nomaster
		foresee link "$1" down
	else
		now link "$1" || REPLY=down
		[[ $REPLY == down ]] || run ip link set "$1" down
		run ip link set "$1" master "$2"	# which opens it
		foresee link "$1" up
	fi
}

get_cpus() {
	read_file "/sys/class/net/$1/bonding_slave/cpus"
}

set_cpus() {
	must_put "$2" "/sys/class/net/$1/bonding_slave/cpus"
}

get_address() {	# OBJECT "bond0 192.0.2.1/24"
	local nic=${1% *} address=${1#* } found _
	[[ -d /sys/class/net/$nic ]] || return 1
	REPLY=absent
	while read -r _ _ _ found _; do
		[[ $found != */"${address#*/}" ]] || REPLY=present
	done < <(ip -o address show dev "$nic" to "${address%/*}")
	[[ $address != *:* || ! $(ip -o address show dev "$nic" to "${address%/*}" dadfailed) ]] || REPLY=duplicate
}

# Until Duplicate Address Detection (RFC 4862, 5.4) is through no server can bind one of IPv6.
set_address() {
	local nic=${1% *} address=${1#* } try
	if now address "$1" && [[ $REPLY == duplicate ]]; then
		# Not by watch, whose try would be the event for the next one.
		[[ $MODE != mend ]] || die "address $address: another machine on this link has it; take it from that and run setup-flowpar.sh up"
		run ip address del "$address" dev "$nic"
	fi
	run ip address add "$address" dev "$nic"
	[[ $address == *:* && ! $DRY_RUN ]] || return 0
	for ((try = 0; try < 100; try++)); do
		get_address "$1" || die "address $address: $nic is gone; see ip link"
		[[ $REPLY != duplicate ]] || die "address $address: another machine on this link has it; take it from that, or choose another"
		[[ $(ip -o address show dev "$nic" to "${address%/*}" tentative) ]] || return 0
		# without a link it begins with that
		read_file "/sys/class/net/$nic/carrier" && [[ $REPLY == 1 ]] || return 0
		sleep 0.1
	done
	warn "address $address: still not known to be the only one on this link, so no server can bind it; see ip address show dev $nic"
}

# IPv6's goes before those of router advertisements, whose metric is 1024.
get_gateway() {	# OBJECT "bond0 192.0.2.254"
	local nic=${1% *} gateway=${1#* } family=-4 metric=()
	[[ -d /sys/class/net/$nic ]] || return 1
	[[ $gateway != *:* ]] || family=-6 metric=(metric 512)
	REPLY=absent
	[[ ! $(ip $family route show default via "$gateway" dev "$nic" "${metric[@]}") ]] || REPLY=present
}

set_gateway() {
	local nic=${1% *} gateway=${1#* }
	case $gateway in
	*:*)	run ip -6 route add default via "$gateway" dev "$nic" metric 512 ;;
	*)	run ip route add default via "$gateway" dev "$nic" ;;
	esac
}

# --- interrupts and queues --------------------------------------------------------

irq_of() {	# irq_of eth0/2: its number
	nic_irqs "${1%/*}"
	REPLY=${IRQS[${1#*/}]:-}
	[[ $REPLY ]]
}

get_irq() {
	irq_of "$1" && read_file "/proc/irq/$REPLY/smp_affinity_list"
}

set_irq() {
	local irq effective managed=''
	irq_of "$1" || die "irq $1: gone; see /proc/interrupts"
	irq=$REPLY
	put "$2" "/proc/irq/$irq/smp_affinity_list" && return
	read_file "/proc/irq/$irq/effective_affinity_list" || REPLY=unknown
	effective=$REPLY
	# 6.1 says the one, 6.12 the other.
	[[ $PUT_SAID != @('Input/output error'|'Operation not permitted') ]] ||
		managed=' (a managed interrupt: its driver chose the CPU when it was loaded)'
	irq_name "$irq"
	[[ $effective == "$2" ]] ||
		die "irq $irq (${REPLY:+$REPLY of }${1%/*}): the kernel refuses CPU $2 with \"$PUT_SAID\"$managed, it stays on CPU $effective; deal this NIC that CPU with --cpus, or use another NIC"
	warn "irq $irq (${REPLY:+$REPLY of }${1%/*}): the kernel refuses to set it with \"$PUT_SAID\"$managed, but it is on CPU $2 as wanted; nothing to do"
	FIXED_IRQS+=" $1"
}

# --- irqbalance -----------------------------------------------------------------------

# irqbalance_pid: of a running one, into REPLY; fails if there is none
irqbalance_pid() {
	local comm
	for comm in /proc/[0-9]*/comm; do
		read_file "$comm" && [[ $REPLY == irqbalance ]] || continue
		REPLY=${comm#/proc/} REPLY=${REPLY%/comm}
		return
	done
	return 1
}

# irqbalance_banned: asks it, once a run, what it leaves alone; a list into BANNED
BANNED='' BANNED_KNOWN=''
irqbalance_banned() {
	[[ ! $BANNED_KNOWN ]] || return 0
	[[ $FLOWPARCTL && $EUID == 0 ]] || return 1
	BANNED=$("$FLOWPARCTL" irqbalance 2>/dev/null) || return 1
	BANNED_KNOWN=yes
}

# irqbalance_told IRQ...: can it be told to leave them alone, or was it? It reads 500 bytes of
# a request, and that has to name all of its bans.
irqbalance_told() {
	local irq all banned free=''
	irqbalance_banned || return 1
	banned=" $([[ ! $BANNED ]] || list_expand "$BANNED") "
	all=$banned
	for irq; do
		[[ $banned == *" $irq "* ]] || { free=yes; all+="$irq "; }
	done
	all="settings ban irqs${all% }"
	[[ ! $free ]] || ((${#all} < 500))
}

# OBJECT is an interrupt's number: one that a reloaded driver has given back stays banned
# under it. What does not run balances nothing.
get_ban() {
	REPLY=no
	irqbalance_banned && [[ $BANNED ]] && list_has "$BANNED" "$1" || return 0
	REPLY=yes
}

set_ban() {
	if [[ $2 == yes ]]; then
		set_bans "$1" yes
	else
		run "$FLOWPARCTL" irqbalance --allow "$1"
		BANNED_KNOWN=''
	fi
}

# Several of them at once: OBJECT is a list of those that are not banned.
get_bans() {
	REPLY=no
}

set_bans() {
	run "$FLOWPARCTL" irqbalance --ban "$1"
	BANNED_KNOWN=''
}

# queue_file eth0/rx-0 rps_cpus: the file's name, into REPLY
queue_file() {
	REPLY=/sys/class/net/${1%/*}/queues/${1#*/}/$2
}

# Receive packet steering hands a packet to another CPU than the interrupt's.
get_rps() {
	queue_file "$1" rps_cpus
	read_file "$REPLY" && list_mask_short "$REPLY"
}

set_rps() {
	queue_file "$1" rps_cpus
	must_put "$2" "$REPLY"
}

# Receive flow steering does so too, with a table for each queue. Changing the number of
# queues throws table and maps away.
get_rfs() {
	queue_file "$1" rps_flow_cnt
	read_file "$REPLY"
}

set_rfs() {
	queue_file "$1" rps_flow_cnt
	must_put "$2" "$REPLY"
}

# Transmit steering: the kernel answers ENOENT on a NIC with a single queue.
get_xps() {
	queue_file "$1" xps_cpus
	read_file "$REPLY" && list_mask_short "$REPLY"
}

set_xps() {
	queue_file "$1" xps_cpus
	must_put "$2" "$REPLY"
}

get_xps_rxqs() {
	queue_file "$1" xps_rxqs
	read_file "$REPLY" && list_mask_short "$REPLY"
}

set_xps_rxqs() {
	queue_file "$1" xps_rxqs
	must_put "$2" "$REPLY"
}

# ethtool_combined NIC "Pre-set maximums"|"Current hardware settings": into REPLY;
# fails if the driver has no combined queues
ethtool_combined() {
	REPLY=$(ethtool -l "$1" 2>/dev/null |
		awk -v part="$2" 'index($0, part) { on = 1 } on && /^Combined:/ { print $2; exit }') || true
	[[ $REPLY =~ ^[0-9]+$ ]]
}

get_channels() {
	ethtool_combined "$1" 'Current hardware settings'
}

# A driver may show its queues and not let them be changed; then those it has are dealt.
# Many take their link down for this: a slave that carried is waited for, so that the next
# one's turn does not find the bond without any.
set_channels() {
	local carried=''
	[[ $DRY_RUN ]] || ! slave_carries "$1" || carried=yes
	if try ethtool -L "$1" combined "$2"; then
		[[ ! $carried ]] || slave_wait "$1"
		return
	fi
	[[ $SAID == *'not supported'* ]] ||
		die "$1: 'ethtool -L $1 combined $2' failed with \"${SAID%%$'\n'*}\"; mend what that names and run this again"
	now channels "$1"
	warn "$1: its driver does not let its $REPLY queues be made $2; they interrupt its CPUs in turn"
	# shellcheck disable=SC2034	# config_write
	FIXED_CHANNELS+=" $1"
}

# --- the service --------------------------------------------------------------

# flowparctl_path: FLOWPARCTL if that is set, else beside this script as built or installed, else PATH's
flowparctl_path() {
	if [[ ${FLOWPARCTL:-} ]]; then
		command -v "$FLOWPARCTL"
	elif [[ -x $HERE/../out/bin/flowparctl ]]; then
		realpath "$HERE/../out/bin/flowparctl"
	elif [[ $HERE == */share/flowpar/affinity && -x ${HERE%/share/*}/sbin/flowparctl ]]; then
		echo "${HERE%/share/*}/sbin/flowparctl"
	else
		command -v flowparctl
	fi
}

# With --listen nat. OBJECT is the public port, of IPv6 with 6/ before it; VALUE "BASE-PORT
# STRIDE PER-CORE CPUS".
get_service() {
	local name="*:$1"
	[[ $1 != 6/* ]] || name="[::]:${1#6/}"
	get_module nf_flowpar
	[[ $REPLY == loaded ]] || return 0
	REPLY=$("$FLOWPARCTL" service list 2>/dev/null) || { REPLY=unknown; return 0; }
	REPLY=$(awk -v name="$name" '$1 == "tcp" && $2 == name { print $3, $4, $5, $6; found = 1 }
		END { if (!found) print "absent" }' <<< "$REPLY")
}

# service_objects PORT: of IPv6 too unless this kernel has none
service_objects() {
	echo "$1"
	[[ ! -e /proc/net/if_inet6 ]] || echo "6/$1"
}

set_service() {
	local base stride per_core cpus which=(--port "$1")
	[[ $1 != 6/* ]] || which=(--family inet6 --port "${1#6/}")
	read -r base stride per_core cpus <<< "$2"
	now service "$1"
	[[ $2 == absent || $REPLY == absent ]] || set_service "$1" absent
	if [[ $2 == absent ]]; then
		run "$FLOWPARCTL" service del "${which[@]}"
	else
		run "$FLOWPARCTL" service add "${which[@]}" --base-port "$base" --stride "$stride" \
			--per-core "$per_core" --cpus "$cpus"
	fi
}

# nft_there: is nf_tables in the kernel? Asking nft would load it.
nft_there() {
	[[ ! -r /proc/kallsyms ]] || grep -qw nft_do_chain /proc/kallsyms
}

# With --listen nft. OBJECT is the table, with its family, VALUE its text on one line.
get_table() {
	# shellcheck disable=SC2086	# two words
	if nft_there && REPLY=$(nft -s list table $1 2>/dev/null); then
		REPLY=$(one_line <<< "$REPLY")
	else
		REPLY=absent
	fi
}

set_table() {
	now table "$1"
	[[ $2 == absent || $REPLY == absent ]] || set_table "$1" absent
	if [[ $2 == absent ]]; then
		# shellcheck disable=SC2086	# two words
		run nft delete table $1
	else
		run nft "$2"
	fi
}

# one_line: what nft lists, as nft takes it on a command line
one_line() {
	awk 'NF { $1 = $1; printf "%s%s%s", before, $0, /[{;]$/ ? "" : ";"; before = " " }'
}
