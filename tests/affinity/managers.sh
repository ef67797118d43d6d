#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a bond that the real systemd-networkd, or ifupdown, makes of what export wrote is taken over, stays set up when they are restarted, and is given back
# Suite: long
#
# ifupdown and ifenslave are unpacked into the guest, not installed on this machine.
# shellcheck disable=SC2034,SC2119,SC2317
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

asked=(--bond bond0 --slaves 'eth0,eth1' --address "${LAB_SERVER:-}/24" --port 80 --base-port 8000)
[[ $listen == nat ]] || asked+=(--listen nft)
debs=${debs:-$test_out/debs}

# networkd without udev takes the interfaces as they are if /sys is read-only, as in a container.
networkd() {
	mkdir -p /run/systemd/netif/{links,leases,lldp}
	chown -R systemd-network: /run/systemd/netif
	unshare --mount bash -c 'mount --bind /sys /sys && mount -o remount,ro,bind /sys && exec /lib/systemd/systemd-networkd' \
		>> /run/networkd.log 2>&1 &
	manager=$!
}

taken_over() {	# taken_over WHO: up with the file that export wrote, and back
	local was
	check "$1: the bond is there" wait_until 60 lag_ready bond0 2
	check "$1: with its address" wait_until 20 eval "ip address show dev bond0 | grep -q '$LAB_SERVER/24'"
	same "$1: and a policy that it knows" 'layer3+4 1' "$(cat /sys/class/net/bond0/bonding/xmit_hash_policy)"
}

server() {
	local manager before out
	touch /etc/network/interfaces 2>/dev/null
	check 'export networkd' setup export networkd --to / "${asked[@]}"
	printf '[Match]\nName=eth2\n\n[Network]\nLinkLocalAddressing=no\n' > /etc/systemd/network/20-eth2.network
	networkd
	taken_over networkd
	check_fails 'a NIC that networkd has is refused, with its file' 1 \
		'^setup-flowpar.sh: eth2: systemd-networkd configures it by /etc/systemd/network/20-eth2.network; let it make the bond' \
		setup up --config /dev/null --bond other0 --slaves eth2 --policy layer3+4
	before=$(snapshot)
	check 'networkd: up without options takes the bond over' setup up
	same "networkd: policy $policy" "$policy" "$(cut -d' ' -f1 /sys/class/net/bond0/bonding/xmit_hash_policy)"
	check 'networkd: verify' setup verify
	kill "$manager"
	wait "$manager"
	networkd
	wait_until 30 eval "grep -q 'bond0: Gained IPv6LL\|bond0: Configured\|bond0: Link UP' <(tail -n 5 /run/networkd.log)"
	check 'networkd: started anew it leaves things as they are' wait_until 20 setup verify
	check 'networkd: down' setup down
	unchanged 'networkd: every file is back'
	kill "$manager"
	wait "$manager"
	ip link del bond0
	rm -rf /etc/systemd/network/* /etc/flowpar /run/systemd/netif

	for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" /; done
	mkdir -p /run/network /etc/network/interfaces.d
	printf 'source /etc/network/interfaces.d/*\n' > /etc/network/interfaces
	check 'export ifupdown' setup export ifupdown --to / "${asked[@]}"
	check 'ifupdown: ifup, and what post-up does' ifup --verbose bond0
	check 'ifupdown: the bond is there' wait_until 60 lag_ready bond0 2
	check 'ifupdown: with its address' eval "ip address show dev bond0 | grep -q '$LAB_SERVER/24'"
	same "ifupdown: policy $policy" "$policy" "$(cut -d' ' -f1 /sys/class/net/bond0/bonding/xmit_hash_policy)"
	check 'ifupdown: verify' setup verify
	check_fails 'an interface that ifupdown has is refused' 1 '^setup-flowpar.sh: eth2: ifupdown has brought it up; take it back' \
		bash -c 'echo eth2=eth2 >> /run/network/ifstate; exec "$@"' - "$repo/affinity/setup-flowpar.sh" up --config /dev/null --bond other0 --slaves eth2 --policy layer3+4
	sed -i '/eth2/d' /run/network/ifstate
	check 'ifupdown: ifdown takes it back' ifdown bond0
	check 'ifupdown: all of it' test ! -e /run/flowpar/config
}

case ${LAB_ROLE:-host} in
host)
	mkdir -p "$debs"
	(cd "$debs" && apt-get download ifupdown ifenslave) > "$test_out/download.log" 2>&1 ||
		skip 'ifupdown and ifenslave cannot be downloaded'
	affinity_lab --env "debs=$debs" ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
