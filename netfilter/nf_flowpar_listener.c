// SPDX-License-Identifier: GPL-2.0
/* Which listener a new flow is given: its core's, unless that one cannot take it.
 *
 * Runs in the in hooks, BH disabled, under rcu_read_lock(), for SYNs that belong to no
 * flow yet, and for the ACKs that may end a handshake by cookie. A listener that is
 * missing, or whose accept queue is past the service's threshold, is passed over for the
 * least loaded one. Only then are other cores' listeners looked at, out of the budget for
 * searches: TCP looks the home listener up next in any case, so its lines are wanted on
 * this core. If no core has a listener, the kernel answers as for any closed port.
 */
#include <linux/math64.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nf_flowpar.h"

#define FLOWPAR_LOAD_MISSING	U32_MAX

static struct sock *flowpar_listener(const struct net *net, const struct flowpar_flow *flow,
				     u16 port, int dif, int sdif)
{
	if (flow->family == NFPROTO_IPV6)
		return flowpar_ipv6_listener(net, flow, port, dif, sdif);
	return __inet_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo, NULL, 0,
				      flow->saddr.ip, flow->sport, flow->daddr.ip, port,
				      dif, sdif);
}

/* How full the accept queue is; as sk_acceptq_is_full() it holds one more than asked for. */
static u32 flowpar_load(const struct sock *sk)
{
	if (!sk)
		return FLOWPAR_LOAD_MISSING;
	return min_t(u64, div_u64((u64)READ_ONCE(sk->sk_ack_backlog) * FLOWPAR_LOAD_FULL,
				  READ_ONCE(sk->sk_max_ack_backlog) + 1),
		     FLOWPAR_LOAD_MISSING - 1);
}

/* Once a listener is past the threshold it stays so until its queue is below three
 * quarters of that: a queue around the threshold would send every other flow away. One
 * state per CPU: with several instances, a short queue ends it for all of them.
 */
static bool flowpar_is_spilling(struct flowpar_cpu *this, u32 load, u32 threshold)
{
	bool spilling = load >= (this->spilling ? threshold / 4 * 3 : threshold);

	if (this->spilling != spilling)
		this->spilling = spilling;
	return spilling;
}

/**
 * flowpar_listener_choose - pass over a listener that cannot take a new flow
 * @net: the namespace
 * @service: the service
 * @flow: a SYN to a local address
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 * @place: has the home port; gets the one to go to, and the listener there unless what it
 *	has is a closing flow at the same port, which decides first
 */
void flowpar_listener_choose(const struct net *net, struct flowpar_service *service,
			     const struct flowpar_flow *flow, int dif, int sdif,
			     struct flowpar_place *place)
{
	struct flowpar_cpu *this = this_cpu_ptr(service->cpu);
	u32 load, threshold, best = FLOWPAR_LOAD_MISSING;
	unsigned int rank, instance, i;
	u16 port, home = place->port;
	struct sock *sk;

	sk = flowpar_listener(net, flow, home, dif, sdif);
	place->listener = sk;
	if (likely(sk)) {
		if (likely(!service->spill))
			return;
		load = flowpar_load(sk);
		threshold = service->spill * FLOWPAR_LOAD_FULL / 100;
		if (likely(!flowpar_is_spilling(this, load, threshold)))
			return;
		/* Another one has to be better than this one, and below the threshold. */
		best = min(load, threshold);
	}
	if (!flowpar_budget_take(this, service->n_cpus * service->per_core, true)) {
		flowpar_count(service, FLOWPAR_THROTTLED);
		return;
	}

	/* Idle listeners are equal: begin anywhere, else the first would get all of it. */
	rank = flow->seq % service->n_cpus;
	for (i = 0; i < service->n_cpus; i++) {
		for (instance = 0; instance < service->per_core; instance++) {
			port = service->base + rank * service->stride + instance;
			if (port == home)
				continue;
			sk = flowpar_listener(net, flow, port, dif, sdif);
			load = flowpar_load(sk);
			if (load < best) {
				best = load;
				place->port = port;
				place->listener = sk;
			}
		}
		if (++rank == service->n_cpus)
			rank = 0;
	}
	if (place->port == home)
		return;
	if (place->sk)
		sock_gen_put(place->sk);
	place->sk = NULL;
	flowpar_count(service, FLOWPAR_SPILLED);
	flowpar_moved_to(net, service, flow, place->port);
}

