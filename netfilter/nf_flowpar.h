/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of nf_flowpar share: the service, the flow, the verdict.
 *
 * A service maps one public port to a port per CPU of its list. It never changes
 * after it was published; hooks read it under RCU, from softirq or process
 * context; the netlink side replaces the table of services as a whole, under
 * flowpar_net.lock.
 */
#ifndef _NF_FLOWPAR_H
#define _NF_FLOWPAR_H

#include <linux/errno.h>
#include <linux/in.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <net/dst.h>
#include <net/inet_hashtables.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/sock.h>

struct net_device;
struct netlink_ext_ack;
struct nf_hook_state;
struct sock;
struct tcphdr;

/* Services of a namespace: the table is scanned per packet. */
#define FLOWPAR_MAX_SERVICES	64
#define FLOWPAR_DEFAULT_STRIDE	8
/* Per-core ports of a service: a search may go through them all. */
#define FLOWPAR_MAX_PORTS	4096
/* A full accept queue; see flowpar_load() in nf_flowpar_listener.c. */
#define FLOWPAR_LOAD_FULL	65536
/* CPU outside the service's list. No service reaches this rank: a rank takes a port. */
#define FLOWPAR_NO_RANK		U16_MAX
#define FLOWPAR_HINTS		256
#define FLOWPAR_FAMILIES	2

enum flowpar_counter {
	FLOWPAR_IN,
	FLOWPAR_OUT,
	FLOWPAR_ATTACHED,
	FLOWPAR_MOVED,
	FLOWPAR_MISSED,
	FLOWPAR_THROTTLED,
	FLOWPAR_CLOSED,
	FLOWPAR_FOREIGN_CPU,
	FLOWPAR_ERROR,
	FLOWPAR_ICMP,
	FLOWPAR_SPILLED,
	FLOWPAR_COUNTERS
};

/**
 * struct flowpar_cpu - what one CPU keeps for a service; only that CPU writes it
 * @counter: by enum flowpar_counter
 * @budget: lookups left for searches in this jiffy; below 0 after the last one, which
 *	the next jiffies' share pays first
 * @budget_jiffy: the jiffy that @budget belongs to
 * @spilling: new flows on this CPU are passing over its listener
 * @hint: ports at which moved flows were found, by flow hash; 0: none. Flows that
 *	share a slot usually moved together, so a foreign hint is a good guess too.
 */
struct flowpar_cpu {
	unsigned long counter[FLOWPAR_COUNTERS];
	long budget;
	unsigned long budget_jiffy;
	bool spilling;
	u16 hint[FLOWPAR_HINTS];
};

/**
 * struct flowpar_service - a public port and its per-core ports
 * @family: AF_INET or AF_INET6, which are NFPROTO_IPV4 and NFPROTO_IPV6
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @port: public port, host order like all ports here
 * @address: local address; 0 is any outside 127.0.0.0/8, or any but ::1
 * @base: port of instance 0 on the CPU of rank 0
 * @stride: distance between the first ports of neighbouring ranks
 * @per_core: instances, hence consecutive ports, per CPU
 * @n_cpus: CPUs in the list
 * @last: last per-core port
 * @spill: percent of its backlog from which on a listener is passed over; 0: never
 * @moved_until: a moved flow was seen less than FLOWPAR_MOVED_WINDOW before this
 *	jiffy; the one field that packets write, at most once a second
 * @cpu: per-CPU part
 * @cpus: the CPU list as text, in the kernel's canonical form
 * @rcu: frees the service after the last hook that saw it
 * @rank: position in the CPU list, or FLOWPAR_NO_RANK, by CPU
 */
struct flowpar_service {
	u8 family;
	u8 protocol;
	u16 port;
	union nf_inet_addr address;
	u16 base;
	u16 stride;
	u16 per_core;
	u16 n_cpus;
	u16 last;
	u8 spill;
	unsigned long moved_until;
	struct flowpar_cpu __percpu *cpu;
	char *cpus;
	struct rcu_head rcu;
	u16 rank[];
};

/* The part of a service that is compared per packet, packed for the scan. */
struct flowpar_match {
	union nf_inet_addr address;
	u16 port;
	u16 first;
	u16 last;
	u8 protocol;
	struct flowpar_service *service;
};

/* The services of one address family. Immutable once published. Services with an
 * address come before those without, so the first match is the most specific one.
 */
struct flowpar_table {
	struct rcu_head rcu;
	unsigned int count;
	struct flowpar_match match[] __counted_by(count);
};

