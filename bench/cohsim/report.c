// SPDX-License-Identifier: GPL-2.0
/*
 * report.c - the result, one JSON object a line; its field "record" says of what.
 *
 *   run        once: options, costs, length of the region
 *   vcpu       counts of each vCPU
 *   function   counts of the server cores, by the function that ran
 *   structure  lines that moved, by what they are part of
 *   line       the same, by place within the structure (for pahole)
 *   transfer   the same, by function and structure
 *
 * Nothing in it depends on the host, so equal runs are equal byte for byte.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cohsim.h"

#define SCHEMA	1

/* Rows with a name each, added up. */
struct row {
	char *key;				/* JSON members that name it */
	struct counts n;
	uint64_t lines;
};

struct rows {
	struct row *list;
	size_t n, room, *index, size;		/* open addressing by key */
};

static size_t hash(const char *s)
{
	size_t h = 1469598103934665603ull;	/* FNV-1a */

	while (*s)
		h = (h ^ (unsigned char)*s++) * 1099511628211ull;
	return h;
}

static struct row *row(struct rows *r, const char *key)
{
	size_t i, k;

	if (2 * r->n >= r->size) {
		r->size = r->size ? 2 * r->size : 1024;
		free(r->index);
		r->index = calloc(r->size, sizeof(*r->index));
		r->list = realloc(r->list, r->size * sizeof(*r->list));
		if (!r->index || !r->list)
			abort();
		for (k = 0; k < r->n; k++) {
			for (i = hash(r->list[k].key) & (r->size - 1); r->index[i]; i = (i + 1) & (r->size - 1))
				;
			r->index[i] = k + 1;
		}
	}
	for (i = hash(key) & (r->size - 1); r->index[i]; i = (i + 1) & (r->size - 1))
		if (!strcmp(r->list[r->index[i] - 1].key, key))
			return &r->list[r->index[i] - 1];
	r->list[r->n] = (struct row){ .key = strdup(key) };
	r->index[i] = ++r->n;
	return &r->list[r->n - 1];
}

static uint64_t moved(const struct row *r)
{
	return r->n.c2c + r->n.upgrade;
}

static int by_moved(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (moved(x) != moved(y))
		return moved(x) < moved(y) ? 1 : -1;
	if (x->n.cycles != y->n.cycles)
		return x->n.cycles < y->n.cycles ? 1 : -1;
	return strcmp(x->key, y->key);
}

static void sort(struct rows *r)
{
	qsort(r->list, r->n, sizeof(*r->list), by_moved);
}

/* Cycles are kept in hundredths and printed whole. */
static void print_counts(FILE *f, const struct counts *n)
{
	struct counts whole = *n;

	whole.cycles = n->cycles / UNIT;
#define X(field) fprintf(f, ",\"" #field "\":%" PRIu64, whole.field);
	COUNTS(X)
#undef X
}

static void print_moves(FILE *f, const struct counts *n)
{
	fprintf(f, ",\"c2c\":%" PRIu64 ",\"c2c_false\":%" PRIu64 ",\"upgrade\":%" PRIu64 ",\"dma\":%" PRIu64,
		n->c2c, n->c2c_false, n->upgrade, n->dma);
}

/* Parameters FIRST to LAST as an object's members. */
static void print_parameters(FILE *f, int first, int last)
{
	int k;

	for (k = first; k <= last; k++)
		fprintf(f, "%s\"%s\":%.*f", k > first ? "," : "", parameters[k].name, parameters[k].whole ? 0 : 2,
			opt.preset.is[k]);
}

static void print_run(FILE *f)
{
	fprintf(f, "{\"record\":\"run\",\"schema\":%d,\"vcpus\":%u,\"servers\":%u,\"quantum\":%" PRIu64
		",\"seed\":%" PRIu64 ",\"preset\":\"%s\",\"cost\":{",
		SCHEMA, opt.vcpus, opt.servers, opt.quantum, opt.seed, opt.preset.name);
	print_parameters(f, CPI, COST_UPGRADE);
	fprintf(f, "},\"cache\":{");
	print_parameters(f, L1I_KIB, LLC_WAYS);
	fprintf(f, "},\"region\":%s,\"region_cycles\":%" PRIu64 "}\n", region.seen ? "true" : "false",
		region.seen ? (region.end - region.begin) / UNIT : 0);
}

