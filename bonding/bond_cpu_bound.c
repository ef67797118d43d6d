// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit hash policy "cpu-bound": each CPU sends through its own slaves.
 *
 * Last step of a packet's way through a bond in mode 802.3ad or balance-xor:
 * the CPU that a flow lives on names the slave that the flow leaves by, so that
 * the driver queue, its lock and its completions stay with that CPU. Which slaves
 * serve a CPU, the first of these that is known:
 *
 *   listed    those whose CPU list has it, set by the administrator,
 *   learned   the one whose unicast frames this CPU has been receiving,
 *   node      those on its NUMA node, unless all slaves are,
 *   any       all of them.
 *
 * Context: bond_xmit_cpu_bound() runs under rcu_read_lock() in whatever context
 * transmits, and preemptible below ndo_get_xmit_slave(). bond_cpu_bound_learn()
 * runs in the rx handler, with BH disabled. What prints or sums takes what it
 * needs itself; everything else here runs under RTNL.
 *
 * Ownership: a slave owns its CPU list, a slave array owns the CPU map that lies
 * behind it. Lists are replaced, not edited, and an array is never seen without
 * the map that was built from it. A CPU owns its struct bond_cpu_bound: it alone
 * writes there, except that RTNL takes back the id of a slave that is gone.
 *
 * Invariant: a flow does not change its slave while the CPU it lives on, that
 * CPU's candidates and the array stay the same.
 */

#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include <net/bonding.h>

#include "bond_cpu_bound.h"

/* A CPU keeps the slave it has learned until that one has been silent there for
 * this long and another is heard. Above the pauses of busy flows, so that a CPU
 * that two slaves interrupt keeps its slave; below what moving an interrupt is
 * worth waiting for.
 */
#define BOND_CPU_BOUND_SILENCE	HZ

/* The map of a slave array, behind its last slot. Every question that can be
 * asked has a row: one for each CPU (who lists it?), for each id (where is the
 * slave that was learned?) and for each node (who is on it?), in this order. A
 * row's candidates are at[at[row]] up to at[at[row + 1]], as indices into
 * slaves->arr[].
 *
 * So one candidate costs three loads whatever the number of slaves, and there
 * is nothing to allocate or free apart from the slave array itself.
 */
struct bond_cpu_map {
	struct bond_cpu_bound __percpu *state;	/* the bond's, at hand */
	u32 ids;	/* rows for ids 0, which nobody has, to ids - 1 */
	u32 nodes;	/* rows for nodes; 0 if they tell no slaves apart */
	u32 at[];
};

static struct bond_cpu_map *bond_cpu_bound_map(const struct bond_up_slave *slaves)
{
	return (struct bond_cpu_map *)&slaves->arr[slaves->cpu_map];
}

static unsigned int bond_cpu_bound_row(const struct bond_cpu_map *map, u32 row,
				       const u32 **candidates)
{
	*candidates = &map->at[map->at[row]];

	return map->at[row + 1] - map->at[row];
}

/* An id can be newer than the map, or of a slave that is not in it. */
static unsigned int bond_cpu_bound_id_row(const struct bond_cpu_map *map,
					  u32 id, const u32 **candidates)
{
	if (id >= map->ids)
		return 0;

	return bond_cpu_bound_row(map, nr_cpu_ids + id, candidates);
}

static unsigned int bond_cpu_bound_node_row(const struct bond_cpu_map *map,
					    u32 node, const u32 **candidates)
{
	/* NUMA_NO_NODE is beyond them all */
	if (node >= map->nodes)
		return 0;

	return bond_cpu_bound_row(map, nr_cpu_ids + map->ids + node, candidates);
}

/**
 * bond_cpu_bound_prepare - give a bond what each CPU keeps of it
 * @bond: bond that is about to build a slave array
 *
 * Once allocated it stays until the bond goes, whatever policies are set by then.
 *
 * Context: RTNL, may sleep.
 * Return: 0, also if the bond does not use the policy; -ENOMEM.
 */