#ifdef CONFIG_SYN_COOKIES
/* All that the check reads of the headers is the flow. */
static bool flowpar_cookie_is_valid(const struct flowpar_flow *flow, u16 port)
{
	struct tcphdr th = {
		.source		= flow->sport,
		.dest		= htons(port),
		.seq		= htonl(flow->seq),
		.ack_seq	= htonl(flow->ack_seq),
	};
	struct iphdr iph = {
		.saddr		= flow->saddr.ip,
		.daddr		= flow->daddr.ip,
	};

	if (flow->family == NFPROTO_IPV6)
		return flowpar_ipv6_cookie_is_valid(flow, &th);
	return __cookie_v4_check(&iph, &th);
}

/**
 * flowpar_listener_sent_cookie - find the listener whose SYN cookie a segment answers
 * @net: the namespace
 * @service: the service
 * @flow: a segment of no flow that is known
 * @dif: interface index that the socket may be bound to
 * @sdif: the same for a slave of a VRF, or 0
 * @place: gets the port
 *
 * A listener that sent cookies has kept nothing of the flow; when the flow has moved
 * since its SYN, or that was spilled, the home listener would take the ACK for a stray.
 *
 * Return: whether there is one.
 */
bool flowpar_listener_sent_cookie(const struct net *net, const struct flowpar_service *service,
				  const struct flowpar_flow *flow, int dif, int sdif,
				  struct flowpar_place *place)
{
	unsigned int rank, instance;
	struct sock *sk;
	u16 port;

	for (rank = 0; rank < service->n_cpus; rank++) {
		for (instance = 0; instance < service->per_core; instance++) {
			port = service->base + rank * service->stride + instance;
			sk = flowpar_listener(net, flow, port, dif, sdif);
			if (!sk || tcp_synq_no_recent_overflow(sk) ||
			    !flowpar_cookie_is_valid(flow, port))
				continue;
			place->port = port;
			return true;
		}
	}
	return false;
}
#else
bool flowpar_listener_sent_cookie(const struct net *net, const struct flowpar_service *service,
				  const struct flowpar_flow *flow, int dif, int sdif,
				  struct flowpar_place *place)
{
	return false;
}
#endif

static bool flowpar_is_signed(const struct sock *sk)
{
	bool is_signed = false;

#ifdef CONFIG_TCP_MD5SIG
	is_signed |= !!rcu_access_pointer(tcp_sk(sk)->md5sig_info);
#endif
#ifdef CONFIG_TCP_AO
	is_signed |= !!rcu_access_pointer(tcp_sk(sk)->ao_info);
#endif
	return is_signed;
}

/**
 * flowpar_listener_signed - look for listeners whose segments cannot be rewritten
 * @net: the namespace
 * @service: the service; not published yet
 *
 * TCP-MD5 and TCP-AO sign the ports.
 *
 * Context: process context.
 * Return: the port of a listener with keys, bound to the service's address or, for a
 * service at any, to any; or 0.
 */
u16 flowpar_listener_signed(const struct net *net, const struct flowpar_service *service)
{
	struct flowpar_flow flow = {
		.family	= service->family,
		.daddr	= service->address,
	};
	unsigned int rank, instance;
	u16 port, found = 0;
	struct sock *sk;

	rcu_read_lock();
	for (rank = 0; rank < service->n_cpus && !found; rank++) {
		for (instance = 0; instance < service->per_core; instance++) {
			port = service->base + rank * service->stride + instance;
			sk = flowpar_listener(net, &flow, port, 0, 0);
			if (sk && flowpar_is_signed(sk))
				found = port;
		}
	}
	rcu_read_unlock();
	return found;
}
