/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a NIC's driver says of its offloads, rings, channels and shares, as `ethtool -k`, -g, -l and -x show it.
 */
#ifndef FLOWPARCTL_ETHTOOL_H
#define FLOWPARCTL_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lag;
struct nic;

/* Offloads that a packet without them pays for. */
enum feature { FEATURE_GRO, FEATURE_TSO, FEATURE_RX, FEATURE_TX, N_FEATURES };

extern const struct feature_name {
	const char *option;	/* of ethtool -K */
	const char *name;
} feature_names[N_FEATURES];

/**
 * ethtool_read() - fill in a NIC's offloads, rings, channels and shares
 *
 * Return: false if this kernel does not tell.
 */
bool ethtool_read(struct nic *nic);

/* Fill in those of a bond's own that were switched off there, after its slaves: what none has is not missed. */
bool ethtool_read_bond(struct lag *b);

/* Does a table of rings give each queue as much as the others, as far as that can be? */
bool ethtool_shares_equal(const uint32_t *ring, size_t size, unsigned int queues);

#endif
