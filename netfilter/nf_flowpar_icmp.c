// SPDX-License-Identifier: GPL-2.0
/* ICMP and ICMPv6 errors: the ports in the packet that they quote.
 *
 * On the wire a quoted packet has the public port, for us the per-core one. Errors that
 * come in quote what we sent: the quoted source port becomes that of the socket's core,
 * on which the error need not arrive, since routers answer from addresses of their own.
 * Errors that go out quote what we received: the quoted destination port becomes public.
 * Either way conntrack sees the per-core port.
 *
 * Runs in the hooks, BH disabled on the way in, for packets that are neither TCP nor UDP.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "nf_flowpar.h"

/* Less than 8 bytes of it are quoted by nobody. */
struct flowpar_quoted_header {
	__be16 source;
	__be16 dest;
	__be32 seq;
};

/* @icmp: offset of the ICMP header; both kinds have the checksum at the same place.
 * @flow: the quoted packet as it stands, with @seq if it is TCP's
 * @daddr: where the error itself goes
 */
struct flowpar_error {
	struct flowpar_flow flow;
	union nf_inet_addr daddr;
	unsigned int icmp;
};

static bool flowpar_error_parse_ipv4(const struct sk_buff *skb, struct flowpar_error *error)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct flowpar_flow *flow = &error->flow;
	struct icmphdr icmp_buf, *icmph;
	struct iphdr quoted_buf;

	if (iph->protocol != IPPROTO_ICMP || iph->ihl < 5 || ip_is_fragment(iph))
		return false;
	error->daddr.ip = iph->daddr;
	error->icmp = skb_network_offset(skb) + ip_hdrlen(skb);
	icmph = skb_header_pointer(skb, error->icmp, sizeof(icmp_buf), &icmp_buf);
	if (!icmph || !icmp_is_err(icmph->type))
		return false;

	flow->offset = error->icmp + sizeof(*icmph);
	iph = skb_header_pointer(skb, flow->offset, sizeof(quoted_buf), &quoted_buf);
	if (!iph || iph->version != 4 || iph->ihl < 5 || iph->frag_off & htons(IP_OFFSET))
		return false;
	flow->saddr.ip = iph->saddr;
	flow->daddr.ip = iph->daddr;
	flow->protocol = iph->protocol;
	flow->offset += iph->ihl * 4;
	return true;
}

/* Step over extension headers. Return: whether what follows begins in this packet. */
static bool flowpar_transport_find(const struct sk_buff *skb, unsigned int *offset,
				   u8 *protocol)
{
	__be16 fragment;
	int next;

	next = ipv6_skip_exthdr(skb, *offset, protocol, &fragment);
	if (next < 0 || fragment & htons(IP6_OFFSET))
		return false;
	*offset = next;
	return true;
}

static bool flowpar_error_parse_ipv6(const struct sk_buff *skb, struct flowpar_error *error)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct flowpar_flow *flow = &error->flow;
	struct icmp6hdr icmp_buf, *icmph;
	u8 protocol = ip6h->nexthdr;
	struct ipv6hdr quoted_buf;
	unsigned int auth = 0;

	error->daddr.in6 = ip6h->daddr;
	error->icmp = skb_network_offset(skb) + sizeof(*ip6h);
	if (!flowpar_transport_find(skb, &error->icmp, &protocol) ||
	    protocol != IPPROTO_ICMPV6 ||
	    ipv6_find_hdr(skb, &auth, NEXTHDR_AUTH, NULL, NULL) >= 0)
		return false;
	icmph = skb_header_pointer(skb, error->icmp, sizeof(icmp_buf), &icmp_buf);
	if (!icmph || !icmpv6_is_err(icmph->icmp6_type))
		return false;

	flow->offset = error->icmp + sizeof(*icmph);
	ip6h = skb_header_pointer(skb, flow->offset, sizeof(quoted_buf), &quoted_buf);
	if (!ip6h || ip6h->version != 6)
		return false;
	flow->saddr.in6 = ip6h->saddr;
	flow->daddr.in6 = ip6h->daddr;
	flow->protocol = ip6h->nexthdr;
	flow->offset += sizeof(*ip6h);
	return flowpar_transport_find(skb, &flow->offset, &flow->protocol);
}

static bool flowpar_error_parse(const struct sk_buff *skb, u8 family,
				struct flowpar_error *error)
{
	struct flowpar_quoted_header buf, *header;
	struct flowpar_flow *flow = &error->flow;

	if (!(family == NFPROTO_IPV6 ? flowpar_error_parse_ipv6(skb, error) :
				       flowpar_error_parse_ipv4(skb, error)))
		return false;
	if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
		return false;
	header = skb_header_pointer(skb, flow->offset, sizeof(buf), &buf);
	if (!header)
		return false;

	flow->family = family;
	flow->sport = header->source;
	flow->dport = ntohs(header->dest);
	flow->seq = ntohl(header->seq);
	return true;
}

/* Two checksums cover the port: the quoted packet's own, if that much of it is quoted,
 * and the error's, which covers that too.
 */
static bool flowpar_quote_write(struct sk_buff *skb, const struct flowpar_error *error,
				enum flowpar_field field, u16 port)
{
	bool tcp = error->flow.protocol == IPPROTO_TCP;
	unsigned int at = error->flow.offset, end;
	__sum16 *outer, *inner, old;
	__be16 new = htons(port), *ports;

