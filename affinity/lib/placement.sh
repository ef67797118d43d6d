# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2153
# Which CPUs serve which NIC.
#
#   node 0: CPU 0-3          eth0 -> 0 (its node)       one queue: one CPU
#   node 1: CPU 4-7          eth1 -> 4,5,6,7 (its node) four queues: up to four
#
# Reads only. Memory, interrupts and DMA of a NIC are cheapest on its own NUMA node, so
# that goes before the order in which CPUs and slaves are named. Invariant: dealt once,
# by the first up, and kept in /run/flowpar: what the machine looks like later (a CPU
# offline, a driver being reloaded) does not move anything.

SYS=/sys		# tests look at other trees
LEFT_OVER=()		# CPUs asked for, for which no NIC has a queue
declare -A ABSENT=()	# slaves that up --boot goes on without
CPUSET_FILE=''

placement() {
	local pool=() asked=yes
	if ((${#CPUS[@]} == 0)); then
		asked=''
		placement_pool
		CPUS=("${pool[@]}")
	fi
	placement_deal "$asked"
	[[ $asked ]] || placement_used
}

# placement_cpuset: the CPUs that services may run on, as a list, into REPLY, and who
# says so into CPUSET_FILE; fails if nobody does
placement_cpuset() {
	for CPUSET_FILE in "$SYS"/fs/cgroup/{system.slice/,}cpuset.cpus.effective \
			"$SYS"/fs/cgroup/cpuset/{system.slice/,}cpuset.effective_cpus; do
		if read_file "$CPUSET_FILE" && [[ $REPLY ]]; then return; fi
	done
	return 1
}

# The CPUs to choose from if nobody named any, into pool: one thread of each core
# unless --smt says both, no isolated ones, none that a service could not run on.
placement_pool() {
	local cpu online isolated='' cpuset='' file sibling left_isolated=() left_cpuset=()
	local -A core_taken=()
	read_file "$SYS/devices/system/cpu/online" || die "$SYS/devices/system/cpu/online: cannot be read; name the CPUs with --cpus"
	online=$(list_expand "$REPLY")
	for file in isolated nohz_full; do
		# "(null)" where the kernel was not told any
		if read_file "$SYS/devices/system/cpu/$file" && [[ $REPLY == [0-9]* ]]; then
			isolated+=${isolated:+,}$REPLY
		fi
	done
	! placement_cpuset || cpuset=$REPLY
	for cpu in $online; do
		if [[ $isolated ]] && list_has "$isolated" "$cpu"; then
			left_isolated+=("$cpu")
		elif [[ $cpuset ]] && ! list_has "$cpuset" "$cpu"; then
			left_cpuset+=("$cpu")
		else
			if [[ $SMT == no ]] && read_file "$SYS/devices/system/cpu/cpu$cpu/topology/thread_siblings_list"; then
				sibling=$REPLY
				[[ ! ${core_taken[$sibling]+x} ]] || continue
				core_taken[$sibling]=$cpu
			fi
			pool+=("$cpu")
		fi
	done
	((${#left_isolated[@]} == 0)) ||
		warn "CPU $(list_of "${left_isolated[@]}"): isolated (isolcpus or nohz_full), left out; name them with --cpus to use them"
	((${#left_cpuset[@]} == 0)) ||
		warn "CPU $(list_of "${left_cpuset[@]}"): services may not run there by $CPUSET_FILE, left out; widen that cpuset to use them"
	((${#pool[@]})) || die "CPUs: none is left to use; name some with --cpus"
}

# cpu_node CPU, nic_node NIC: into REPLY; -1 if unknown
cpu_node() {
	for REPLY in "$SYS/devices/system/cpu/cpu$1"/node[0-9]*; do
		REPLY=${REPLY##*/node}
		[[ $REPLY == [0-9]* ]] || REPLY=-1
		return
	done
}

nic_node() {
	# of a virtio NIC the PCI function above has it
	read_file "$SYS/class/net/$1/device/numa_node" || read_file "$SYS/class/net/$1/device/../numa_node" || REPLY=-1
}

# nic_queues NIC: how many CPUs it can interrupt, into REPLY: what ethtool -L can set,
# or what it has if the driver does not let that be changed.
nic_queues() {
	local queue rx=0
	if ! ethtool_combined "$1" 'Pre-set maximums' || ((REPLY == 0)); then
		for queue in "$SYS/class/net/$1"/queues/rx-*; do
			[[ ! -e $queue ]] || rx=$((rx + 1))
		done
		REPLY=$((rx ? rx : 1))
	fi
}

# placement_deal ASKED: CPUS to SLAVES, into NIC_CPUS. First one for each NIC: of its node
# while there are such, then any, then one that another NIC has already. What is left
# goes to NICs that have more queues; without ASKED only within a node.
placement_deal() {
	local nic cpu best room local_only
	local -A node=() queues=() had=() users=()	# had: CPUs of a NIC; users: NICs of a CPU
	LEFT_OVER=() NIC_CPUS=()
	for nic in "${SLAVES[@]}"; do
		nic_node "$nic"
		node[$nic]=$REPLY had[$nic]=0
	done
	for cpu in "${CPUS[@]}"; do
		cpu_node "$cpu"
		node[cpu $cpu]=$REPLY users[$cpu]=0
	done
	for local_only in yes ''; do
		for nic in "${SLAVES[@]}"; do
			((had[$nic] == 0)) || continue
			for cpu in "${CPUS[@]}"; do
				((users[$cpu] == 0)) || continue
				[[ ! $local_only || ${node[$nic]} == "${node[cpu $cpu]}" ]] || continue
				placement_give "$nic" "$cpu"
				break
			done
		done
	done
	for nic in "${SLAVES[@]}"; do
		((had[$nic] == 0)) || continue
		best=''
		for cpu in "${CPUS[@]}"; do
			[[ $best ]] && ! placement_better || best=$cpu
		done
		placement_give "$nic" "$best"
	done
	for cpu in "${CPUS[@]}"; do
		((users[$cpu] == 0)) || continue
		best=''
		for nic in "${SLAVES[@]}"; do
			if [[ ! ${queues[$nic]+x} ]]; then
				nic_queues "$nic"
				queues[$nic]=$REPLY
				# how many it has is not known, and a list was made for it
				[[ ! $1 || ! ${ABSENT[$nic]+x} ]] || queues[$nic]=${#CPUS[@]}
			fi
			room=$((queues[$nic] - had[$nic]))
			((room > 0)) || continue
			[[ $1 || ${node[$nic]} == "${node[cpu $cpu]}" || ${node[$nic]} == -1 ]] || continue
			[[ $best ]] && ! placement_nearer || best=$nic
		done
		if [[ $best ]]; then
			placement_give "$best" "$cpu"
		elif [[ $1 ]]; then
			LEFT_OVER+=("$cpu")
		fi
	done
}

placement_give() {	# placement_give NIC CPU
	NIC_CPUS[$1]+="${NIC_CPUS[$1]:+ }$2"
	had[$1]=$((had[$1] + 1))
	users[$2]=$((users[$2] + 1))
}

# Is cpu a better one to share than best, for nic? Fewer NICs first, then the node.
placement_better() {
	((users[$cpu] == users[$best])) || { ((users[$cpu] < users[$best])); return; }
	[[ ${node[cpu $cpu]} == "${node[$nic]}" && ${node[cpu $best]} != "${node[$nic]}" ]]
}

# Is nic a better one than best to take cpu? The node first, then the one with fewer CPUs.
placement_nearer() {
	local here=0 there=0
	[[ ${node[$nic]} != "${node[cpu $cpu]}" ]] || here=1
	[[ ${node[$best]} != "${node[cpu $cpu]}" ]] || there=1
	((here == there)) || { ((here > there)); return; }
	((had[$nic] < had[$best]))
}

# Without --cpus: those that were dealt are the CPUs, in ascending order.
placement_used() {
	local nic cpu used=()
	for nic in "${SLAVES[@]}"; do
		for cpu in ${NIC_CPUS[$nic]}; do
			used[cpu]=$cpu
		done
	done
	CPUS=("${used[@]}")
}
