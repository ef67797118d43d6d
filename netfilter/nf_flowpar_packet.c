// SPDX-License-Identifier: GPL-2.0
/* The hooks: which packets are ours, their new port, and netfilter's verdict.
 *
 * In and out are called with BH disabled or in process context (a socket's own
 * transmission), always under rcu_read_lock(). No lock, no allocation, no shared write.
 * Every step returns an enum flowpar_verdict; flowpar_verdict() alone maps it to
 * netfilter's. Both address families share each step, which is compiled for either: the
 * hook knows its family, so nothing asks for it per packet.
 *
 * skb->hash is left alone: the NIC, RPS and RFS computed it from the packet on the
 * wire, and what compares it later (sk_rxhash) has to find the same value.
 */
#include <linux/errno.h>
#include <linux/if.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/dst_metadata.h>
#include <net/inet_sock.h>
#include <net/inet_timewait_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/request_sock.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nf_flowpar.h"

enum flowpar_parsed {
	FLOWPAR_P_FLOW,
	FLOWPAR_P_FRAGMENT,
	FLOWPAR_P_OTHER,
};

/* Steps over extension headers. Of what was received, a routing header that is not used
 * up leads elsewhere: the packet is only passing through. And what AH signs is not to be
 * changed: it comes again when it has been verified.
 */
static noinline enum flowpar_parsed flowpar_exthdrs_skip(const struct sk_buff *skb,
							 u8 *protocol,
							 unsigned int *offset)
{
	int flags = IP6_FH_F_SKIP_RH, next;
	unsigned int routing = 0, auth = 0;
	__be16 fragment;

	next = ipv6_skip_exthdr(skb, *offset, protocol, &fragment);
	if (fragment & htons(IP6_OFFSET | IP6_MF))
		return FLOWPAR_P_FRAGMENT;
	if (next < 0 || ipv6_find_hdr(skb, &auth, NEXTHDR_AUTH, NULL, NULL) >= 0)
		return FLOWPAR_P_OTHER;
	if (skb->skb_iif && ipv6_find_hdr(skb, &routing, NEXTHDR_ROUTING, NULL, &flags) >= 0)
		return FLOWPAR_P_OTHER;
	*offset = next;
	return FLOWPAR_P_FLOW;
}

/* The transport header of a TCP segment or a UDP datagram. */
struct flowpar_transport {
	unsigned int offset;
	u8 protocol;
};

/* Inlined, as all per packet: the caller knows @family. */
static __always_inline enum flowpar_parsed
flowpar_transport_parse(const struct sk_buff *skb, u8 family,
			struct flowpar_transport *transport)
{
	transport->offset = skb_network_offset(skb);
	/* Raw sockets send any header, and fragments too, which are theirs to send. */
	if (family == NFPROTO_IPV6) {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);
		enum flowpar_parsed parsed;

		transport->offset += sizeof(*ip6h);
		transport->protocol = ip6h->nexthdr;
		if (unlikely(ipv6_ext_hdr(transport->protocol))) {
			parsed = flowpar_exthdrs_skip(skb, &transport->protocol,
						      &transport->offset);
			if (parsed != FLOWPAR_P_FLOW)
				return parsed;
		}
	} else {
		const struct iphdr *iph = ip_hdr(skb);

		if (unlikely(iph->ihl < 5))
			return FLOWPAR_P_OTHER;
		if (unlikely(ip_is_fragment(iph)))
			return FLOWPAR_P_FRAGMENT;
		transport->offset += ip_hdrlen(skb);
		transport->protocol = iph->protocol;
	}
	return likely(transport->protocol == IPPROTO_TCP) ||
	       transport->protocol == IPPROTO_UDP ? FLOWPAR_P_FLOW : FLOWPAR_P_OTHER;
}

/* What the protocols have in common, and what only TCP has. */
union flowpar_header {
	__be16 port[2];
	struct tcphdr th;
	struct udphdr uh;
};