int bond_cpu_bound_prepare(struct bonding *bond)
{
	struct bond_cpu_bound __percpu *state;

	if (!bond_cpu_bound_enabled(bond) || bond->cpu_bound)
		return 0;

	state = netdev_alloc_pcpu_stats(struct bond_cpu_bound);
	if (!state)
		return -ENOMEM;

	/* The rx handler may look at once: it is to find zeroes. */
	smp_store_release(&bond->cpu_bound, state);

	return 0;
}

/* Rows that a map of the bond's slaves has for ids. */
static u32 bond_cpu_bound_ids(struct bonding *bond)
{
	struct list_head *iter;
	struct slave *slave;
	u32 ids = 0;

	bond_for_each_slave(bond, slave, iter)
		ids = max(ids, slave->cpu_bound_id + 1);

	return ids;
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
	struct bond_cpu_map *map;
	const struct cpumask *cpus;
	struct list_head *iter;
	struct slave *slave;
	size_t entries;

	if (!bond_cpu_bound_enabled(bond))
		return 0;

	entries = nr_cpu_ids + bond_cpu_bound_ids(bond) + nr_node_ids + 1;
	bond_for_each_slave(bond, slave, iter) {
		/* in the row of its id and in that of its node */
		entries += 2;
		cpus = rtnl_dereference(slave->cpus);
		if (cpus)
			entries += cpumask_weight(cpus);
	}

	return struct_size(map, at, entries);
}

/* Rows for nodes: none if every CPU would find the same slaves there. */
static u32 bond_cpu_bound_nodes(const struct bond_up_slave *slaves)
{
	unsigned int i;

	for (i = 1; i < slaves->count; i++)
		if (dev_to_node(&slaves->arr[i]->dev->dev) !=
		    dev_to_node(&slaves->arr[0]->dev->dev))
			return nr_node_ids;

	return 0;
}

