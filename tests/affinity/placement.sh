#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: CPUs go to NICs of their own node first, one thread a core, none that is isolated or outside the services' cpuset
# Suite: unit
# shellcheck disable=SC2034,SC2317	# what is sourced uses and calls them
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

for part in say list setting placement; do
	# shellcheck source=/dev/null
	. "$repo/affinity/lib/$part.sh"
done

# machine CPU:NODE:SIBLINGS...: a tree of that many CPUs, all online
machine() {
	local cpu node siblings
	SYS=$(mktemp -d "$test_out/sys.XXXXXX")
	mkdir -p "$SYS/devices/system/cpu" "$SYS/class/net" "$SYS/fs/cgroup/system.slice"
	for cpu; do
		IFS=: read -r cpu node siblings <<< "$cpu"
		mkdir -p "$SYS/devices/system/cpu/cpu$cpu/"{topology,"node$node"}
		echo "${siblings:-$cpu}" > "$SYS/devices/system/cpu/cpu$cpu/topology/thread_siblings_list"
		list+="${list:+,}$cpu"
	done
	echo "$list" > "$SYS/devices/system/cpu/online"
	list=''
	echo > "$SYS/devices/system/cpu/isolated"
	echo '(null)' > "$SYS/devices/system/cpu/nohz_full"
}
list=''

nic() {		# nic NAME NODE QUEUES [virtio]
	local queue device=$SYS/pci/$1
	mkdir -p "$SYS/class/net/$1/queues" "$device/virtio"
	echo "$2" > "$device/numa_node"
	ln -s "$device${4:+/virtio}" "$SYS/class/net/$1/device"
	for ((queue = 0; queue < $3; queue++)); do
		mkdir "$SYS/class/net/$1/queues/rx-$queue"
	done
}

# ethtool_combined as on a NIC that can be set to more queues than it has
declare -A settable=()
ethtool_combined() { REPLY=${settable[$1]:-}; [[ $REPLY ]]; }

# dealt SLAVES CPUS: who gets which, and what was said
dealt() {
	declare -gA NIC_CPUS=()
	local nic text='' said
	IFS=, read -ra SLAVES <<< "$1"
	CPUS=()
	[[ ! $2 ]] || read -ra CPUS <<< "$(list_expand "$2")"
	placement 2> "$test_out/said"
	for nic in "${SLAVES[@]}"; do
		text+="$nic ${NIC_CPUS[$nic]// /,} "
	done
	said=$(sed 's/^setup-flowpar.sh: //; s/ by .*//; s/;.*//' "$test_out/said" | paste -sd/)
	echo "$text| $(list_of "${CPUS[@]}")${LEFT_OVER[*]:+ over ${LEFT_OVER[*]}}${said:+ | $said}"
}

# expect WANT TEXT SLAVES [CPUS]
expect() { same "$2" "$1" "$(dealt "$3" "${4:-}")"; }

SMT=no
machine 0:0 1:0 2:0 3:0
nic eth0 0 1; nic eth1 0 1; nic eth2 -1 1 virtio
expect 'eth0 0 eth1 1 | 0-1' 'more CPUs than NICs with one queue: the first, the rest stays free' eth0,eth1
expect 'eth0 3 eth1 1 | 1,3' 'a list is dealt in its order' eth0,eth1 3,1
expect 'eth0 0 eth1 1 eth2 0 | 0-1' 'more NICs than CPUs: they share' eth0,eth1,eth2 0-1
expect 'eth0 0 eth1 1 | 0-2 over 2' 'a CPU for which there is no queue is left over' eth0,eth1 0-2

nic multi0 0 4
expect 'eth0 0 multi0 1,2,3 | 0-3' 'several queues: what is left of the node' eth0,multi0
expect 'multi0 0,1,2,3 | 0-3' 'a queue for each' multi0
settable=([multi0]=2)
expect 'multi0 0,1 | 0-1' 'no more than ethtool -L can set' multi0
expect 'multi0 0,1 | 0-2 over 2' '... also of a list' multi0 0-2
settable=([eth0]=4)
expect 'eth0 0,2 eth1 1 | 0-2' 'or as many, whatever it has now' eth0,eth1 0-2
settable=()

