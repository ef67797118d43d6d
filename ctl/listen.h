/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ways in which a new flow finds the listener of its core, as run, stats and
 * top name them. --listen nft needs no flowparctl but to start servers: for it,
 * those are run as for nat.
 */
#ifndef FLOWPARCTL_LISTEN_H
#define FLOWPARCTL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cpulist.h"

enum listen_mode { LISTEN_NAT, LISTEN_BPF, LISTEN_REUSEPORT };

/* Return: false if there is no mode of that name. */
bool listen_mode_parse(enum listen_mode *mode, const char *name);
const char *listen_mode_name(enum listen_mode mode);

/* What is served, for which the program is loaded. */
struct listen_service {
	unsigned int port;		/* the public one */
	unsigned int base_port;		/* the rest as in struct lookup_config */
	unsigned int stride;
	unsigned int per_core;
	const struct cpulist *cpus;
};

/**
 * struct steering - what flowparctl run does so that instances get their flows
 *
 * The same for bpf and reuseport: both load programs that choose by CPU and keep
 * the instances' listeners in a map. One per process.
 */
struct steering {
	/* Before any instance starts. Return: false if it cannot be done (reported). */
	bool (*begin)(const struct listen_service *service);
	/**
	 * find() - see to it that an instance's listeners are in the map
	 * @slot: of the instance: its CPU's rank * per_core + its number there
	 * @group: its process group; its leader is looked at first
	 * @port: that it listens on
	 * @again: look at the processes even if a listener is there already
	 *
	 * Return: is one there? If its sockets cannot be had, that is reported, once for
	 * each group.
	 */
	bool (*find)(size_t slot, pid_t group, unsigned int port, bool again);
	/* The instance is dead: it gets no new flows, whoever still holds its sockets. */
	void (*forget)(size_t slot);
	/* Also after a begin() that failed. */
	void (*end)(void);
};

extern const struct steering lookup_steering, reuseport_steering;

#endif
