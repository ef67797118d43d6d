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
		die "$STATE: up was interrupted; run it again, or setup-flowpar.sh down"
	MODE=check
	configuration
	((DRIFTS == 0)) || return 1
	echo "setup-flowpar.sh: $BOND: everything is as up set it"
}

verify_lacp() {
	local fault
	fault=$(lacp_fault) || return 0
	DRIFTS=$((DRIFTS + 1))
	echo "setup-flowpar.sh: $fault"
}

command_status() {
	local nic
	need_config
	[[ $STAGE == complete ]] || echo "up was interrupted: run it again, or setup-flowpar.sh down"
	[[ -d /sys/class/net/$BOND/bonding ]] || die "$BOND: gone; run setup-flowpar.sh up with the same options to make it again, or down"
	printf '%s: %s, %s, partner %s, %s of %s ports in the aggregator%s\n' "$BOND" "$(show bond "$BOND")" \
		"$(show option "$BOND/xmit_hash_policy")" "$(show option "$BOND/ad_partner_mac")" \
		"$(show option "$BOND/ad_num_ports")" "${#SLAVES[@]}" "${ADDRESS:+, $ADDRESS}"
	[[ ! $PORT ]] || printf 'port %s: to a port per core by %s\n' "$PORT" "$LISTEN"
	status_line NIC LINK AGGREGATOR INTERRUPTS CPUS LIST PORTS LISTENING
	for nic in "${SLAVES[@]}"; do
		status_nic "$nic"
	done
	[[ ! $PORT || $LISTEN != nat || ! $FLOWPARCTL ]] || "$FLOWPARCTL" stats --port "$PORT"
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
	local nic=$1 link aggregator i cpus=() cpu port ports=() listening=()
	read_file "/sys/class/net/$nic/operstate" || REPLY=gone
	link=$REPLY
	read_file "/sys/class/net/$nic/bonding_slave/ad_aggregator_id" || REPLY=-
	aggregator=$REPLY
	nic_irqs "$nic"
	for i in "${!IRQS[@]}"; do
		cpus+=("$(show irq "$nic/$i")")
	done
	for cpu in ${NIC_CPUS[$nic]}; do
		for ((i = 0; i < PER_CORE; i++)); do
			[[ $PORT ]] || continue
			port=$((${CPU_PORT[$cpu]} + i))
			ports+=("$port")
			if port_listener "$port" >/dev/null; then listening+=(yes); else listening+=(no); fi
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
