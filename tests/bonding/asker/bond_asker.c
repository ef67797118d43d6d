// SPDX-License-Identifier: GPL-2.0
/*
 * Asks a bond what drivers above and below it ask, for a test: which slave a packet would
 * leave by (ndo_get_xmit_slave), whether a socket's slave is known ahead
 * (ndo_sk_get_lower_dev), and which hash a slave's driver is told that the LAG has.
 *
 * Answers are parameters in sysfs, each made when it is read, on the reader's CPU:
 *
 *   usable, all	names of the slaves for flows of UDP from source port 20000 on, as
 *			many as "flows", to port 9000 of "to", one of "usable" or all slaves
 *   socket		the device that a connected TCP socket is told
 *   hash		what was told at the last enslaving: a number, "unknown", or "none"
 *
 * Context: process, preemptible, as those who ask.
 */
#include <linux/etherdevice.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/net_namespace.h>
#include <net/sock.h>

static char bond[IFNAMSIZ];
module_param_string(bond, bond, sizeof(bond), 0644);
static char from[16], to[16];
module_param_string(from, from, sizeof(from), 0644);
module_param_string(to, to, sizeof(to), 0644);
static ushort flows = 1;
module_param(flows, ushort, 0644);

static int told = -1;	/* enum netdev_lag_hash */

static struct sk_buff *flow(u16 source)
{
	struct sk_buff *skb = alloc_skb(128, GFP_KERNEL);
	struct ethhdr *eth;
	struct udphdr *udp;
	struct iphdr *ip;

	if (!skb)
		return NULL;
	skb_reset_mac_header(skb);
	eth = skb_put_zero(skb, sizeof(*eth));
	eth->h_proto = htons(ETH_P_IP);
	skb->protocol = eth->h_proto;
	skb_set_network_header(skb, sizeof(*eth));
	ip = skb_put_zero(skb, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = in_aton(from);
	ip->daddr = in_aton(to);
	udp = skb_put_zero(skb, sizeof(*udp));
	udp->source = htons(source);
	udp->dest = htons(9000);

	return skb;
}

static int slaves_get(char *buf, const struct kernel_param *kp)
{
	bool all = !strcmp(kp->name + strlen(kp->name) - 3, "all");
	struct net_device *dev, *slave;
	struct sk_buff *skb;
	int len = 0, i;

	for (i = 0; i < flows; i++) {
		skb = flow(20000 + i);
		if (!skb)
			return -ENOMEM;
		rcu_read_lock();
		dev = dev_get_by_name_rcu(&init_net, bond);
		slave = dev ? netdev_get_xmit_slave(dev, skb, all) : NULL;
		len += scnprintf(buf + len, PAGE_SIZE - len, "%s\n", slave ? slave->name : "none");
		rcu_read_unlock();
		kfree_skb(skb);
	}

	return len;
}

static const struct kernel_param_ops slaves_ops = { .get = slaves_get };
module_param_cb(usable, &slaves_ops, NULL, 0444);
module_param_cb(all, &slaves_ops, NULL, 0444);

static int socket_get(char *buf, const struct kernel_param *kp)
{
	struct net_device *dev;
	struct socket *sock;
	int len;

	len = sock_create_kern(&init_net, PF_INET, SOCK_STREAM, IPPROTO_TCP, &sock);
	if (len)
		return len;
	rcu_read_lock();
	dev = dev_get_by_name_rcu(&init_net, bond);
	dev = dev ? netdev_sk_get_lowest_dev(dev, sock->sk) : NULL;
	len = scnprintf(buf, PAGE_SIZE, "%s\n", dev ? dev->name : "none");
	rcu_read_unlock();
	sock_release(sock);

	return len;
}

static const struct kernel_param_ops socket_ops = { .get = socket_get };
module_param_cb(socket, &socket_ops, NULL, 0444);

static int hash_get(char *buf, const struct kernel_param *kp)
{
	int hash = READ_ONCE(told);

	if (hash < 0)
		return scnprintf(buf, PAGE_SIZE, "none\n");
	if (hash == NETDEV_LAG_HASH_UNKNOWN)
		return scnprintf(buf, PAGE_SIZE, "unknown\n");
	return scnprintf(buf, PAGE_SIZE, "%d\n", hash);
}

static const struct kernel_param_ops hash_ops = { .get = hash_get };
module_param_cb(hash, &hash_ops, NULL, 0444);

/* As a driver that offloads a LAG hears of it */
static int event(struct notifier_block *nb, unsigned long what, void *ptr)
{
	struct netdev_notifier_changeupper_info *info = ptr;

	if (what == NETDEV_CHANGEUPPER && netif_is_lag_master(info->upper_dev) &&
	    info->linking && info->upper_info)
		WRITE_ONCE(told, ((struct netdev_lag_upper_info *)info->upper_info)->hash_type);

	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = event };

static int __init asker_init(void)
{
	return register_netdevice_notifier(&notifier);
}

static void __exit asker_exit(void)
{
	unregister_netdevice_notifier(&notifier);
}

module_init(asker_init);
module_exit(asker_exit);
MODULE_DESCRIPTION("Asks a bond what other drivers ask");
MODULE_LICENSE("GPL");
