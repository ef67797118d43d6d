#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a dead link, and with --boot a NIC that is not there or a service that would be refused, does not keep the rest from serving; verify names it, watch and up complete it
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1 > bond0
# shellcheck disable=SC2034,SC2119,SC2317
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

up=("${slaves[@]}" "${service[@]}" --lacp-timeout 20)
# Asking flowparctl loads the module.
service_there() { if [[ $listen == nat ]]; then grep -q ^nf_flowpar /proc/modules && flowparctl service list | grep -q ':80 '; else nft list table inet flowpar > /dev/null 2>&1; fi; }

# ups TEXT WARNINGS ARGUMENT...: up with these succeeds, saying that and nothing else
ups() {
	local text=$1 want=$2 status=0
	shift 2
	setup up "$@" > /run/out 2> /run/err || status=$?
	same "$text: up succeeds" 0 "$status"
	same '... and says why it is not all' "$want" "$(sed -E 's/\(pid [0-9]+\)/(pid N)/' /run/err)"
}

driver() {	# driver unbind|bind: of eth1
	echo "$device" > "/sys/bus/virtio/drivers/virtio_net/$1"
}

start_watch() {
	"$setup_tool" watch > /run/watch.log 2>&1 &
	watcher=$!
	check '... watch begins' wait_until 20 grep -q 'bond0: watched, with' /run/watch.log
}

dead_link() {
	before=$(snapshot)
	lab-link 1 down
	ups 'a dead link' 'setup-flowpar.sh: eth1: no carrier after 20 s; check its cable and the switch port' "${up[@]}"
	same '... verify names it' 'setup-flowpar.sh: eth1: no carrier; check its cable and the switch port' "$(setup verify 2>&1)"
	check '... the service is there' service_there
	lab-post dead
	lab-wait reached
	lab-link 1 up
	check '... once it is mended verify is clean' wait_until 60 setup verify
	check '... down' setup down
	unchanged '... every file is back'
	lab-link 0 down
	lab-link 1 down
	setup up "${slaves[@]}" "${service[@]}" --lacp-timeout 1 > /run/out 2> /run/err
	same 'none that lives: up fails' 1 $?
	same '... with a line for each' $'setup-flowpar.sh: eth0: no carrier after 1 s; check its cable and the switch port\nsetup-flowpar.sh: eth1: no carrier after 1 s; check its cable and the switch port' "$(cat /run/err)"
	check '... and rolls back' test ! -e /run/flowpar -a ! -e /sys/class/net/bond0
	lab-link 0 up
	lab-link 1 up
}

absent_nic() {
	device=$(basename "$(realpath /sys/class/net/eth1/device)")
	driver unbind
	wait_until 10 test ! -e /sys/class/net/eth1
	check_fails 'a NIC that is not there is a typo' 1 '^setup-flowpar.sh: eth1: no such network interface; see ip link$' setup up "${up[@]}"
	ups '... with --boot it is not' 'setup-flowpar.sh: eth1: not there, left out; once it is, setup-flowpar.sh watch takes it in, or up' "${up[@]}" --boot
	check_fails '... verify names it' 1 '^setup-flowpar.sh: eth1: gone: ' setup verify
	same '... in one line' 1 "$(setup verify | wc -l)"
	ups '... by hand what is set up is gone over without it' 'setup-flowpar.sh: eth1: not there, left out; once it is, setup-flowpar.sh watch takes it in, or up'
	start_watch
	driver bind
	wait_until 10 test -e /sys/class/net/eth1
	ethtool -s eth1 speed 1000 duplex full	# which virtio does not say
	check '... and takes it in: verify ends clean' wait_until 60 setup verify
	check '... its interrupts are on CPU 1' grep -qx 1 "/proc/irq/$(irqs_of eth1 | tail -n 1)/smp_affinity_list"
	check '... down' setup down
	check '... leaves none in a bond' test ! -e /sys/class/net/eth1/master
	kill "$watcher"
	wait "$watcher" 2>/dev/null
	ip link set eth1 mtu 1400	# as lived_in had it
	(up=("${up[@]/eth0,eth1/eth7,eth8}"); check_fails 'none of them is there: --boot fails too' 1 '^setup-flowpar.sh: eth7 eth8: none of them is there; ' \
		setup up "${up[@]}" --boot --dry-run)
}