static bool bond_cpu_bound_in_row(const struct bond_cpu_map *map, u32 row,
				  const struct slave *slave)
{
	const struct cpumask *cpus;

	if (row < nr_cpu_ids) {
		cpus = rtnl_dereference(slave->cpus);
		return cpus && cpumask_test_cpu(row, cpus);
	}

	row -= nr_cpu_ids;
	if (row < map->ids)
		return slave->cpu_bound_id == row;

	return dev_to_node(&slave->dev->dev) == (int)(row - map->ids);
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
	struct bond_cpu_map *map;
	u32 row, rows, at;
	unsigned int i;

	if (!bond_cpu_bound_enabled(bond) || !bond->slave_cnt)
		return;

	slaves->cpu_map = bond->slave_cnt;
	map = bond_cpu_bound_map(slaves);
	map->state = bond->cpu_bound;
	map->ids = bond_cpu_bound_ids(bond);
	map->nodes = bond_cpu_bound_nodes(slaves);

	rows = nr_cpu_ids + map->ids + map->nodes;
	at = rows + 1;
	for (row = 0; row < rows; row++) {
		map->at[row] = at;
		for (i = 0; i < slaves->count; i++)
			if (bond_cpu_bound_in_row(map, row, slaves->arr[i]))
				map->at[at++] = i;
	}
	map->at[rows] = at;
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

static void bond_cpu_bound_count(struct bond_cpu_bound *own,
				 enum bond_cpu_bound_stat what)
{
	u64_stats_update_begin(&own->syncp);
	u64_stats_inc(&own->stats[what]);
	u64_stats_update_end(&own->syncp);
}

/**
 * bond_xmit_cpu_bound - choose the slave that a packet leaves by
 * @bond: bond that sends
 * @slaves: one of its arrays, with a map
 * @skb: packet, or NULL
 * @xdp: frame, if @skb is NULL
 * @sent: it is going to be sent, so count it; else somebody only asks
 *
 * A CPU with one slave pays no hash. Several candidates share flows by the
 * layer3+4 hash, and so do all slaves if the CPU has none.
 *
 * Context: rcu_read_lock(), and BH disabled if @sent. Takes no lock and writes
 * nothing that another CPU writes.
 * Return: slave, or NULL if the array is empty.
 */
struct slave *bond_xmit_cpu_bound(struct bonding *bond,
				  const struct bond_up_slave *slaves,
				  struct sk_buff *skb, struct xdp_buff *xdp,
				  bool sent)
{
	enum bond_cpu_bound_stat why = BOND_CPU_BOUND_LISTED;
	const struct bond_cpu_map *map = bond_cpu_bound_map(slaves);
	unsigned int cpu, count, n, i;
	const u32 *candidates;
	u32 hash;

	/* bond_skip_slave() may shrink the array under us, without a new map:
	 * an index that is out of range by now counts as no candidate.
	 */
	count = READ_ONCE(slaves->count);
	if (unlikely(!count))
		return NULL;

	cpu = skb ? bond_cpu_bound_skb_cpu(skb) : raw_smp_processor_id();
	n = bond_cpu_bound_row(map, cpu, &candidates);
	/* A socket can name any number. One that no CPU can have is in no list,
	 * and there is neither per-CPU memory nor a node for it.
	 */
	if (!n && likely(cpu_possible(cpu))) {
		why = BOND_CPU_BOUND_LEARNED;
		n = bond_cpu_bound_id_row(map, READ_ONCE(per_cpu_ptr(map->state, cpu)->learned),
					  &candidates);
		if (!n) {
			why = BOND_CPU_BOUND_NODE;
			n = bond_cpu_bound_node_row(map, cpu_to_node(cpu),
						    &candidates);
		}
	}

	i = n == 1 ? candidates[0] : count;
	if (unlikely(i >= count)) {
		hash = skb ? bond_xmit_hash(bond, skb) :
			     bond_xmit_hash_xdp(bond, xdp);
		if (n > 1)
			i = candidates[hash % n];
		if (i >= count) {
			why = BOND_CPU_BOUND_ANY;
			i = hash % count;
		} else if (why == BOND_CPU_BOUND_LISTED) {
			why = BOND_CPU_BOUND_SHARED;
		}
	}
	if (sent)
		bond_cpu_bound_count(this_cpu_ptr(map->state), why);

	return slaves->arr[i];
}

static bool bond_cpu_bound_id_used(struct bonding *bond, u32 id)
{
	struct list_head *iter;
	struct slave *slave;

	bond_for_each_slave(bond, slave, iter)
		if (slave->cpu_bound_id == id)
			return true;

	return false;
}

/**
 * bond_cpu_bound_slave_init - give a new slave the id that CPUs learn it by
 * @slave: slave that is not in its bond's list yet and has no rx handler
 *
 * The smallest that is free, as every map has a row for each. Whoever had it
 * before lost its rx handler before it left the list, so that no CPU can learn
 * it any more: those that still know it are made to forget it here.
 *
 * Context: RTNL.
 */
void bond_cpu_bound_slave_init(struct slave *slave)
{
	struct bonding *bond = slave->bond;
	unsigned int cpu;
	u32 id = 1;

	while (bond_cpu_bound_id_used(bond, id))
		id++;
	slave->cpu_bound_id = id;

	if (!bond->cpu_bound)
		return;
	/* Meanwhile the CPU may be learning another slave, which is to stay. */
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu_ptr(bond->cpu_bound, cpu)->learned, id, 0);
}

static bool bond_cpu_bound_usable(const struct bonding *bond, u32 id)
{
	const struct bond_up_slave *slaves = rcu_dereference(bond->usable_slaves);
	const u32 *candidates;

	return bond_cpu_bound_mapped(slaves) &&
	       bond_cpu_bound_id_row(bond_cpu_bound_map(slaves), id, &candidates);
}

