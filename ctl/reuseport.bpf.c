// SPDX-License-Identifier: GPL-2.0
/*
 * --listen reuseport: a new flow goes to this CPU's socket of a SO_REUSEPORT group.
 *
 * Where it runs: in softirq, on the CPU that received the packet, when a TCP segment
 * has found no established socket, or a UDP datagram no connected one, and the socket
 * lookup has come to the group (reuseport_select_sock()): once a TCP connection, once a
 * datagram. Also, in the process that closes a listener of the group, once for each
 * connection that it has not accepted (reuseport_migrate_sock()). Nothing shared is
 * written: counters are per CPU, the map is read only here. flowparctl fills it; the
 * kernel takes out a socket that closes.
 *
 * The map and not an index into the group, as a classic filter would have it: when a
 * socket leaves a group the last one takes its place, so after a restart the k-th
 * socket is no longer the k-th CPU's.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "steer.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 1);		/* set when it is loaded */
	__type(key, __u32);
	__type(value, __u64);		/* read as the socket's cookie */
} flowpar_sockets SEC(".maps");

struct search {
	struct sk_reuseport_md *ctx;
	__u32 rank;
	__u32 hash;
	__u32 found;	/* 1: at @rank, 2: elsewhere */
};

/* Called by bpf_loop(); 1 ends it. */
static long try_one(__u32 i, struct search *s)
{
	__u32 slot = lookup_slot(i, s->rank, s->hash, config.per_core, config.n_cpus);

	if (bpf_sk_select_reuseport(s->ctx, &flowpar_sockets, &slot, 0))
		return 0;
	s->found = i < config.per_core ? 1 : 2;
	return 1;
}

SEC("sk_reuseport/migrate")
int flowpar_reuse(struct sk_reuseport_md *ctx)
{
	struct search s = { .ctx = ctx, .hash = ctx->hash };
	__u32 foreign;

	s.rank = config.rank[bpf_get_smp_processor_id() % LOOKUP_CPUS];
	foreign = s.rank == LOOKUP_NO_RANK;
	if (foreign)
		s.rank = s.hash % config.n_cpus;
	bpf_loop(config.n_cpus * config.per_core, try_one, &s, 0);
	if (ctx->migrating_sk) {
		if (s.found)
			count(LOOKUP_MIGRATED);
		return SK_PASS;
	}
	if (!s.found) {
		count(LOOKUP_HASHED);
		return SK_PASS;		/* flowparctl has not found the sockets yet */
	}
	count(LOOKUP_IN);
	if (foreign)
		count(LOOKUP_FOREIGN_CPU);
	else if (s.found == 2)
		count(LOOKUP_SPILLED);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