# ip, as it is on a NIC that cannot be opened
broken_nic() {
	mkdir -p /run/bin
	printf '#!/bin/sh\n[ "$*" != "link set eth1 master bond0" ] || { echo "RTNETLINK answers: Input/output error" >&2; exit 2; }\nexec %s "$@"\n' "$(command -v ip)" > /run/bin/ip
	chmod +x /run/bin/ip
	PATH=/run/bin:$PATH ups 'a NIC that cannot be opened, --boot' \
		'setup-flowpar.sh: ip link set eth1 master bond0: failed with "RTNETLINK answers: Input/output error"; mend what that names and run this again
setup-flowpar.sh: eth1: left out, see above; mend that and run setup-flowpar.sh up' "${up[@]}" --boot
	rm /run/bin/ip
	check_fails '... verify names it' 1 '^setup-flowpar.sh: master eth1: set to bond0, found none' setup verify
	check '... once it can be, up takes it in' setup up
	check '... verify is clean' setup verify
	setup down > /dev/null
}

# Another machine has the bond's address of IPv6, and another way the default route.
no_address() {
	lab-post duplicate
	lab-wait duplicated
	sysctl -qw net.ipv6.conf.{all,default}.accept_dad=1	# as it is outside of the lab
	ip link set eth2 up
	settled eth2
	ip route add default via 192.0.2.254 dev eth2 onlink
	ups 'an address and a route that cannot be, --boot' \
		'setup-flowpar.sh: address fd77::1/64: another machine on this link has it; take it from that, or choose another
setup-flowpar.sh: address fd77::1/64: left out, see above; mend that and run setup-flowpar.sh up
setup-flowpar.sh: --gateway 10.77.0.200: there is a default route already; remove it with '\''ip -4 route del default via 192.0.2.254 dev eth2'\'', give it a metric where it is configured, or leave this out
setup-flowpar.sh: gateway 10.77.0.200: left out, see above; mend that and run setup-flowpar.sh up' \
		"${up[@]}" --address "$LAB_SERVER/24,fd77::1/64" --gateway 10.77.0.200 --boot
	check '... the bond has its other address' grep -q " $LAB_SERVER/24 " <(ip -o address show dev bond0)
	check '... and the service is there' service_there
	check_fails '... verify names the route' 1 '^setup-flowpar.sh: gateway bond0 10.77.0.200: set to present, found absent: .*; mend it with: ip route add default via 10.77.0.200 dev bond0' setup verify
	check_fails '... and the address' 1 '^setup-flowpar.sh: address bond0 fd77::1/64: set to present, found duplicate: another machine on this link has it; mend' setup verify
	check_fails '... up names what is in the way' 1 "^setup-flowpar.sh: --gateway 10.77.0.200: there is a default route already; remove it with 'ip -4 route del default via 192.0.2.254 dev eth2'" setup up
	ip route del default via 192.0.2.254 dev eth2
	check_fails '... and that the address is taken' 1 '^setup-flowpar.sh: address fd77::1/64: another machine on this link has it' setup up
	lab-post unique
	lab-wait unique-now
	check '... once both are mended up completes it' setup up
	same '... and waits until the address can be bound' fd77::1/64 "$(ip -o address show dev bond0 to fd77::1 -tentative | awk '{ print $4 }')"
	check '... verify is clean' setup verify
	setup down > /dev/null
	sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	ups 'without IPv6, --boot' \
		"setup-flowpar.sh: --address fd77::1/64: IPv6 is switched off; switch it on with 'echo 0 > /proc/sys/net/ipv6/conf/bond0/disable_ipv6', or leave it out
setup-flowpar.sh: address fd77::1/64: left out, see above; mend that and run setup-flowpar.sh up" \
		"${up[@]}" --address "$LAB_SERVER/24,fd77::1/64" --boot
	check '... the bond has its other address' grep -q " $LAB_SERVER/24 " <(ip -o address show dev bond0)
	setup down > /dev/null
	sysctl -qw net.ipv6.conf.default.disable_ipv6=0
	ip link set eth2 down
	sysctl -qw net.ipv6.conf.{all,default}.accept_dad=0
}