/**
 * struct flowpar_net - a network namespace
 * @table: by flowpar_family_index(); NULL while that family has no service, and then
 *	it has no hook either
 * @lock: serialises changes
 * @seq: generation of the tables, never 0; tells dumps that one changed
 * @secret: keys the flow hash, so that nobody outside can aim at one instance
 */
struct flowpar_net {
	struct flowpar_table __rcu *table[FLOWPAR_FAMILIES];
	struct mutex lock; /* changes of @table */
	unsigned int seq;
	u32 secret;
};

/**
 * struct flowpar_flow - a TCP segment or a UDP datagram, as far as steering cares
 * @saddr: source address
 * @daddr: destination address
 * @sport: source port, network order as the socket lookup wants it
 * @dport: destination port
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @protocol: IPPROTO_TCP or IPPROTO_UDP; the rest but @offset is TCP's only
 * @offset: of the transport header in the skb
 * @seq: sequence number
 * @ack_seq: acknowledgment number, valid if @ack
 * @ack: the ACK bit
 * @syn: opens a connection: SYN without ACK
 * @quoted: not a segment, but one of ours that an ICMP error quotes, seen from the
 *	client's side: as if the client acknowledged the byte after its sequence number
 */
struct flowpar_flow {
	union nf_inet_addr saddr;
	union nf_inet_addr daddr;
	__be16 sport;
	u16 dport;
	u8 family;
	u8 protocol;
	unsigned int offset;
	u32 seq;
	u32 ack_seq;
	bool ack;
	bool syn;
	bool quoted;
};

/**
 * struct flowpar_place - where a segment goes
 * @port: destination port
 * @sk: the socket found there, referenced; NULL if none
 * @listener: what takes the new flow of a SYN, valid under RCU; NULL if none is or may
 *	be known before TCP looks itself
 */
struct flowpar_place {
	u16 port;
	struct sock *sk;
	struct sock *listener;
};

/* Which of both ports, in the order of the header. */
enum flowpar_field {
	FLOWPAR_SOURCE,
	FLOWPAR_DEST,
};

/* What a packet met; flowpar_verdict() in nf_flowpar_packet.c says what netfilter
 * does with it.
 */
enum flowpar_verdict {
	FLOWPAR_V_NOT_OURS,
	/* A fragment, kept until the others come. */
	FLOWPAR_V_STOLEN,
	FLOWPAR_V_IN,
	FLOWPAR_V_OUT,
	/* An ICMP error, whose quoted port was rewritten. */
	FLOWPAR_V_ICMP,
	FLOWPAR_V_CLOSED,
	FLOWPAR_V_THROTTLED,
	/* A fragment that fits no datagram. */
	FLOWPAR_V_BAD_FRAGMENT,
	FLOWPAR_V_ERROR,
};

extern unsigned int flowpar_net_id;

static inline struct flowpar_net *flowpar_net(const struct net *net)
{
	return net_generic(net, flowpar_net_id);
}

#ifndef flowpar_udp_table
static inline struct udp_table *flowpar_udp_table(const struct net *net)
{
	return net->ipv4.udp_table;
}
#endif

static inline unsigned int flowpar_family_index(u8 family)
{
	return family == NFPROTO_IPV6;
}

/* The hooks also run in process context, preemptible: a this_cpu operation. */
static inline void flowpar_count(const struct flowpar_service *service,
				 enum flowpar_counter counter)
{
	this_cpu_inc(service->cpu->counter[counter]);
}

/* nf_flowpar_main.c */
int flowpar_hooks_register(struct net *net, u8 family);
void flowpar_hooks_unregister(struct net *net, u8 family);

/* nf_flowpar_service.c */
struct flowpar_service *flowpar_service_alloc(const struct cpumask *cpus);
void flowpar_service_free(struct flowpar_service *service);
int flowpar_service_add(struct net *net, struct flowpar_service *service,
			struct netlink_ext_ack *extack);
struct flowpar_service *flowpar_service_unlink(struct net *net,
					       const struct flowpar_service *key);
void flowpar_service_free_rcu(struct flowpar_service *service);
struct flowpar_service *flowpar_service_get(const struct net *net,
					    const struct flowpar_service *key);
bool flowpar_service_is_any(const struct flowpar_service *service);
bool flowpar_service_has_address(const struct net *net, u8 family,
				 const union nf_inet_addr *address);
void flowpar_services_release(struct net *net);