	end = at + (tcp ? offsetofend(struct tcphdr, check) : offsetofend(struct udphdr, check));
	if (skb_ensure_writable(skb, min(end, skb->len)))
		return false;

	outer = (__sum16 *)(skb->data + error->icmp + offsetof(struct icmphdr, checksum));
	ports = (__be16 *)(skb->data + at);
	inner = (__sum16 *)(skb->data + end) - 1;
	if (end <= skb->len && (tcp || *inner)) {
		old = *inner;
		csum_replace2(inner, ports[field], new);
		if (!tcp && !*inner)
			*inner = CSUM_MANGLED_0;
		inet_proto_csum_replace2(outer, skb, (__force __be16)old,
					 (__force __be16)*inner, false);
	}
	inet_proto_csum_replace2(outer, skb, ports[field], new, false);
	ports[field] = new;
	return true;
}

/* The quoted packet is one of ours; seen from the client it goes the other way. */
static void flowpar_flow_mirror(struct flowpar_flow *flow)
{
	__be16 sport = flow->sport;

	swap(flow->saddr, flow->daddr);
	flow->sport = htons(flow->dport);
	flow->dport = ntohs(sport);
	flow->ack_seq = flow->seq + 1;
	flow->ack = true;
	flow->seq = 0;
	flow->syn = false;
	flow->quoted = true;
}

/**
 * flowpar_icmp_in - bring an error about a packet of a service to the packet's socket
 * @net: the namespace
 * @skb: a packet that is neither TCP nor UDP
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 * @dev: where @skb came in; NULL if this host sends it to itself
 * @found: gets the service with the verdicts that are counted
 *
 * An error about no flow that is known stays as it is: it may be about one that is older
 * than the service.
 *
 * Context: BH disabled.
 */
enum flowpar_verdict flowpar_icmp_in(struct net *net, struct sk_buff *skb, u8 family,
				     int dif, int sdif, const struct net_device *dev,
				     struct flowpar_service **found)
{
	struct flowpar_service *service;
	struct flowpar_error error;
	struct flowpar_place place;
	struct flowpar_flow *flow;
	u16 rank = FLOWPAR_NO_RANK;

	if (!flowpar_error_parse(skb, family, &error))
		return FLOWPAR_V_NOT_OURS;
	flow = &error.flow;
	flowpar_flow_mirror(flow);
	service = flowpar_service_find(net, family, flow->protocol, &flow->daddr, flow->dport);
	if (!service)
		return FLOWPAR_V_NOT_OURS;

	/* Sent to another than the quoted packet's sender: no answer to it. */
	if (family == NFPROTO_IPV6 ? !ipv6_addr_equal(&error.daddr.in6, &flow->daddr.in6) :
				     error.daddr.ip != flow->daddr.ip)
		return FLOWPAR_V_NOT_OURS;
	if (dev && !flowpar_address_is_local(net, dev, family, &flow->daddr))
		return FLOWPAR_V_NOT_OURS;
	/* From outside, per-core ports do not exist; a local firewall has seen them. */
	*found = service;
	if (flow->dport != service->port)
		return dev ? FLOWPAR_V_CLOSED : FLOWPAR_V_NOT_OURS;

	if (dev)
		rank = service->rank[smp_processor_id()];
	place.port = flowpar_home_port(net, service, flow, rank);
	if (flow->protocol == IPPROTO_UDP) {
		place.port = flowpar_lookup_connected(net, service, flow, dif, sdif, place.port);
	} else {
		place.sk = flowpar_lookup_home(net, flow, place.port, dif, sdif);
		if (!flowpar_lookup_is_certain(flow, &place) &&
		    flowpar_lookup_moved(net, service, flow, dif, sdif, &place) !=
		    FLOWPAR_V_IN)
			return FLOWPAR_V_NOT_OURS;
		if (!place.sk)
			return FLOWPAR_V_NOT_OURS;
		sock_gen_put(place.sk);
	}
	return flowpar_quote_write(skb, &error, FLOWPAR_SOURCE, place.port) ?
		FLOWPAR_V_ICMP : FLOWPAR_V_ERROR;
}

/**
 * flowpar_icmp_out - let an error of ours quote what the client sent
 * @net: the namespace
 * @skb: a packet of this host that is neither TCP nor UDP
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @found: gets the service with the verdicts that are counted
 */
enum flowpar_verdict flowpar_icmp_out(struct net *net, struct sk_buff *skb, u8 family,
				      struct flowpar_service **found)
{
	struct flowpar_service *service;
	struct flowpar_error error;

	if (!flowpar_error_parse(skb, family, &error))
		return FLOWPAR_V_NOT_OURS;
	service = flowpar_service_find(net, family, error.flow.protocol, &error.flow.daddr,
				       error.flow.dport);
	if (!service || error.flow.dport == service->port ||
	    !flowpar_address_is_local(net, skb_dst(skb)->dev, family, &error.flow.daddr))
		return FLOWPAR_V_NOT_OURS;
	*found = service;

	return flowpar_quote_write(skb, &error, FLOWPAR_DEST, service->port) ?
		FLOWPAR_V_ICMP : FLOWPAR_V_ERROR;
}