no_service() {
	local pid said
	busybox httpd -f -p 80 &
	pid=$!
	wait_until 5 grep -q ":0050 .* 0A " /proc/net/tcp6
	said='port 80: busybox (pid N) listens on it already; stop that, its instances listen on the per-core ports from 8000'
	ups 'another server on the port, --boot' \
		"setup-flowpar.sh: $said"$'\n''setup-flowpar.sh: port 80: left out, see above; mend that and run setup-flowpar.sh up' "${up[@]}" --boot
	check '... the bond has its address' grep -q " $LAB_SERVER/24 " <(ip -o address show dev bond0)
	check '... and a cpu for each NIC' grep -qx 1 "/proc/irq/$(irqs_of eth1 | tail -n 1)/smp_affinity_list"
	check '... so does status' grep -q '^port 80: left out by up --boot, which found "port 80: busybox' <(setup status)
	check '... and loads nothing' bash -c '! grep -q ^nf_flowpar /proc/modules'
	start_watch
	ip link set eth1 down; ip link set eth1 up
	wait_until 60 eval '[[ $(setup verify | wc -l) == 1 ]]'
	same '... verify says what is missing, and no more' "setup-flowpar.sh: port 80: left out by up --boot, which found \"$said\"; mend that and run setup-flowpar.sh up" \
		"$(setup verify | sed -E 's/\(pid [0-9]+\)/(pid N)/')"
	check_fails '... watch does not set it up' 1 '' service_there
	check_fails '... nor does up while that is so' 1 '^setup-flowpar.sh: port 80: ' setup up
	check '... which leaves the bond' test -d /sys/class/net/bond0/bonding
	kill "$pid"
	wait "$pid" 2>/dev/null
	check '... then up completes it' setup up
	check '... the service is there' service_there
	check '... verify is clean' wait_until 20 setup verify
	check '... down' setup down

	[[ $listen == nat ]] || return 0
	printf '#!/bin/sh\n[ "$1 $2" != "service add" ] || { echo "flowparctl: port 80: refused" >&2; exit 1; }\nexec %s "$@"\n' "$(command -v flowparctl)" > /run/bin/flowparctl
	chmod +x /run/bin/flowparctl
	FLOWPARCTL=/run/bin/flowparctl ups 'a service that fails last, --boot' "setup-flowpar.sh: /run/bin/flowparctl service add --port 80 --base-port 8000 --stride 8 --per-core 1 --cpus 0-1: failed with \"flowparctl: port 80: refused\"; mend what that names and run this again
setup-flowpar.sh: port 80: left out, see above; mend that and run setup-flowpar.sh up" "${up[@]}" --boot
	check_fails '... verify says so' 1 '^setup-flowpar.sh: port 80: left out by up --boot, which found "[^"]*/flowparctl service add ' setup verify
	same '... once' 1 "$(setup verify | grep -c 'left out')"
	check '... then up completes it' setup up
	check '... verify is clean' setup verify
	setup down > /dev/null
	check '... down takes out its module' bash -c '! grep -q ^nf_flowpar /proc/modules'
}

adopted() {
	adopted_bond mode 802.3ad lacp_rate fast
	ip link set eth1 nomaster
	ip link set eth2 nomaster
	wait_until 60 lag_ready bond0 1
	ups 'a slave that is not in the bond that is taken over, --boot' \
		'setup-flowpar.sh: eth1: not in bond0, left out; once it is, setup-flowpar.sh watch takes it in, or up' \
		--adopt --bond bond0 --slaves eth0,eth1 "${slaves[@]:4}" --boot
	check_fails '... verify names it' 1 '^setup-flowpar.sh: eth1: no slave of bond0 any more' setup verify
	ip link set eth1 down; ip link set eth1 master bond0
	check '... once it is, watch takes it in' wait_until 60 setup verify
	ip link set eth2 down; ip link set eth2 master bond0
	check 'a slave that up knows nothing of: watch says so' \
		wait_until 20 grep -aq '^setup-flowpar.sh: eth2: a slave of bond0 that up did not set; ' /run/watch.log
	check_fails '... and verify' 1 "^setup-flowpar.sh: eth2: a slave of bond0 that up did not set; run setup-flowpar.sh down, then up with it, or take it out with 'ip link set eth2 nomaster'\$" setup verify
	check '... watch says so once' eval '[[ $(grep -ac "^setup-flowpar.sh: eth2: a slave" /run/watch.log) == 1 ]]'
	setup down > /dev/null
	check 'a slave that is not to be ours' setup up --adopt --bond bond0 --slaves eth0,eth1 "${slaves[@]:4}"
	wait_until 60 lag_ready bond0 3
	check '... is none of verify'"'"'s business' setup verify
	setup down > /dev/null
}

server() {
	local device watcher
	lived_in
	dead_link
	absent_nic
	broken_nic
	no_address
	no_service
	adopted
	kill "$watcher"
}

client() {
	lab-wait dead
	check 'with a dead link the server can be reached' wait_until 60 lab-client 0 ping -c 1 -W 1 "$LAB_SERVER"
	lab-post reached
	lab-wait duplicate
	lab-client 0 ip address add fd77::1/64 dev eth0 nodad
	lab-post duplicated
	lab-wait unique
	lab-client 0 ip address del fd77::1/64 dev eth0
	lab-post unique-now
	lab-wait server-exit
}

case ${LAB_ROLE:-host} in
host)	affinity_lab ;;
server)	lab-ready; server ;;
client)	client ;;
esac
finish
