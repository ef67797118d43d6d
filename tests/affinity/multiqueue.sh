#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: each queue of a NIC with several goes to a CPU of its own; what ethtool -L forgets comes back with down
#
# Rule: where that interrupts links, the bond is never without all of its slaves
#
#   eth0, eth1 (vmxnet3, four queues each) > bond0      veth: queues that can be changed
# shellcheck disable=SC2034,SC2119,SC2317
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

# Which of two open NICs has its routes first is nobody's setting.
eval "whole_$(declare -f snapshot)"
snapshot() { whole_snapshot | sort; }

# placed NIC CPU...: the q-th queue's interrupt and transmit map are on the q-th of them
placed() {
	local nic=$1 q irq mask
	shift
	local cpus=("$@")
	for ((q = 0; q < 4; q++)); do
		irq=$(awk -v name="$nic-rxtx-$q" '$NF == name { sub(":", "", $1); print $1 }' /proc/interrupts)
		[[ $irq ]] || { echo "$nic: no interrupt of queue $q"; return 1; }
		grep -qx "${cpus[q % $#]}" "/proc/irq/$irq/smp_affinity_list" ||
			{ echo "$nic queue $q: irq $irq on $(< "/proc/irq/$irq/smp_affinity_list")"; return 1; }
		printf -v mask %x $((1 << cpus[q % $#]))
		grep -qx "0*$mask" "/sys/class/net/$nic/queues/tx-$q/xps_cpus" ||
			{ echo "$nic tx-$q: xps $(< "/sys/class/net/$nic/queues/tx-$q/xps_cpus")"; return 1; }
	done
}

server() {
	local out status
	lived_in
	same 'the NIC has four queues' 4 "$(find /sys/class/net/eth0/queues/ -name 'rx-*' | wc -l)"
	echo 8 > /sys/class/net/eth1/queues/rx-2/rps_cpus
	echo 16 > /sys/class/net/eth1/queues/rx-3/rps_flow_cnt
	before=$(snapshot)

	out=$(setup up "${slaves[@]}" --cpus 0-3 2>&1); status=$?
	same 'two NICs, four CPUs' 0 "$status"
	check 'a driver that keeps its queues is told of' grep -q '^setup-flowpar.sh: eth0: its driver does not let its 4 queues be made 2; ' <<< "$out"
	check 'eth0: queues on CPU 0 and 2 in turn' placed eth0 0 2
	check 'eth1: on 1 and 3' placed eth1 1 3
	[[ $policy != cpu-bound ]] ||
		same 'the lists say so' '0,2 1,3' "$(cat /sys/class/net/eth{0,1}/bonding_slave/cpus | paste -sd' ')"
	check 'verify finds nothing' setup verify
	check 'down' setup down
	unchanged 'every file is back'

	check 'one NIC, CPUs by default' setup up --bond bond0 --slaves eth0 "${slaves[@]:4}"
	check 'gets all four, a queue each' placed eth0 0 1 2 3
	setup down > /dev/null
	unchanged 'every file is back'

	veth
	adopted
}

# A driver that takes its link down for a new number of queues, as many of real NICs' do.
adopted() {
	local out status pid
	mkdir -p /run/bin
	cat > /run/bin/ethtool <<-'END'
	#!/bin/sh
	case $1 in
	-l) printf 'Pre-set maximums:\nCombined: 4\nCurrent hardware settings:\nCombined: %s\n' "$(cat "/run/channels.$2" 2> /dev/null || echo 4)" ;;
	-L) echo "$4" > "/run/channels.$2"; ip link set "$2" down; sleep 0.5; ip link set "$2" up ;;
	*) PATH=${PATH#*:} exec ethtool "$@" ;;
	esac
	END
	chmod +x /run/bin/ethtool
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	for nic in eth0 eth1; do
		ip link set "$nic" down
		ip link set "$nic" master bond0
	done
	ip link set bond0 up
	check 'a bond of two that is to be taken over is up' wait_until 60 lag_ready bond0 2
	carrying > /run/carrying &
	pid=$!
	out=$(PATH=/run/bin:$PATH setup up --adopt --bond bond0 --cpus 0-3 "${slaves[@]:4}" 2>&1); status=$?
	same 'up makes the queues of both as many as they have CPUs' '0 2' "$status $(grep -c '^\[#\] ethtool -L eth[01] combined 2$' <<< "$out")"
	same '... when it ends both carry' 2 "$(tail -n 1 /run/carrying)"
	same '... one was out, and never both' '1 2' "$(sort -u /run/carrying | paste -sd' ')"
	check 'the bond is whole' wait_until 60 lag_ready bond0 2
	echo 2 > /run/carrying
	out=$(PATH=/run/bin:$PATH setup down 2>&1); status=$?
	same 'down gives them back' '0 2' "$status $(grep -c '^\[#\] ethtool -L eth[01] combined 4$' <<< "$out")"
	same '... one was out, and never both' '1 2' "$(tr -d '\0' < /run/carrying | sort -u | paste -sd' ')"
	kill "$pid"
}

carrying() {	# how many slaves send and receive, again and again
	local nic n state carrier
	while :; do
		n=0
		for nic in eth0 eth1; do
			read -r state < "/sys/class/net/$nic/bonding_slave/ad_actor_oper_port_state"
			{ read -r carrier < "/sys/class/net/$nic/carrier"; } 2> /dev/null || carrier=0
			n=$((n + (carrier && (state & 0x30) == 0x30)))
		done
		echo "$n"
		sleep 0.05
	done
}

# veth lets its queues be changed, and the kernel forgets what was set for those that go.
veth() {
	local q
	ip link add veth0 numtxqueues 4 numrxqueues 4 type veth peer name veth1 numtxqueues 4 numrxqueues 4
	ethtool -L veth0 rx 4 tx 4
	for q in 0 1 2 3; do
		echo $((32 << q)) > "/sys/class/net/veth0/queues/rx-$q/rps_flow_cnt"
		echo $((1 << q)) > "/sys/class/net/veth0/queues/tx-$q/xps_rxqs"
	done
	before=$(grep -sH '' /sys/class/net/veth0/queues/*/{rps_flow_cnt,xps_rxqs,rps_cpus,xps_cpus})
	# As up and down do it, with the command that veth has in place of "combined".
	HERE=$repo/affinity bash -euo pipefail -c '
		for part in say list journal setting; do . "$HERE/lib/$part.sh"; done
		MODE=apply STATE=/run/mq JOURNAL=/run/mq/journal CONFIG=/run/mq/config
		declare -A NIC_CPUS=([veth0]="0 1"); ADOPT=yes POLICY=layer2
		get_channels() { REPLY=$(ethtool -l "$1" | awk "/^Current/ { on = 1 } on && /^RX:/ { print \$2 }"); }
		set_channels() { run ethtool -L "$1" rx "$2" tx "$2"; }
		eval "$(sed -n "/^keep_nic() {/,/^}/p" "$HERE/setup-flowpar.sh")"
		mkdir -p "$STATE"
		keep_nic veth0
		want channels veth0 2
		undo_all
	' > /run/mq.log 2>&1
	same 'flow tables and transmit maps of queues that went and came are back' "$before" \
		"$(grep -sH '' /sys/class/net/veth0/queues/*/{rps_flow_cnt,xps_rxqs,rps_cpus,xps_cpus})"
	check 'after they had gone' grep -qx '\[#\] ethtool -L veth0 rx 2 tx 2' /run/mq.log

	# The events of that, as watch gets them.
	flowparctl watch --links veth0 > /run/events &
	pid=$!
	wait_until 20 grep -qx start /run/events
	ethtool -L veth0 rx 2 tx 2
	check 'flowparctl watch tells of changed channels' wait_until 20 grep -q 'channels veth0' /run/events
	check '... and of queues' grep -q 'queues veth0' /run/events
	ethtool -L veth1 rx 2 tx 2
	ip link set veth1 mtu 1400
	ip link set veth0 mtu 1400
	check '... of a link' wait_until 20 grep -q 'link veth0' /run/events
	same '... of none that was not asked for' 0 "$(grep -c veth1 /run/events)"
	kill "$pid"
}

case ${LAB_ROLE:-host} in
host)	affinity_lab --nic vmxnet3 --cpus 4 ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
