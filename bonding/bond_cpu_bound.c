// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit hash policy "cpu-bound": each CPU sends through its own slaves.
 *
 * Last step of a packet's way through a bond in mode 802.3ad or balance-xor:
 * the CPU that a flow lives on names the slave that the flow leaves by, so that
 * the driver queue, its lock and its completions stay with that CPU.
 *
 * Context: bond_xmit_cpu_bound() runs under rcu_read_lock() in whatever context
 * transmits, and preemptible below ndo_get_xmit_slave(). Everything else here
 * runs under RTNL, except bond_cpu_bound_cpus_print(), which takes RCU itself.
 *
 * Ownership: a slave owns its CPU list, a slave array owns the CPU map that lies
 * behind it. Lists are replaced, not edited, and an array is never seen without
 * the map that was built from it.
 *
 * Invariant: a flow does not change its slave while the CPU it lives on, that
 * CPU's candidates and the array stay the same.
 */

#include <linux/cpumask.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include <net/bonding.h>

#include "bond_cpu_bound.h"

/* The map of a slave array is one array of u32 behind its last slot:
 *
 *   map[cpu] .. map[cpu + 1]   where in this same array cpu's candidates are,
 *   map[map[cpu]]              the first of them, an index into slaves->arr[].
 *
 * So one candidate costs three loads whatever the number of slaves, and there
 * is nothing to allocate or free apart from the slave array itself.
 */
static u32 *bond_cpu_bound_map(const struct bond_up_slave *slaves)
{
	return (u32 *)&slaves->arr[slaves->cpu_map];
}

/**
 * bond_cpu_bound_map_size - room that a slave array of this bond needs for a map
 * @bond: bond whose slaves the array will hold, all or some of them
 *
 * Context: RTNL.
 * Return: bytes; 0 if the bond does not use the policy.
 */
size_t bond_cpu_bound_map_size(struct bonding *bond)
{
	const struct cpumask *cpus;
	struct list_head *iter;
	struct slave *slave;
	size_t entries;

	if (!bond_cpu_bound_enabled(bond))
		return 0;

	entries = nr_cpu_ids + 1;
	bond_for_each_slave(bond, slave, iter) {
		cpus = rtnl_dereference(slave->cpus);
		if (cpus)
			entries += cpumask_weight(cpus);
	}

	return array_size(entries, sizeof(u32));
}

/**
 * bond_cpu_bound_map_build - fill the map behind a new slave array
 * @bond: bond that the array was allocated for, unchanged since
 * @slaves: array, complete but not published, allocated zeroed with
 *	bond->slave_cnt slots and bond_cpu_bound_map_size() bytes behind them
 *
 * Context: RTNL.
 */
void bond_cpu_bound_map_build(struct bonding *bond,
			      struct bond_up_slave *slaves)
{
	const struct cpumask *cpus;
	unsigned int cpu, i;
	u32 *map, at;

	if (!bond_cpu_bound_enabled(bond) || !bond->slave_cnt)
		return;

	slaves->cpu_map = bond->slave_cnt;
	map = bond_cpu_bound_map(slaves);

	at = nr_cpu_ids + 1;
	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		map[cpu] = at;
		for (i = 0; i < slaves->count; i++) {
			cpus = rtnl_dereference(slaves->arr[i]->cpus);
			if (cpus && cpumask_test_cpu(cpu, cpus))
				map[at++] = i;
		}
	}
	map[nr_cpu_ids] = at;
}

/* The CPU that the packet's flow lives on.
 *
 * For TCP that is where the flow's segments arrive, whoever sends: a task that
 * migrated, softirq with an ACK and a timer with a retransmit all name the same
 * CPU, hence the same slave. A listener has no flow of its own (it sends SYN
 * cookies for all), and request and timewait sockets do not record a CPU; they
 * are answered by the CPU that received the segment anyway.
 *
 * For the rest it is the CPU that sent: a qdisc may have been run by another
 * one, so ask the stack first. sender_cpu shares its place with napi_id, which
 * starts above NR_CPUS, and is 0 if unset: both fail the test.
 */
static unsigned int bond_cpu_bound_skb_cpu(const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;
	unsigned int cpu;

	if (sk && sk_fullsock(sk) && sk_is_tcp(sk) &&
	    inet_sk_state_load(sk) != TCP_LISTEN) {
		/* -1 until a segment has arrived; user space can set it too */
		cpu = READ_ONCE(sk->sk_incoming_cpu);
		if (likely(cpu < nr_cpu_ids))
			return cpu;
	}
#ifdef CONFIG_XPS
	cpu = skb->sender_cpu - 1;
	if (likely(cpu < nr_cpu_ids))
		return cpu;
#endif
	return raw_smp_processor_id();
}