/* nf_flowpar_address.c */
bool flowpar_address_is_local(struct net *net, const struct net_device *dev, u8 family,
			      const union nf_inet_addr *address);

/* nf_flowpar_ipv6.c */
#if IS_ENABLED(CONFIG_IPV6)
bool flowpar_ipv6_address_is_local(struct net *net, const struct net_device *dev,
				   const struct in6_addr *address);
bool flowpar_ipv6_is_local(const struct dst_entry *dst);
bool flowpar_ipv6_sends_locally(struct net *net, struct sock *sk);
enum flowpar_verdict flowpar_ipv6_defrag(struct net *net, struct sk_buff *skb);
struct sock *flowpar_ipv6_socket(const struct net *net, const struct in6_addr *saddr,
				 __be16 sport, const struct in6_addr *daddr, u16 port,
				 int dif, int sdif);
struct sock *flowpar_ipv6_listener(const struct net *net, const struct flowpar_flow *flow,
				   u16 port, int dif, int sdif);
struct sock *flowpar_ipv6_udp_socket(const struct net *net, const struct flowpar_flow *flow,
				     u16 port, int dif, int sdif);
bool flowpar_ipv6_cookie_is_valid(const struct flowpar_flow *flow, const struct tcphdr *th);
#else	/* no hook is ever registered: nothing calls these */
static inline bool flowpar_ipv6_address_is_local(struct net *net,
						 const struct net_device *dev,
						 const struct in6_addr *address)
{
	return false;
}

static inline bool flowpar_ipv6_is_local(const struct dst_entry *dst)
{
	return false;
}

static inline bool flowpar_ipv6_sends_locally(struct net *net, struct sock *sk)
{
	return false;
}

static inline enum flowpar_verdict flowpar_ipv6_defrag(struct net *net,
						       struct sk_buff *skb)
{
	return FLOWPAR_V_NOT_OURS;
}

static inline struct sock *flowpar_ipv6_socket(const struct net *net,
					       const struct in6_addr *saddr, __be16 sport,
					       const struct in6_addr *daddr, u16 port,
					       int dif, int sdif)
{
	return NULL;
}

static inline struct sock *flowpar_ipv6_listener(const struct net *net,
						 const struct flowpar_flow *flow,
						 u16 port, int dif, int sdif)
{
	return NULL;
}

static inline bool flowpar_ipv6_cookie_is_valid(const struct flowpar_flow *flow,
						const struct tcphdr *th)
{
	return false;
}

static inline struct sock *flowpar_ipv6_udp_socket(const struct net *net,
						   const struct flowpar_flow *flow,
						   u16 port, int dif, int sdif)
{
	return NULL;
}
#endif

/* nf_flowpar_packet.c */
nf_hookfn flowpar_in_hook4, flowpar_in_hook6;
nf_hookfn flowpar_out_hook4, flowpar_out_hook6;

/* nf_flowpar_icmp.c */
enum flowpar_verdict flowpar_icmp_in(struct net *net, struct sk_buff *skb, u8 family,
				     int dif, int sdif, const struct net_device *dev,
				     struct flowpar_service **found);
enum flowpar_verdict flowpar_icmp_out(struct net *net, struct sk_buff *skb, u8 family,
				      struct flowpar_service **found);

/* nf_flowpar_listener.c */
void flowpar_listener_choose(const struct net *net, struct flowpar_service *service,
			     const struct flowpar_flow *flow, int dif, int sdif,
			     struct flowpar_place *place);
bool flowpar_listener_sent_cookie(const struct net *net, const struct flowpar_service *service,
				  const struct flowpar_flow *flow, int dif, int sdif,
				  struct flowpar_place *place);
u16 flowpar_listener_signed(const struct net *net, const struct flowpar_service *service);

/* nf_flowpar_sockopt.c */
int flowpar_sockopt_register(void);
void flowpar_sockopt_unregister(void);

/* nf_flowpar_lookup.c */
extern unsigned int flowpar_search_budget;
u16 flowpar_home_port(const struct net *net, const struct flowpar_service *service,
		      const struct flowpar_flow *flow, u16 rank);
bool flowpar_moved_recently(const struct flowpar_service *service);
void flowpar_moved_to(const struct net *net, struct flowpar_service *service,
		      const struct flowpar_flow *flow, u16 port);
bool flowpar_budget_take(struct flowpar_cpu *this, unsigned int lookups, bool half);
struct sock *flowpar_lookup_home(const struct net *net, const struct flowpar_flow *flow,
				 u16 port, int dif, int sdif);
