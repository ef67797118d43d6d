/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF program of --listen bpf and flowparctl have to agree on.
 *
 * Also between flowparctl's of two builds: `stats` reads what another `run` has
 * loaded, and goes by the sizes and names of the maps. Included by lookup.bpf.c,
 * so it has the kernel's types only.
 */
#ifndef FLOWPARCTL_LOOKUP_SHARED_H
#define FLOWPARCTL_LOOKUP_SHARED_H

#include <linux/types.h>

/* The largest NR_CPUS that the kernel can be configured with; a power of two. */
#define LOOKUP_CPUS	8192
/* A CPU outside the service's list. */
#define LOOKUP_NO_RANK	0xffff

/* Names of program and maps, as the kernel has them (15 characters at most). */
#define LOOKUP_PROGRAM	"flowpar_listen"
#define LOOKUP_COUNTS	"flowpar_counts"
#define LOOKUP_SOCKETS	"flowpar_sockets"
#define LOOKUP_CONFIG	".rodata.config"

/**
 * struct lookup_config - a service, constant while its program is attached
 * @pid: of the flowparctl that attached it, for people
 * @port: the public port, host byte order as all ports here
 * @base_port: of the first CPU's first instance
 * @stride: ports from one CPU to the next
 * @per_core: instances on each CPU
 * @n_cpus: CPUs in the service's list
 * @rank: by CPU: its number k in that list, or LOOKUP_NO_RANK
 */
struct lookup_config {
	__u32 pid;
	__u16 port;
	__u16 base_port;
	__u16 stride;
	__u16 per_core;
	__u32 n_cpus;
	__u16 rank[LOOKUP_CPUS];
};

/* Counters, per CPU. */
enum {
	LOOKUP_IN,		/* given a listener */
	LOOKUP_SPILLED,		/* of them, another CPU's */
	LOOKUP_FOREIGN_CPU,	/* of them, on a CPU outside the list */
	LOOKUP_REFUSED,		/* no listener was there */
	LOOKUP_CLOSED,		/* from outside to a per-core port */
	LOOKUP_COUNTERS
};

struct lookup_counts {
	__u64 n[LOOKUP_COUNTERS];
};

/*
 * Key of a listener: slot is rank * per_core + instance. A server may have one
 * socket for each family, or one for both, which is then there twice.
 */
#define LOOKUP_KEY(slot, ipv6)	((slot) * 2 + (ipv6))

#endif
