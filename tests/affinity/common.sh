# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the affinity tests: the tool, how it is called, and the snapshot that
# tells whether the machine is as it was.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

setup() { "$setup_tool" "$@"; }

# What up is asked for where nothing else is said. A stock kernel has neither the
# policy nor nf_flowpar; the rest of the tool must serve it all the same. On Debian's
# without our modules (-plain) nobody says so, and up has to find out.
slaves=(--bond bond0 --slaves 'eth0,eth1')
service=(--address "${LAB_SERVER:-10.77.0.1}/24" --port 80 --base-port 8000)
policy=cpu-bound listen=nat
if [[ ${LAB_KERNEL:-} == *@(stock*|-plain) ]]; then
	[[ $LAB_KERNEL == *-plain ]] || { slaves+=(--policy layer3+4); service+=(--listen nft); }
	policy=layer3+4 listen=nft
fi

# affinity_lab [options]: two slaves, and a NIC that is none
affinity_lab() {
	make -s -C "$repo/ctl" || { not_ok 'flowparctl builds'; finish; }
	lab_run --cpus 2 --nics 3 --timeout 900 "$@"
}

# Every file and table that up may touch, as text. Not in it: what nobody set and
# no one can put back (counters, tokens drawn at random, times).
snapshot() {
	local nic
	grep -sH '' /proc/irq/*/smp_affinity_list /sys/class/net/*/queues/*/{rps_cpus,rps_flow_cnt,xps_cpus,xps_rxqs} \
		/sys/class/net/*/{flags,mtu,address,tx_queue_len,ifalias} /sys/class/net/bonding_masters \
		/sys/class/net/*/bonding_slave/cpus
	grep -rsH '' /proc/sys/net | grep -vE 'fastopen_key|conntrack_count|stable_secret'
	ip -d link show
	ip -d address show
	ip -d route show table all
	ip -6 -d route show table all
	ip rule show
	nft -s list ruleset
	sed 's/ .*//' /proc/modules
	for nic in /sys/class/net/eth*; do
		nic=${nic##*/}
		ethtool "$nic"
		ethtool -l "$nic"
		ethtool -k "$nic"
	done 2>&1
	ls -lR /run/flowpar 2>&1
	[[ ! -d /run/irqbalance ]] || flowparctl irqbalance
}

# unchanged TEXT: the machine is as it was when $before was taken
unchanged() {
	local now=''
	wait_until 30 unchanged_now || true	# an address comes back some moments after its link
	same "$1" "$before" "$now"
}
unchanged_now() { now=$(snapshot); [[ $now == "$before" ]]; }

# A machine on which somebody has lived: values that no default would restore.
lived_in() {
	ip link set eth0 mtu 1400
	ip link set eth1 mtu 1400
	ip link set eth0 up
	ip link set eth1 up
	ip link set eth1 down
	ip link set eth0 txqueuelen 500
	echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus
	echo 1 > "/proc/irq/$(irqs_of eth0 | tail -n 1)/smp_affinity_list"
	settled eth0
}

# adopted_bond MODE...: of all NICs, made and addressed by hand as an administrator has it
adopted_bond() {
	local nic
	ip link add bond0 type bond miimon 50 "$@"
	for nic in eth0 eth1 eth2; do
		ip link set "$nic" down
		ip link set "$nic" master bond0
	done
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	ip route add 198.51.100.0/24 via 10.77.0.200 dev bond0
	echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus
	echo 64 > /sys/class/net/eth1/queues/rx-0/rps_flow_cnt
	[[ $policy != cpu-bound ]] || echo 1 > /sys/class/net/eth2/bonding_slave/cpus
}

# settled NIC: it is up and its own link-local address is no longer tentative
settled() {
	wait_until 5 grep -q up "/sys/class/net/$1/operstate"
	wait_until 5 eval "ip -6 address show dev $1 scope link -tentative | grep -q fe80"
}

# The interrupts of a NIC, by the names that /proc/interrupts has for its device:
# another way than the tool's own.
irqs_of() {
	local device
	device=$(basename "$(realpath "/sys/class/net/$1/device")")
	awk -v nic="$1" -v device="$device" '$NF == nic || index($NF, nic "-") == 1 || index($NF, device "-") == 1 { sub(":", "", $1); print $1 }' /proc/interrupts
}

# A step is a line of the journal or a command of the tool. BASH_ENV lets a test stop the
# tool right before its n-th step without the tool knowing of it.
stop_at() {
	cat > /run/stop.env <<-END
	stop_step=0
	stop_here() {
		case \$BASH_COMMAND in
		'printf '*'>> "\$JOURNAL"'|'said=\$("\$@" 2>&1)'|'PUT_SAID=\$('*|'truncate '*) ;;
		*) return 0 ;;
		esac
		stop_step=\$((stop_step + 1))
		echo "\$stop_step" > /run/stop.count
		[[ \$stop_step != $1 ]] || $2
	}
	set -o functrace
	trap stop_here DEBUG
	END
}

stopped() {	# stopped STEP ACTION COMMAND...: runs the tool's COMMAND with it
	stop_at "$1" "$2"
	rm -f /run/stop.count
	shift 2
	BASH_ENV=/run/stop.env setup "$@"
}