/**
 * bond_cpu_bound_learn - remember which slave's unicast frames this CPU receives
 * @slave: slave that received the frame
 * @skb: frame that the bond is going to deliver
 *
 * Broadcasts, multicasts and LACPDUs are no flow's: a NIC with several queues
 * has them all on the first, which says nothing about that queue's CPU. What is for
 * another host counts: below a bridge a bond receives for all that is behind it.
 *
 * This CPU is the one that the interrupt, threaded NAPI or RPS chose. Where they
 * differ the last one counts: it is the CPU that sk_incoming_cpu names, and that
 * forwards and answers.
 *
 * Writes this CPU's own state, and at most once a jiffy as long as the slave stays
 * the same. Another slave takes its place when it has been silent, or at once if
 * only the new one can send: so neither two slaves on one CPU nor two that cannot
 * send make the CPU write for each frame.
 *
 * Context: rx handler, BH disabled, rcu_read_lock().
 */
void bond_cpu_bound_learn(const struct slave *slave, const struct sk_buff *skb)
{
	struct bond_cpu_bound __percpu *state = READ_ONCE(slave->bond->cpu_bound);
	u32 id = slave->cpu_bound_id, learned;
	unsigned long now = jiffies;
	struct bond_cpu_bound *own;

	/* no state: the policy was set, and its first arrays are being built */
	if (!state || (skb->pkt_type != PACKET_HOST &&
		       skb->pkt_type != PACKET_OTHERHOST))
		return;

	own = this_cpu_ptr(state);
	learned = READ_ONCE(own->learned);
	if (likely(learned == id)) {
		if (own->heard != now)
			own->heard = now;
		return;
	}

	/* A range, as a slot of long ago looks like the future on 32 bits. */
	if (learned &&
	    time_in_range_open(now, own->heard, own->heard + BOND_CPU_BOUND_SILENCE) &&
	    (bond_cpu_bound_usable(slave->bond, learned) ||
	     !bond_cpu_bound_usable(slave->bond, id)))
		return;

	WRITE_ONCE(own->learned, id);
	own->heard = now;
	if (learned)
		bond_cpu_bound_count(own, BOND_CPU_BOUND_RELEARNED);
}

/**
 * bond_cpu_bound_learned - tell which CPUs have learned a slave
 * @slave: slave of a bond in any mode
 * @cpus: set to those CPUs, whether or not lists overrule what they learned
 *
 * Context: any in which the slave exists.
 */
void bond_cpu_bound_learned(const struct slave *slave, struct cpumask *cpus)
{
	struct bond_cpu_bound __percpu *state = READ_ONCE(slave->bond->cpu_bound);
	unsigned int cpu;

	cpumask_clear(cpus);
	if (!state)
		return;
	for_each_possible_cpu(cpu)
		if (READ_ONCE(per_cpu_ptr(state, cpu)->learned) == slave->cpu_bound_id)
			cpumask_set_cpu(cpu, cpus);
}

/**
 * bond_cpu_bound_stats - add up what the CPUs have counted
 * @bond: bond
 * @sum: set to the sums since the bond first used the policy
 *
 * Context: any in which the bond exists.
 */
void bond_cpu_bound_stats(const struct bonding *bond,
			  u64 sum[BOND_CPU_BOUND_STATS])
{
	struct bond_cpu_bound __percpu *state = READ_ONCE(bond->cpu_bound);
	const struct bond_cpu_bound *own;
	u64 seen[BOND_CPU_BOUND_STATS];
	unsigned int cpu, start, i;

	memset(sum, 0, sizeof(seen));
	if (!state)
		return;
	for_each_possible_cpu(cpu) {
		own = per_cpu_ptr(state, cpu);
		do {
			start = u64_stats_fetch_begin(&own->syncp);
			for (i = 0; i < BOND_CPU_BOUND_STATS; i++)
				seen[i] = u64_stats_read(&own->stats[i]);
		} while (u64_stats_fetch_retry(&own->syncp, start));
		for (i = 0; i < BOND_CPU_BOUND_STATS; i++)
			sum[i] += seen[i];
	}
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
	if (err == -EOVERFLOW)	/* not even a number that fits */
		err = -ERANGE;
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
