/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl doctor: what keeps flows from staying on one core.
 *
 * First everything is read (doctor.c), then doctor_checks[] is gone through, in the
 * order of what it costs. A check only looks at what was read, and at files through
 * tree.h, so that a test can have it look at a machine in a directory.
 */
#ifndef FLOWPARCTL_DOCTOR_H
#define FLOWPARCTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "command.h"
#include "finding.h"
#include "firewall.h"
#include "irqbalance.h"
#include "machine.h"
#include "servers.h"
#include "syns.h"

struct doctor {
	struct machine m;
	struct servers servers;
	struct firewall fw;
	struct conntrack ct;
	struct syns syns;
	enum irqbalance_answer irqbalance;
	struct cpulist left_alone;	/* what it leaves alone, if it answered */
	unsigned int port;	/* whose server is looked at; 0: known from m.steered, or not at all */
	bool guessed;		/* ... which nobody has said */
	bool *ports;		/* 65536: it, and the steered ports, public and per core */
	struct findings found;
};

struct check {
	const char *name;
	enum severity severity;
	void (*run)(struct doctor *d);
};

/* In doctor.c, by severity and cost. */
extern const struct check doctor_checks[];

/**
 * doctor_read() - what does not need to be asked twice, after the second sample
 *
 * d->m has been read and sampled and has its steered ports.
 */
void doctor_read(struct doctor *d);
void doctor_examine(struct doctor *d);
void doctor_free(struct doctor *d);

/* Ports that servers are to listen on, as "80" or "8000, 8008", to free(). */
char *doctor_ports(const struct doctor *d, bool public_ones, const char *between);

/* Has the service, or who listens, packets of a family on its way? */
bool doctor_serves(const struct doctor *d, enum fw_family family);

/* The port by which firewall rules are gone through: one that gives no answer, if there is one; 0: none. */
unsigned int doctor_firewall_port(const struct doctor *d);

/* Does the table of setup-flowpar.sh --listen nft bring flows to the cores' ports? */
bool doctor_by_nft(const struct doctor *d);

/* Do so many flows by each port tell of a hash that is not fair? */
bool doctor_uneven(const size_t *flows, size_t ports);

/* doctor_bond.c */
void check_slave_down(struct doctor *d);
void check_slave_speed(struct doctor *d);
void check_lacp_partner(struct doctor *d);
void check_aggregator(struct doctor *d);
void check_mtu(struct doctor *d);
void check_miimon(struct doctor *d);
void check_mode(struct doctor *d);
void check_no_bond(struct doctor *d);
void check_policy(struct doctor *d);
void check_switch_hash(struct doctor *d);
void check_symmetric_hash(struct doctor *d);
void check_port_load(struct doctor *d);
void check_own_nic(struct doctor *d);

/* doctor_nic.c */
void check_irq(struct doctor *d);
void check_queues(struct doctor *d);
void check_irqbalance(struct doctor *d);
void check_rps(struct doctor *d);
void check_rfs(struct doctor *d);
void check_xps(struct doctor *d);
void check_rss_load(struct doctor *d);
void check_nic_drops(struct doctor *d);
void check_offloads(struct doctor *d);

/* doctor_server.c */
void check_silent(struct doctor *d);
void check_no_listener(struct doctor *d);
void check_ipv4_only(struct doctor *d);
void check_overflow(struct doctor *d);
void check_server_core(struct doctor *d);
void check_unpinned(struct doctor *d);
void check_shared_listener(struct doctor *d);
void check_moved(struct doctor *d);

/* doctor_host.c */
void check_softnet_drops(struct doctor *d);
void check_conntrack(struct doctor *d);
void check_firewall(struct doctor *d);
void check_governor(struct doctor *d);
void check_idle_states(struct doctor *d);
void check_budget(struct doctor *d);
void check_somaxconn(struct doctor *d);
void check_time_wait(struct doctor *d);
void check_ephemeral(struct doctor *d);

extern const struct command doctor;

#endif
