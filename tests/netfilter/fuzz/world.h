/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the driver (packets.c) and the kernel that it plays (kernel.c).
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "kernel.h"
#include "nf_flowpar.h"

enum { PORT_TCP = 80, PORT_UDP = 53, BASE_TCP = 8000, BASE_UDP = 5000 };

/**
 * struct world - what the module meets while one packet passes
 * @luck: which flows have which sockets
 * @expect: the sequence number that requests and closing flows wait for
 * @references: sockets that lookups gave out and nobody has put
 * @lookups: of those that found one
 * @at_public_port: one of them was a flow older than the service
 * @defragmented: fragments given to the kernel
 * @datagram: what the next of them completes, if @datagram_len
 * @shared: linear part that somebody else holds too, after a write has taken a copy
 */
struct world {
	u32 luck, expect;
	int references;
	unsigned int lookups;
	bool at_public_port;
	unsigned int defragmented;
	unsigned int confirmed;	/* entries of conntrack */
	bool bad_fragment;
	const u8 *datagram;
	unsigned int datagram_len, datagram_head;
	u8 *shared;
	unsigned int shared_len;
	struct sock socks[4], listeners[FUZZ_CPUS], sender;
	struct rtable local, remote;
	struct net_device bond, loopback;
};

extern struct world world;

void skb_fill(struct sk_buff *skb, const u8 *data, unsigned int len, unsigned int head);
/* Whether the flow of a packet, which its client sent, has a socket at @port, or a @full one,
 * so neither a request nor TIME_WAIT. @ports: the packet's
 */
bool flow_is_at(const u8 *packet, const u8 *ports, u16 port, bool full);
bool is_local(bool ipv6, const u8 *address);

#endif
