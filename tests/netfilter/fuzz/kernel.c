// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel around the module's packet path: packets in two pieces, and a world in which
 * each flow's sockets follow from its addresses and ports alone. References that lookups
 * gave out are counted.
 */
#include "world.h"

unsigned int nr_cpu_ids = FUZZ_CPUS, fuzz_cpu, fuzz_bh, fuzz_softirq = 1;
unsigned long jiffies = 1000000;
unsigned int flowpar_net_id;
struct world world;

void fuzz_count(unsigned long *counter)
{
	*(unsigned long *)((char *)counter + fuzz_cpu * sizeof(struct flowpar_cpu)) += 1;
}

/* --- packets --- */

void *skb_header_pointer(const struct sk_buff *skb, int offset, int len, void *buffer)
{
	int head = skb->len - skb->data_len, i;

	if (head - offset >= len)
		return skb->data + offset;
	if (offset > (int)skb->len - len)
		return NULL;
	for (i = 0; i < len; i++)
		((u8 *)buffer)[i] = offset + i < head ? skb->data[offset + i] :
						       skb->rest[offset + i - head];
	return buffer;
}

bool pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return len <= skb_headlen(skb) || !skb_ensure_writable(skb, len);
}

int skb_ensure_writable(struct sk_buff *skb, unsigned int write_len)
{
	unsigned int head = skb->len - skb->data_len, left;
	u8 *data, *rest;

	if (write_len > skb->len)
		return -ENOMEM;
	if (write_len <= head && !skb->cloned)
		return 0;

	/* Memory that is shared stays as it is, all else goes; see skb_release(). */
	if (write_len < head)
		write_len = head;
	left = skb->len - write_len;
	data = malloc(write_len ?: 1);
	rest = malloc(left ?: 1);
	memcpy(data, skb->data, head);
	memcpy(data + head, skb->rest, write_len - head);
	memcpy(rest, skb->rest + write_len - head, left);
	if (skb->cloned) {
		fuzz_assert(!world.shared);
		world.shared = skb->data;
		world.shared_len = head;
	} else {
		free(skb->data);
	}
	free(skb->rest);
	skb->data = data;
	skb->rest = rest;
	skb->data_len = left;
	skb->cloned = false;
	return 0;
}

/* The datagram that the fragment completes is any packet: the next input. */
int ip_defrag(struct net *net, struct sk_buff *skb, u32 user)
{
	(void)net;
	(void)user;
	world.defragmented++;
	if (!world.datagram_len)
		return -EINPROGRESS;
	skb_fill(skb, world.datagram, world.datagram_len, world.datagram_head);
	return 0;
}

enum flowpar_verdict flowpar_ipv6_defrag(struct net *net, struct sk_buff *skb)
{
	if (!world.datagram_len && world.bad_fragment)
		return world.defragmented++, FLOWPAR_V_BAD_FRAGMENT;
	return ip_defrag(net, skb, 0) ? FLOWPAR_V_STOLEN : FLOWPAR_V_NOT_OURS;
}

int inet_sdif(const struct sk_buff *skb)
{
	(void)skb;
	return 0;
}

int inet6_sdif(const struct sk_buff *skb)
{
	return inet_sdif(skb);
}

/* --- conntrack --- */

static int ct_confirm(struct sk_buff *skb)
{
	fuzz_assert(skb->ct && !(skb->ct->status & (IPS_CONFIRMED | IPS_TEMPLATE)));
	world.confirmed++;
	return NF_ACCEPT;
}

static const struct nf_ct_hook ct_hook = { .confirm = ct_confirm };
const struct nf_ct_hook *nf_ct_hook = &ct_hook;

/* --- addresses --- */

bool flowpar_address_is_local(struct net *net, const struct net_device *dev, u8 family,
			      const union nf_inet_addr *address)
{
	(void)net;
	(void)dev;
	return is_local(family == NFPROTO_IPV6, (const u8 *)address);
}

bool flowpar_ipv6_is_local(const struct dst_entry *dst)
{
	return container_of(dst, const struct rtable, dst)->rt_flags & RTCF_LOCAL;
}

bool flowpar_ipv6_sends_locally(struct net *net, struct sock *sk)
{
	(void)net;
	return !inet_sk_transparent(sk);
}

/* --- sockets --- */

static struct sock *socket_at(u32 hash, u16 port, bool established)
{
	u32 kind = fuzz_hash(hash, port, world.luck, established) % 8;
	struct sock *sk;

	/* Most flows are at one port at most. */
	if (kind > 3)
		return NULL;
	sk = &world.socks[kind];
	sk->protocol = IPPROTO_TCP;
	sk->sk_state = (const int[]){ TCP_ESTABLISHED, TCP_NEW_SYN_RECV, TCP_TIME_WAIT, 8 }[kind];
	sk->request = (struct tcp_request_sock){ world.expect, world.expect, world.expect };
	sk->timewait.tw_rcv_nxt = world.expect;
	sk->sk_rx_dst = world.luck & 1 ? &world.local.dst : NULL;
	sk->sk_rx_dst_cookie = world.luck & 2;
	sk->sk_rx_dst_ifindex = world.luck & 4 ? 2 : 3;
	return sk;
}

/* Of other addresses, which this host had once, only remains that no packet fits: the
 * module takes any other socket for a proof that the address is local.
 */
static struct sock *established(u32 hash, u16 port, bool local)
{
	struct sock *sk = socket_at(hash, port, true);

