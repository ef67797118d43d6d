# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# status and verify: what is set up, and whether it still is.
#
# Reads only, of the machine and of /run/flowpar.

need_config() {
	config_read || die "$STATE: nothing is set up; run setup-flowpar.sh up"
	derive
}

command_verify() {
	need_config
	need_root 'reads the LACP state'
	[[ $STAGE == complete ]] ||
		die "$STATE: up or down was interrupted; run it again"
	MODE=check
	configuration
	[[ ! $NO_SERVICE ]] || {
		DRIFTS=$((DRIFTS + 1))
		echo "setup-flowpar.sh: port $PORT: left out by up --boot, which found \"$NO_SERVICE\"; mend that and run setup-flowpar.sh up"
	}
	((DRIFTS == 0)) || return 1
	echo "setup-flowpar.sh: $BOND: everything is as up set it"
}

# why KIND OBJECT: how a setting comes to differ from what up set
why() {
	local pid
	case $1 in
	module)	echo 'somebody took it out' ;;
	bond)	echo 'somebody deleted it, or took out the bonding module' ;;
	option)	echo 'somebody set it, or what else configures this bond' ;;
	mtu)	echo 'somebody set it' ;;
	link)	echo 'somebody took it down' ;;
	master)	echo "its driver was reloaded, or somebody took it out of the bond" ;;
	cpus)	echo 'it left the bond and came back, which forgets the list, or somebody set it' ;;
	address)
		if now address "$2" && [[ $REPLY == duplicate ]]; then
			echo 'another machine on this link has it'
		else
			echo 'somebody removed it, or took the bond down, or made it anew'
		fi ;;
	gateway) echo 'somebody removed it, or took the bond down, or made it anew' ;;
	service) echo 'somebody deleted it, or took out nf_flowpar' ;;
	table)	echo 'somebody changed it, or loaded a firewall that begins with flush ruleset' ;;
	channels) echo "somebody ran ethtool -L, or its driver was reloaded" ;;
	rps|rfs) echo 'somebody steers packets to other CPUs, or the queue is new (ethtool -L, driver reload)' ;;
	xps|xps_rxqs) echo 'the queue is new (ethtool -L, driver reload, link down and up), or somebody set it' ;;
	bans)	irqbalance_pid && pid=$REPLY
		echo "irqbalance (pid ${pid:-gone}) was started anew, or the interrupt is new (driver reload), so it may move these" ;;
	irq)	why_irq "$2" ;;
	*)	echo 'somebody set it' ;;
	esac
}

why_irq() {
	if irq_of "$1" && irqbalance_pid && pid=$REPLY && irq_of "$1" && ! irqbalance_leaves "$REPLY"; then
		echo "irqbalance (pid $pid) moves it"
	else
		echo 'its driver requested it anew (link down and up, ethtool -L, reload), or somebody set it'
	fi
}

irqbalance_leaves() {
	irqbalance_banned || return 1
	[[ $BANNED ]] && list_has "$BANNED" "$1"
}

# verify_slave NIC: is there anything to compare? Not of one that is gone, nor of one that
# has left a bond that was taken over: only who configures that puts a slave back.
verify_slave() {
	get_master "$1" || REPLY=gone
	case $ADOPT-$REPLY in
	*-gone)	echo "setup-flowpar.sh: $1: gone: its driver was taken out, or it has another name now; bring it back and run setup-flowpar.sh up" ;;
	no-*|yes-"$BOND") return 0 ;;
	*)	echo "setup-flowpar.sh: $1: no slave of $BOND any more: $(why master "$1"); put it back by what configures $BOND, and run setup-flowpar.sh up" ;;
	esac
	DRIFTS=$((DRIFTS + 1))
	return 1
}

# strangers: a line for each slave of the bond that is none of ours, nor was left out by up,
# into STRANGERS
strangers() {
	local nic
	STRANGERS=()
	read_file "/sys/class/net/$BOND/bonding/slaves" || return 0
	for nic in $REPLY; do
		[[ " ${SLAVES[*]} $OTHERS " == *" $nic "* ]] ||
			STRANGERS+=("$nic: a slave of $BOND that up did not set; run setup-flowpar.sh down, then up with it, or take it out with 'ip link set $nic nomaster'")
	done
}

