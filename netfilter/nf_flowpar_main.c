// SPDX-License-Identifier: GPL-2.0
/* nf_flowpar: a listening socket per core behind one public port.
 *
 * Where the rewriting sits on a packet's way, relative to conntrack, which sees only
 * per-core ports and so sees both directions of a flow alike:
 *
 *   in      PRE_ROUTING   [conntrack defrag -400] | public -> per-core -350 | raw -300 | conntrack
 *   out     POST_ROUTING  ... | NAT | helpers | per-core -> public | confirm
 *
 * A client on this host is one like any other, and loopback its wire: a hook at LOCAL_OUT
 * would cost each answer. Its flows have two entries in conntrack, as if client and server
 * were two hosts: one of the public port, which sees what leaves the client and what comes
 * in on loopback, and one of the per-core port, from loopback to the server and back.
 *
 * This file: module, namespaces, hooks. Process context. A namespace has hooks of a
 * family exactly while it has services of that family.
 */
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/random.h>
#include <net/genetlink.h>

#include "nf_flowpar.h"
#include "nf_flowpar_nl.h"

/* The priorities of IPv6 are IPv4's. */
#define FLOWPAR_PRI_IN	((NF_IP_PRI_CONNTRACK_DEFRAG + NF_IP_PRI_RAW) / 2)
/* One before conntrack's confirm: at equal priority the order would depend on which
 * of the two registered first.
 */
#define FLOWPAR_PRI_OUT	(NF_IP_PRI_LAST - 1)

unsigned int flowpar_net_id __read_mostly;

static const struct nf_hook_ops flowpar_hooks[FLOWPAR_FAMILIES][2] = {
	{
		{
			.hook		= flowpar_in_hook4,
			.pf		= NFPROTO_IPV4,
			.hooknum	= NF_INET_PRE_ROUTING,
			.priority	= FLOWPAR_PRI_IN,
		},
		{
			.hook		= flowpar_out_hook4,
			.pf		= NFPROTO_IPV4,
			.hooknum	= NF_INET_POST_ROUTING,
			.priority	= FLOWPAR_PRI_OUT,
		},
	},
	{
		{
			.hook		= flowpar_in_hook6,
			.pf		= NFPROTO_IPV6,
			.hooknum	= NF_INET_PRE_ROUTING,
			.priority	= FLOWPAR_PRI_IN,
		},
		{
			.hook		= flowpar_out_hook6,
			.pf		= NFPROTO_IPV6,
			.hooknum	= NF_INET_POST_ROUTING,
			.priority	= FLOWPAR_PRI_OUT,
		},
	},
};

/**
 * flowpar_hooks_register - let packets of a namespace reach its services
 * @net: the namespace; its flowpar_net.lock is held
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 *
 * Return: 0 or a negative error; then nothing is registered.
 */
int flowpar_hooks_register(struct net *net, u8 family)
{
	return nf_register_net_hooks(net, flowpar_hooks[flowpar_family_index(family)],
				     ARRAY_SIZE(flowpar_hooks[0]));
}

/**
 * flowpar_hooks_unregister - undo flowpar_hooks_register()
 * @net: the namespace
 * @family: as it was registered
 *
 * Hooks may still run on other CPUs when this returns, until an RCU grace period has
 * passed.
 */
void flowpar_hooks_unregister(struct net *net, u8 family)
{
	nf_unregister_net_hooks(net, flowpar_hooks[flowpar_family_index(family)],
				ARRAY_SIZE(flowpar_hooks[0]));
}

static int __net_init flowpar_net_init(struct net *net)
{
	struct flowpar_net *fn = flowpar_net(net);

	mutex_init(&fn->lock);
	fn->seq = 1;
	fn->secret = get_random_u32();
	return 0;
}

/* The grace period between pre_exit and exit is the one that the hooks need before
 * services may be freed and, on module unload, before the code may go.
 */
static void __net_exit flowpar_net_pre_exit(struct net *net)
{
	static const u8 families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct flowpar_net *fn = flowpar_net(net);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (rcu_access_pointer(fn->table[flowpar_family_index(families[i])]))
			flowpar_hooks_unregister(net, families[i]);
}

static void __net_exit flowpar_net_exit(struct net *net)
{
	flowpar_services_release(net);
}

static struct pernet_operations flowpar_net_ops = {
	.init		= flowpar_net_init,
	.pre_exit	= flowpar_net_pre_exit,
	.exit		= flowpar_net_exit,
	.id		= &flowpar_net_id,
	.size		= sizeof(struct flowpar_net),
};

static int __init flowpar_init(void)
{
	int err;

	err = register_pernet_subsys(&flowpar_net_ops);
	if (err)
		return err;

	err = genl_register_family(&flowpar_nl_family);
	if (err)
		goto err_pernet;

	/* Last: a call that is on its way does not let go of a module that failed. */
	err = flowpar_sockopt_register();
	if (err)
		goto err_family;
	return 0;

err_family:
	genl_unregister_family(&flowpar_nl_family);
err_pernet:
	unregister_pernet_subsys(&flowpar_net_ops);
	return err;
}

static void __exit flowpar_exit(void)
{
	/* First the doors, then what is inside, then what RCU still holds. */
	flowpar_sockopt_unregister();
	genl_unregister_family(&flowpar_nl_family);
	unregister_pernet_subsys(&flowpar_net_ops);
	rcu_barrier();
}

module_init(flowpar_init);
module_exit(flowpar_exit);

module_param_named(search_budget, flowpar_search_budget, uint, 0644);
MODULE_PARM_DESC(search_budget,
		 "socket lookups per second that a CPU may spend on looking for moved flows, per service");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A listening socket per core behind one public port");
MODULE_ALIAS_GENL_FAMILY(FLOWPAR_FAMILY_NAME);
