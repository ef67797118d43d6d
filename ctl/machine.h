/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What flowparctl doctor reads of a machine: bonds, their NICs, interrupts and
 * queues, and what the kernel counted at two times.
 *
 * Read once and then only looked at. All of it comes from /proc and /sys through
 * tree.h; what only netlink tells is filled in by the caller (ethtool.h), and stays
 * unknown if nobody does.
 */
#ifndef FLOWPARCTL_MACHINE_H
#define FLOWPARCTL_MACHINE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpulist.h"

/* An interrupt that brings packets. */
struct irq {
	unsigned int number;
	char name[64];		/* as its driver calls it; "" if nobody requested it */
	unsigned int queue;
	struct cpulist allowed;
	struct cpulist now;	/* where it goes */
	bool managed;		/* by the kernel: nobody else may move it */
};

struct nic {
	char name[IF_NAMESIZE];
	bool up, carrier;
	long long mtu, speed;	/* speed in Mbit/s, at most 0: unknown */
	unsigned int rx_queues, tx_queues;
	struct irq *irq;
	size_t n_irqs;
	char irqs_with[IF_NAMESIZE];	/* who has those of the PCI function, if this has none; or "" */

	/* As a slave; an unpatched kernel has no list. */
	long long aggregator;
	bool has_list;
	struct cpulist list;

	/* Its cores, as they are or as they should be (machine_plan). */
	struct cpulist want;
	bool planned;		/* ... should be */

	/* At two times. */
	long long rx[2], missed[2];

	/* By ethtool netlink. */
	bool features_known;
	unsigned int off;	/* enum feature, bits: could be on, but is off */
	unsigned int active, unwanted;	/* what is on; what somebody switched off */
	unsigned int rx_ring, rx_ring_max;	/* 0: unknown */
	unsigned int combined, combined_max;	/* channels both ways; 0: none, or unknown */
	bool shares_known, shares_equal;	/* of the queues in what the hash gives them */
};

/* A bond (bonds.h has what some count). */
struct lag {
	char name[IF_NAMESIZE];	/* "" for NICs that are in no bond */
	char mode[32], policy[32];
	char partner[32];	/* "": may not be read */
	long long aggregator, miimon, arp_interval, mtu;
	struct nic *nic;
	size_t n;
	unsigned int off;	/* enum feature, bits: switched off on the bond itself */
	bool patched;		/* this bonding knows cpu-bound */

	/* Packets in the interval that left by a slave of their core's own, or another. */
	uint64_t own, other;
};

/* A public port with a listener per core, whoever sees to it. */
struct steered {
	char name[64];		/* "tcp *:80" */
	const char *listen;	/* "nat" or "bpf" */
	int family;		/* AF_INET or AF_INET6; AF_UNSPEC: whatever its listeners have */
	unsigned int port, base_port, stride, per_core;
	struct cpulist cpus;
	/* Counted in the interval, per rank; NULL: unknown. */
	uint64_t *in, *out;
	uint64_t foreign, moved, total;
};

struct softnet {
	unsigned int cpu;
	uint64_t processed, dropped, squeezed;
};

struct sample {
	uint64_t ms;
	struct softnet *softnet;
	size_t n;
	uint64_t listen_overflows, passive_opens, tw_overflows;
	uint64_t deep_us;	/* that CPUs were in idle states slow to leave */
};

/* What waking up may cost, in us; the polling state and C1 cost less. */
#define DEEP_LATENCY	20

struct machine {
	struct cpulist online;
	struct cpulist pool;	/* those of them that NICs may be given (machine_plan) */
	struct lag *bond;
	size_t n;
	unsigned int odd;	/* bonds and NICs left out, since their names fit in no command */
	struct steered *steered;
	size_t n_steered;
	struct sample sample[2];
};

/**
 * machine_read() - read everything but what is counted
 * @bond: only this one; NULL: all that have slaves, or the NICs if there is none
 *
 * Return: false if @bond is none. Free with machine_free() in any case.
 */
bool machine_read(struct machine *m, const char *bond);
void machine_free(struct machine *m);

/* Read what is counted, for the first (0) or the second time (1). */
void machine_sample(struct machine *m, unsigned int which);

/* Seconds from the first to the second time. */
double machine_seconds(const struct machine *m);

/**
 * machine_plan() - decide which cores are each NIC's
 *
 * In this order: the slave's own list; where its interrupts are pinned, if no NIC
 * before it has that core; free ones, first those where the steered services have
 * listeners, as many as the NIC has queues and there are for it.
 */
void machine_plan(struct machine *m);

/* Port of a CPU's first listener; 0: it has none. */
unsigned int steered_port(const struct steered *s, unsigned int cpu);

void cpulist_add(struct cpulist *list, unsigned int cpu);

#endif
