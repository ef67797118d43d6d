// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl top: what every core does, per second, and how local that is.
 *
 * Two samples of nf_flowpar's counters (stats.c) or a BPF program's (bpf_stats.c) and
 * of the bonds' (bonds.c) and their difference; nothing is asked of the kernel that
 * stats would not ask.
 */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bonds.h"
#include "bpf_stats.h"
#include "finding.h"
#include "instance.h"
#include "listen.h"
#include "report.h"
#include "rows.h"
#include "screen.h"
#include "stats.h"

static unsigned int interval = 1, port;
static bool once, json;
static const char *listen_by = "nat";
static enum listen_mode mode;

static const struct option_spec options[] = {
	{ "listen", "MODE", "whose counters: nat (default), bpf or reuseport, as for flowparctl stats",
	  .string = &listen_by },
	{ "interval", "SECONDS", "time from one sample to the next (default 1)",
	  .number = &interval, .min = 1, .max = 3600 },
	{ "once", NULL, "print one table, of one interval, and exit", .flag = &once },
	{ "json", NULL, "print JSON, a line for each interval, until a signal comes", .flag = &json },
	{ "port", "P", "only the services with this public port",
	  .number = &port, .min = 1, .max = 65535 },
	{ 0 }
};

struct sample {
	uint64_t ms;
	struct rows rows;
	struct bonds bonds;
};

static bool sample_get(struct genl *g, struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->ms = now_ms();
	if (mode == LISTEN_NAT ? !stats_rows_get(g, &s->rows, port) : !bpf_rows_get(mode, &s->rows, port))
		return false;
	return bonds_get(&s->bonds);
}

static void sample_free(struct sample *s)
{
	rows_free(&s->rows);
	bonds_free(&s->bonds);
}

/* Counted since: a service that was added anew has begun at 0. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now < before ? now : now - before;
}

static double per_second(uint64_t count, const struct sample *old, const struct sample *new)
{
	uint64_t ms = new->ms - old->ms;

	return (double)count * 1000 / (double)(ms ? ms : 1);
}

/* A service that is new since the sample before has begun at 0. */
static double rate(const struct sample *old, const struct sample *new, const struct row *row,
		   size_t counter)
{
	const struct row *before = rows_find(&old->rows, row->key);

	return per_second(since(before ? before->count[counter] : 0, row->count[counter]), old, new);
}

/* Packets of a bond in this interval. Return: false if it was not there before. */
static bool bond_since(const struct sample *old, const struct bond *b, struct bond *diff)
{
	size_t i;

	for (i = 0; i < old->bonds.n; i++) {
		if (strcmp(old->bonds.bond[i].name, b->name))
			continue;
		diff->own = since(old->bonds.bond[i].own, b->own);
		diff->other = since(old->bonds.bond[i].other, b->other);
		return true;
	}
	return false;
}

static void print_json(const struct sample *old, const struct sample *new)
{
	const struct row_counter *counter = new->rows.counter;
	const struct row *r;
	const char *before = "";
	struct bond diff;
	size_t i;

	printf("{\"seconds\":%.3f,\"cpus\":[", (double)(new->ms - old->ms) / 1000);
	for (r = new->rows.row; r < new->rows.row + new->rows.n; r++) {
		printf("%s{%s", before, r->key);
		before = ",";
		for (i = 0; i < new->rows.n_counters; i++)
			printf(",\"%s\":%.1f", counter[i].json, rate(old, new, r, i));
		putchar('}');
	}
	fputs("],\"bonds\":[", stdout);
	before = "";
	for (i = 0; i < new->bonds.n; i++) {
		if (!bond_since(old, &new->bonds.bond[i], &diff))
			continue;
		printf("%s{\"bond\":", before);
		json_string(new->bonds.bond[i].name);
		printf(",\"own\":%.1f,\"other\":%.1f}", per_second(diff.own, old, new), per_second(diff.other, old, new));
		before = ",";
	}
	puts("]}");
}

