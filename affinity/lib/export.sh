# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2153
# export: the bond as systemd-networkd or ifupdown would make it at boot, and what sets
# the rest up on it.
#
# They know neither the policy cpu-bound nor lists of CPUs, and refuse a file that has
# what they do not know. So they get layer3+4, and up --adopt, by flowpar.service, does the
# rest once the bond is there. Policy and lists go through sysfs, not through them, so they
# have no reason to set them back.

EXPORT_TO=''		# a directory, or standard output if empty
EXPORT_LOOK=''		# yes: do not write, see whether that could be done

command_export() {
	[[ ! $DRY_RUN ]] || EXPORT_TO=''
	# All files are looked at before one is written.
	[[ ! $EXPORT_TO ]] || (EXPORT_LOOK=yes; "export_$EXPORT_FOR" > /dev/null)
	"export_$EXPORT_FOR"
	export_others
}

# What configures the bond or a slave already would do so beside what is written now.
export_others() {
	local nic file line _
	for nic in "$BOND" "${SLAVES[@]}"; do
		while IFS=: read -r file line _; do
			[[ $file == "$EXPORT_TO/etc/network/interfaces.d/$BOND" ]] ||
				warn "$file: line $line has $nic already; take it out before the reboot"
		done < <(grep -sHnE "^[[:space:]]*(auto|allow-[^[:space:]]+|iface)[[:space:]](.*[[:space:]])?${nic//./\\.}([[:space:]]|\$)" \
			"$EXPORT_TO"/etc/network/interfaces "$EXPORT_TO"/etc/network/interfaces.d/*)
	done
}

# export_file PATH: standard input, to PATH below --to, or shown
export_file() {
	if [[ ! $EXPORT_TO ]]; then
		printf '# --- %s\n' "$1"
		cat
		echo
		return
	fi
	local path=$EXPORT_TO$1 dir
	[[ ! -e $path ]] || { [[ $1 == */flowpar.conf ]] && export_sets_nothing "$path"; } ||
		case $1 in
		*/flowpar.conf)	die "$path: already exists, and up reads it; give --to another directory, or move it and name it with --config" ;;
		*)	die "$path: already exists; remove it, or give --to another directory" ;;
		esac
	if [[ $EXPORT_LOOK ]]; then
		cat > /dev/null
		dir=${path%/*}
		until [[ -e ${dir:=/} ]]; do dir=${dir%/*}; done
		[[ -d $dir && -w $dir && ( ! -e $path || -w $path ) ]] || die "$path: cannot be written; give --to a directory that you may write to"
		return
	fi
	{ mkdir -p "${path%/*}" && cat >> "$path"; } 2>/dev/null ||
		die "$path: cannot be written; give --to a directory that you may write to"
	echo "$path"
}

# export_sets_nothing FILE: as flowpar.conf comes, every option a comment. It stays, and gets ours at its end.
export_sets_nothing() {
	! grep -qvE '^[[:space:]]*(#|$)' "$1"
}

export_networkd() {
	local nics="${SLAVES[*]}" address=DHCP=yes route='' gateway
	[[ ! $ADDRESS ]] || address=$(printf 'Address=%s\n' ${ADDRESS//,/ })
	for gateway in ${GATEWAY//,/ }; do
		case $gateway in
		*:*)	# Without a metric networkd would make it one with that of router advertisements.
			route=$'\n[Route]\nGateway='$gateway$'\nMetric=512\n' ;;
		*)	address+=$'\nGateway='$gateway ;;
		esac
	done
	export_file "/etc/systemd/network/10-$BOND.netdev" <<-END
	# Of setup-flowpar.sh export networkd.
	[NetDev]
	Name=$BOND
	Kind=bond

	[Bond]
	Mode=802.3ad
	# flowpar.service makes it ${POLICY:-cpu-bound}, which systemd-networkd does not know.
	TransmitHashPolicy=layer3+4
	LACPTransmitRate=fast
	MIIMonitorSec=100ms
	END
	export_file "/etc/systemd/network/10-$BOND-slaves.network" <<-END
	# Of setup-flowpar.sh export networkd.
	[Match]
	Name=$nics

	[Link]
	RequiredForOnline=no

	[Network]
	Bond=$BOND
	END
	export_file "/etc/systemd/network/10-$BOND.network" <<-END
	# Of setup-flowpar.sh export networkd. Name servers and other routes go here as well.
	[Match]
	Name=$BOND

	# One link that is down makes it that, and it serves by the others.
	[Link]
	RequiredForOnline=degraded-carrier
	$route
	[Network]
	$address
	END
	# Where there is a NetworkManager it takes every NIC that nobody told it to leave.
	[[ ! -d $EXPORT_TO/etc/NetworkManager ]] || export_file "/etc/NetworkManager/conf.d/10-$BOND.conf" <<-END
	# Of setup-flowpar.sh export networkd.
	[keyfile]
	unmanaged-devices+=$(printf 'interface-name:%s;' "$BOND" "${SLAVES[@]}")
	END
	export_conf
	# Not wanted by multi-user.target alone: the bond has to be there.
	export_file /etc/systemd/system/flowpar.service.d/10-networkd.conf <<-END
	# Of setup-flowpar.sh export networkd.
	[Unit]
	Wants=systemd-networkd-wait-online@$BOND.service
	After=systemd-networkd-wait-online@$BOND.service
	END
	export_file "/etc/systemd/system/systemd-networkd-wait-online@$BOND.service.d/10-flowpar.conf" <<-END
	# Of setup-flowpar.sh export networkd. flowpar.service waits for this, and sshd for that.
	[Service]
	TimeoutStartSec=30s
	END
	[[ ! $EXPORT_TO ]] || echo "then: systemctl enable systemd-networkd flowpar.service flowpar-watch.service, and reboot"
}

export_ifupdown() {
	local nic first rest=() units=("${SLAVES[@]//-/\\x2d}")	# as systemd-escape has it
	ifupdown_addresses
	{
		cat <<-END
		# Of setup-flowpar.sh export ifupdown. The bond-* lines are ifenslave's (apt-get
		# install ifenslave). flowpar.service makes the policy ${POLICY:-cpu-bound}, which that does not know.
		auto $BOND
		iface $BOND $first
		    # dns-nameservers go here as well.
		    bond-slaves ${SLAVES[*]}
		    bond-mode 802.3ad
		    bond-xmit-hash-policy layer3+4
		    bond-lacp-rate fast
		    bond-miimon 100
		    post-up systemctl --no-block restart flowpar.service || true
		    pre-down systemctl stop flowpar.service || true
		END
		((${#rest[@]} == 0)) || printf '%s\n' "${rest[@]/#/iface $BOND }"
		cat <<-END

		# A slave that comes once $BOND is up goes into it too, as after a driver reload. Not by
		# bond-master: at boot ifenslave would leave such a one to its own ifup, which may be too early.
		END
		for nic in "${SLAVES[@]}"; do
			cat <<-END
			allow-hotplug $nic
			iface $nic inet manual
			    pre-up [ -e /sys/class/net/$nic/master ] || ! ip -o link show up dev $BOND 2> /dev/null | grep -q . || ip link set $nic master $BOND
			END
		done
	} | export_file "/etc/network/interfaces.d/$BOND"
	export_conf
	units=("${units[@]/#/ifup@}")
	units=("${units[@]/%/.service}")
	# At shutdown its units take each slave out of the bond: not before down.
	export_file /etc/systemd/system/flowpar.service.d/10-ifupdown.conf <<-END
	# Of setup-flowpar.sh export ifupdown.
	[Unit]
	After=${units[*]}
	END
	[[ ! $EXPORT_TO ]] || echo "then: apt-get install ifenslave, systemctl enable networking flowpar.service flowpar-watch.service, and reboot"
}

# ifupdown_addresses: a stanza for each address, the first, which makes the bond, into first,
# the others into rest; a gateway is in that of its network. Those of IPv6 come last: ifup waits
# for them until the links are up, and goes no further if that is not in time. Sees
# export_ifupdown's variables.
ifupdown_addresses() {
	local address gateway stanza left=,$GATEWAY, four=() six=()
	first='inet dhcp'
	for address in ${ADDRESS//,/ }; do
		if [[ $address == *:* ]]; then six+=("$address"); else four+=("$address"); fi
	done
	for address in "${four[@]}" "${six[@]}"; do
		stanza=$'inet static\n    address '$address
		[[ $address != *:* ]] || stanza=$'inet6 static\n    dad-attempts 300\n    address '$address
		for gateway in ${left//,/ }; do
			gateway_of "$gateway" "$address" || continue
			stanza+=$'\n    gateway '$gateway left=${left/,$gateway,/,}
		done
		rest+=("$stanza")
	done
	[[ ! $ADDRESS ]] || { first=${rest[0]}; rest=("${rest[@]:1}"); }
}

# All that was asked for, as flowpar.conf has it, but what the manager does now.
export_conf() {
	local option
	{
		echo '# Of setup-flowpar.sh export; flowpar.conf(5) says what else can be here.'
		echo 'ADOPT=yes'
		echo "BOND=$BOND"
		echo "SLAVES=$(comma "${SLAVES[@]}")"
		for option in "${CONF_NAMES[@]}"; do
			case $option in
			bond|slaves|adopt|address|gateway|lacp-timeout) continue ;;
			esac
			[[ ! ${GIVEN[$option]+x} ]] || echo "$(conf_name "$option")=${GIVEN[$option]}"
		done
	} | export_file /etc/flowpar/flowpar.conf
}
