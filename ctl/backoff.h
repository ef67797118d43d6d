/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When a server that died is started again.
 *
 * The first restart comes fast, since one crash should not cost a core its
 * server; a server that dies at once each time must not cost a core either.
 */
#ifndef FLOWPARCTL_BACKOFF_H
#define FLOWPARCTL_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS	100
#define BACKOFF_MOST_MS		10000
/* Alive this long, a server is well: what came before is forgotten. */
#define BACKOFF_HEALTHY_MS	10000

/**
 * backoff_fails() - count a death
 * @fails: deaths in a row before this one
 * @lived_ms: how long it lived this time
 *
 * Return: deaths in a row now.
 */
unsigned int backoff_fails(unsigned int fails, uint64_t lived_ms);

/* Milliseconds to wait after the @fails-th death in a row. */
unsigned int backoff_delay_ms(unsigned int fails);

#endif
