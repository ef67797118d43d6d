/* SPDX-License-Identifier: GPL-2.0 */
/*
 * --listen bpf: the program that gives new flows to the instances, its map of
 * their listeners, and what programs of others' count.
 *
 * One per flowparctl; the program is attached to the network namespace as long as
 * lookup_detach() is not called and the process lives, however it ends.
 */
#ifndef FLOWPARCTL_LOOKUP_H
#define FLOWPARCTL_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cpulist.h"
#include "lookup_shared.h"

/**
 * lookup_attach() - load the program and attach it to this network namespace
 * @config: of the service; pid and rank[] are filled in here
 * @cpus: the service's
 *
 * Return: false if that is not possible (reported).
 */
bool lookup_attach(struct lookup_config *config, const struct cpulist *cpus);
void lookup_detach(void);

/**
 * lookup_find() - see to it that an instance's listener is in the map
 * @slot: of the instance: its CPU's rank * per_core + its number there
 * @group: its process group; its leader is looked at first
 * @port: that it listens on
 * @again: look at the processes even if a listener is there already
 *
 * Return: is one there? If its sockets cannot be had, that is reported, once for
 * each group.
 */
bool lookup_find(size_t slot, pid_t group, unsigned int port, bool again);

/* The instance is dead: it gets no new flows, whoever still holds its socket. */
void lookup_forget(size_t slot);

/* A service of this network namespace, as its program has it. */
struct lookup_service {
	struct lookup_config config;
	struct lookup_counts *counts;	/* by CPU, lookup_cpus() of them */
	bool *listening;		/* by rank: has a listener there */
};

struct lookup_services {
	struct lookup_service *service;
	size_t n;
};

/**
 * lookup_services_get() - all services of this network namespace
 *
 * Needs CAP_SYS_ADMIN. Return: false on failure (reported). Free with
 * lookup_services_free() in any case.
 */
bool lookup_services_get(struct lookup_services *all);
void lookup_services_free(struct lookup_services *all);

/* CPUs that counts[] has: as many as this machine could have. */
unsigned int lookup_cpus(void);

#endif
