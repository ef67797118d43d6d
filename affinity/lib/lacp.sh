# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Does the switch speak LACP with us, on every slave, in one aggregator?
#
# Reads only. 802.3ad sends nothing through a port that has not come this far.

# lacp_fault: fails if all is well; else prints what is missing and what to do, on one line
lacp_fault() {
	local nic dir partner aggregator own
	dir=/sys/class/net/$BOND/bonding
	read_file "$dir/ad_partner_mac" || REPLY=00:00:00:00:00:00
	partner=$REPLY
	read_file "$dir/ad_aggregator" || REPLY=none
	aggregator=$REPLY
	for nic in "${SLAVES[@]}"; do
		if ! read_file "/sys/class/net/$nic/carrier" || [[ $REPLY != 1 ]]; then
			echo "$nic: no carrier; check its cable and the switch port"
			return
		fi
		if ! read_file "/sys/class/net/$nic/speed" || ((REPLY <= 0)); then
			echo "$nic: its driver reports no speed, so 802.3ad leaves it out; set it with 'ethtool -s $nic speed 1000 duplex full'"
			return
		fi
	done
	if [[ $partner == 00:00:00:00:00:00 ]]; then
		echo "$BOND: no LACP partner answers; make the switch ports of ${SLAVES[*]} one 802.3ad group with active LACP"
		return
	fi
	for nic in "${SLAVES[@]}"; do
		dir=/sys/class/net/$nic/bonding_slave
		read_file "$dir/ad_aggregator_id" || REPLY=none
		if [[ $REPLY != "$aggregator" ]]; then
			echo "$nic: not in the aggregator of the others with $partner; put the switch ports of ${SLAVES[*]} into one 802.3ad group"
			return
		fi
		read_file "$dir/ad_actor_oper_port_state" || REPLY=0
		own=$REPLY
		read_file "$dir/ad_partner_oper_port_state" || REPLY=0
		# in sync, collecting and distributing, at both ends: 802.3ad's own bits
		if (((own & REPLY & 0x38) != 0x38)); then
			printf '%s: LACP has not settled (state 0x%02x here, 0x%02x at the switch); look at the LACP state of its switch port\n' "$nic" "$own" "$REPLY"
			return
		fi
	done
	return 1
}

# A switch that still remembers an earlier port answers well at first and then
# starts over, so good once is not enough: for a second, the period of fast LACP.
lacp_wait() {
	local fault good=0 deadline=$((SECONDS + LACP_TIMEOUT + 1))
	while ((good < 5)); do
		if fault=$(lacp_fault); then
			good=0
			((SECONDS < deadline)) || die "${fault/;/ after $LACP_TIMEOUT s;}"
		else
			good=$((good + 1))
		fi
		sleep 0.2
	done
}
