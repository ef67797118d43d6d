// SPDX-License-Identifier: GPL-2.0
/*
 * --listen bpf: a new flow to the public port goes to a listener of this CPU.
 *
 * Where it runs: in the TCP input path (softirq, on the CPU that received the
 * segment), when no established socket was found and before listeners are looked
 * up (inet_lookup_run_sk_lookup()): once a connection, and for segments of no
 * flow. Nothing is rewritten: the accepted socket has the port that the client
 * used. Nothing shared is written: counters are per CPU, the map of listeners is
 * read only here. flowparctl fills it; the kernel takes out a socket that closes.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "steer.bpf.h"

#ifndef AF_INET6
#define AF_INET6 10
#endif
/* In every network namespace (net/core/dev.c). */
#define LOOPBACK_IFINDEX 1

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);		/* set when it is loaded */
	__type(key, __u32);
	__type(value, __u64);		/* read as the socket's cookie */
} flowpar_sockets SEC(".maps");

struct search {
	struct bpf_sk_lookup *ctx;
	__u32 rank;
	__u32 hash;
	__u32 ipv6;
	__u32 found;	/* 1: at @rank, 2: elsewhere */
};

/* Murmur3's finish: of the client's address and port, so stable for a flow. */
static __always_inline __u32 flow_hash(const struct bpf_sk_lookup *ctx)
{
	__u32 h = ctx->remote_port;

	if (ctx->family == AF_INET6)
		h ^= ctx->remote_ip6[0] ^ ctx->remote_ip6[1] * 5 ^ ctx->remote_ip6[2] * 25 ^
		     ctx->remote_ip6[3] * 125;
	else
		h ^= ctx->remote_ip4;
	h = (h ^ h >> 16) * 0x85ebca6b;
	h = (h ^ h >> 13) * 0xc2b2ae35;
	return h ^ h >> 16;
}

/* Called by bpf_loop(); 1 ends it. */
static long try_one(__u32 i, struct search *s)
{
	__u32 slot = lookup_slot(i, s->rank, s->hash, config.per_core, config.n_cpus);
	__u32 key = LOOKUP_KEY(slot, s->ipv6);
	struct bpf_sock *sk;
	long err;

	sk = bpf_map_lookup_elem(&flowpar_sockets, &key);
	if (!sk)
		return 0;
	err = bpf_sk_assign(s->ctx, sk, 0);
	bpf_sk_release(sk);
	if (err)
		return 0;
	s->found = i < config.per_core ? 1 : 2;
	return 1;
}

static __always_inline int closed(const struct bpf_sk_lookup *ctx)
{
	__u32 offset = ctx->local_port - config.base_port;

	return ctx->local_port >= config.base_port && offset < config.n_cpus * config.stride &&
	       offset % config.stride < config.per_core && ctx->ingress_ifindex != LOOPBACK_IFINDEX;
}

SEC("sk_lookup")
int flowpar_listen(struct bpf_sk_lookup *ctx)
{
	struct search s = { .ctx = ctx };
	__u32 foreign;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	if (ctx->local_port != config.port) {
		if (!closed(ctx))
			return SK_PASS;
		count(LOOKUP_CLOSED);
		return SK_DROP;
	}
	if (ctx->sk)
		return SK_PASS;		/* another program, attached before, has chosen */
	s.hash = flow_hash(ctx);
	s.ipv6 = ctx->family == AF_INET6;
	s.rank = config.rank[bpf_get_smp_processor_id() % LOOKUP_CPUS];
	foreign = s.rank == LOOKUP_NO_RANK;
	if (foreign)
		s.rank = s.hash % config.n_cpus;
	bpf_loop(config.n_cpus * config.per_core, try_one, &s, 0);
	if (!s.found) {
		count(LOOKUP_REFUSED);
		return SK_PASS;		/* the kernel's own answer */
	}
	count(LOOKUP_IN);
	if (foreign)
		count(LOOKUP_FOREIGN_CPU);
	else if (s.found == 2)
		count(LOOKUP_SPILLED);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