static void print_table(FILE *to, const struct sample *old, const struct sample *new)
{
	const struct row_counter *counter = new->rows.counter;
	const struct row *r;
	struct bond diff;
	size_t i;

	fprintf(to, "%-20s %4s %11s", "PACKETS/S", "CPU", "CORE-PORT");
	for (i = 0; i < new->rows.n_counters; i++)
		if (counter[i].top)
			fprintf(to, " %10s", counter[i].heading);
	fputc('\n', to);
	for (r = new->rows.row; r < new->rows.row + new->rows.n; r++) {
		fprintf(to, "%-20s %4u %11s", r->name, r->cpu, r->ports);
		for (i = 0; i < new->rows.n_counters; i++)
			if (counter[i].top)
				fprintf(to, " %10.0f", rate(old, new, r, i));
		fputc('\n', to);
	}
	for (i = 0; i < new->bonds.n; i++) {
		if (!bond_since(old, &new->bonds.bond[i], &diff))
			continue;
		fprintf(to, "%s: ", new->bonds.bond[i].name);
		if (diff.own + diff.other)
			fprintf(to, "%.1f %% of %.0f packets/s left by a slave of their core's own\n",
				(double)diff.own * 100 / (double)(diff.own + diff.other),
				per_second(diff.own + diff.other, old, new));
		else
			fputs("nothing left\n", to);
	}
}

static char *text;	/* what the screen shows */
static size_t text_len;

static void show(const struct sample *old, const struct sample *new)
{
	FILE *f;

	free(text);
	f = open_memstream(&text, &text_len);
	if (!f)
		abort();
	print_table(f, old, new);
	fputs("\nq quits\n", f);
	fclose(f);
	screen_draw(text, text_len);
}

/* Return: false if nobody can read it any more (reported). */
static bool print(const struct sample *old, const struct sample *new)
{
	if (json)
		print_json(old, new);
	else if (once)
		print_table(stdout, old, new);
	else
		show(old, new);
	return report_output(EXIT_DONE) == EXIT_DONE;
}

/* Return: the exit status. */
static int watch(struct genl *g)
{
	struct sample old, new;
	int status = EXIT_REFUSED;
	uint64_t due;
	bool done;

	if (!sample_get(g, &old))
		goto out;
	due = old.ms + interval * 1000;
	for (;;) {
		switch (screen_wait(due)) {
		case SCREEN_END:
			if (once)
				report("top", "ended before %u s were over", interval);
			else
				status = EXIT_DONE;
			goto out;
		case SCREEN_ANEW:
			if (text)
				screen_draw(text, text_len);
			continue;
		case SCREEN_DUE:
			break;
		}
		if (!sample_get(g, &new)) {
			sample_free(&new);
			goto out;
		}
		done = print(&old, &new);
		if (!done || once) {
			status = done ? EXIT_DONE : EXIT_REFUSED;
			sample_free(&new);
			goto out;
		}
		sample_free(&old);
		old = new;
		/* In step, unless we were stopped for longer. */
		due += interval * 1000;
		if (due < new.ms)
			due = new.ms + interval * 1000;
	}
out:
	sample_free(&old);
	return status;
}

static int top_run(char **operands)
{
	int status = EXIT_REFUSED;
	struct genl g;

	(void)operands;
	if (!listen_mode_parse(&mode, listen_by))
		usage_error(&top, "--listen", "'%s' is neither nat, bpf nor reuseport", listen_by);
	if (mode == LISTEN_NAT && !genl_open(&g))
		return EXIT_REFUSED;
	if (screen_open(!once && !json))
		status = watch(&g);
	screen_close();
	if (mode == LISTEN_NAT)
		genl_close(&g);
	free(text);
	return status;
}

const struct command top = {
	.name = "top",
	.summary = "show what each CPU does, per service, in packets a second, over and over",
	.options = options,
	.notes =
"The columns are those of flowparctl stats of that mode, as rates. For each bond whose policy\n"
"cpu-bound counts: the share of packets that left by a slave of their core's own (listed\n"
"or learned). Key q, ^C or SIGTERM end it and give the terminal back as it was.\n"
"\n"
"JSON: an object a line, with seconds (length of the interval), cpus (an array of objects\n"
"as of flowparctl stats --json, with all its counters, in packets a second) and bonds (an\n"
"array of objects with bond, own and other, in packets a second). Members may be added,\n"
"none will change.\n"
"\n"
"Exit status: 0 ended as asked, 1 failed or no service with that port, 2 usage error.\n",
	.run = top_run,
};
