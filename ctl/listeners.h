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

/* What to look for: TCP sockets that listen, UDP sockets that are bound and not connected. */
enum { LISTENERS_TCP = 1, LISTENERS_UDP = 2 };

struct listeners {
	int *fd;	/* in the order of the process's own descriptors */
	size_t n;
};

/**
 * listeners_get() - the sockets with which a process serves a port
 * @l: filled in, also on failure; to be given to listeners_put()
 * @pid: the process
 * @port: in host byte order
 * @what: LISTENERS_TCP, LISTENERS_UDP or both
 *
 * A descriptor of ours keeps a socket open that its server has closed, so the
 * caller gives them back as soon as it can. Needs to be allowed to trace @pid.
 *
 * Return: false if its descriptors cannot be had (errno: ESRCH, it has ended;
 * EPERM or EACCES, it is not ours to look at). None at that port is true and n = 0.
 */
bool listeners_get(struct listeners *l, pid_t pid, unsigned int port, unsigned int what);

/**
 * listeners_get_group() - the same of all processes of a group, its leader's first
 *
 * The leader may be a script with the server for a child, or leave listening to its
 * workers. One socket that several have inherited is there several times.
 */
bool listeners_get_group(struct listeners *l, pid_t group, unsigned int port, unsigned int what);
void listeners_put(struct listeners *l);

#endif