/**
 * bond_xmit_cpu_bound - choose the slave that a packet leaves by
 * @bond: bond that sends
 * @slaves: one of its arrays, with a map
 * @skb: packet, or NULL
 * @xdp: frame, if @skb is NULL
 *
 * A CPU with one slave pays no hash. Several candidates share flows by the
 * layer3+4 hash, and so do all slaves if the CPU has none.
 *
 * Context: rcu_read_lock(). Takes no lock and writes nothing.
 * Return: slave, or NULL if the array is empty.
 */
struct slave *bond_xmit_cpu_bound(struct bonding *bond,
				  const struct bond_up_slave *slaves,
				  struct sk_buff *skb, struct xdp_buff *xdp)
{
	const u32 *map = bond_cpu_bound_map(slaves);
	unsigned int cpu, count, first, n, i;
	u32 hash;

	/* bond_skip_slave() may shrink the array under us, without a new map:
	 * an index that is out of range by now counts as no candidate.
	 */
	count = READ_ONCE(slaves->count);
	if (unlikely(!count))
		return NULL;

	cpu = skb ? bond_cpu_bound_skb_cpu(skb) : raw_smp_processor_id();
	first = map[cpu];
	n = map[cpu + 1] - first;
	if (likely(n == 1)) {
		i = map[first];
		if (likely(i < count))
			return slaves->arr[i];
	}

	hash = skb ? bond_xmit_hash(bond, skb) : bond_xmit_hash_xdp(bond, xdp);
	if (n > 1) {
		i = map[first + hash % n];
		if (likely(i < count))
			return slaves->arr[i];
	}

	return slaves->arr[hash % count];
}

/**
 * bond_cpu_bound_cpus_set - replace the list of CPUs that a slave serves
 * @slave: slave of a bond in any mode; only the policy reads the list
 * @list: CPU list such as "0,8-11"; empty for none
 * @extack: told what is wrong with the list
 *
 * Lists of several slaves may overlap. The bond sends by the new list when this
 * returns 0, and by the old one otherwise.
 *
 * Context: RTNL, may sleep.
 * Return: 0, -EINVAL for what is no list, -ERANGE for a CPU that this machine
 * cannot have, -ENOMEM.
 */
int bond_cpu_bound_cpus_set(struct slave *slave, const char *list,
			    struct netlink_ext_ack *extack)
{
	struct bonding *bond = slave->bond;
	struct cpumask *cpus, *old;
	int err;

	ASSERT_RTNL();

	cpus = kzalloc(cpumask_size(), GFP_KERNEL);
	if (!cpus)
		return -ENOMEM;

	err = cpulist_parse(list, cpus);
	if (!err && !cpumask_subset(cpus, cpu_possible_mask))
		err = -ERANGE;
	if (err) {
		if (err == -ERANGE)
			NL_SET_ERR_MSG_FMT(extack, "no such CPU, possible are %*pbl",
					   cpumask_pr_args(cpu_possible_mask));
		else
			NL_SET_ERR_MSG(extack, "not a CPU list like 0,8-11");
		kfree(cpus);
		return err;
	}
	if (cpumask_empty(cpus)) {
		kfree(cpus);
		cpus = NULL;
	}

	old = rtnl_dereference(slave->cpus);
	rcu_assign_pointer(slave->cpus, cpus);
	if (bond_cpu_bound_enabled(bond))
		err = bond_update_slave_arr(bond, NULL);
	if (err) {
		rcu_assign_pointer(slave->cpus, old);
		old = cpus;
	}
	kfree_rcu_mightsleep(old);

	return err;
}

/**
 * bond_cpu_bound_cpus_print - write the list of CPUs that a slave serves
 * @slave: slave
 * @buf: where to, or NULL with @size 0
 * @size: room in @buf
 *
 * Context: RTNL, RCU or the slave's sysfs files.
 * Return: length of the whole list without its NUL, as snprintf().
 */
int bond_cpu_bound_cpus_print(const struct slave *slave, char *buf,
			      size_t size)
{
	const struct cpumask *cpus;
	int len;

	rcu_read_lock();
	cpus = rcu_dereference(slave->cpus);
	if (cpus)
		len = snprintf(buf, size, "%*pbl", cpumask_pr_args(cpus));
	else
		len = snprintf(buf, size, "%s", "");
	rcu_read_unlock();

	return len;
}