/* Pulled into the linear part, where it will be written. NULL: there is not all of it. */
static __always_inline const union flowpar_header *
flowpar_header(struct sk_buff *skb, const struct flowpar_transport *transport)
{
	const union flowpar_header *header;
	bool tcp = likely(transport->protocol == IPPROTO_TCP);

	if (unlikely(!pskb_may_pull(skb, transport->offset + (tcp ? sizeof(header->th) :
								    sizeof(header->uh)))))
		return NULL;
	header = (const union flowpar_header *)(skb->data + transport->offset);
	return !tcp || likely(header->th.doff >= sizeof(header->th) / 4) ? header : NULL;
}

static __always_inline union nf_inet_addr flowpar_address(const struct sk_buff *skb, u8 family,
							  enum flowpar_field field)
{
	union nf_inet_addr address;

	if (family == NFPROTO_IPV6)
		address.in6 = field == FLOWPAR_SOURCE ? ipv6_hdr(skb)->saddr :
							ipv6_hdr(skb)->daddr;
	else
		address.ip = field == FLOWPAR_SOURCE ? ip_hdr(skb)->saddr : ip_hdr(skb)->daddr;
	return address;
}

/* The same where it stands, until the header moves: of IPv4 only @ip may be read. */
static __always_inline const union nf_inet_addr *
flowpar_address_at(const struct sk_buff *skb, u8 family, enum flowpar_field field)
{
	if (family == NFPROTO_IPV6)
		return (const union nf_inet_addr *)(field == FLOWPAR_SOURCE ?
						    &ipv6_hdr(skb)->saddr :
						    &ipv6_hdr(skb)->daddr);
	return (const union nf_inet_addr *)(field == FLOWPAR_SOURCE ? &ip_hdr(skb)->saddr :
								      &ip_hdr(skb)->daddr);
}

static enum flowpar_parsed flowpar_flow_parse(struct sk_buff *skb, u8 family,
					      struct flowpar_flow *flow)
{
	const union flowpar_header *header;
	struct flowpar_transport transport;
	enum flowpar_parsed parsed;

	parsed = flowpar_transport_parse(skb, family, &transport);
	if (parsed != FLOWPAR_P_FLOW)
		return parsed;
	header = flowpar_header(skb, &transport);
	if (!header)
		return FLOWPAR_P_OTHER;

	flow->saddr = flowpar_address(skb, family, FLOWPAR_SOURCE);
	flow->daddr = flowpar_address(skb, family, FLOWPAR_DEST);
	flow->sport = header->port[FLOWPAR_SOURCE];
	flow->dport = ntohs(header->port[FLOWPAR_DEST]);
	flow->family = family;
	flow->protocol = transport.protocol;
	flow->offset = transport.offset;
	if (transport.protocol == IPPROTO_UDP)
		return FLOWPAR_P_FLOW;
	flow->seq = ntohl(header->th.seq);
	flow->ack_seq = ntohl(header->th.ack_seq);
	flow->ack = header->th.ack;
	flow->syn = header->th.syn && !header->th.ack;
	flow->quoted = false;
	return FLOWPAR_P_FLOW;
}

/* A datagram that is to be cut into several has the sum of its pseudo header, whatever
 * ip_summed says: __udp_gso_segment() adds ports and data. udp_send_skb() leaves it so where
 * the device adds no sums.
 */
static bool flowpar_is_unsummed(const struct sk_buff *skb)
{
	return skb_is_gso(skb) && !(skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST);
}

/* Ports are in no pseudo header, so this is right for every kind of checksum offload: with
 * CHECKSUM_PARTIAL the field covers nothing but that header, and what CHECKSUM_COMPLETE
 * has summed up changes as little as the sum that the field makes of it.
 *
 * The header is linear already, so most packets may be written without a call. Both
 * protocols begin with the ports.
 */
static __always_inline bool flowpar_port_write(struct sk_buff *skb, u8 protocol,
					       unsigned int offset,
					       enum flowpar_field field, u16 port)
{
	bool tcp = likely(protocol == IPPROTO_TCP);
	union flowpar_header *header;
	__be16 new = htons(port);
	unsigned int len;

	len = offset + (tcp ? sizeof(header->th) : sizeof(header->uh));
	if (unlikely(skb_cloned(skb) && !skb_clone_writable(skb, len)) &&
	    skb_ensure_writable(skb, len))
		return false;

