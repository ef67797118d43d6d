#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: each thing that is wrong gives one line with what it is, what was found and what to do, and changes nothing
# shellcheck disable=SC2016,SC2034,SC2119,SC2317	# PREPARE and RESTORE are evaluated
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

up=("${slaves[@]}" "${service[@]}")
two=("${up[@]}" --port '80,443' --base-port '8000,9000')
modules=/lib/modules/$(uname -r)

# refused TEXT REGEX COMMAND...: exit 1, the one line, nothing done
refused() {
	local text=$1 regex=$2 status=0
	shift 2
	"$@" > /run/out 2> /run/err < /dev/null || status=$?
	if ((status != 1)); then
		not_ok "$text" "exit $status, expected 1: $(cat /run/out /run/err)"
	elif [[ $(wc -l < /run/err) != 1 ]] || ! grep -qE "^setup-flowpar.sh: $regex" /run/err; then
		not_ok "$text" "said: $(cat /run/err)"$'\n'"expected one line: $regex"
	elif [[ -s /run/out && -z ${tries:-} ]]; then
		not_ok "$text" "did something before it refused: $(cat /run/out)"
	else
		ok "$text"
	fi
}

# wrong PREPARE RESTORE TEXT REGEX COMMAND...: refused on a machine that PREPARE
# has made wrong, with nothing changed on it
wrong() {
	local restore=$2
	eval "$1"
	before=$(snapshot)
	shift 2
	refused "$@"
	unchanged "  and nothing is changed"
	eval "$restore"
}

# remedy: the command that the refusal named
remedy() { check '  its remedy runs' bash -ec "$(sed -nE "s/.* with '([^']*)'.*/\1/p" /run/err)"; }

# A copy of the modules to damage, in the place of the real ones.
damage() {
	[[ -d /run/modules ]] || cp -r "$modules" /run/modules
	mount --bind /run/modules "$modules"
}

# The module of a kernel without the policy: its name is not in it.
strip_policy() { sed -i 's/cpu-bound/cpu-bounc/g' "$(modinfo -F filename bonding)"; }

fixed_irq() {	# fixed_irq CPU: set_irq for a NIC whose interrupt is the timer's
	bash -euc '. "$1/say.sh"; . "$1/setting.sh"; nic_irqs() { IRQS=(0); }; FIXED_IRQS=; set_irq eth0/0 "$2"' - "$repo/affinity/lib" "$1"
}

irqbalance_runs() {
	cp "$(command -v sleep)" /run/irqbalance
	/run/irqbalance 300 &
	pid=$!
	wait_until 5 grep -qx irqbalance "/proc/$pid/comm"
}

