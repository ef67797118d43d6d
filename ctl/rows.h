/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of one moment by service and CPU, whoever counted them: what flowparctl
 * top makes rates of. Filled in by stats.c (nat) and bpf_stats.c (bpf, reuseport).
 */
#ifndef FLOWPARCTL_ROWS_H
#define FLOWPARCTL_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "8000", "8000-8001"; "-" for a CPU outside the service's list. */
#define ROW_PORTS_MAX	16

struct row_counter {
	const char *json;
	const char *heading;
	bool top;		/* worth a column of flowparctl top */
};

struct row {
	char *key;		/* members of a JSON object that name it, without braces */
	char *name;		/* of its service, for people */
	char ports[ROW_PORTS_MAX];
	unsigned int cpu;
	uint64_t *count;	/* by counter */
};

struct rows {
	struct row_counter *counter;
	size_t n_counters;
	struct row *row;
	size_t n;
};

/* Another counter, another row with none counted yet. */
void rows_add_counter(struct rows *rows, const char *json, const char *heading, bool top);
struct row *rows_add(struct rows *rows);
/* Also of rows that are only zeroed. */
void rows_free(struct rows *rows);

/* The row that names itself so; NULL: none does. */
const struct row *rows_find(const struct rows *rows, const char *key);

#endif