	header = (union flowpar_header *)(skb->data + offset);
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		/* 0 is none with it too, and is not touched. */
	} else if (tcp) {
		csum_replace2(&header->th.check, header->port[field], new);
	} else if (header->uh.check && !flowpar_is_unsummed(skb)) {
		/* 0: none. One that comes out as 0 is sent as its equal. */
		csum_replace2(&header->uh.check, header->port[field], new);
		if (!header->uh.check)
			header->uh.check = CSUM_MANGLED_0;
	}
	header->port[field] = new;
	return true;
}

/* Only the first fragment has ports, so a datagram that may be a service's is put
 * together here instead of a few steps on, on local delivery. Most packets are whole,
 * and pay less for this than for nf_defrag's hooks in front of ours.
 *
 * Return: FLOWPAR_V_NOT_OURS: @skb is what it was, or a datagram now; all else is final.
 */
static enum flowpar_verdict flowpar_defrag(struct net *net, struct sk_buff *skb, u8 family)
{
	union nf_inet_addr daddr = flowpar_address(skb, family, FLOWPAR_DEST);

	if (!flowpar_service_has_address(net, family, &daddr) ||
	    !flowpar_address_is_local(net, skb->dev, family, &daddr))
		return FLOWPAR_V_NOT_OURS;

	if (family == NFPROTO_IPV6)
		return flowpar_ipv6_defrag(net, skb);
	/* The queue of ip_local_deliver(): services may come and go between fragments. */
	return ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER) ? FLOWPAR_V_STOLEN :
							      FLOWPAR_V_NOT_OURS;
}

/* From the home port that @place has, and for TCP the socket there, to the right one; for UDP
 * that is the home port.
 * @dev: where the packet came from, if its address may be another host's.
 */
static enum flowpar_verdict flowpar_steer(struct net *net, struct flowpar_service *service,
					  const struct flowpar_flow *flow, int dif, int sdif,
					  const struct net_device *dev,
					  struct flowpar_place *place)
{
	enum flowpar_verdict verdict;

	if (unlikely(flow->protocol != IPPROTO_TCP))
		return dev && !flowpar_address_is_local(net, dev, flow->family, &flow->daddr) ?
			FLOWPAR_V_NOT_OURS : FLOWPAR_V_IN;

	if (flowpar_lookup_is_certain(flow, place))
		return FLOWPAR_V_IN;

	/* Only now: a socket at its port proved that the address is local. */
	if (dev && !flowpar_address_is_local(net, dev, flow->family, &flow->daddr)) {
		if (place->sk)
			sock_gen_put(place->sk);
		return FLOWPAR_V_NOT_OURS;
	}
	if (!flow->syn || flowpar_moved_recently(service)) {
		verdict = flowpar_lookup_moved(net, service, flow, dif, sdif, place);
		if (!flow->syn || place->sk || verdict != FLOWPAR_V_IN)
			return verdict;
	}
	flowpar_listener_choose(net, service, flow, dif, sdif, place);
	return FLOWPAR_V_IN;
}

/* From outside, per-core ports do not exist. */
static noinline enum flowpar_verdict flowpar_closed(struct net *net, const struct sk_buff *skb,
						    u8 family)
{
	union nf_inet_addr daddr = flowpar_address(skb, family, FLOWPAR_DEST);

	return flowpar_address_is_local(net, skb->dev, family, &daddr) ?
		FLOWPAR_V_CLOSED : FLOWPAR_V_NOT_OURS;
}

/* Hooks after ours may send a new flow elsewhere, and conntrack tell them to. */
static __always_inline bool flowpar_is_last(const struct net *net, u8 family)
{
	const struct nf_hook_entries *hooks;

	if (family == NFPROTO_IPV6)
		hooks = rcu_dereference(net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]);
	else
		hooks = rcu_dereference(net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	return hooks && hooks->hooks[hooks->num_hook_entries - 1].hook ==
			(family == NFPROTO_IPV6 ? flowpar_in_hook6 : flowpar_in_hook4);
}

/* Whether a packet goes to one of this host's addresses, by its route. A tunnel's metadata
 * is none; tc and BPF can put it there.
 */
