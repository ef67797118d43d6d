/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who listens on which TCP ports, and which CPUs they may run on: from /proc, for
 * flowparctl doctor, with or without being root.
 */
#ifndef FLOWPARCTL_SERVERS_H
#define FLOWPARCTL_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cpulist.h"

struct listening {
	unsigned int port;
	int family;
	bool ipv4, ipv6;	/* serves clients that come by it */
	bool assumed;		/* ... by IPv4, since nobody tells of this [::] whether it is IPv6 only */
	unsigned long inode;
	unsigned int holders;	/* processes that have it open, as far as we may see */
};

/* A process that has listening sockets of a port. */
struct server {
	unsigned int port;
	pid_t pid, parent;
	char comm[16];
	bool ipv4, ipv6;		/* whom its sockets of this port serve */
	struct cpulist allowed;		/* of all its threads together */
	bool pinned;			/* each of them has one of its own, or shares it */
	unsigned int threads;
	bool master;			/* only the parent of others that listen there */
};

struct servers {
	struct listening *listening;
	size_t n_listening;
	struct server *server;
	size_t n;
	bool hidden;		/* there are processes whose sockets we may not see */
	int err;		/* why [::] is assumed to serve both: a positive errno; ENOENT: no module tells */
};

/**
 * servers_read() - who listens on some ports
 * @wanted: the ports, 65536 entries
 *
 * Return: false if /proc/net/tcp cannot be read. Free with servers_free() in any case.
 */
bool servers_read(struct servers *s, const bool *wanted);
void servers_free(struct servers *s);

/* Sockets that listen on a port, of the family that has more of them. */
size_t servers_sockets(const struct servers *s, unsigned int port);

/**
 * servers_busiest() - guess which port is served
 *
 * That with most connections from elsewhere that are not over (TIME_WAIT); not ssh's.
 *
 * Return: the port, if @least have it; else 0.
 */
unsigned int servers_busiest(unsigned int least);

#endif
