// SPDX-License-Identifier: GPL-2.0
/* The hooks: which packets are ours, their new port, and netfilter's verdict.
 *
 * In and out are called with BH disabled or in process context (a socket's own
 * transmission), always under rcu_read_lock(). No lock, no allocation, no shared write.
 * Every step returns an enum flowpar_verdict; flowpar_verdict() alone maps it to
 * netfilter's.
 *
 * skb->hash is left alone: the NIC, RPS and RFS computed it from the packet on the
 * wire, and what compares it later (sk_rxhash) has to find the same value.
 */
#include <linux/errno.h>
#include <linux/if.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nf_flowpar.h"

/* Inlined, since the way out needs a third of it. */
static __always_inline bool flowpar_flow_parse(const struct sk_buff *skb,
					       struct flowpar_flow *flow)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th;
	struct tcphdr buf;

	/* Raw sockets send any header, and fragments too, which are theirs to send. */
	if (iph->protocol != IPPROTO_TCP || iph->ihl < 5 || ip_is_fragment(iph))
		return false;

	flow->offset = skb_network_offset(skb) + ip_hdrlen(skb);
	th = skb_header_pointer(skb, flow->offset, sizeof(buf), &buf);
	if (!th || th->doff < sizeof(buf) / 4)
		return false;

	flow->saddr = iph->saddr;
	flow->daddr = iph->daddr;
	flow->sport = th->source;
	flow->dport = ntohs(th->dest);
	flow->seq = ntohl(th->seq);
	flow->ack_seq = ntohl(th->ack_seq);
	flow->ack = th->ack;
	flow->syn = th->syn && !th->ack;
	return true;
}

/* @field: offset of the port in the TCP header. Ports are in no pseudo header, so this
 * is right for every kind of checksum offload.
 */
static bool flowpar_port_write(struct sk_buff *skb, const struct flowpar_flow *flow,
			       unsigned int field, u16 port)
{
	__be16 new = htons(port), *old;
	struct tcphdr *th;

	if (skb_ensure_writable(skb, flow->offset + sizeof(*th)))
		return false;

	th = (struct tcphdr *)(skb->data + flow->offset);
	old = (void *)th + field;
	inet_proto_csum_replace2(&th->check, skb, *old, new, false);
	*old = new;
	return true;
}

/* The hash of the host's own addresses answers for most; routes of type local, and
 * VRFs, where an address is local to one of them only, are left to the routing table.
 */
static bool flowpar_address_is_local(struct net *net, const struct net_device *dev,
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

/* Only the first fragment has ports, so a datagram that may be a service's is put
 * together here instead of a few steps on, in ip_local_deliver(), with whose fragments
 * it shares its queue: services may come and go between two fragments. Most packets are
 * whole, and pay less for this than for nf_defrag's hooks in front of ours.
 *
 * Return: whether @skb is a datagram now; if not, it belongs to the queue or is freed.
 */
static bool flowpar_defrag(struct net *net, struct sk_buff *skb)
{
	return !ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER);
}

static bool flowpar_fragment_may_be_ours(struct net *net, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return ip_is_fragment(iph) && iph->protocol == IPPROTO_TCP &&
	       flowpar_service_has_address(net, iph->daddr) &&
	       flowpar_address_is_local(net, skb->dev, iph->daddr);
}

/* From the home port that @place has to the right one. @skb: to attach to, or NULL. */
static enum flowpar_verdict flowpar_steer(struct net *net, struct flowpar_service *service,
					  const struct flowpar_flow *flow,
					  const struct net_device *dev, int sdif,
					  bool local, struct flowpar_place *place)
{
	bool search = !flow->syn || flowpar_moved_recently(service);

	place->sk = NULL;
	if (search && flowpar_lookup_home(net, flow, dev->ifindex, sdif, place))
		return FLOWPAR_V_IN;

	/* Only now: a socket at its port proved that the address is local. */
	if (!local && !flowpar_address_is_local(net, dev, flow->daddr)) {
		if (place->sk)
			sock_gen_put(place->sk);
		return FLOWPAR_V_NOT_OURS;
	}
	if (!search)
		return FLOWPAR_V_IN;
	return flowpar_lookup_moved(net, service, flow, dev->ifindex, sdif, place);
}

static enum flowpar_verdict flowpar_in(struct net *net, struct sk_buff *skb,
				       struct flowpar_service **found)
{
	const struct net_device *dev = skb->dev;
	struct flowpar_service *service;
	enum flowpar_verdict verdict;
	struct flowpar_place place;
	struct flowpar_flow flow;
	u16 rank;
	u32 hash;

	/* What arrives on loopback was rewritten when it left. A packet on a VRF's slave
	 * comes again on the VRF. One that has a socket was assigned there by a BPF
	 * program, which knows better.
	 */
	if (skb->pkt_type != PACKET_HOST || skb->sk || dev->flags & IFF_LOOPBACK ||
	    netif_is_l3_slave(dev))
		return FLOWPAR_V_NOT_OURS;

	if (unlikely(!flowpar_flow_parse(skb, &flow))) {
		if (!flowpar_fragment_may_be_ours(net, skb))
			return FLOWPAR_V_NOT_OURS;
		if (!flowpar_defrag(net, skb))
			return FLOWPAR_V_STOLEN;
		if (!flowpar_flow_parse(skb, &flow))
			return FLOWPAR_V_NOT_OURS;
	}

	service = flowpar_service_find(net, flow.daddr, flow.dport);
	if (!service)
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	if (flow.dport != service->port)
		return flowpar_address_is_local(net, dev, flow.daddr) ?
			FLOWPAR_V_CLOSED : FLOWPAR_V_NOT_OURS;

