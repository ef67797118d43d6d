# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Does the switch speak LACP with us, on every slave, in one aggregator?
#
# Reads only. 802.3ad sends nothing through a port that has not come this far.

# lacp_slave NIC: does it collect and distribute, at both ends, with the active aggregator?
# If not, what is missing and what to do goes into REPLY, on one line.
lacp_slave() {
	local dir=/sys/class/net/$BOND/bonding partner own
	if ! read_file "/sys/class/net/$1/carrier" || [[ $REPLY != 1 ]]; then
		REPLY="$1: no carrier; check its cable and the switch port"
		return 1
	fi
	if ! read_file "/sys/class/net/$1/speed" || ((REPLY <= 0)); then
		REPLY="$1: its driver reports no speed, so 802.3ad leaves it out; set it with 'ethtool -s $1 speed 1000 duplex full'"
		return 1
	fi
	read_file "$dir/ad_partner_mac" || REPLY=00:00:00:00:00:00
	partner=$REPLY
	if [[ $partner == 00:00:00:00:00:00 ]]; then
		REPLY="$BOND: no LACP partner answers; make the switch ports of ${SLAVES[*]} one 802.3ad group with active LACP"
		return 1
	fi
	read_file "$dir/ad_aggregator" || REPLY=none
	own=$REPLY
	dir=/sys/class/net/$1/bonding_slave
	read_file "$dir/ad_aggregator_id" || REPLY=none
	if [[ $REPLY != "$own" ]]; then
		REPLY="$1: not in the aggregator of the others with $partner; put the switch ports of ${SLAVES[*]} into one 802.3ad group"
		return 1
	fi
	read_file "$dir/ad_actor_oper_port_state" || REPLY=0
	own=$REPLY
	read_file "$dir/ad_partner_oper_port_state" || REPLY=0
	# in sync, collecting and distributing, at both ends: 802.3ad's own bits
	if (((own & REPLY & 0x38) != 0x38)); then
		printf -v REPLY '%s: LACP has not settled (state 0x%02x here, 0x%02x at the switch); look at the LACP state of its switch port' \
			"$1" "$own" "$REPLY"
		return 1
	fi
}

# lacp_faults: what lacp_slave finds of those that are in the bond, each line once, into
# LACP_FAULTS; how many are settled, into LACP_SETTLED
lacp_faults() {
	local nic
	LACP_FAULTS=() LACP_SETTLED=0
	for nic in "${SLAVES[@]}"; do
		get_master "$nic" && [[ $REPLY == "$BOND" ]] || continue
		if lacp_slave "$nic"; then
			LACP_SETTLED=$((LACP_SETTLED + 1))
		elif [[ " ${LACP_FAULTS[*]/%/$'\n'}" != *" $REPLY"$'\n'* ]]; then
			LACP_FAULTS+=("$REPLY")
		fi
	done
	((LACP_SETTLED + ${#LACP_FAULTS[@]})) || LACP_FAULTS=("$BOND: none of its slaves is in it; see above, and ip link")
}

# A switch that still remembers an earlier port answers well at first and then
# starts over, so good once is not enough: for a second, the period of fast LACP.
# One link that stays out does not keep the others.
lacp_wait() {
	local fault good=0 deadline=$((SECONDS + LACP_TIMEOUT + 1))
	while ((good < 5)); do
		lacp_faults
		if ((${#LACP_FAULTS[@]} == 0)); then
			good=$((good + 1))
		elif ((SECONDS < deadline)); then
			good=0
		else
			LACP_FAULTS=("${LACP_FAULTS[@]/;/ after $LACP_TIMEOUT s;}")
			if ((LACP_SETTLED == 0)); then
				fault=${LACP_FAULTS[-1]}
				unset 'LACP_FAULTS[-1]'
			fi
			for REPLY in "${LACP_FAULTS[@]}"; do
				warn "$REPLY"
			done
			((LACP_SETTLED)) || die "$fault"
			return 0
		fi
		sleep 0.2
	done
}

# slave_carries NIC: does the bond send and receive through it?
slave_carries() {
	get_master "$1" && [[ $REPLY == "$BOND" ]] || return 1
	get_bond "$BOND"
	if [[ $REPLY == 802.3ad ]]; then
		lacp_slave "$1"
	else
		read_file "/sys/class/net/$1/carrier" && [[ $REPLY == 1 ]] &&
			read_file "/sys/class/net/$1/bonding_slave/mii_status" && [[ $REPLY == up ]]
	fi
}

# slave_wait NIC: until it does again, for longer than the bond takes to see a link go
slave_wait() {
	local good=0 deadline=$((SECONDS + LACP_TIMEOUT + 1))
	while ((good < 5)); do
		if slave_carries "$1"; then
			good=$((good + 1))
		else
			good=0
			if ((SECONDS >= deadline)); then
				warn "$1: does not carry again $LACP_TIMEOUT s after 'ethtool -L'; look at its link and the LACP state of its switch port"
				return
			fi
		fi
		sleep 0.2
	done
}
