/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cpu-bound transmit hash policy, as the rest of bonding sees it.
 *
 * Included after <net/bonding.h>. See bond_cpu_bound.c for what the policy does.
 */

#ifndef _BOND_CPU_BOUND_H
#define _BOND_CPU_BOUND_H

#include <linux/cache.h>
#include <linux/u64_stats_sync.h>
#include <net/bonding.h>

struct cpumask;
struct netlink_ext_ack;
struct xdp_buff;

/* What a CPU counts: why a packet left by the slave that it left by, and how often
 * the slave that the CPU had learned was replaced by another.
 */
enum bond_cpu_bound_stat {
	BOND_CPU_BOUND_LISTED,		/* it alone lists the CPU */
	BOND_CPU_BOUND_SHARED,		/* one of several that do */
	BOND_CPU_BOUND_LEARNED,		/* the CPU receives its frames */
	BOND_CPU_BOUND_NODE,		/* on the CPU's NUMA node */
	BOND_CPU_BOUND_ANY,		/* any usable slave */
	BOND_CPU_BOUND_RELEARNED,
	BOND_CPU_BOUND_STATS
};

/* What each CPU keeps of a bond. Others look at what it has learned, when they send for
 * its flows: what it writes for each packet is on another cache line.
 */
struct bond_cpu_bound {
	u32			learned;	/* id of a slave, 0 for none */
	unsigned long		heard;		/* jiffies, when last */
	u64_stats_t		stats[BOND_CPU_BOUND_STATS] ____cacheline_aligned_in_smp;
	struct u64_stats_sync	syncp;
} ____cacheline_aligned_in_smp;

/* tlb and alb choose by load and answer ARP to match: no room for a CPU's slave. */
static inline bool bond_cpu_bound_refused(int mode, int xmit_policy)
{
	return xmit_policy == BOND_XMIT_POLICY_CPU_BOUND &&
	       (mode == BOND_MODE_TLB || mode == BOND_MODE_ALB);
}

/* Whether the bond's next slave arrays carry a CPU map. */
static inline bool bond_cpu_bound_enabled(const struct bonding *bond)
{
	return bond->params.xmit_policy == BOND_XMIT_POLICY_CPU_BOUND &&
	       (BOND_MODE(bond) == BOND_MODE_8023AD ||
		BOND_MODE(bond) == BOND_MODE_XOR);
}

/* Whether this array carries one. Asked per packet instead of the bond's
 * parameters, because the array and its map are one RCU object.
 */
static inline bool bond_cpu_bound_mapped(const struct bond_up_slave *slaves)
{
	return slaves && slaves->cpu_map;
}

int bond_cpu_bound_prepare(struct bonding *bond);
size_t bond_cpu_bound_map_size(struct bonding *bond);
void bond_cpu_bound_map_build(struct bonding *bond,
			      struct bond_up_slave *slaves);
struct slave *bond_xmit_cpu_bound(struct bonding *bond,
				  const struct bond_up_slave *slaves,
				  struct sk_buff *skb, struct xdp_buff *xdp,
				  bool sent);
void bond_cpu_bound_slave_init(struct slave *slave);
void bond_cpu_bound_learn(const struct slave *slave, const struct sk_buff *skb);
void bond_cpu_bound_learned(const struct slave *slave, struct cpumask *cpus);
void bond_cpu_bound_stats(const struct bonding *bond,
			  u64 sum[BOND_CPU_BOUND_STATS]);
int bond_cpu_bound_cpus_set(struct slave *slave, const char *list,
			    struct netlink_ext_ack *extack);
int bond_cpu_bound_cpus_print(const struct slave *slave, char *buf,
			      size_t size);

#endif /* _BOND_CPU_BOUND_H */