	rank = service->rank[smp_processor_id()];
	hash = rank == FLOWPAR_NO_RANK || service->per_core > 1 ?
		flowpar_flow_hash(net, &flow) : 0;
	place.port = flowpar_core_port(service, rank == FLOWPAR_NO_RANK ?
				       reciprocal_scale(hash, service->n_cpus) : rank, hash);

	verdict = flowpar_steer(net, service, &flow, dev, inet_sdif(skb), false, &place);
	if (verdict != FLOWPAR_V_IN)
		return verdict;
	if (rank == FLOWPAR_NO_RANK)
		flowpar_count(service, FLOWPAR_FOREIGN_CPU);
	if (place.sk)
		flowpar_attach(net, service, skb, place.sk);
	return flowpar_port_write(skb, &flow, offsetof(struct tcphdr, dest), place.port) ?
		FLOWPAR_V_IN : FLOWPAR_V_ERROR;
}

/* A client on this host. The flow's hash picks the core, not the CPU: clients migrate
 * between segments. The answers go out through flowpar_out() like all others, before
 * they come back over loopback.
 */
static enum flowpar_verdict flowpar_local_out(struct net *net, struct sk_buff *skb,
					      struct flowpar_service **found)
{
	const struct rtable *rt = skb_rtable(skb);
	struct flowpar_service *service;
	enum flowpar_verdict verdict;
	struct flowpar_place place;
	struct flowpar_flow flow;
	u32 hash;

	if (!rt || !(rt->rt_flags & RTCF_LOCAL) || !flowpar_flow_parse(skb, &flow))
		return FLOWPAR_V_NOT_OURS;

	service = flowpar_service_find(net, flow.daddr, flow.dport);
	if (!service)
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	/* The answer would carry the public port, which this client does not know. */
	if (flow.dport != service->port)
		return FLOWPAR_V_CLOSED;

	hash = flowpar_flow_hash(net, &flow);
	place.port = flowpar_core_port(service, reciprocal_scale(hash, service->n_cpus), hash);

	/* The per-CPU parts of a search must stay with one CPU and one packet. */
	local_bh_disable();
	verdict = flowpar_steer(net, service, &flow, rt->dst.dev, 0, true, &place);
	local_bh_enable();
	if (verdict != FLOWPAR_V_IN)
		return verdict;
	/* skb->sk is the sender. */
	if (place.sk)
		sock_gen_put(place.sk);
	return flowpar_port_write(skb, &flow, offsetof(struct tcphdr, dest), place.port) ?
		FLOWPAR_V_IN : FLOWPAR_V_ERROR;
}

/* A transparent proxy sends from other hosts' addresses, and any of their ports. For
 * most packets the socket answers without a look at the routing table; resets come from
 * a raw socket of the kernel's, SYN cookies from none.
 */
static bool flowpar_source_is_local(struct net *net, const struct sk_buff *skb, __be32 saddr)
{
	const struct sock *sk = skb->sk;

	if (sk && (!sk_fullsock(sk) || sk_is_tcp(sk)) && !inet_sk_transparent(sk))
		return true;
	return flowpar_address_is_local(net, skb_dst(skb)->dev, saddr);
}

/* Decided by port and address, not by socket: resets and SYN cookies have none of the
 * service's. skb_iif is 0 exactly for packets that this namespace did not receive.
 */
static enum flowpar_verdict flowpar_out(struct net *net, struct sk_buff *skb,
					struct flowpar_service **found)
{
	struct flowpar_service *service;
	struct flowpar_flow flow;
	u16 sport;

	if (skb->skb_iif || !flowpar_flow_parse(skb, &flow))
		return FLOWPAR_V_NOT_OURS;

	sport = ntohs(flow.sport);
	service = flowpar_service_find(net, flow.saddr, sport);
	if (!service || sport == service->port ||
	    !flowpar_source_is_local(net, skb, flow.saddr))
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	return flowpar_port_write(skb, &flow, offsetof(struct tcphdr, source), service->port) ?
		FLOWPAR_V_OUT : FLOWPAR_V_ERROR;
}

/* @service: set unless the verdict is FLOWPAR_V_NOT_OURS or FLOWPAR_V_STOLEN */
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
	case FLOWPAR_V_CLOSED:
		flowpar_count(service, FLOWPAR_CLOSED);
		return closed;
	case FLOWPAR_V_THROTTLED:
		/* Counted where it was decided: throttled SYNs go on. */
		return NF_DROP;
	case FLOWPAR_V_ERROR:
		flowpar_count(service, FLOWPAR_ERROR);
		return NF_DROP;
	}
	return NF_DROP;
}

unsigned int flowpar_in_hook(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct flowpar_service *service = NULL;
	enum flowpar_verdict verdict;

	if (likely(in_softirq())) {
		verdict = flowpar_in(state->net, skb, &service);
	} else {
		/* A ruleset that queues to user space before us reinjects from a process. */
		local_bh_disable();
		verdict = flowpar_in(state->net, skb, &service);
		local_bh_enable();
	}
	return flowpar_verdict(verdict, service, NF_DROP);
}

unsigned int flowpar_local_out_hook(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	struct flowpar_service *service = NULL;
	enum flowpar_verdict verdict = flowpar_local_out(state->net, skb, &service);

	/* connect() fails at once instead of after all its SYNs. */
	return flowpar_verdict(verdict, service, NF_DROP_ERR(-ECONNREFUSED));
}

unsigned int flowpar_out_hook(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	struct flowpar_service *service = NULL;
	enum flowpar_verdict verdict = flowpar_out(state->net, skb, &service);

	return flowpar_verdict(verdict, service, NF_DROP);
}
