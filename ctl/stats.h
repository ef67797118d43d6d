/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl stats: what nf_flowpar counted, per service and CPU.
 */
#ifndef FLOWPARCTL_STATS_H
#define FLOWPARCTL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "genl.h"
#include "rows.h"
#include "service.h"

#define STATS_COUNTERS	11

struct stats_counter {
	unsigned int attr;
	const char *json;
	const char *heading;
	bool top;		/* worth a column of flowparctl top */
};

extern const struct stats_counter stats_counters[STATS_COUNTERS];

struct stats_row {
	const struct service *service;	/* NULL: added after services were read */
	unsigned int cpu;
	uint64_t count[STATS_COUNTERS];
};

/* All counters at one time. */
struct stats_sample {
	struct services services;
	struct stats_row *row;
	size_t n;
};

/**
 * stats_sample_get() - read all counters of this network namespace
 * @port: only of services with this public port; 0: of all
 *
 * Return: false on failure, or if there is no such service (reported). Free with
 * stats_sample_free() in any case.
 */
bool stats_sample_get(struct genl *g, struct stats_sample *s, unsigned int port);
void stats_sample_free(struct stats_sample *s);

/**
 * stats_rows_get() - all counters of nf_flowpar as rows
 * @rows: zeroed
 * @port: as above
 *
 * Return: as above. Free with rows_free() in any case.
 */
bool stats_rows_get(struct genl *g, struct rows *rows, unsigned int port);

extern const struct command stats;

#endif
