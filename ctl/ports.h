/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which TCP ports of this network namespace are taken, and which are listened on.
 */
#ifndef FLOWPARCTL_PORTS_H
#define FLOWPARCTL_PORTS_H

#include <stdbool.h>

/**
 * port_check() - can a server listen on this port?
 *
 * The port has to be free on every address: nf_flowpar sends the connections to
 * any local address of a service to it.
 *
 * Return: true if so, false if not (reported with what holds it).
 */
bool port_check(unsigned int port);

/**
 * port_check_public() - does nobody listen on this port?
 * @why: that is asked, to be added to what is reported
 *
 * Connections may be there: those of a service that was stopped have it.
 *
 * Return: true if so, false if not (reported with who listens).
 */
bool port_check_public(unsigned int port, const char *why);

/**
 * ports_listening() - mark the ports that have a listening socket
 * @listening: indexed by port, 65536 entries
 *
 * Return: false if /proc/net/tcp cannot be read.
 */
bool ports_listening(bool *listening);

#endif
