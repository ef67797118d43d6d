// SPDX-License-Identifier: GPL-2.0
/* Where a segment's flow lives: the established lookup that doubles as early demux, and
 * the search for flows that are not at the port of the CPU they arrive on.
 *
 * Runs in the in hooks, BH disabled, under rcu_read_lock(). The sockets found are
 * referenced; each function says who owns the reference. Invariant: a segment goes to
 * the socket of its flow on whichever port that is, and looking for it costs a CPU a
 * bounded share of its time whatever arrives.
 *
 * Flows move when an interrupt does, when the switch hashes onto other links or when a
 * link fails. Nothing announces it: the first sign is a segment without a socket at its
 * CPU's port, which looks just like one of a flow that is gone. So every such segment is
 * searched for at all ports, out of a per-CPU budget of lookups per jiffy. Without
 * budget it is dropped rather than passed on: the sender of a live flow repeats it, where
 * the reset that a listener answers with would end the flow. That also makes a flood of
 * stray segments cheaper than resets would be.
 *
 * SYNs belong to no flow as a rule and are looked up at their CPU's port only, but while
 * flows have been seen to move, one may be the repetition of a SYN that another CPU has
 * answered.
 */
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>
#include <net/request_sock.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "nf_flowpar.h"

/* How long SYNs are searched for after a moved flow was seen: a SYN is repeated for
 * about as long with the default tcp_syn_retries of common clients.
 */
#define FLOWPAR_MOVED_WINDOW	(60 * HZ)

/* A lookup that finds nothing costs about 100 ns: a tenth of a core. */
unsigned int flowpar_search_budget __read_mostly = 1000000;

/* How well a socket fits a segment; of several candidates the best gets it. */
enum flowpar_fit {
	FLOWPAR_FIT_NONE,
	/* A request, but of another attempt of this client. */
	FLOWPAR_FIT_STRAY_REQUEST,
	FLOWPAR_FIT_TIME_WAIT,
	/* TIME_WAIT or FIN_WAIT_2 that expects this very segment. */
	FLOWPAR_FIT_NEXT,
	FLOWPAR_FIT_REQUEST,
	FLOWPAR_FIT_FULL,
};

static enum flowpar_fit flowpar_request_fit(const struct tcp_request_sock *req,
					    const struct flowpar_flow *flow)
{
	bool fits;

	/* A SYN is this attempt's repetition, or starts anew like one after TIME_WAIT. */
	if (flow->syn)
		return flow->seq == req->rcv_isn ? FLOWPAR_FIT_REQUEST : FLOWPAR_FIT_NONE;

	if (flow->ack)
		fits = flow->ack_seq == req->snt_isn + 1;
	else
		fits = flow->seq == req->rcv_nxt;
	return fits ? FLOWPAR_FIT_REQUEST : FLOWPAR_FIT_STRAY_REQUEST;
}

static enum flowpar_fit flowpar_fit(struct sock *sk, const struct flowpar_flow *flow)
{
	if (!sk)
		return FLOWPAR_FIT_NONE;

	switch (READ_ONCE(sk->sk_state)) {
	case TCP_NEW_SYN_RECV:
		return flowpar_request_fit(tcp_rsk(inet_reqsk(sk)), flow);
	case TCP_TIME_WAIT:
		/* A SYN starts anew: where the old flow ended does not bind it. */
		if (flow->syn)
			return FLOWPAR_FIT_NONE;
		if (flow->seq == READ_ONCE(tcp_twsk(sk)->tw_rcv_nxt))
			return FLOWPAR_FIT_NEXT;
		return FLOWPAR_FIT_TIME_WAIT;
	default:
		return FLOWPAR_FIT_FULL;
	}
}

/* Seen from the client's side. Not skb->hash, which depends on the NIC and is absent on
 * some: a flow must keep its instance and, on a CPU outside the list, its rank, whichever
 * way it comes.
 */
static u32 flowpar_flow_hash(const struct net *net, const struct flowpar_flow *flow)
{
	u32 secret = flowpar_net(net)->secret;

	if (flow->family == NFPROTO_IPV6)
		return jhash_3words(__ipv6_addr_jhash(&flow->saddr.in6, secret),
				    __ipv6_addr_jhash(&flow->daddr.in6, secret),
				    (__force u32)flow->sport, secret);
	return jhash_3words((__force u32)flow->saddr.ip, (__force u32)flow->daddr.ip,
			    (__force u32)flow->sport, secret);
}

