/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF programs of --listen bpf (lookup.bpf.c) and --listen reuseport
 * (reuseport.bpf.c) and flowparctl have to agree on.
 *
 * Also between flowparctl's of two builds: `stats` reads what another `run` has
 * loaded, and goes by the sizes and names of the maps. Included by the programs, so
 * it has the kernel's types only.
 */
#ifndef FLOWPARCTL_LOOKUP_SHARED_H
#define FLOWPARCTL_LOOKUP_SHARED_H

#include <linux/types.h>

/* The largest NR_CPUS that the kernel can be configured with; a power of two. */
#define LOOKUP_CPUS	8192
/* A CPU outside the service's list. */
#define LOOKUP_NO_RANK	0xffff

/* Names of programs and maps, as the kernel has them (15 characters at most). */
#define LOOKUP_PROGRAM	"flowpar_listen"
#define REUSEPORT_PROGRAM "flowpar_reuse"
#define LOOKUP_COUNTS	"flowpar_counts"
#define LOOKUP_SOCKETS	"flowpar_sockets"
#define LOOKUP_CONFIG	".rodata.config"

/**
 * struct lookup_config - a service, constant while its program is attached
 * @netns: inode of the network namespace (reuseport; else 0)
 * @pid: of the flowparctl that attached it, for people
 * @n_cpus: CPUs in the service's list
 * @port: the public port, host byte order as all ports here
 * @base_port: of the first CPU's first instance; reuseport: the public port
 * @stride: ports from one CPU to the next; reuseport: 0
 * @per_core: instances on each CPU
 * @address: that the group's sockets are bound to, in network byte order (reuseport)
 * @family: of that address: AF_INET, AF_INET6, which may take IPv4 too; 0: any of both (bpf)
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @rank: by CPU: its number k in that list, or LOOKUP_NO_RANK
 */
struct lookup_config {
	__u64 netns;
	__u32 pid;
	__u32 n_cpus;
	__u16 port;
	__u16 base_port;
	__u16 stride;
	__u16 per_core;
	__u8 address[16];
	__u16 family;
	__u16 protocol;
	__u32 reserved;
	__u16 rank[LOOKUP_CPUS];
};

/* Counters, per CPU. */
enum {
	LOOKUP_IN,		/* given a listener */
	LOOKUP_SPILLED,		/* of them, another CPU's */
	LOOKUP_FOREIGN_CPU,	/* of them, on a CPU outside the list */
	LOOKUP_REFUSED,		/* bpf: no listener was there */
	LOOKUP_CLOSED,		/* bpf: from outside to a per-core port */
	LOOKUP_HASHED,		/* reuseport: none in the map, by the kernel's hash */
	LOOKUP_MIGRATED,	/* reuseport: of a listener that closed, to another */
	LOOKUP_COUNTERS
};

struct lookup_counts {
	__u64 n[LOOKUP_COUNTERS];
};

/*
 * The i-th slot to look at for a flow, i < n_cpus * per_core: first the instances of
 * its rank, from a hashed one on, then those of each other rank, from a hashed one on:
 * what one core cannot take is dealt to all others.
 */
static inline __attribute__((always_inline)) __u32
lookup_slot(__u32 i, __u32 rank, __u32 hash, __u32 per_core, __u32 ranks)
{
	if (i >= per_core)
		rank = (rank + 1 + (hash / per_core + i / per_core - 1) % (ranks - 1)) % ranks;
	return rank * per_core + (hash + i) % per_core;
}

/*
 * Key of a listener of --listen bpf: slot is rank * per_core + instance. A server may have one
 * socket for each family, or one for both, which is then there twice. reuseport has
 * a map for each group of sockets, keyed by the slot.
 */
#define LOOKUP_KEY(slot, ipv6)	((slot) * 2 + (ipv6))

#endif