static bool flowpar_is_local(const struct sk_buff *skb, u8 family)
{
	const unsigned int kinds = RTCF_LOCAL | RTCF_BROADCAST | RTCF_MULTICAST;

	if (!skb_valid_dst(skb))
		return false;
	if (family == NFPROTO_IPV6)
		return flowpar_ipv6_is_local(skb_dst(skb));
	return (skb_rtable(skb)->rt_flags & kinds) == RTCF_LOCAL;
}

/* To conntrack the packet gets to its receiver here. Of what goes by a VRF it confirms
 * nothing at POST_ROUTING, but at LOCAL_IN, where the skb will have another entry. By the
 * hook and not by nf_conntrack_confirm(), which would need the module.
 */
static void flowpar_ct_leave(struct sk_buff *skb)
{
	const struct nf_ct_hook *hook;
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct;

	ct = nf_ct_get(skb, &ctinfo);
	if (!ct)	/* nor is what is untracked, which says so without an entry */
		return;
	hook = rcu_dereference(nf_ct_hook);
	if (hook && !nf_ct_is_template(ct) && !nf_ct_is_confirmed(ct))
		hook->confirm(skb);
	nf_reset_ct(skb);
}

/* Whether flowpar_out() wrote the source port: conntrack saw the packet with another. */
static bool flowpar_is_answer(const struct net *net, const struct sk_buff *skb,
			      const struct flowpar_flow *flow)
{
	struct flowpar_service *service;
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct;
	__be16 sport;

	ct = nf_ct_get(skb, &ctinfo);
	sport = ct->tuplehash[CTINFO2DIR(ctinfo)].tuple.src.u.all;
	if (sport == flow->sport)
		return false;
	service = flowpar_service_find(net, flow->family, flow->protocol, &flow->saddr,
				       ntohs(sport));
	return service && ntohs(flow->sport) == service->port;
}

/* From this host to itself: loopback is the wire. Up to here conntrack saw the packet as
 * its sender does; from here on it has to see the receiver's side, another entry.
 *
 * The flow's hash picks the core, not the CPU: clients migrate between segments. What a
 * per-core port was sent to was refused when it left, unless NAT sent it there.
 */
static noinline enum flowpar_verdict flowpar_in_local(struct net *net, struct sk_buff *skb,
						      u8 family,
						      struct flowpar_service **found)
{
	/* As TCP will ask, for which the two are alike. */
	int sdif = netif_is_l3_master(skb->dev) ? skb->dev->ifindex : 0, dif;
	struct flowpar_flow flow __uninitialized;
	struct flowpar_service *service;
	enum flowpar_verdict verdict;
	struct flowpar_place place;
	enum flowpar_parsed parsed;

	if (!flowpar_is_local(skb, family))
		return FLOWPAR_V_NOT_OURS;
	dif = family == NFPROTO_IPV6 ? IP6CB(skb)->iif : inet_iif(skb);
	parsed = flowpar_flow_parse(skb, family, &flow);
	if (parsed == FLOWPAR_P_FRAGMENT) {
		verdict = flowpar_defrag(net, skb, family);
		if (verdict != FLOWPAR_V_NOT_OURS)
			return verdict;
		parsed = flowpar_flow_parse(skb, family, &flow);
	}
	if (parsed != FLOWPAR_P_FLOW)
		return flowpar_icmp_in(net, skb, family, dif, sdif, NULL, found);

	service = flowpar_service_find(net, family, flow.protocol, &flow.daddr, flow.dport);
	if (!service) {
		if (skb_nfct(skb) && flowpar_is_answer(net, skb, &flow))
			flowpar_ct_leave(skb);
		return FLOWPAR_V_NOT_OURS;
	}
	if (flow.dport != service->port)
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	place.port = flowpar_home_port(net, service, &flow, FLOWPAR_NO_RANK);
	place.sk = flow.protocol == IPPROTO_TCP ?
		flowpar_lookup_home(net, &flow, place.port, dif, sdif) : NULL;
	place.listener = NULL;
	verdict = flowpar_steer(net, service, &flow, dif, sdif, NULL, &place);
	if (verdict != FLOWPAR_V_IN)
		return verdict;
	if (place.sk)
		sock_gen_put(place.sk);
	if (!flowpar_port_write(skb, flow.protocol, flow.offset, FLOWPAR_DEST, place.port))
		return FLOWPAR_V_ERROR;
	flowpar_ct_leave(skb);
	return FLOWPAR_V_IN;
}

