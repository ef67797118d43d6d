// SPDX-License-Identifier: GPL-2.0
/* What IPv6 does in its own way, behind the family-independent parts: sockets, local
 * addresses, fragments. Built only into kernels that have IPv6.
 *
 * Runs in the hooks, under rcu_read_lock().
 */
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/inet6_hashtables.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6_frag.h>
#include <net/l3mdev.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "nf_flowpar.h"

/**
 * flowpar_ipv6_socket - flowpar_socket() for IPv6
 * @net: the namespace
 * @saddr: source address
 * @sport: source port
 * @daddr: destination address
 * @port: port to look it up at
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 *
 * Return: the established socket, request or TIME_WAIT socket, referenced; or NULL.
 */
struct sock *flowpar_ipv6_socket(const struct net *net, const struct in6_addr *saddr,
				 __be16 sport, const struct in6_addr *daddr, u16 port,
				 int dif, int sdif)
{
	return __inet6_lookup_established(net, net->ipv4.tcp_death_row.hashinfo, saddr, sport,
					  daddr, port, dif, sdif);
}

/**
 * flowpar_ipv6_listener - the listening socket that a SYN would be given
 * @net: the namespace
 * @flow: the SYN
 * @port: port to look it up at
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 *
 * Return: the socket, valid under rcu_read_lock(); or NULL.
 */
struct sock *flowpar_ipv6_listener(const struct net *net, const struct flowpar_flow *flow,
				   u16 port, int dif, int sdif)
{
	return inet6_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo, NULL, 0,
				     &flow->saddr.in6, flow->sport, &flow->daddr.in6, port,
				     dif, sdif);
}

/**
 * flowpar_ipv6_udp_socket - the UDP socket that a datagram would be given
 * @net: the namespace
 * @flow: the datagram
 * @port: port to look it up at
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 *
 * Return: the socket, valid under rcu_read_lock(); or NULL.
 */
struct sock *flowpar_ipv6_udp_socket(const struct net *net, const struct flowpar_flow *flow,
				     u16 port, int dif, int sdif)
{
	return __udp6_lib_lookup(net, &flow->saddr.in6, flow->sport, &flow->daddr.in6,
				 htons(port), dif, sdif, flowpar_udp_table(net), NULL);
}

#ifdef CONFIG_SYN_COOKIES
/**
 * flowpar_ipv6_cookie_is_valid - whether an ACK answers a SYN cookie of ours
 * @flow: the ACK
 * @th: its header, with the port that may have sent the cookie
 */
bool flowpar_ipv6_cookie_is_valid(const struct flowpar_flow *flow, const struct tcphdr *th)
{
	struct ipv6hdr ip6h = {
		.saddr	= flow->saddr.in6,
		.daddr	= flow->daddr.in6,
	};

	return __cookie_v6_check(&ip6h, th);
}
#endif

/**
 * flowpar_ipv6_address_is_local - flowpar_address_is_local() for IPv6
 * @net: the namespace
 * @dev: as there; a link-local address counts on its own link only
 * @address: the address
 */
bool flowpar_ipv6_address_is_local(struct net *net, const struct net_device *dev,
				   const struct in6_addr *address)
{
	struct flowi6 fl6 = {
		.daddr		= *address,
		.flowi6_iif	= LOOPBACK_IFINDEX,
	};
	struct dst_entry *dst;
	bool local;

	/* Unlike IPv4's, the hash of addresses knows about VRFs. */
	if (ipv6_chk_addr(net, address, dev, 0))
		return true;
	if (rt6_need_strict(address))
		return false;

	fl6.flowi6_l3mdev = l3mdev_master_ifindex_rcu(dev);
	dst = ip6_route_lookup(net, &fl6, NULL, 0);
	local = !dst->error && container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_LOCAL;
	dst_release(dst);
	return local;
}

/**
 * flowpar_ipv6_is_local - whether a route leads to an address of this host
 * @dst: a route, no tunnel's metadata
 */
bool flowpar_ipv6_is_local(const struct dst_entry *dst)
{
	return container_of(dst, const struct rt6_info, dst)->rt6i_flags & RTF_LOCAL;
}

/**
 * flowpar_ipv6_sends_locally - whether a socket can only send from addresses of this host
 * @net: the namespace
 * @sk: a full socket of TCP or UDP
 */
bool flowpar_ipv6_sends_locally(struct net *net, struct sock *sk)
{
	return !ipv6_can_nonlocal_bind(net, inet_sk(sk));
}

/**
 * flowpar_ipv6_defrag - put a datagram together from its fragments
 * @net: the namespace
 * @skb: a fragment to a local address
 *
 * By nf_defrag's queue, without its hooks: local delivery of IPv6 has one, but it puts
 * together what the fragment header's protocol handler is given, after routing. So a
 * datagram between whose fragments the first service comes or the last one goes is lost;
 * its sender repeats it.
 *
 * Return: FLOWPAR_V_NOT_OURS: @skb is the datagram, or no valid fragment; else as named.
 */
enum flowpar_verdict flowpar_ipv6_defrag(struct net *net, struct sk_buff *skb)
{
	switch (nf_ct_frag6_gather(net, skb, IP6_DEFRAG_LOCAL_DELIVER)) {
	case 0:
		return FLOWPAR_V_NOT_OURS;
	case -EINPROGRESS:
		return FLOWPAR_V_STOLEN;
	default:
		return FLOWPAR_V_BAD_FRAGMENT;
	}
}