/* @hash: flowpar_flow_hash(); not looked at with one instance per CPU */
static u16 flowpar_core_port(const struct flowpar_service *service, unsigned int rank,
			     u32 hash)
{
	u16 port = service->base + rank * service->stride;

	return service->per_core > 1 ? port + hash % service->per_core : port;
}

/**
 * flowpar_home_port - the port of a flow, unless it lives elsewhere
 * @net: the namespace
 * @service: the service
 * @flow: a packet of the flow from the client
 * @rank: of the CPU that it is on; FLOWPAR_NO_RANK: the flow's hash decides
 */
u16 flowpar_home_port(const struct net *net, const struct flowpar_service *service,
		      const struct flowpar_flow *flow, u16 rank)
{
	u32 hash = 0;

	if (rank == FLOWPAR_NO_RANK || service->per_core > 1)
		hash = flowpar_flow_hash(net, flow);
	if (rank == FLOWPAR_NO_RANK)
		rank = reciprocal_scale(hash, service->n_cpus);
	return flowpar_core_port(service, rank, hash);
}

/**
 * flowpar_moved_recently - whether SYNs must be searched for
 * @service: the service
 */
bool flowpar_moved_recently(const struct flowpar_service *service)
{
	unsigned long until = READ_ONCE(service->moved_until);

	return time_in_range_open(jiffies, until - FLOWPAR_MOVED_WINDOW, until);
}

/* Written at most once a second: all CPUs read the line. */
static void flowpar_moved_now(struct flowpar_service *service)
{
	unsigned long until = jiffies + FLOWPAR_MOVED_WINDOW;

	if (until - READ_ONCE(service->moved_until) >= HZ)
		WRITE_ONCE(service->moved_until, until);
}

static u16 *flowpar_hint(struct flowpar_service *service, u32 hash)
{
	return &this_cpu_ptr(service->cpu)->hint[hash % FLOWPAR_HINTS];
}

/**
 * flowpar_moved_to - let a flow's next segments be found where its SYN was sent
 * @net: the namespace
 * @service: the service
 * @flow: the SYN
 * @port: not the home port
 */
void flowpar_moved_to(const struct net *net, struct flowpar_service *service,
		      const struct flowpar_flow *flow, u16 port)
{
	*flowpar_hint(service, flowpar_flow_hash(net, flow)) = port;
	flowpar_moved_now(service);
}

static struct sock *flowpar_socket_of(const struct net *net, const struct flowpar_flow *flow,
				      u16 port, int dif, int sdif)
{
	return flowpar_socket(net, flow->family, &flow->saddr, flow->sport, &flow->daddr, port,
			      dif, sdif);
}

/**
 * flowpar_lookup_home - look up a segment at the port it would get by its CPU
 * @net: the namespace
 * @flow: the segment
 * @port: the port
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 *
 * Return: the socket, referenced, or NULL.
 */
struct sock *flowpar_lookup_home(const struct net *net, const struct flowpar_flow *flow,
				 u16 port, int dif, int sdif)
{
	return flowpar_socket_of(net, flow, port, dif, sdif);
}

/**
 * flowpar_lookup_is_certain - whether no other port can have a better claim to a segment
 * @flow: the segment
 * @place: has the socket at its home port, or NULL
 *
 * A request whose ACK fits and a closing flow that expects this segment count as certain,
 * so that ordinary short connections never search.
 */
bool flowpar_lookup_is_certain(const struct flowpar_flow *flow,
			       const struct flowpar_place *place)
{
	return flowpar_fit(place->sk, flow) >= FLOWPAR_FIT_NEXT;
}

/**
 * flowpar_budget_take - ask for lookups beyond the usual one
 * @this: this CPU's part of a service
 * @lookups: how many
 * @half: leave half of the budget to others
 *
 * Per CPU and service: no shared state, and one service's flood leaves the others'
 * budget alone. The last search may overdraw, else a long CPU list could never be
 * searched; what it owes is paid back before the next. A SYN without budget is passed
 * on, a segment is dropped: so SYNs leave half of it to the segments, and so do ICMP
 * errors, which may be lost.
 */