/* flowpar_lookup_is_certain() for what most segments meet at their home port. */
static __always_inline bool flowpar_is_home(struct sock *sk, const struct tcphdr *th)
{
	const int state = READ_ONCE(sk->sk_state);

	if (likely(state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV))
		return true;
	if (!th->ack)
		return false;
	if (state == TCP_TIME_WAIT)
		return ntohl(th->seq) == READ_ONCE(tcp_twsk(sk)->tw_rcv_nxt);
	return ntohl(th->ack_seq) == tcp_rsk(inet_reqsk(sk))->snt_isn + 1;
}

/* All but the usual: SYNs, flows that are elsewhere or at odds with their state, UDP.
 * @port: the home port, at which @sk was found; 0: not known, nor looked up yet
 * @sk: the socket, referenced; the reference is consumed. Or NULL
 */
static noinline enum flowpar_verdict
flowpar_in_search(struct net *net, struct sk_buff *skb, u8 family, int sdif,
		  struct flowpar_service *service, u16 port, struct sock *sk)
{
	struct flowpar_place place = { .port = port, .sk = sk };
	struct flowpar_flow flow __uninitialized;
	const struct net_device *dev = skb->dev;
	enum flowpar_verdict verdict;
	int dif = dev->ifindex;
	u16 rank;

	flowpar_flow_parse(skb, family, &flow);
	if (!port) {
		rank = service->rank[smp_processor_id()];
		place.port = flowpar_home_port(net, service, &flow, rank);
		if (flow.protocol == IPPROTO_TCP)
			place.sk = flowpar_lookup_home(net, &flow, place.port, dif, sdif);
	}
	verdict = flowpar_steer(net, service, &flow, dif, sdif, dev, &place);
	if (verdict != FLOWPAR_V_IN)
		return verdict;
	if (!port && rank == FLOWPAR_NO_RANK)
		flowpar_count(service, FLOWPAR_FOREIGN_CPU);
	if (place.sk)
		flowpar_attach(net, service, skb, place.sk, false);
	else if (place.listener && flowpar_is_last(net, family))
		flowpar_attach_listener(net, service, skb, place.listener);
	return flowpar_port_write(skb, flow.protocol, flow.offset, FLOWPAR_DEST, place.port) ?
		FLOWPAR_V_IN : FLOWPAR_V_ERROR;
}

static __always_inline enum flowpar_verdict flowpar_in(struct net *net, struct sk_buff *skb,
						       u8 family,
						       struct flowpar_service **found)
{
	const struct net_device *dev = skb->dev;
	const union flowpar_header *header;
	struct flowpar_transport transport;
	struct flowpar_service *service;
	const union nf_inet_addr *daddr;
	enum flowpar_verdict verdict;
	enum flowpar_parsed parsed;
	u16 dport, port = 0, rank;
	struct sock *sk = NULL;
	int sdif;

	/* One that has a socket was assigned there by a BPF program, which knows better. A
	 * packet on a VRF's slave comes again on the VRF; the VRF's own to itself do not.
	 */
	if (skb->sk || netif_is_l3_slave(dev))
		return FLOWPAR_V_NOT_OURS;
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	/* For another host behind the bridge, which br_netfilter makes look like ours. */
	if (unlikely(nf_bridge_info_exists(skb)) && nf_bridge_info_get(skb)->pkt_otherhost)
		return FLOWPAR_V_NOT_OURS;
#endif
	if (unlikely(skb->pkt_type != PACKET_HOST || dev->flags & IFF_LOOPBACK))
		return skb->pkt_type == PACKET_HOST || skb->pkt_type == PACKET_LOOPBACK ?
			flowpar_in_local(net, skb, family, found) : FLOWPAR_V_NOT_OURS;

	sdif = family == NFPROTO_IPV6 ? inet6_sdif(skb) : inet_sdif(skb);
	parsed = flowpar_transport_parse(skb, family, &transport);
	if (unlikely(parsed == FLOWPAR_P_FRAGMENT)) {
		verdict = flowpar_defrag(net, skb, family);
		if (verdict != FLOWPAR_V_NOT_OURS)
			return verdict;
		parsed = flowpar_transport_parse(skb, family, &transport);
	}
	header = parsed == FLOWPAR_P_FLOW ? flowpar_header(skb, &transport) : NULL;
	if (unlikely(!header))
		return flowpar_icmp_in(net, skb, family, dev->ifindex, sdif, dev, found);