bool flowpar_lookup_is_certain(const struct flowpar_flow *flow,
			       const struct flowpar_place *place);
enum flowpar_verdict flowpar_lookup_moved(const struct net *net,
					  struct flowpar_service *service,
					  const struct flowpar_flow *flow,
					  int dif, int sdif,
					  struct flowpar_place *place);
u16 flowpar_lookup_connected(const struct net *net, struct flowpar_service *service,
			     const struct flowpar_flow *flow, int dif, int sdif, u16 home);
void flowpar_attach(const struct net *net, const struct flowpar_service *service,
		    struct sk_buff *skb, struct sock *sk, bool bare);
void flowpar_attach_listener(const struct net *net, const struct flowpar_service *service,
			     struct sk_buff *skb, struct sock *sk);

static __always_inline bool flowpar_match_address(const struct flowpar_match *match,
						  u8 family,
						  const union nf_inet_addr *address)
{
	if (family == NFPROTO_IPV6)
		return ipv6_addr_any(&match->address.in6) ?
			!ipv6_addr_loopback(&address->in6) :
			ipv6_addr_equal(&match->address.in6, &address->in6);
	return match->address.ip ? match->address.ip == address->ip :
				   !ipv4_is_loopback(address->ip);
}

/* Between the ports of a rank and the next lie ports that are not the service's. */
static inline bool flowpar_is_core_port(const struct flowpar_service *service, u16 port)
{
	return (port - service->base) % service->stride < service->per_core;
}

/**
 * flowpar_service_find - the service that a local address and port belong to
 * @net: the namespace
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6; inlined for the hooks, which know it at
 *	compile time
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @address: local address
 * @port: public or per-core; the service's @port field tells which
 *
 * Context: hooks, under rcu_read_lock().
 * Return: the service, or NULL.
 */
static __always_inline struct flowpar_service *
flowpar_service_find(const struct net *net, u8 family, u8 protocol,
		     const union nf_inet_addr *address, u16 port)
{
	const struct flowpar_table *table;
	const struct flowpar_match *match;

	table = rcu_dereference(flowpar_net(net)->table[flowpar_family_index(family)]);
	if (!table)
		return NULL;

	for (match = table->match; match < table->match + table->count; match++) {
		if (port != match->port && (port < match->first || port > match->last))
			continue;
		if (match->protocol != protocol ||
		    !flowpar_match_address(match, family, address))
			continue;
		if (port == match->port || flowpar_is_core_port(match->service, port))
			return match->service;
	}
	return NULL;
}

/* The established socket, request or TIME_WAIT socket of a flow at a port, referenced. */
static __always_inline struct sock *
flowpar_socket(const struct net *net, u8 family, const union nf_inet_addr *saddr,
	       __be16 sport, const union nf_inet_addr *daddr, u16 port, int dif, int sdif)
{
	if (family == NFPROTO_IPV6)
		return flowpar_ipv6_socket(net, &saddr->in6, sport, &daddr->in6, port, dif,
					   sdif);
	return __inet_lookup_established(net, net->ipv4.tcp_death_row.hashinfo, saddr->ip,
					 sport, daddr->ip, port, dif, sdif);
}

/* As early demux may. A bridged packet passes the bridge with its dst and sk yet. */
static __always_inline bool flowpar_may_attach(const struct net *net, const struct sk_buff *skb)
{
	return likely(READ_ONCE(net->ipv4.sysctl_ip_early_demux) &&
		      READ_ONCE(net->ipv4.sysctl_tcp_early_demux) &&
		      !nf_bridge_info_exists(skb));
}

/* flowpar_attach() of a full socket, which most are: inlined for the hooks. */
static __always_inline void flowpar_attach_full(const struct net *net,
						const struct flowpar_service *service,
						struct sk_buff *skb, struct sock *sk)
{
	struct dst_entry *dst;

	if (!flowpar_may_attach(net, skb)) {
		sock_gen_put(sk);
		return;
	}
	skb->sk = sk;
	skb->destructor = sock_edemux;
	flowpar_count(service, FLOWPAR_ATTACHED);

	if (unlikely(skb_dst(skb)))
		return;
	dst = rcu_dereference(sk->sk_rx_dst);
	if (dst)
		dst = dst_check(dst, sk->sk_rx_dst_cookie);
	if (dst && sk->sk_rx_dst_ifindex == skb->skb_iif)
		skb_dst_set_noref(skb, dst);
}

#endif /* _NF_FLOWPAR_H */