verify_strangers() {
	strangers
	DRIFTS=$((DRIFTS + ${#STRANGERS[@]}))
	for REPLY in "${STRANGERS[@]}"; do
		echo "setup-flowpar.sh: $REPLY"
	done
}

verify_lacp() {
	get_bond "$BOND"
	[[ $REPLY != balance-xor ]] || return 0
	lacp_faults
	DRIFTS=$((DRIFTS + ${#LACP_FAULTS[@]}))
	for REPLY in "${LACP_FAULTS[@]}"; do
		echo "setup-flowpar.sh: $REPLY"
	done
}

command_status() {
	local nic i
	need_config
	[[ $STAGE == complete ]] || echo "up or down was interrupted: run it again"
	[[ -d /sys/class/net/$BOND/bonding ]] || die "$BOND: gone; run setup-flowpar.sh up with the same options to make it again, or down"
	printf '%s: %s, %s, partner %s, %s of %s ports in the aggregator%s\n' "$BOND" "$(show bond "$BOND")" \
		"$(show option "$BOND/xmit_hash_policy")" "$(show option "$BOND/ad_partner_mac")" \
		"$(show option "$BOND/ad_num_ports")" "${#SLAVES[@]}" "${ADDRESS:+, $ADDRESS}"
	if [[ $NO_SERVICE ]]; then
		echo "port $PORT: left out by up --boot, which found \"$NO_SERVICE\""
	else
		for i in "${!PUBLIC[@]}"; do
			status_port "$i"
		done
	fi
	status_line NIC LINK AGGREGATOR INTERRUPTS CPUS LIST PORTS LISTENING
	for nic in "${SLAVES[@]}"; do
		status_nic "$nic"
	done
	[[ $FLOWPARCTL && ! $NO_SERVICE ]] || return 0
	for i in "${PUBLIC[@]}"; do
		case $LISTEN in
		nat)	"$FLOWPARCTL" stats --port "$i" ;;
		bpf|reuseport) ! bpf_attached "$i" || "$FLOWPARCTL" stats --listen "$LISTEN" --port "$i" ;;
		esac
	done
}

status_port() {	# status_port I
	local how="to a port per core by $LISTEN"
	[[ $LISTEN != reuseport ]] || how="to a socket per core by reuseport"
	if by_bpf; then
		if bpf_attached "${PUBLIC[$1]}"; then
			how+=", attached by flowparctl run (pid $REPLY)"
		elif ((EUID)); then
			how+="; whether that is attached only root may see"
		else
			how+=", not attached: $(bpf_command "$1") does that"
		fi
	fi
	printf 'port %s: %s\n' "${PUBLIC[$1]}" "$how"
}

# --- with --listen bpf or reuseport: up sets nothing, a running flowparctl does it ---

by_bpf() { [[ $LISTEN == @(bpf|reuseport) ]]; }

# bpf_attached PORT: is a program there for it? Whose goes into REPLY. Only root may
# ask; for others none is.
bpf_attached() {
	REPLY=''
	((EUID == 0)) && [[ $FLOWPARCTL ]] || return 1
	REPLY=$("$FLOWPARCTL" stats --listen "$LISTEN" --port "$1" 2>/dev/null | awk 'NR == 2 { print $3 }') || true
	[[ $REPLY ]]
}

bpf_command() {	# bpf_command I: what serves service I
	local more=''
	[[ $LISTEN == reuseport ]] || more+=" --port-base ${BASES[$1]}"
	((STRIDE == 8)) || [[ $LISTEN == reuseport ]] || more+=" --stride $STRIDE"
	((PER_CORE == 1)) || more+=" --per-core $PER_CORE"
	echo "flowparctl run --cpus $(list_of "${CPUS[@]}")$more --listen $LISTEN --port ${PUBLIC[$1]} -- SERVER..."
}

bpf_hint() {	# bpf_hint I
	echo "port ${PUBLIC[$1]}: nobody serves it before $(bpf_command "$1") does"
}

# bpf_differs I: does it serve other CPUs or ports than ours? What to do goes into REPLY
bpf_differs() {
	local cpu port last='' pid=$REPLY want='' found
	if [[ $LISTEN == reuseport ]]; then
		want=$(printf '%s\n' "${CPUS[@]}" | sort -n | awk -v port="${PUBLIC[$1]}" '{ printf "%s %s,", $1, port }')
	fi
	for cpu in $(printf '%s\n' "${!CPU_OFFSET[@]}" | sort -n); do
		port=$((BASES[$1] + CPU_OFFSET[$cpu]))
		((PER_CORE == 1)) || last=-$((port + PER_CORE - 1))
		want+="$cpu $port$last,"
	done
	# Of reuseport's there is a service for each address and protocol, all with the same CPUs.
	found=$("$FLOWPARCTL" stats --listen "$LISTEN" --port "${PUBLIC[$1]}" |
		awk 'NR > 1 && $5 != "-" && !seen[$4]++ { printf "%s %s,", $4, $5 }')
	REPLY="flowparctl run (pid $pid) serves it with other CPUs or ports; stop it with kill $pid and start $(bpf_command "$1")"
	[[ $found != "$want" ]]
}

verify_bpf() {	# verify_bpf I
	if ! bpf_attached "${PUBLIC[$1]}"; then
		bpf_hint "$1"
	elif bpf_differs "$1"; then
		DRIFTS=$((DRIFTS + 1))
		echo "setup-flowpar.sh: port ${PUBLIC[$1]}: $REPLY"
	fi
}

status_line() {
	printf '%-10s %-6s %-10s %-12s %-8s %-8s %-16s %s\n' "$@"
}

# show KIND OBJECT: prints the value, - if there is none
show() {
	now "$@" && [[ $REPLY ]] || REPLY=-
	echo "$REPLY"
}

# One line of the table: what is, not what was asked for; but the ports.
status_nic() {
	local nic=$1 link aggregator i base cpus=() cpu port ports=() listening=()
	read_file "/sys/class/net/$nic/operstate" || REPLY=gone
	link=$REPLY
	read_file "/sys/class/net/$nic/bonding_slave/ad_aggregator_id" || REPLY=-
	aggregator=$REPLY
	nic_irqs "$nic"
	for i in "${!IRQS[@]}"; do
		cpus+=("$(show irq "$nic/$i")")
	done
	for cpu in ${NIC_CPUS[$nic]}; do
		for base in "${BASES[@]}"; do	# reuseport: none; stats knows whose sockets are there
			for ((i = 0; i < PER_CORE; i++)); do
				port=$((base + CPU_OFFSET[$cpu] + i))
				ports+=("$port")
				if port_listener "$port" >/dev/null; then listening+=(yes); else listening+=(no); fi
			done
		done
	done
	nic_irqs "$nic"
	status_line "$nic" "$link" "$aggregator" "$(list_of "${IRQS[@]}")" \
		"$(printf '%s\n' "${cpus[@]}" | sort -u | paste -sd,)" "$(show cpus "$nic")" \
		"$(comma "${ports[@]}")" "$(comma "${listening[@]}")"
}

comma() {
	(IFS=,; echo "${*:--}")
}
