/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cpu-bound transmit hash policy, as the rest of bonding sees it.
 *
 * Included after <net/bonding.h>. See bond_cpu_bound.c for what the policy does.
 */

#ifndef _BOND_CPU_BOUND_H
#define _BOND_CPU_BOUND_H

#include <net/bonding.h>

struct netlink_ext_ack;
struct xdp_buff;

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

size_t bond_cpu_bound_map_size(struct bonding *bond);
void bond_cpu_bound_map_build(struct bonding *bond,
			      struct bond_up_slave *slaves);
struct slave *bond_xmit_cpu_bound(struct bonding *bond,
				  const struct bond_up_slave *slaves,
				  struct sk_buff *skb, struct xdp_buff *xdp);
int bond_cpu_bound_cpus_set(struct slave *slave, const char *list,
			    struct netlink_ext_ack *extack);
int bond_cpu_bound_cpus_print(const struct slave *slave, char *buf,
			      size_t size);

#endif /* _BOND_CPU_BOUND_H */
