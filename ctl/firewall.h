/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What netfilter does to a service's flows on their way: rules that are compared
 * with each packet, chains that drop, and connection tracking. Reads only, and has
 * no module loaded.
 */
#ifndef FLOWPARCTL_FIREWALL_H
#define FLOWPARCTL_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An nftables base chain on the way of what comes in or is answered. */
struct fw_chain {
	char name[128];		/* "inet filter input" */
	const char *hook;	/* "prerouting", "input" or "output" */
	bool drops;		/* by its policy */
	size_t rules;
	/* Rules until the first that accepts the port looked for; all if none does. */
	size_t compared;
	bool accepted;
};

struct firewall {
	bool known;
	int err;		/* why not: a positive errno */
	unsigned int port;	/* looked for; 0: none */
	bool legacy;		/* there are iptables-legacy tables too */
	struct fw_chain *chain;
	size_t n;
	unsigned int odd;	/* chains left out, since their names fit in no command */
};

/* The chains, as packets to (input) or from (output) TCP port @port see them. */
void firewall_read(struct firewall *fw, unsigned int port);
void firewall_free(struct firewall *fw);

struct conntrack {
	bool known;
	int err;
	long long entries;	/* in this network namespace; -1: conntrack is not there */
	size_t ours;		/* TCP flows to the ports asked for */
	size_t touched;		/* ... that it has seen a packet of lately */
};

/**
 * conntrack_read() - does connection tracking see the flows to some ports?
 * @ports: 65536 entries
 * @seconds: what is lately
 */
void conntrack_read(struct conntrack *ct, const bool *ports, double seconds);

#endif