	if (sk && !local) {
		if (sk->sk_state != TCP_TIME_WAIT && sk->sk_state != TCP_NEW_SYN_RECV)
			return NULL;
		sk->request = (struct tcp_request_sock){ 0xdead0000, 0xdead0000, 0xdead0000 };
		sk->timewait.tw_rcv_nxt = 0xdead0000;
	}
	if (!sk)
		return NULL;
	world.references++;
	world.lookups++;
	if (port == PORT_TCP)
		world.at_public_port = true;
	return sk;
}

static struct sock *listener(u16 port)
{
	struct sock *sk = &world.listeners[port / 8 % FUZZ_CPUS];

	if (fuzz_hash(port, world.luck, 7, 7) % 4 == 0)
		return NULL;
	sk->sk_state = TCP_LISTEN;
	sk->sk_reuseport = world.luck & 16;
	sk->sk_max_ack_backlog = 128;
	sk->sk_ack_backlog = fuzz_hash(port, world.luck, 8, 8) % 130;
	return sk;
}

static u32 hash4(__be32 saddr, __be16 sport, __be32 daddr)
{
	return fuzz_hash(saddr, sport, daddr, 4);
}

static u32 hash6(const struct flowpar_flow *flow)
{
	return fuzz_hash(flow->saddr.all[3], flow->sport, flow->daddr.all[3], 6);
}

/* What the lookups would say, for the driver to know where a flow is. */
bool flow_is_at(const u8 *packet, const u8 *ports, u16 port, bool full)
{
	struct flowpar_flow flow = { 0 };
	__be32 saddr, daddr;
	u32 hash, kind;

	memcpy(&flow.sport, ports, 2);
	if (packet[0] >> 4 == 6) {
		memcpy(&flow.saddr, packet + 8, 16);
		memcpy(&flow.daddr, packet + 24, 16);
		hash = hash6(&flow);
	} else {
		memcpy(&saddr, packet + 12, 4);
		memcpy(&daddr, packet + 16, 4);
		hash = hash4(saddr, flow.sport, daddr);
	}
	kind = fuzz_hash(hash, port, world.luck, true) % 8;
	return full ? kind == 0 || kind == 3 : kind <= 3;
}

struct sock *__inet_lookup_established(const struct net *net, struct inet_hashinfo *hashinfo,
				       __be32 saddr, __be16 sport, __be32 daddr, u16 hnum,
				       int dif, int sdif)
{
	(void)net, (void)hashinfo, (void)dif, (void)sdif;
	return established(hash4(saddr, sport, daddr), hnum, is_local(false, (u8 *)&daddr));
}

struct sock *flowpar_ipv6_socket(const struct net *net, const struct in6_addr *saddr,
				 __be16 sport, const struct in6_addr *daddr, u16 port,
				 int dif, int sdif)
{
	(void)net, (void)dif, (void)sdif;
	return established(fuzz_hash(saddr->s6_addr32[3], sport, daddr->s6_addr32[3], 6), port,
			   is_local(true, (const u8 *)daddr));
}

struct sock *__inet_lookup_listener(const struct net *net, struct inet_hashinfo *hashinfo,
				    void *skb, int doff, __be32 saddr, __be16 sport,
				    __be32 daddr, u16 hnum, int dif, int sdif)
{
	(void)net, (void)hashinfo, (void)skb, (void)doff, (void)saddr, (void)sport, (void)daddr;
	(void)dif, (void)sdif;
	return listener(hnum);
}

struct sock *flowpar_ipv6_listener(const struct net *net, const struct flowpar_flow *flow,
				   u16 port, int dif, int sdif)
{
	(void)net, (void)flow, (void)dif, (void)sdif;
	return listener(port);
}

struct sock *__udp4_lib_lookup(const struct net *net, __be32 saddr, __be16 sport,
			       __be32 daddr, __be16 dport, int dif, int sdif,
			       struct udp_table *table, void *skb)
{
	(void)net, (void)dif, (void)sdif, (void)table, (void)skb;
	return socket_at(hash4(saddr, sport, daddr), ntohs(dport), false);
}

struct sock *flowpar_ipv6_udp_socket(const struct net *net, const struct flowpar_flow *flow,
				     u16 port, int dif, int sdif)
{
	(void)net, (void)dif, (void)sdif;
	return socket_at(hash6(flow), port, false);
}

void sock_gen_put(struct sock *sk)
{
	fuzz_assert(sk);
	fuzz_assert(world.references > 0);
	world.references--;
}

void sock_edemux(struct sk_buff *skb)
{
	sock_gen_put(skb->sk);
}

/* Listeners are freed by RCU: a packet holds no reference. */
void sock_pfree(struct sk_buff *skb)
{
	fuzz_assert(!sk_is_refcounted(skb->sk));
}

bool tcp_synq_no_recent_overflow(const struct sock *sk)
{
	(void)sk;
	return world.luck & 8;
}

int __cookie_v4_check(const struct iphdr *iph, const struct tcphdr *th)
{
	(void)iph;
	return fuzz_hash(th->source, th->dest, world.luck, 3) % 4 == 0;
}

bool flowpar_ipv6_cookie_is_valid(const struct flowpar_flow *flow, const struct tcphdr *th)
{
	(void)flow;
	return __cookie_v4_check(NULL, th);
}

/* Services register hooks; here the driver calls them. */
int flowpar_hooks_register(struct net *net, u8 family)
{
	(void)net, (void)family;
	return 0;
}

void flowpar_hooks_unregister(struct net *net, u8 family)
{
	(void)net, (void)family;
}
