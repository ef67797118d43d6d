// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of one moment by service and CPU.
 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

void rows_add_counter(struct rows *rows, const char *json, const char *heading, bool top)
{
	rows->counter = realloc(rows->counter, (rows->n_counters + 1) * sizeof(*rows->counter));
	if (!rows->counter)
		abort();
	rows->counter[rows->n_counters++] = (struct row_counter){ json, heading, top };
}

struct row *rows_add(struct rows *rows)
{
	struct row *row;

	rows->row = realloc(rows->row, (rows->n + 1) * sizeof(*rows->row));
	if (!rows->row)
		abort();
	row = &rows->row[rows->n++];
	memset(row, 0, sizeof(*row));
	row->count = calloc(rows->n_counters, sizeof(*row->count));
	if (!row->count)
		abort();
	return row;
}

void rows_free(struct rows *rows)
{
	while (rows->n) {
		rows->n--;
		free(rows->row[rows->n].key);
		free(rows->row[rows->n].name);
		free(rows->row[rows->n].count);
	}
	free(rows->row);
	free(rows->counter);
	memset(rows, 0, sizeof(*rows));
}

const struct row *rows_find(const struct rows *rows, const char *key)
{
	size_t i;

	for (i = 0; i < rows->n; i++)
		if (!strcmp(rows->row[i].key, key))
			return &rows->row[i];
	return NULL;
}