bool flowpar_budget_take(struct flowpar_cpu *this, unsigned int lookups, bool half)
{
	s64 full = DIV_ROUND_UP_ULL(READ_ONCE(flowpar_search_budget), HZ);
	unsigned long now = jiffies, passed = now - this->budget_jiffy;

	if (passed) {
		this->budget_jiffy = now;
		this->budget = min(full, this->budget + full * min_t(s64, passed, HZ));
	}
	if (this->budget <= (half ? full / 2 : 0))
		return false;
	this->budget -= lookups;
	return true;
}

/* Keep the better of @place and the socket at @port; drop the other's reference. */
static enum flowpar_fit flowpar_try(const struct net *net, const struct flowpar_flow *flow,
				    int dif, int sdif, u16 port, enum flowpar_fit best,
				    struct flowpar_place *place)
{
	struct sock *sk = flowpar_socket_of(net, flow, port, dif, sdif);
	enum flowpar_fit fit = flowpar_fit(sk, flow);

	if (fit > best) {
		swap(place->sk, sk);
		place->port = port;
		best = fit;
	}
	if (sk)
		sock_gen_put(sk);
	return best;
}

/**
 * flowpar_lookup_moved - look for a segment's flow at the other ports
 * @net: the namespace
 * @service: the service
 * @flow: a segment to a local address, or a quoted one
 * @dif: as in flowpar_lookup_home()
 * @sdif: as in flowpar_lookup_home()
 * @place: what flowpar_lookup_home() left; gets what was found
 *
 * Tried in turn: the port where this CPU last found a flow of this hash, the public
 * port, where flows older than the service live, then every rank, at all instances, then
 * listeners that sent SYN cookies.
 *
 * Return: FLOWPAR_V_IN: @place holds the answer, at worst the port it came with;
 * FLOWPAR_V_NOT_OURS: the flow lives at the public port; FLOWPAR_V_THROTTLED: no
 * budget, and no flow known that this may belong to. The caller owns the reference on
 * @place's socket; there is none with the last two.
 */
enum flowpar_verdict flowpar_lookup_moved(const struct net *net,
					  struct flowpar_service *service,
					  const struct flowpar_flow *flow,
					  int dif, int sdif,
					  struct flowpar_place *place)
{
	struct flowpar_cpu *this = this_cpu_ptr(service->cpu);
	enum flowpar_fit best = flowpar_fit(place->sk, flow);
	u32 hash = flowpar_flow_hash(net, flow);
	u16 *hint = flowpar_hint(service, hash);
	u16 home = place->port, hinted = *hint;
	unsigned int lookups = service->n_cpus * service->per_core, i;
	u16 port;

	if (hinted && hinted != home)
		best = flowpar_try(net, flow, dif, sdif, hinted, best, place);

	if (best < FLOWPAR_FIT_NEXT) {
		if (!flowpar_budget_take(this, lookups, flow->syn || flow->quoted)) {
			flowpar_count(service, FLOWPAR_THROTTLED);
			if (flow->syn || best > FLOWPAR_FIT_STRAY_REQUEST)
				goto found;
			/* A request that this is no answer to would be reset. */
			if (place->sk)
				sock_gen_put(place->sk);
			place->sk = NULL;
			return FLOWPAR_V_THROTTLED;
		}
		best = flowpar_try(net, flow, dif, sdif, service->port, best, place);
		/* Other instances than the flow's come last: only a spilled flow is there. */
		for (i = 0; i < lookups && best < FLOWPAR_FIT_FULL; i++) {
			port = flowpar_core_port(service, i % service->n_cpus,
						 hash % service->per_core + i / service->n_cpus);
			if (port != home && port != hinted)
				best = flowpar_try(net, flow, dif, sdif, port, best, place);
		}
		/* Strays pay, flows do not: many may have moved at once. */
		if (best > FLOWPAR_FIT_STRAY_REQUEST)
			this->budget += lookups;
	}

	if (best == FLOWPAR_FIT_NONE && !flow->syn &&
	    (!flow->ack || flow->quoted ||
	     !flowpar_listener_sent_cookie(net, service, flow, dif, sdif, place))) {
		/* Listeners were looked up, too. */
		this->budget -= lookups;
		flowpar_count(service, FLOWPAR_MISSED);
	}
found:
	if (place->port == home)
		return FLOWPAR_V_IN;

