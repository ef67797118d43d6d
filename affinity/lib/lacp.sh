# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Does the switch speak LACP with us, on every slave, in one aggregator?
#
# Reads only. 802.3ad sends nothing through a port that has not come this far.

# lacp_fault: fails if all is well; else prints what is missing, what to do, on one line
lacp_fault() {
	local nic dir=/sys/class/net/$BOND/bonding partner ports aggregators=()
	read_file "$dir/ad_partner_mac" || REPLY=''
	partner=$REPLY
	read_file "$dir/ad_num_ports" || REPLY=0
	ports=$REPLY
	for nic in "${SLAVES[@]}"; do
		read_file "/sys/class/net/$nic/bonding_slave/ad_actor_oper_port_state" || REPLY=0
		# in sync, collecting and distributing: 802.3ad's own bits
		(((REPLY & 0x38) == 0x38)) || ports=0
	done
	[[ ! $partner || $partner == 00:00:00:00:00:00 ]] || ((ports != ${#SLAVES[@]})) || return 1

	for nic in "${SLAVES[@]}"; do
		if ! read_file "/sys/class/net/$nic/carrier" || [[ $REPLY != 1 ]]; then
			echo "$nic: no carrier; check its cable and the switch port"
			return
		fi
		if ! read_file "/sys/class/net/$nic/speed" || ((REPLY <= 0)); then
			echo "$nic: its driver reports no speed, so 802.3ad leaves it out; set it with 'ethtool -s $nic speed 1000 duplex full'"
			return
		fi
		read_file "/sys/class/net/$nic/bonding_slave/ad_aggregator_id" || REPLY=none
		aggregators+=("$nic in $REPLY")
	done
	if [[ ! $partner || $partner == 00:00:00:00:00:00 ]]; then
		echo "$BOND: no LACP partner answers; make the switch ports of ${SLAVES[*]} one 802.3ad group with active LACP"
	else
		echo "$BOND: partner $partner, but the slaves are not all in one aggregator (${aggregators[*]}); put their switch ports into one 802.3ad group"
	fi
}

lacp_wait() {
	local fault deadline=$((SECONDS + LACP_TIMEOUT + 1))
	while fault=$(lacp_fault); do
		((SECONDS < deadline)) || die "${fault/;/ after $LACP_TIMEOUT s;}"
		sleep 0.2
	done
}