	daddr = flowpar_address_at(skb, family, FLOWPAR_DEST);
	dport = ntohs(header->port[FLOWPAR_DEST]);
	service = flowpar_service_find(net, family, transport.protocol, daddr, dport);
	if (!service)
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	if (unlikely(dport != service->port))
		return flowpar_closed(net, skb, family);

	rank = service->rank[smp_processor_id()];
	if (likely(transport.protocol == IPPROTO_TCP && rank != FLOWPAR_NO_RANK &&
		   service->per_core == 1)) {
		port = service->base + rank * service->stride;
		sk = flowpar_socket(net, family,
				    flowpar_address_at(skb, family, FLOWPAR_SOURCE),
				    header->port[FLOWPAR_SOURCE], daddr, port,
				    dev->ifindex, sdif);
	}
	if (!sk || !flowpar_is_home(sk, &header->th))
		return flowpar_in_search(net, skb, family, sdif, service, port, sk);
	if (likely(sk_fullsock(sk)))
		flowpar_attach_full(net, service, skb, sk);
	else
		flowpar_attach(net, service, skb, sk,
			       skb->len == transport.offset + header->th.doff * 4);
	return flowpar_port_write(skb, IPPROTO_TCP, transport.offset, FLOWPAR_DEST, port) ?
		FLOWPAR_V_IN : FLOWPAR_V_ERROR;
}

/* A transparent proxy sends from other hosts' addresses, and any of their ports; over
 * IPv6 every socket that may bind them does. For most packets the socket answers without
 * a look at the addresses; resets come from a raw socket of the kernel's, SYN cookies
 * from none.
 */
static __always_inline bool flowpar_sends_locally(struct net *net, struct sock *sk, u8 family)
{
	if (!sk)
		return false;
	if (unlikely(!sk_fullsock(sk)))
		return !inet_sk_transparent(sk);
	if (!sk_is_tcp(sk) && !sk_is_udp(sk))
		return false;
	return family == NFPROTO_IPV6 ? flowpar_ipv6_sends_locally(net, sk) :
					!inet_sk_transparent(sk);
}

/* Apart, so that the address of most packets is never stored. */
static noinline bool flowpar_source_is_local(struct net *net, const struct sk_buff *skb,
					     u8 family)
{
	union nf_inet_addr saddr = flowpar_address(skb, family, FLOWPAR_SOURCE);

	return flowpar_address_is_local(net, skb_dst(skb)->dev, family, &saddr);
}

/* A client on this host may use the public port only: the answer will carry that, and the
 * packet's way to us says so to connect() at once. NAT that sends another port to a core's
 * undoes that itself.
 */
static noinline enum flowpar_verdict flowpar_out_local(struct net *net, const struct sk_buff *skb,
						       u8 family, u8 protocol, u16 dport,
						       struct flowpar_service **found)
{
	struct flowpar_service *service;
	enum ip_conntrack_info ctinfo;
	union nf_inet_addr daddr;
	const struct nf_conn *ct;

	if (!flowpar_is_local(skb, family))
		return FLOWPAR_V_NOT_OURS;
	daddr = flowpar_address(skb, family, FLOWPAR_DEST);
	service = flowpar_service_find(net, family, protocol, &daddr, dport);
	if (!service || dport == service->port)
		return FLOWPAR_V_NOT_OURS;
	ct = nf_ct_get(skb, &ctinfo);
	if (ct && ct->status & IPS_DST_NAT)
		return FLOWPAR_V_NOT_OURS;
	*found = service;
	return FLOWPAR_V_CLOSED;
}

/* Decided by port and address, not by socket: resets and SYN cookies have none of the
 * service's. skb_iif is 0 exactly for packets that this namespace did not receive.
 */
static __always_inline enum flowpar_verdict flowpar_out(struct net *net, struct sk_buff *skb,
							u8 family,
							struct flowpar_service **found)
{
	const union flowpar_header *header;
	struct flowpar_transport transport;
	struct flowpar_service *service;
	u16 sport;