	/* Errors come by any link: that flow did not move. */
	if (flow->quoted)
		return FLOWPAR_V_IN;
	*hint = place->port;
	if (place->port == service->port) {
		sock_gen_put(place->sk);
		place->sk = NULL;
		return FLOWPAR_V_NOT_OURS;
	}
	flowpar_count(service, FLOWPAR_MOVED);
	flowpar_moved_now(service);
	return FLOWPAR_V_IN;
}

static bool flowpar_is_connected(const struct net *net, const struct flowpar_flow *flow,
				 u16 port, int dif, int sdif)
{
	struct sock *sk;

	if (flow->family == NFPROTO_IPV6)
		sk = flowpar_ipv6_udp_socket(net, flow, port, dif, sdif);
	else
		sk = __udp4_lib_lookup(net, flow->saddr.ip, flow->sport, flow->daddr.ip,
				       htons(port), dif, sdif, flowpar_udp_table(net), NULL);
	return sk && READ_ONCE(sk->sk_state) == TCP_ESTABLISHED;
}

/**
 * flowpar_lookup_connected - the port of the UDP socket that is connected to a client
 * @net: the namespace
 * @service: the service
 * @flow: a datagram from the client
 * @dif: as in flowpar_lookup_home()
 * @sdif: as in flowpar_lookup_home()
 * @home: the port to begin with
 *
 * Return: the port; @home if there is no such socket or no budget to look for it.
 */
u16 flowpar_lookup_connected(const struct net *net, struct flowpar_service *service,
			     const struct flowpar_flow *flow, int dif, int sdif, u16 home)
{
	struct flowpar_cpu *this = this_cpu_ptr(service->cpu);
	u32 hash = flowpar_flow_hash(net, flow);
	unsigned int rank;
	u16 port;

	if (flowpar_is_connected(net, flow, home, dif, sdif))
		return home;
	if (!flowpar_budget_take(this, service->n_cpus, true)) {
		flowpar_count(service, FLOWPAR_THROTTLED);
		return home;
	}
	for (rank = 0; rank < service->n_cpus; rank++) {
		port = flowpar_core_port(service, rank, hash);
		if (port != home && flowpar_is_connected(net, flow, port, dif, sdif))
			return port;
	}
	return home;
}

/**
 * flowpar_attach - give a packet the socket that was found for it, as early demux does
 * @net: the namespace
 * @service: the service, which counts it
 * @skb: a packet at PRE_ROUTING that has no socket
 * @sk: the socket, referenced; the reference is consumed
 * @bare: no payload
 *
 * Then ip_rcv_finish() skips early demux, and TCP its lookup. Whoever sends the packet
 * elsewhere later copes as with early demux: NAT drops the dst when it changes the
 * address, TPROXY and nft's socket replace or read skb->sk.
 *
 * A request goes with the client's ACK, not with its first data. NAPI hands packets over
 * in batches, so both pass here before either reaches TCP; with the request on both, TCP
 * would build the connection twice and throw one away.
 */
void flowpar_attach(const struct net *net, const struct flowpar_service *service,
		    struct sk_buff *skb, struct sock *sk, bool bare)
{
	if (sk_fullsock(sk)) {
		flowpar_attach_full(net, service, skb, sk);
		return;
	}
	if (!flowpar_may_attach(net, skb) ||
	    (READ_ONCE(sk->sk_state) == TCP_NEW_SYN_RECV && !bare)) {
		sock_gen_put(sk);
		return;
	}
	skb->sk = sk;
	skb->destructor = sock_edemux;
	flowpar_count(service, FLOWPAR_ATTACHED);
}

/**
 * flowpar_attach_listener - give a SYN the listener that will take it
 * @net: the namespace
 * @service: the service, which counts it
 * @skb: a SYN at PRE_ROUTING that has no socket, and belongs to none
 * @sk: the listener; valid under RCU
 *
 * As bpf_sk_assign() does; then neither early demux nor TCP look for a flow and for the
 * listener again. Nothing may follow that changes where the SYN goes: a host does not
 * forward what has a socket.
 */
void flowpar_attach_listener(const struct net *net, const struct flowpar_service *service,
			     struct sk_buff *skb, struct sock *sk)
{
	/* Of a group, a program may choose, which wants to see the packet. */
	if (!flowpar_may_attach(net, skb) || sk->sk_reuseport || sk_is_refcounted(sk))
		return;

	skb->sk = sk;
	skb->destructor = sock_pfree;
	flowpar_count(service, FLOWPAR_ATTACHED);
}
