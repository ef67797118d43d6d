/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listening sockets of running servers, as descriptors of ours: the servers need
 * not know of it. bench/steer uses this file too, so it reports nothing itself.
 */
#ifndef FLOWPARCTL_LISTENERS_H
#define FLOWPARCTL_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct listeners {
	int *fd;	/* in the order of the process's own descriptors */
	size_t n;
};

/**
 * listeners_get() - the TCP sockets on which a process listens at a port
 * @l: filled in, also on failure; to be given to listeners_put()
 * @pid: the process
 * @port: in host byte order
 *
 * A descriptor of ours keeps a socket open that its server has closed, so the
 * caller gives them back as soon as it can. Needs to be allowed to trace @pid.
 *
 * Return: false if its descriptors cannot be had (errno: ESRCH, it has ended;
 * EPERM or EACCES, it is not ours to look at). None at that port is true and n = 0.
 */
bool listeners_get(struct listeners *l, pid_t pid, unsigned int port);
void listeners_put(struct listeners *l);

#endif