	if (skb->skb_iif)
		return FLOWPAR_V_NOT_OURS;
	if (unlikely(flowpar_transport_parse(skb, family, &transport) != FLOWPAR_P_FLOW))
		return flowpar_icmp_out(net, skb, family, found);
	header = flowpar_header(skb, &transport);
	if (unlikely(!header))
		return FLOWPAR_V_NOT_OURS;

	sport = ntohs(header->port[FLOWPAR_SOURCE]);
	service = flowpar_service_find(net, family, transport.protocol,
				       flowpar_address_at(skb, family, FLOWPAR_SOURCE), sport);
	if (!service || sport == service->port ||
	    (!flowpar_sends_locally(net, skb->sk, family) &&
	     !flowpar_source_is_local(net, skb, family)))
		return flowpar_out_local(net, skb, family, transport.protocol,
					 ntohs(header->port[FLOWPAR_DEST]), found);
	*found = service;

	return flowpar_port_write(skb, transport.protocol, transport.offset, FLOWPAR_SOURCE,
				  service->port) ? FLOWPAR_V_OUT : FLOWPAR_V_ERROR;
}

/* @service: set with the verdicts that are counted */
static unsigned int flowpar_verdict(enum flowpar_verdict verdict,
				    const struct flowpar_service *service,
				    unsigned int closed)
{
	switch (verdict) {
	case FLOWPAR_V_NOT_OURS:
		return NF_ACCEPT;
	case FLOWPAR_V_STOLEN:
		return NF_STOLEN;
	case FLOWPAR_V_IN:
		flowpar_count(service, FLOWPAR_IN);
		return NF_ACCEPT;
	case FLOWPAR_V_OUT:
		flowpar_count(service, FLOWPAR_OUT);
		return NF_ACCEPT;
	case FLOWPAR_V_ICMP:
		flowpar_count(service, FLOWPAR_ICMP);
		return NF_ACCEPT;
	case FLOWPAR_V_CLOSED:
		flowpar_count(service, FLOWPAR_CLOSED);
		return closed;
	case FLOWPAR_V_THROTTLED:
		/* Counted where it was decided: throttled SYNs go on. */
	case FLOWPAR_V_BAD_FRAGMENT:
		return NF_DROP;
	case FLOWPAR_V_ERROR:
		flowpar_count(service, FLOWPAR_ERROR);
		return NF_DROP;
	}
	return NF_DROP;
}

static __always_inline unsigned int flowpar_in_hook(struct sk_buff *skb, u8 family,
						    const struct nf_hook_state *state)
{
	struct flowpar_service *service = NULL;
	enum flowpar_verdict verdict;
	bool in_process = unlikely(!in_softirq());

	/* A ruleset that queues to user space before us reinjects from a process. */
	if (in_process)
		local_bh_disable();
	verdict = flowpar_in(state->net, skb, family, &service);
	if (in_process)
		local_bh_enable();
	if (likely(verdict == FLOWPAR_V_IN)) {
		flowpar_count(service, FLOWPAR_IN);
		return NF_ACCEPT;
	}
	return flowpar_verdict(verdict, service, NF_DROP);
}

static __always_inline unsigned int flowpar_out_hook(struct sk_buff *skb, u8 family,
						     const struct nf_hook_state *state)
{
	struct flowpar_service *service = NULL;
	enum flowpar_verdict verdict = flowpar_out(state->net, skb, family, &service);

	if (likely(verdict == FLOWPAR_V_OUT)) {
		flowpar_count(service, FLOWPAR_OUT);
		return NF_ACCEPT;
	}
	/* connect() fails at once instead of after all its SYNs. */
	return flowpar_verdict(verdict, service, NF_DROP_ERR(-ECONNREFUSED));
}

unsigned int flowpar_in_hook4(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return flowpar_in_hook(skb, NFPROTO_IPV4, state);
}

unsigned int flowpar_in_hook6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return flowpar_in_hook(skb, NFPROTO_IPV6, state);
}

unsigned int flowpar_out_hook4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	return flowpar_out_hook(skb, NFPROTO_IPV4, state);
}

unsigned int flowpar_out_hook6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	return flowpar_out_hook(skb, NFPROTO_IPV6, state);
}