static void print_vcpus(FILE *f)
{
	unsigned int v;

	for (v = 0; v < opt.vcpus; v++) {
		fprintf(f, "{\"record\":\"vcpu\",\"vcpu\":%u,\"role\":\"%s\"", v, vcpus[v].server ? "server" : "client");
		print_counts(f, &vcpus[v].n);
		fprintf(f, ",\"idle_cycles\":%" PRIu64 ",\"wait_cycles\":%" PRIu64 ",\"io\":%" PRIu64 "}\n",
			vcpus[v].idle / UNIT, vcpus[v].wait / UNIT, vcpus[v].io);
	}
}

static void add_counts(struct counts *to, const struct counts *from)
{
#define X(field) to->field += from->field;
	COUNTS(X)
#undef X
}

static void print_functions(FILE *f)
{
	struct rows functions = { 0 };
	const char *name, *module;
	char key[600];
	struct block *b;
	size_t i;

	for (b = block_next(NULL); b; b = block_next(b)) {
		if (!b->n.insns && !b->n.cycles)
			continue;
		symbol_of(b->pc, &name, &module);
		snprintf(key, sizeof(key), "\"function\":\"%s\",\"module\":\"%s\"", name, module);
		add_counts(&row(&functions, key)->n, &b->n);
	}
	sort(&functions);
	for (i = 0; i < functions.n; i++) {
		fprintf(f, "{\"record\":\"function\",%s", functions.list[i].key);
		print_counts(f, &functions.list[i].n);
		fprintf(f, "}\n");
	}
}

static int by_line(const void *a, const void *b)
{
	const struct transfer *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->block->id < y->block->id ? -1 : x->block->id > y->block->id;
}

static void print_transfers(FILE *f)
{
	struct rows structures = { 0 }, lines = { 0 }, pairs = { 0 };
	const char *function, *module, *owner;
	const struct transfer *unsorted;
	size_t n = model_transfers(&unsorted), i;
	struct transfer *list = (struct transfer *)unsorted;
	char key[1200];
	long offset;

	qsort(list, n, sizeof(*list), by_line);
	for (i = 0; i < n; i++) {
		struct transfer *t = &list[i];
		struct counts moves = { .c2c = t->c2c, .c2c_false = t->c2c_false,
					.upgrade = t->upgrade, .dma = t->dma };
		struct row *r;

		symbol_of(t->block->pc, &function, &module);
		owner = owner_of(t, &offset);
		snprintf(key, sizeof(key), "\"structure\":\"%s\"", owner);
		r = row(&structures, key);
		add_counts(&r->n, &moves);
		r->lines += !i || list[i - 1].line != t->line;
		snprintf(key, sizeof(key), "\"structure\":\"%s\",\"offset\":%ld", owner, offset < 0 ? -1 : offset & ~63l);
		add_counts(&row(&lines, key)->n, &moves);
		snprintf(key, sizeof(key), "\"function\":\"%s\",\"module\":\"%s\",\"structure\":\"%s\"", function, module, owner);
		add_counts(&row(&pairs, key)->n, &moves);
	}
	sort(&structures);
	for (i = 0; i < structures.n; i++) {
		fprintf(f, "{\"record\":\"structure\",%s,\"lines\":%" PRIu64, structures.list[i].key, structures.list[i].lines);
		print_moves(f, &structures.list[i].n);
		fprintf(f, "}\n");
	}
	sort(&lines);
	for (i = 0; i < lines.n; i++) {
		if (!moved(&lines.list[i]))
			break;
		fprintf(f, "{\"record\":\"line\",%s", lines.list[i].key);
		print_moves(f, &lines.list[i].n);
		fprintf(f, "}\n");
	}
	sort(&pairs);
	for (i = 0; i < pairs.n; i++) {
		fprintf(f, "{\"record\":\"transfer\",%s", pairs.list[i].key);
		print_moves(f, &pairs.list[i].n);
		fprintf(f, "}\n");
	}
}

void report_write(FILE *f)
{
	print_run(f);
	if (!region.seen)
		return;
	print_vcpus(f);
	print_functions(f);
	print_transfers(f);
}