server() {
	local pid
	wrong : : 'unknown NIC' 'eth9: no such network interface; ' setup up --bond bond0 --slaves eth0,eth9
	wrong 'ip address add 192.0.2.9/24 dev eth1' 'ip address del 192.0.2.9/24 dev eth1' \
		'a slave that carries an address' "eth1: carries address 192.0.2.9/24; move it to the bond with --address, or remove it with 'ip address del 192.0.2.9/24 dev eth1'" \
		setup up "${up[@]}"
	wrong 'ip link set eth1 up; settled eth1; ip route add 198.51.100.0/24 dev eth1' 'ip link set eth1 down' \
		'a slave that a route needs' 'eth1: a route to 198.51.100.0/24 leads through it; remove' setup up "${up[@]}"
	wrong 'ip link add link eth1 name eth1.5 type vlan id 5' 'ip link del eth1.5' \
		'a slave that carries a VLAN' 'eth1: eth1.5 is built on it; remove' setup up "${up[@]}"
	wrong 'modprobe bonding max_bonds=0; ip link add other type bond; ip link set eth1 master other' 'ip link del other; rmmod bonding' \
		'a NIC of another bond' 'eth1: already in bond other; give --adopt --bond other to take that over as it is, or take eth1 out with' setup up "${up[@]}"
	wrong 'ip link add br0 type bridge; ip link set eth1 master br0' 'ip link del br0' \
		'a port of a bridge' 'eth1: already a port of br0; take it out with' setup up "${up[@]}"
	wrong 'ip link add soft0 type dummy' 'ip link del soft0' \
		'a NIC without interrupts' 'soft0: no interrupt found for it; ' setup up --bond bond0 --slaves eth0,soft0
	wrong 'ip link set eth1 mtu 1400' 'ip link set eth1 mtu 1500' \
		'slaves of two MTUs' "eth1: MTU 1400, but eth0 has 1500; give all slaves one MTU" setup up "${up[@]}"
	wrong : : 'a CPU out of range' '--cpus: CPU 7 is not there, 0-1 are online; choose' setup up "${up[@]}" --cpus 0,7
	wrong 'echo 0 > /sys/devices/system/cpu/cpu1/online' 'echo 1 > /sys/devices/system/cpu/cpu1/online' \
		'a CPU that is offline' '--cpus: CPU 1 is not there, 0 are online; choose' setup up "${up[@]}" --cpus 0-1
	wrong : : 'more CPUs than NICs without multi-queue' '--cpus: 2 CPUs for 1 NICs, but eth0 has 1 combined queue' \
		setup up --bond bond0 --slaves eth0 --cpus 0-1
	wrong 'ip link add bond0 type dummy' 'ip link del bond0' \
		'a bond name in use' "bond0: already exists, and is no bond; give another name with --bond" setup up "${up[@]}"
	wrong 'modprobe bonding max_bonds=0; ip link add bond0 type bond' 'ip link del bond0; rmmod bonding' \
		'a bond in use' "bond0: already exists; take it over with --adopt, remove it with 'ip link del bond0'" setup up "${up[@]}"
	wrong 'ip address add 2001:db8::9/64 dev eth1 nodad' 'ip address del 2001:db8::9/64 dev eth1' \
		'a slave that carries an address of IPv6' "eth1: carries address 2001:db8::9/64; move it to the bond with --address, or remove it with 'ip address del 2001:db8::9/64 dev eth1'" \
		setup up "${up[@]}"
	wrong 'ip address add 10.77.0.1/25 dev eth2' remedy \
		'an address that another interface has' '--address 10.77.0.1/24: eth2 has it already; remove' setup up "${up[@]}"
	wrong 'ip address add 2001:db8::1/64 dev eth2 nodad' remedy \
		'... of IPv6' '--address 2001:db8:0::1/48: eth2 has it already; remove' setup up "${up[@]}" --address 10.77.0.1/24,2001:db8:0::1/48
	wrong 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1' 'sysctl -qw net.ipv6.conf.default.disable_ipv6=0' \
		'IPv6 is off' "--address fd77::1/64: IPv6 is switched off; switch it on with 'echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6', or" setup up "${up[@]}" --address fd77::1/64
	wrong 'ip link set eth1 up; settled eth1; ip route add default via 192.0.2.254 dev eth1 onlink' 'remedy; ip link set eth1 down' \
		'a slave that has the default route' "eth1: the default route leads through it; move it to the bond with --gateway and remove it here with 'ip -4 route del default via 192.0.2.254 dev eth1'" setup up "${up[@]}"
	wrong 'ip link set eth2 up; settled eth2; ip route add default via 192.0.2.254 dev eth2 onlink' 'remedy; ip link set eth2 down' \
		'a default route that is in the way' "--gateway 10.77.0.200: there is a default route already; remove it with 'ip -4 route del default via 192.0.2.254 dev eth2'" setup up "${up[@]}" --gateway 10.77.0.200
	wrong 'ip link set eth2 up; settled eth2; ip -6 route add default via fe80::1 dev eth2 metric 512' 'remedy; ip link set eth2 down' \
		'... of IPv6' "--gateway fd77::c0: there is a default route already; remove it with 'ip -6 route del default via fe80::1 dev eth2 metric 512'" \
		setup up "${up[@]}" --address fd77::1/64 --gateway fd77::c0
	wrong 'ip link set eth1 up; settled eth1; ip route add default dev eth1 table 100' \
		'remedy; ip link set eth1 down' \
		'... of another table, on a slave' "eth1: the default route leads through it; .* 'ip -4 route del default dev eth1 table 100'" setup up "${up[@]}"
	wrong 'ip link set eth2 up; settled eth2; ip -6 route add blackhole default metric 512' 'remedy; ip link set eth2 down' \
		'... none at all' "--gateway fd77::c0: there is a default route already; remove it with 'ip -6 route del blackhole default dev lo metric 512'" \
		setup up "${up[@]}" --address fd77::1/64 --gateway fd77::c0
	ip link set eth2 up; settled eth2
	ip route add default metric 100 nexthop via 192.0.2.254 dev eth2 onlink nexthop via 192.0.2.253 dev eth2 onlink
	check 'one of two ways and another metric is not' setup up "${up[@]}" --gateway 10.77.0.200 --dry-run
	ip route del default metric 100
	ip route add default via 192.0.2.254 dev eth2 onlink metric 100
	check 'one of another metric is not' setup up "${up[@]}" --gateway 10.77.0.200 --dry-run
	ip link set eth2 down
	wrong 'busybox httpd -f -p 80 & pid=$!; wait_until 5 grep -q ":0050 .* 0A " /proc/net/tcp6' 'kill $pid; wait $pid' \
		'a public port in use' 'port 80: (busybox|httpd) \(pid [0-9]+\) listens on it already; stop that' setup up "${up[@]}"
	wrong 'busybox httpd -f -p 8008 & pid=$!; wait_until 5 grep -q ":1F48 .* 0A " /proc/net/tcp6' 'kill $pid; wait $pid' \
		'one of the per-core ports in use' 'per-core port 8008: (busybox|httpd) \(pid [0-9]+\) listens on it already, and not on CPU 1 only; stop that, or choose another --base-port' setup up "${up[@]}"
	taskset -c 1 busybox httpd -f -p 8008 & pid=$!; wait_until 5 grep -q ":1F48 .* 0A " /proc/net/tcp6
	check 'an instance on its core that was started first is no reason to refuse' setup up "${up[@]}" --dry-run
	taskset -pc 0 "$pid" > /dev/null
	check_fails '... on another core it is' 1 '^setup-flowpar.sh: per-core port 8008: .* and not on CPU 1 only' setup up "${up[@]}" --dry-run
	kill "$pid"; wait "$pid" 2> /dev/null
	wrong 'busybox httpd -f -p 443 & pid=$!; wait_until 5 grep -q ":01BB .* 0A " /proc/net/tcp6' 'kill $pid; wait $pid' \
		'the second public port in use' 'port 443: (busybox|httpd) \(pid [0-9]+\) listens on it already; stop that, its instances listen on the per-core ports from 9000' setup up "${two[@]}"
	wrong 'busybox httpd -f -p 9008 & pid=$!; wait_until 5 grep -q ":2330 .* 0A " /proc/net/tcp6' 'kill $pid; wait $pid' \
		"one of the second service's per-core ports in use" 'per-core port 9008: (busybox|httpd) \(pid [0-9]+\) listens on it already, and not on CPU 1 only; stop that, or choose another --base-port' setup up "${two[@]}"
	wrong : : "... that local connections may get" '--base-port 40000: per-core port 40000 is in ip_local_port_range .*=8000,8008,40000,40008' \
		setup up "${slaves[@]}" --port 80,443 --base-port 8000,40000
	wrong "nft 'table inet filter { chain input { type filter hook input priority filter; policy drop; ct state established accept; tcp dport { 80, 443, 8000, 8008 } accept; }; }'" 'nft delete table inet filter' \
		'a firewall that drops the second service' "firewall: chain inet filter input would drop the per-core ports; let them in with: .*\{ 8000, 8008, 9000, 9008 \}" setup up "${two[@]}"
	wrong : : 'a per-core port that local connections may get' '--base-port 40000: per-core port 40000 is in ip_local_port_range' \
		setup up "${slaves[@]}" --port 80 --base-port 40000
	wrong "nft 'table inet flowpar { }'" 'nft delete table inet flowpar' \
		'--listen nft with its table there' "table inet flowpar: already exists; remove it with 'nft delete table inet flowpar'" \
		setup up "${up[@]}" --listen nft
	wrong 'mv /usr/sbin/ethtool /run/ethtool' 'mv /run/ethtool /usr/sbin/ethtool' \
		'ethtool missing' 'ethtool: not found in PATH; apt-get install ethtool' setup up "${up[@]}"
	wrong : : 'a user who is not root' 'up: changes the machine, and user nobody may not; run it as root, or with --dry-run' \
		as_nobody "$setup_tool" up "${up[@]}"
	wrong 'damage; rm "$modules"/modules.*; touch "$modules/modules.builtin"' 'umount "$modules"; rm -r /run/modules' \
		'bonding missing' 'bonding: no such module for kernel .*; install' setup up "${up[@]}"

	if [[ $listen == nat ]]; then
		wrong 'damage; find "$modules" -name "nf_flowpar.ko" -delete; depmod' 'umount "$modules"; rm -r /run/modules' \
			'nf_flowpar missing' 'nf_flowpar: no such module for kernel .*; apt-get install flowpar-dkms, .*, or give --listen nft' setup up "${up[@]}" --listen nat
		damage; find "$modules" -name "nf_flowpar.ko" -delete; depmod
		setup up "${up[@]}" --dry-run > /run/out 2> /run/err; same 'nobody asked for it: up goes on' 0 $?
		check '... with nft' grep -q "^\[#\] nft 'table inet flowpar {" /run/out
		check '... and one warning' grep -qx 'setup-flowpar.sh: nf_flowpar: no such module for kernel .*; port 80 is served by --listen nft instead, .*' /run/err
		umount "$modules"; rm -r /run/modules
		wrong : : 'a public port that local connections may get' '--port 40000: is in ip_local_port_range .*; reserve it with .sysctl' \
			setup up "${slaves[@]}" --port 40000 --base-port 8000
		wrong 'modprobe nf_flowpar; flowparctl service add --port 443 --base-port 8004 --cpus 0-1' 'flowparctl service del --port 443; rmmod nf_flowpar' \
			'per-core ports of another service' '--base-port 8000: per-core ports 8000-8008 overlap 8004-8012 of service \*:443; choose' setup up "${up[@]}"
		wrong 'modprobe nf_flowpar; flowparctl service add --port 8004 --base-port 9000 --cpus 0-1' 'flowparctl service del --port 8004; rmmod nf_flowpar' \
			'public port of another service' '--base-port 8000: port 8004 of service \*:8004 lies among' setup up "${up[@]}"
		wrong 'modprobe nf_flowpar; flowparctl service add --port 444 --base-port 9004 --cpus 0-1' 'flowparctl service del --port 444; rmmod nf_flowpar' \
			"... among the second service's" '--base-port 9000: per-core ports 9000-9008 overlap 9004-9012 of service \*:444; choose' setup up "${two[@]}"
		wrong 'modprobe nf_flowpar; flowparctl service add --port 443 --base-port 9000 --cpus 0-1' 'flowparctl service del --port 443; rmmod nf_flowpar' \
			'the second port is served, added by hand' "port 443: nf_flowpar serves it already; remove that with 'flowparctl service del --port 443'" setup up "${two[@]}"
		wrong 'modprobe nf_flowpar; flowparctl service add --port 6379 --base-port 9000 --cpus 0' 'flowparctl service del --port 6379; rmmod nf_flowpar' \
			'... over IPv4, whose port begins with 6' "port 6379: nf_flowpar serves it already; remove that with 'flowparctl service del --port 6379'" \
			setup up "${slaves[@]}" --port 6379 --base-port 8000
		modprobe nf_flowpar; flowparctl service add --family inet6 --port 80 --base-port 8000 --cpus 0-1
		check 'the same over IPv6 as up would add is no reason to refuse' setup up "${up[@]}" --dry-run
		flowparctl service del --family inet6 --port 80; rmmod nf_flowpar
		wrong 'modprobe nf_flowpar; flowparctl service add --family inet6 --port 80 --base-port 9000 --cpus 0' 'flowparctl service del --family inet6 --port 80; rmmod nf_flowpar' \
			'the port served over IPv6' "port 80: nf_flowpar serves it already; remove that with 'flowparctl service del --family inet6 --port 80'" setup up "${up[@]}"
		wrong 'damage; strip_policy' 'umount "$modules"' \
			'a bonding module without the policy that was asked for' 'bonding: this module for kernel .* knows no policy cpu-bound; apt-get install flowpar-dkms, or boot the patched kernel, or give --policy layer3\+4' setup up "${up[@]}" --policy cpu-bound
		damage; strip_policy
		setup up "${up[@]}" --dry-run > /run/out 2> /run/err; same 'nobody asked for the policy: up goes on' 0 $?
		check '... with layer3+4' grep -qxF '[#] echo layer3+4 > /sys/class/net/bond0/bonding/xmit_hash_policy' /run/out
		check '... and one warning' grep -qxE 'setup-flowpar.sh: bonding: this module for kernel .* knows no policy cpu-bound; the bond gets layer3\+4, .*; for cpu-bound apt-get install flowpar-dkms, or boot the patched kernel' /run/err
		same '... and no list for the slaves' 0 "$(grep -c bonding_slave/cpus /run/out)"
		setup up "${up[@]}" --policy cpu-bound --boot --dry-run > /run/boot.out 2> /run/boot.err; same 'asked for, but at boot: up goes on' 0 $?
		same '... as if nobody had' "$(cat /run/out /run/err)" "$(cat /run/boot.out /run/boot.err)"
		umount "$modules"
		# The same module loaded already, and the right one on disk: only trying tells.
		damage; insmod "$(modinfo -F filename bonding)" max_bonds=0; umount "$modules"
		tries=yes wrong : 'rmmod bonding' \
			'a loaded bonding without the policy' 'bond0: the loaded bonding module refuses policy cpu-bound .*; get the one on disk, which knows it, .*or reboot' setup up "${up[@]}"
		wrong 'modprobe nf_flowpar; flowparctl service add --port 80 --base-port 9000 --cpus 0' 'flowparctl service del --port 80' \
			'a port that nf_flowpar serves' "port 80: nf_flowpar serves it already; remove" setup up "${up[@]}"
	fi

	before=$(snapshot)
	refused 'verify with nothing set up' '/run/flowpar: nothing is set up; run' setup verify
	refused 'status with nothing set up' '/run/flowpar: nothing is set up; run' setup status
	unchanged 'neither changes anything'

	# The timer's interrupt is one that the kernel does not let move.
	check_fails 'an interrupt that cannot move, on the right CPU: said, and lived with' 0 \
		'irq 0 \(eth0\): the kernel refuses to set it with "[^"]+" \(a managed interrupt: .*\), but it is on CPU 0 as wanted' fixed_irq 0
	check_fails 'on a wrong CPU: an error' 1 \
		'irq 0 \(eth0\): the kernel refuses CPU 1 with "[^"]+" \(a managed interrupt: .*\), it stays on CPU 0; deal this NIC' fixed_irq 1

	irqbalance_runs
	check 'a running irqbalance is told of, with the remedy' \
		grep -qE 'irqbalance: running \(pid [0-9]+\), .*; put IRQBALANCE_ARGS="--banirq=[0-9]+ .*" into /etc/default/irqbalance and restart it' \
		<(setup up "${up[@]}" --dry-run 2>&1)
	kill "$pid"
}

case ${LAB_ROLE:-host} in
host)	affinity_lab ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
