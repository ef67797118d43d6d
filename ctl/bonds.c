// SPDX-License-Identifier: GPL-2.0
/*
 * How local the transmitting is of bonds with policy cpu-bound: their extended
 * statistics over rtnetlink, as `ip link xstats type bond cpu-bound` shows them.
 */
#include "bonds.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"
#include "report.h"

/* Of the patched kernel's if_link.h; the headers that we build with have none of it. */
enum { XSTATS_CPU_BOUND = 2 };
enum { STAT_LISTED = 1, STAT_SHARED, STAT_LEARNED, STAT_NODE, STAT_ANY };

static int collect(const struct nlmsghdr *nlh, void *data)
{
	const struct if_stats_msg *ifsm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *stats = NULL;
	struct bonds *all = data;
	struct bond *b;

	mnl_attr_for_each(attr, nlh, sizeof(*ifsm))
		if (mnl_attr_get_type(attr) == IFLA_STATS_LINK_XSTATS)
			stats = netlink_nested(netlink_nested(attr, LINK_XSTATS_TYPE_BOND), XSTATS_CPU_BOUND);
	if (!stats)
		return MNL_CB_OK;
	all->bond = realloc(all->bond, (all->n + 1) * sizeof(*all->bond));
	if (!all->bond)
		abort();
	b = &all->bond[all->n];
	memset(b, 0, sizeof(*b));
	if (!if_indextoname(ifsm->ifindex, b->name))
		return MNL_CB_OK;	/* gone meanwhile */
	all->n++;
	mnl_attr_for_each_nested(attr, stats) {
		switch (mnl_attr_get_type(attr)) {
		case STAT_LISTED:
		case STAT_SHARED:
		case STAT_LEARNED:
			b->own += mnl_attr_get_u64(attr);
			break;
		case STAT_NODE:
		case STAT_ANY:
			b->other += mnl_attr_get_u64(attr);
			break;
		}
	}
	return MNL_CB_OK;
}

bool bonds_get(struct bonds *all)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct if_stats_msg *ifsm;
	int err;

	all->bond = NULL;
	all->n = 0;
	nlh->nlmsg_type = RTM_GETSTATS;
	nlh->nlmsg_flags = NLM_F_DUMP;
	ifsm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifsm));
	ifsm->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_XSTATS);
	err = netlink_ask(NETLINK_ROUTE, nlh, collect, all);
	if (err)
		report("rtnetlink", "the bonds' statistics cannot be read: %s", strerror(err));
	return !err;
}

void bonds_free(struct bonds *all)
{
	free(all->bond);
	all->bond = NULL;
	all->n = 0;
}
