# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2153
# Everything that can be wrong, looked for before up changes anything.
#
# Reads only. What an earlier run of up with the same options made, as the journal
# tells, is not in the way: up may run again, to mend drift or after kill -9.

ours() { [[ ${KEPT[$*]+x} ]]; }

check_all() {
	check_tools
	[[ $ADOPT == no ]] || check_adopted_bond
	check_nics
	check_cpus
	check_mtu
	check_bond
	check_kernel
	[[ $BOOT ]] || check_each address ${ADDRESS//,/ }
	[[ $BOOT ]] || check_each gateway ${GATEWAY//,/ }
	[[ ! $PORT ]] || service_part check_service
	check_irqbalance
}

# check_each KIND VALUE...: up --boot looks at each in its turn (want_at_boot)
check_each() {
	local kind=$1 value
	shift
	for value; do
		"check_$kind" "$value"
	done
}

check_service() {
	check_ports
	[[ $LISTEN != nft ]] || check_table
	# With bpf and reuseport packets have the public port all the way.
	[[ $FIREWALL_CHECK == no ]] || by_bpf || check_firewall
}

# check_tool COMMAND PACKAGE
check_tool() {
	command -v "$1" >/dev/null || die "$1: not found in PATH; apt-get install $2"
}

check_flowparctl() {
	[[ $FLOWPARCTL ]] ||
		die "flowparctl: not found: ${FLOWPARCTL_ASKED:-neither beside this script nor in PATH}; install package flowpar, run make ctl in its source, or set FLOWPARCTL"
}

check_tools() {
	check_tool ip iproute2
	check_tool ethtool ethtool
	check_tool modprobe kmod
	check_tool modinfo kmod
	check_tool awk mawk
	check_tool flock util-linux
	[[ $LISTEN != nft || ! $PORT ]] || service_part check_tool nft nftables
	[[ $LISTEN == nft || ! $PORT ]] || service_part check_flowparctl
}

check_nics() {
	local nic addresses routes
	mapfile -t addresses < <(ip -o address show)
	mapfile -t routes < <(ip -o -4 route show table all | sed 's/^/-4 /'; ip -o -6 route show table all 2>/dev/null | sed 's/^/-6 /')
	# One that was there at the first up is no slip of the pen.
	[[ ! $BOOT && $STAGE != complete ]] || find_nics
	[[ $ADOPT == no || $STAGE == complete ]] || others_stay
	for nic in "${SLAVES[@]}"; do
		[[ ! ${ABSENT[$nic]+x} ]] || continue
		[[ -d /sys/class/net/$nic ]] || die "$nic: no such network interface; see ip link"
		if [[ $ADOPT == yes ]]; then
			check_adopted_nic "$nic"
		elif ! ours master "$nic"; then
			check_nic "$nic"
			check_manager "$nic" "leave it out of --slaves"
		fi
	done
}

# find_nics: the slaves that up goes on without, into ABSENT. With --boot drivers, and what
# makes the bond, may be later than we are.
find_nics() {
	local nic where=there gone=()
	[[ $ADOPT == no ]] || where="in $BOND"
	: "${NICS_UNTIL:=$((SECONDS + 31))}"
	for nic in "${SLAVES[@]}"; do
		until mend_can "$nic"; do
			[[ $BOOT && ! $DRY_RUN ]] && ((SECONDS < NICS_UNTIL)) || break
			sleep 0.2
		done
		mend_can "$nic" || [[ ${ABSENT[$nic]+x} ]] || gone+=("$nic")
	done
	((${#gone[@]} < ${#SLAVES[@]})) ||
		die "${SLAVES[*]}: none of them is $where; see ip link, and dmesg for what their driver says"
	for nic in "${gone[@]}"; do
		ABSENT[$nic]=yes
		warn "$nic: not $where, left out; once it is, setup-flowpar.sh watch takes it in, or up"
	done
}

# Once: who joins later is a stranger.
others_stay() {
	local nic
	OTHERS=''
	read_file "/sys/class/net/$BOND/bonding/slaves" || return 0
	for nic in $REPLY; do
		[[ " ${SLAVES[*]} " == *" $nic "* ]] || OTHERS+=" $nic"
	done
}

check_adopted_nic() {
	get_master "$1"
	[[ $REPLY == "$BOND" ]] ||
		die "$1: not a slave of $BOND, which has $(< "/sys/class/net/$BOND/bonding/slaves"); --adopt takes a bond as it is, so put it in first, or leave it out of --slaves"
	nic_irqs "$1"
	((${#IRQS[@]})) || { no_irqs "$1"; die "$1: $REPLY"; }
}

# adopt_slaves: all that the bond has
adopt_slaves() {
	check_adopted_bond
	read -ra SLAVES < "/sys/class/net/$BOND/bonding/slaves" || true
	((${#SLAVES[@]})) || die "$BOND: has no slaves; --adopt takes a bond as it is, so give it some first"
}

check_adopted_bond() {
	get_bond "$BOND"
	case $REPLY in
	802.3ad|balance-xor) ;;
	absent)	die "$BOND: no such bond to take over; see ip link, or leave --adopt out to make one" ;;
	*)	die "$BOND: is in mode $REPLY, where no policy chooses the slave; --adopt takes over 802.3ad and balance-xor" ;;
	esac
}

# check_manager INTERFACE OR-ELSE: whatever else configures it would undo what up does
check_manager() {
	local index file line
	read_file "/sys/class/net/$1/ifindex" || return 0
	index=$REPLY
	file=/run/systemd/netif/links/$index
	if manager_runs systemd-network && [[ -r $file ]]; then
		line=$(sed -n 's/^NETWORK_FILE=//p' "$file")
		[[ ! $line ]] || grep -qx ADMIN_STATE=unmanaged "$file" ||
			die "$1: systemd-networkd configures it by $line; $(manager_remedy networkd), or $2 and give it Unmanaged=yes there"
	fi
	file=/run/NetworkManager/devices/$index
	if manager_runs NetworkManager && grep -qsx 'managed=\(true\|1\)' "$file"; then
		die "$1: NetworkManager manages it; take it away with 'nmcli device set $1 managed no', for good by unmanaged-devices=interface-name:$1 (NetworkManager.conf(5)), or let NetworkManager make the bond and give --adopt"
	fi
	file=/run/network/ifstate
	! grep -qs "^$1=" "$file" ||
		die "$1: ifupdown has brought it up; take it back with 'ifdown $1', or $(manager_remedy ifupdown)"
}

manager_remedy() {
	echo "let it make the bond (setup-flowpar.sh export $1 writes what it needs) and give --adopt"
}

manager_runs() {	# manager_runs COMM: as the kernel cuts it, 15 characters
	local comm
	for comm in /proc/[0-9]*/comm; do
		read_file "$comm" && [[ $REPLY == "$1" ]] && return
	done
	return 1
}

check_nic() {	# sees addresses and routes of check_nics
	local nic=$1 upper line family words
	get_master "$nic"
	[[ ! -d /sys/class/net/$nic/bonding_slave ]] ||
		die "$nic: already in bond $REPLY; give --adopt --bond $REPLY to take that over as it is, or take $nic out with 'ip link set $nic nomaster'"
	[[ $REPLY == none ]] ||
		die "$nic: already a port of $REPLY; take it out with 'ip link set $nic nomaster', or leave it out of --slaves"
	for upper in /sys/class/net/"$nic"/upper_*; do
		[[ ! -e $upper ]] ||
			die "$nic: ${upper##*/upper_} is built on it; remove that, or leave $nic out of --slaves"
	done
	for line in "${addresses[@]}"; do
		read -ra words <<< "$line"	# 2: eth0 inet 192.0.2.2/24 ...
		[[ ${words[1]} == "$nic" ]] || continue
		# The kernel's own link-local address comes back with the link; it is nobody's choice.
		[[ ${words[3]} != fe80:* || ($line == *' proto '* && $line != *' proto kernel_ll '*) ]] || continue
		die "$nic: carries address ${words[3]}; move it to the bond with --address, or remove it with 'ip address del ${words[3]} dev $nic'"
	done
	for line in "${routes[@]}"; do
		family=${line%% *} line=${line#* }
		[[ "$line " == *" dev $nic "* && $line != *' proto kernel'* ]] || continue
		route_del "$family" "$line"
		[[ $line != default* ]] ||
			die "$nic: the default route leads through it; move it to the bond with --gateway and remove it here with '$REPLY', or leave $nic out of --slaves"
		die "$nic: a route to ${line%% *} leads through it; remove that first, or leave $nic out of --slaves"
	done
	# Many drivers (e1000e, igb, ixgbe) request interrupts when the NIC is opened, so
	# one that has never been up has none that could be moved yet: want_queues looks again.
	nic_irqs "$nic"
	((${#IRQS[@]})) || [[ -e /sys/class/net/$nic/device/irq && $(< "/sys/class/net/$nic/operstate") == down ]] ||
		{ no_irqs "$nic"; die "$nic: $REPLY"; }
}

check_cpus() {
	local cpu online nic queues=''
	read_file "$SYS/devices/system/cpu/online"
	online=$REPLY
	for cpu in "${CPUS[@]}"; do
		list_has "$online" "$cpu" || die "--cpus: CPU $cpu is not there, $online are online; choose among those"
	done
	if placement_cpuset; then
		for cpu in "${CPUS[@]}"; do
			list_has "$REPLY" "$cpu" ||
				die "--cpus: CPU $cpu is outside of $REPLY, on which services may run by $CPUSET_FILE; choose among those, or widen that cpuset"
		done
	fi
	((${#LEFT_OVER[@]})) || return 0
	for nic in "${SLAVES[@]}"; do
		nic_queues "$nic"
		queues+=", $nic has $REPLY combined queue(s)"
	done
	die "--cpus: ${#CPUS[@]} CPUs for ${#SLAVES[@]} NICs, but ${queues#, } by 'ethtool -l', so none for CPU $(list_of "${LEFT_OVER[@]}"); give at most as many CPUs as there are queues"
}

check_mtu() {
	local nic
	[[ $ADOPT == no ]] || return 0
	for nic in "${SLAVES[@]}"; do
		ours master "$nic" && continue
		get_mtu "$nic" || continue
		[[ ${MTU:=$REPLY} == "$REPLY" ]] ||
			die "$nic: MTU $REPLY, but ${SLAVES[0]} has $MTU; give all slaves one MTU with 'ip link set $nic mtu $MTU'"
	done
}

check_bond() {
	if [[ $ADOPT == yes ]]; then
		check_adopted_bond
		check_adopted_lacp
		return
	fi
	[[ -e /sys/class/net/$BOND ]] && ! ours bond "$BOND" || return 0
	[[ -d /sys/class/net/$BOND/bonding ]] || die "$BOND: already exists, and is no bond; give another name with --bond"
	die "$BOND: already exists; take it over with --adopt, remove it with 'ip link del $BOND', or give another name with --bond"
}

# It serves as it is: no reason to refuse.
check_adopted_lacp() {
	get_bond "$BOND"
	[[ $REPLY == 802.3ad ]] || return 0
	lacp_faults
	for REPLY in "${LACP_FAULTS[@]}"; do
		warn "$REPLY"
	done
}

check_kernel() {
	module_known bonding || die "bonding: no such module for kernel $RELEASE; install the package with this kernel's modules"
	[[ ! $POLICY_LACKS ]] ||
		warn "${POLICY_LACKS%%;*}; the bond gets layer3+4, which lets answers leave by any NIC; for cpu-bound ${POLICY_LACKS#*; }"
	[[ $POLICY != cpu-bound ]] || policy_known || die "$REPLY, or give --policy layer3+4"
	[[ ! $LISTEN_LACKS ]] ||
		warn "nf_flowpar: no such module for kernel $RELEASE; port $PORT is served by --listen nft instead, at the price of connection tracking"
	[[ ! $PORT || $LISTEN != nat ]] || service_part check_nf_flowpar
}

check_nf_flowpar() {
	module_known nf_flowpar ||
		{ module_remedy; die "nf_flowpar: no such module for kernel $RELEASE; $REPLY, or give --listen nft"; }
}

# policy_known: does bonding know cpu-bound? If not, why and what to do goes into REPLY.
policy_known() {
	local which="this module for kernel $RELEASE"
	get_module bonding
	if [[ $REPLY == loaded && -r /proc/kallsyms ]]; then
		! grep -qw bond_cpu_bound_prepare /proc/kallsyms || return 0
		which='the loaded module'
	else
		! policy_on_disk || return 0
	fi
	policy_remedy
	REPLY="bonding: $which knows no policy cpu-bound; $REPLY"
	return 1
}

policy_on_disk() {
	local parameters
	parameters=$(modinfo -F parm bonding 2>/dev/null) || true
	[[ $parameters == *cpu-bound* ]]
}

policy_remedy() {	# of a bonding that does not know cpu-bound, whatever is on disk
	module_remedy
	! policy_on_disk || REPLY="get the one on disk, which knows it, with 'modprobe -r bonding' once no bond is left, or reboot"
}

module_remedy() {	# of a module of ours that is not there
	REPLY='apt-get install flowpar-dkms, or boot the patched kernel'
	! command -v flowpar-dkms > /dev/null || REPLY="run 'flowpar-dkms status', which says what is missing"
}

# Nobody asked for a policy: the best there is, said in check_kernel if it is the next best.
POLICY_LACKS=''
policy_default() {
	# At boot one that was asked for costs no more than one that was not.
	[[ ! $POLICY || $BOOT-$POLICY == yes-cpu-bound ]] || return 0
	POLICY='cpu-bound'
	policy_known && return
	POLICY_LACKS=$REPLY POLICY=layer3+4
}

# Nobody asked for a way to listen: the next best, where it can do the same.
LISTEN_LACKS=''
listen_default() {
	[[ $PORT && ! ${GIVEN[listen]+x} && $PER_CORE == 1 ]] || return 0
	! module_known nf_flowpar && module_known nft_redir && command -v nft > /dev/null || return 0
	LISTEN=nft LISTEN_LACKS=yes
}

module_known() {
	get_module "$1"
	[[ $REPLY == loaded ]] || modprobe --show-depends "$1" >/dev/null 2>&1
}

# check_address CIDR: somebody has it, or none can be had
check_address() {
	local nic has _ off=/proc/sys/net/ipv6/conf
	while read -r _ nic _ has _; do
		[[ $nic == "$BOND" ]] ||
			die "--address $1: $nic has it already; remove it with 'ip address del $has dev $nic'"
	done < <(ip -o address show to "${1%/*}")
	[[ $1 == *:* ]] || return 0
	[[ -d $off ]] || die "--address $1: this kernel runs without IPv6 (ipv6.disable=1); leave it out"
	if [[ -d $off/$BOND ]]; then off+=/$BOND; else off+=/default; fi
	read_file "$off/disable_ipv6"
	[[ $REPLY == 0 ]] || die "--address $1: IPv6 is switched off; switch it on with 'echo 0 > $off/disable_ipv6', or leave it out"
}

# check_gateway ADDRESS: a default route that would be in its way, of the same metric
check_gateway() {
	local family=-4 line
	! get_gateway "$BOND $1" || [[ $REPLY == absent ]] || return 0
	[[ $1 != *:* ]] || family=-6
	while read -r line; do
		# without one IPv4's is 0
		case "$family $line " in
		-6*' metric 512 '*) ;;
		-6*|-4*' metric '*) continue ;;
		esac
		route_del $family "$line"
		die "--gateway $1: there is a default route already; remove it with '$REPLY', give it a metric where it is configured, or leave this out"
	done < <(ip -o $family route show default)
}

# route_del FAMILY LINE: the command that deletes the route of that line of ip -o FAMILY route show, into REPLY
route_del() {
	local words i
	read -ra words <<< "$2"
	REPLY="ip $1 route del ${words[0]}"
	[[ ${words[0]} != @(blackhole|unreachable|prohibit|throw) ]] || REPLY+=" ${words[1]}"
	for ((i = 1; i + 1 < ${#words[@]}; i++)); do
		[[ ${words[i]} != '\' ]] || break	# its nexthops
		[[ ${words[i]} != @(via|dev|metric|table) ]] || REPLY+=" ${words[i]} ${words[i + 1]}"
	done
}

check_ports() {
	local i first last range reserved
	range=$(< /proc/sys/net/ipv4/ip_local_port_range)
	read -r first last <<< "$range"
	reserved=$(< /proc/sys/net/ipv4/ip_local_reserved_ports)
	for i in "${!PUBLIC[@]}"; do
		check_port "$i" "${PUBLIC[i]}" "${BASES[i]:-}"
	done
}

check_port() {	# check_port I PORT BASE: of service I; sees check_ports' variables
	local public=$2 base=$3 port owner object family others=() listening=0 CORE_PORTS=()
	if by_bpf && bpf_attached "$public"; then
		! bpf_differs "$1" || die "port $public: $REPLY"
		[[ $LISTEN != reuseport ]] || return 0	# who listens there are its instances
	fi
	if owner=$(port_listener "$public"); then
		[[ $base ]] ||
			die "port $public: ${owner:-a socket} listens on it already; stop that, flowparctl run starts the instances"
		die "port $public: ${owner:-a socket} listens on it already; stop that, its instances listen on the per-core ports from $base"
	fi
	[[ ! $base ]] || core_ports "$base"
	# All of them: the instances were started first. Some: those that may run on the port's
	# CPU only are instances too, the others another program's.
	if ! ours service "$public" && ! ours table 'inet flowpar' && ! ours table flowpar && ! { by_bpf && [[ $STAGE ]]; }; then
		for port in "${CORE_PORTS[@]}"; do
			owner=$(port_listener "$port") || continue
			listening=$((listening + 1))
			port_cpu "$((port - base))"
			pinned_to "$REPLY" "$owner" ||
				others+=("per-core port $port: ${owner:-a socket} listens on it already, and not on CPU $REPLY only; stop that, or choose another --base-port")
		done
		((${#others[@]} == 0 || listening == ${#CORE_PORTS[@]})) || die "${others[0]}"
	fi
	# A local connection could be given a per-core port as its own.
	for port in "${CORE_PORTS[@]}"; do
		port_lasts "$port" ||
			die "--base-port $base: per-core port $port is in ip_local_port_range $first-$last; choose a lower one, or reserve them with 'sysctl net.ipv4.ip_local_reserved_ports=${reserved:+$reserved,}${PORTS_LIST}'"
	done
	[[ $LISTEN != nft ]] || return 0
	for object in $(service_objects "$public"); do
		! ours service "$object" || continue
		get_service "$object"
		family=''
		[[ $object != 6/* ]] || family=' --family inet6'
		# The same for IPv6 was added by hand before up did that: it stays, and down leaves it.
		[[ $REPLY == absent || $object-$REPLY == "6/$public-$base $STRIDE $PER_CORE $(list_of "${CPUS[@]}")" ]] ||
			die "port $public: nf_flowpar serves it already; remove that with 'flowparctl service del$family --port $public'"
	done
	[[ $LISTEN != nat ]] || ours service "$public" || check_services "$public" "$base"
	[[ $LISTEN != nat ]] || port_lasts "$public" ||
		die "--port $public: is in ip_local_port_range $first-$last, and nf_flowpar serves no port that a connection from here may get; reserve it with 'sysctl net.ipv4.ip_local_reserved_ports=${reserved:+$reserved,}$public'"
}

# port_cpu OFFSET: whose per-core port is that far from the base port, into REPLY
port_cpu() {
	for REPLY in "${!CPU_OFFSET[@]}"; do
		(($1 < CPU_OFFSET[$REPLY] || $1 >= CPU_OFFSET[$REPLY] + PER_CORE)) || return 0
	done
}

# pinned_to CPU "comm (pid N)"
pinned_to() {
	[[ $2 =~ \(pid\ ([0-9]+)\)$ ]] &&
		grep -qsx "Cpus_allowed_list:[[:blank:]]$1" "/proc/${BASH_REMATCH[1]}/status"
}

# port_lasts PORT: does the kernel give it to no connection? Sees check_ports' variables.
port_lasts() {
	(($1 < first || $1 > last)) || { [[ $reserved ]] && list_has "$reserved" "$1"; }
}

# check_services PORT BASE: others' services, which nf_flowpar would not let overlap.
check_services() {
	local name base stride per_core cpus port last_port core_last=$(($2 + SPAN))
	get_module nf_flowpar
	[[ $REPLY == loaded ]] || return 0
	while read -r name base stride per_core cpus; do
		port=${name##*:}
		[[ $name != @('*'|'[::]'):* || ,$PORT, != *,"$port",* ]] || continue	# check_port looks at it
		last_port=$((base + ($(list_expand "$cpus" | wc -w) - 1) * stride + per_core - 1))
		((base > core_last || $2 > last_port)) ||
			die "--base-port $2: per-core ports $2-$core_last overlap $base-$last_port of service $name; choose another --base-port"
		((port < $2 || port > core_last)) ||
			die "--base-port $2: port $port of service $name lies among the per-core ports $2-$core_last; choose another --base-port"
		(($1 < base || $1 > last_port)) ||
			die "--port $1: lies among the per-core ports $base-$last_port of service $name; choose another port, or delete that"
	done < <("$FLOWPARCTL" service list 2>/dev/null | awk '$1 == "tcp" { print $2, $3, $4, $5, $6 }')
}

# port_listener PORT: does a TCP socket listen on it? Prints who. From /proc: ss
# would load a module.
port_listener() {
	local inode fd
	inode=$(awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && $2 ~ port "$" { print $10; exit }' \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
	[[ $inode ]] || return 1
	fd=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" -print -quit 2>/dev/null || true)
	[[ ! $fd ]] || { fd=${fd#/proc/}; echo "$(< "/proc/${fd%%/*}/comm") (pid ${fd%%/*})"; }
}

check_table() {
	ours table 'inet flowpar' && return
	get_table 'inet flowpar'
	[[ $REPLY == absent ]] ||
		die "table inet flowpar: already exists; remove it with 'nft delete table inet flowpar'"
}

check_firewall() {
	local chain='' i CORE_PORTS
	if ((EUID)); then
		warn "firewall: not looked at, only root may read it; run this as root"
		return
	fi
	firewall_load
	for i in "${!PUBLIC[@]}"; do
		core_ports "${BASES[i]}"
		if firewall_drops "${PUBLIC[i]}" "${CORE_PORTS[@]}"; then
			chain=$REPLY
			break
		fi
	done
	[[ $chain ]] || return 0
	firewall_remedy "$chain"
	die "firewall: chain $chain would drop the per-core ports; let them in with: $REPLY"
}

# firewall_remedy "FAMILY TABLE CHAIN": the commands that let all per-core ports in, into REPLY
firewall_remedy() {
	local chain=$1 match some port i ports
	IFS=, read -ra ports <<< "$PORTS_LIST"
	REPLY=''
	if [[ $chain == @(ip iptables|ip6 ip6tables)'-legacy '* ]]; then
		match="-i $BOND -p tcp -m multiport --dports"
		[[ ${FW_HOOK[$chain]} != output ]] || match="-o $BOND -p tcp -m multiport --sports"
		chain=${chain#* }
		# A match takes 15 ports.
		for ((i = 0; i < ${#ports[@]}; i += 15)); do
			some="${ports[*]:i:15}"
			REPLY+="${REPLY:+; }${chain% *} -I ${chain#* } $match ${some// /,} -j ACCEPT"
		done
		return
	fi
	match="iifname $BOND tcp dport"
	[[ ${FW_HOOK[$chain]} != output ]] || match="oifname $BOND tcp sport"
	if [[ $chain == @(ip|ip6)' '@(filter|mangle|raw|security|nat)' '* ]]; then
		# iptables-save knows no set: of a rule with one it would print all but the ports,
		# and restored from that it would let everything in.
		for port in "${ports[@]}"; do
			REPLY+="${REPLY:+; }nft insert rule $chain $match $port accept"
		done
	else
		REPLY="nft insert rule $chain $match '{ ${PORTS_LIST//,/, } }' accept"
	fi
}

# An irqbalance that can be told will be (want_bans). Asked again at the end of up if a NIC
# had no interrupts before it was up.
check_irqbalance() {
	local pid nic have banned='' ours=()
	irqbalance_pid || return 0
	pid=$REPLY
	for nic in "${SLAVES[@]}"; do
		nic_irqs "$nic"
		ours+=("${IRQS[@]}")
	done
	! irqbalance_told "${ours[@]}" || return 0
	for nic in "${SLAVES[@]}"; do
		[[ ! ${ABSENT[$nic]+x} ]] || continue
		nic_irqs "$nic"
		((${#IRQS[@]})) || {
			warn "irqbalance: running (pid $pid), cannot be told to leave the NICs' interrupts alone, and will move them; which those are is known, and said, once $nic is up"
			# shellcheck disable=SC2034	# read by up
			IRQS_LATER=yes
			return
		}
		banned+=$(printf ' --banirq=%s' "${IRQS[@]}")
	done
	# All our interrupts banned on its command line: it keeps its hands off.
	have=" $(tr '\0' ' ' < "/proc/$pid/cmdline") "
	for REPLY in $banned; do
		[[ $have == *" $REPLY "* ]] || {
			# shellcheck disable=SC2034	# read by up
			IRQS_SAID=yes
			warn "irqbalance: running (pid $pid), cannot be told to leave the NICs' interrupts alone$(irqbalance_why), and will move them; put IRQBALANCE_ARGS=\"${banned# }\" into /etc/default/irqbalance and restart it"
			return
		}
	done
}

irqbalance_why() {
	if ((EUID)); then
		echo ' (only root may)'
	elif [[ ! $FLOWPARCTL ]]; then
		echo ' (flowparctl, which could, was not found)'
	elif irqbalance_banned; then
		echo ' (one request to it cannot name so many)'
	else
		echo ' (it has no socket in /run/irqbalance)'
	fi
}