ABSENT=([gone]=yes)
expect 'eth0 0 gone 1 | 0-1' 'a NIC that --boot goes on without has a CPU' eth0,gone
expect 'eth0 0 gone 1,2,3 | 0-3' '... or what a list has for its queues' eth0,gone 0-3
ABSENT=()

machine 0:0 1:0 2:1 3:1
nic far 1 1; nic near 0 1; nic far2 1 1; nic far3 1 1; nic none -1 1 virtio; nic many 1 8; nic vfar 1 1 virtio
expect 'far 2 near 0 | 0,2' 'each NIC a CPU of its own node' far,near
expect 'vfar 2 near 0 | 0,2' 'the node of a virtio NIC is its PCI function'\''s' vfar,near
expect 'far 2 near 0 | 0-2 over 1' 'the node goes before the order of a list' far,near 0-2
expect 'none 0 far 2 | 0,2' 'a NIC without a node takes what others do not want' none,far
expect 'far 2 far2 3 far3 0 | 0,2-3' 'no CPU left on its node: one of another' far,far2,far3
expect 'far 0 far2 1 far3 0 | 0-1' 'none left at all: one that has fewest NICs' far,far2,far3 0,1
expect 'near 0 many 2,3 | 0,2-3' 'several queues: not beyond the node' near,many
expect 'near 0 many 2,1,3 | 0-3' '... unless a list says so' near,many 0-3

machine 0:0:0,4 1:0:1,5 4:0:0,4 5:0:1,5
nic eth0 0 1; nic eth1 0 1; nic eth2 0 1; nic multi0 0 8
expect 'eth0 0 eth1 1 eth2 0 | 0-1' 'one thread of a core' eth0,eth1,eth2
expect 'multi0 0,1 | 0-1' '... also for queues' multi0
SMT=yes
expect 'eth0 0 eth1 1 eth2 4 | 0-1,4' '--smt: both' eth0,eth1,eth2
SMT=no
expect 'eth0 4 eth1 0 | 0,4' 'a list is taken as it is' eth0,eth1 4,0

machine 0:0 1:0 2:0 3:0
nic eth0 0 1; nic eth1 0 1
echo 0 > "$SYS/devices/system/cpu/isolated"
echo 2 > "$SYS/devices/system/cpu/nohz_full"
expect 'eth0 1 eth1 3 | 1,3 | CPU 0,2: isolated (isolcpus or nohz_full), left out' 'isolated CPUs are left out, and named' eth0,eth1
expect 'eth0 0 eth1 2 | 0,2' '... but taken from a list' eth0,eth1 0,2
echo 0-2 > "$SYS/fs/cgroup/system.slice/cpuset.cpus.effective"
expect 'eth0 1 eth1 1 | 1 | CPU 0,2: isolated (isolcpus or nohz_full), left out/CPU 3: services may not run there' 'CPUs outside the cpuset too' eth0,eth1
nothing_left() { (CPUS=() SLAVES=(eth0); placement); }
echo 0-2 > "$SYS/devices/system/cpu/isolated"
check_fails 'nothing left to use is an error' 1 'CPUs: none is left to use; name some with --cpus' nothing_left
CPUSET_FILE=''
placement_cpuset
same 'the cpuset is named by its file' "0-2 $SYS/fs/cgroup/system.slice/cpuset.cpus.effective" "$REPLY $CPUSET_FILE"

