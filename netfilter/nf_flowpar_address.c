// SPDX-License-Identifier: GPL-2.0
/* Which addresses are this host's: only their packets are ours.
 *
 * Asked by the hooks when no socket has answered already, for SYNs above all, under
 * rcu_read_lock(). The hash of the host's own addresses answers for most; routes of type
 * local, and VRFs, where an address is local to one of them only, are left to the routing
 * table.
 */
#include <linux/if.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "nf_flowpar.h"

static bool flowpar_ipv4_address_is_local(struct net *net, const struct net_device *dev,
					  __be32 address)
{
	const struct net_device *owner;

	owner = __ip_dev_find(net, address, false);
	if (owner && owner->flags & IFF_UP &&
	    !netif_is_l3_slave(owner) && !netif_is_l3_master(owner) &&
	    !netif_is_l3_slave(dev) && !netif_is_l3_master(dev))
		return true;
	return inet_addr_type_dev_table(net, dev, address) == RTN_LOCAL;
}

/**
 * flowpar_address_is_local - whether packets to an address are for this host
 * @net: the namespace
 * @dev: where they come in; for the source of a packet, where it goes out
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @address: the address
 */
bool flowpar_address_is_local(struct net *net, const struct net_device *dev, u8 family,
			      const union nf_inet_addr *address)
{
	if (family == NFPROTO_IPV6)
		return flowpar_ipv6_address_is_local(net, dev, &address->in6);
	return flowpar_ipv4_address_is_local(net, dev, address->ip);
}
