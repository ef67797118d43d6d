/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which new TCP flows come by which slave: a look at SYNs for a while.
 *
 * It tells what a switch hashes on: which of a flow's MAC address, address and port
 * decide on the link.
 */
#ifndef FLOWPARCTL_SYNS_H
#define FLOWPARCTL_SYNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

struct syn {
	size_t bond, slave;	/* in struct machine */
	uint8_t mac[6];		/* of who sent it */
	uint8_t address[16];	/* IPv4: the first 4 bytes */
	uint8_t to[16];
	uint8_t ports[4];	/* of who sent it and ours, as in the header */
};

struct syns {
	bool known;
	int err;		/* why not: a positive errno */
	struct syn *syn;
	size_t n;
	int *fd;
	size_t n_fds;
};

/* Begin to look at the slaves of all bonds; needs CAP_NET_RAW. */
void syns_open(struct syns *s, const struct machine *m);

/* End it, and collect what was seen, a few thousand at most. */
void syns_close(struct syns *s, const struct machine *m);
void syns_free(struct syns *s);

#endif