# Several NICs of one PCI function. "irq N NAME" has been requested by that name.
function_of() {	# function_of NIC...: of one function, with interrupts 1 to 4
	local nic irq
	rm -rf "$test_out/fn"
	mkdir -p "$test_out/fn/device/"{net,msi_irqs}
	for irq in 1 2 3 4; do
		touch "$test_out/fn/device/msi_irqs/$irq"
		mkdir -p "$test_out/fn/irq/$irq"
		touch "$test_out/fn/irq/$irq/smp_affinity_list"
	done
	for nic; do
		mkdir -p "$test_out/fn/net/$nic" "$test_out/fn/device/net/$nic"
		ln -s "$test_out/fn/device" "$test_out/fn/net/$nic/device"
	done
	SLAVES=("$@")
}
names() { for irq in 1 2 3 4; do mkdir "$test_out/fn/irq/$irq/$1"; shift; done; }
of() { nic_irqs "$1"; echo "${IRQS[*]}"; }
# shellcheck source=/dev/null
. <(sed "s,/sys/class/net,$test_out/fn/net,g; s,/proc/irq,$test_out/fn/irq,g" "$repo/affinity/lib/setting.sh")
ethtool_combined() { REPLY=${settable[$1]:-}; [[ $REPLY ]]; }
function_of ens1f4 ens1f4d1
names 0000:03:00.4 'ens1f4-Rx0' 'ens1f4d1-Rx0' 'ens1f4d1-Rx1'
same 'two NICs of one function: each has its own interrupts, the first what is nobody'\''s' '1 2/3 4' "$(of ens1f4)/$(of ens1f4d1)"
SLAVES=(ens1f4d1)
same '... if the other is a slave; else it is left what is nobody'\''s' '1 3 4' "$(of ens1f4d1)"
function_of eth0 eth1
names mlx4-0@0000:03:00.0 mlx4-1@0000:03:00.0 mlx4-2@0000:03:00.0 mlx4-3@0000:03:00.0
same '... names that do not say whose they are: the second has none' '1 2 3 4/' "$(of eth0)/$(of eth1)"
no_irqs eth1
same '... which is told' 'it shares a PCI function with eth0, and their interrupts do not say whose they are; leave one of the two out of --slaves' "$REPLY"
function_of eth0
names mlx4-0@0000:03:00.0 mlx4-1@0000:03:00.0 eth1-0 x
same 'a NIC alone on its function has all' '1 2 3 4' "$(of eth0)"
no_irqs eth0
check '... without any it is a software device' test "${REPLY##*, }" = 'not a software device'

# The queues of interrupts, by the names in /proc/interrupts (ctl/doctor_test.c has the same).
nic_irqs() { IRQS=("${!names[@]}"); }
irq_name() { REPLY=${names[$1]}; }
queues() {	# queues WANT TEXT NIC NAME...
	local want=$1 text=$2 nic=$3
	shift 3
	names=("$@")
	irq_queues "$nic"
	same "$text" "$want" "${QUEUES[*]}"
}
queues '0 0 0 1 1' virtio eth0 virtio0-config virtio0-input.0 virtio0-output.0 virtio0-input.1 virtio0-output.1
queues '0 0 1' 'ixgbe, igb and ice: the last is the link'\''s' eth0 eth0 eth0-TxRx-0 ice-eth0-TxRx-1
queues '0 1 0' vmxnet3 eth0 eth0-rxtx-0 eth0-rxtx-1 eth0-event-4
queues '0 0 1' mlx5 eth0 mlx5_async0@pci:0000:03:00.0 mlx5_comp0@pci:0000:03:00.0 mlx5_comp1@pci:0000:03:00.0
queues '0 1' mlx4 eth0 mlx4-0@0000:03:00.0 mlx4-1@0000:03:00.0
queues '0 1' sfc eth0 eth0-0 eth0-1
queues '0 1 2' cxgb4 eth0 'eth0 (queue 0)' 'eth0 (queue 1)' 'eth0 (queue 2)'
queues '0 0 1' bnx2x eth0 eth0 eth0-fp-0 eth0-fp-1
queues '0 1 0' gve eth0 gve-ntfy-blk0@pci:0000:00:04.0 gve-ntfy-blk1@pci:0000:00:04.0 gve-mgmnt@pci:0000:00:04.0
queues '0 1' 'a name that ends like a queue' enp3s0f1q2 enp3s0f1q2-TxRx-0 enp3s0f1q2-TxRx-1
queues '0 1' 'a name that is like a queue' tx0 tx0-0 tx0-1
queues '0 1 2' 'names that say nothing: in turn' eth0 strange:a strange:b strange:c
queues '0 1' 'interrupts that nobody has requested: in turn' eth0 '' ''
finish
