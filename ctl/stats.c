// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl stats: what nf_flowpar counted, per service and CPU.
 *
 * counters[] is the one place that knows them: a new one is a new line there.
 */
#include "stats.h"

#include <linux/flowpar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "genl.h"
#include "lookup_stats.h"
#include "report.h"
#include "service.h"

static unsigned int port;
static bool json;
static const char *listen_by = "nat";

static const struct option_spec options[] = {
	{ "listen", "MODE", "whose counters: nat (default), nf_flowpar's; bpf, those of the programs that\n"
	  "                           flowparctl run --listen bpf attached", .string = &listen_by },
	{ "json", NULL, "print JSON", .flag = &json },
	{ "port", "P", "only the services with this public port",
	  .number = &port, .min = 1, .max = 65535 },
	{ 0 }
};

static const struct counter {
	unsigned int attr;
	const char *json;
	const char *heading;
} counters[] = {
	{ FLOWPAR_A_STATS_IN, "in", "IN" },
	{ FLOWPAR_A_STATS_OUT, "out", "OUT" },
	{ FLOWPAR_A_STATS_ATTACHED, "attached", "ATTACHED" },
	{ FLOWPAR_A_STATS_MOVED, "moved", "MOVED" },
	{ FLOWPAR_A_STATS_MISSED, "missed", "MISSED" },
	{ FLOWPAR_A_STATS_THROTTLED, "throttled", "THROTTLED" },
	{ FLOWPAR_A_STATS_CLOSED, "closed", "CLOSED" },
	{ FLOWPAR_A_STATS_FOREIGN_CPU, "foreign_cpu", "FOREIGN-CPU" },
	{ FLOWPAR_A_STATS_ERROR, "error", "ERROR" },
	{ FLOWPAR_A_STATS_ICMP, "icmp", "ICMP" },
	{ FLOWPAR_A_STATS_SPILLED, "spilled", "SPILLED" },
};

#define N_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

struct row {
	const struct service *service;	/* NULL: added after services were read */
	unsigned int cpu;
	uint64_t count[N_COUNTERS];
};

struct rows {
	const struct services *services;
	struct row *row;
	size_t n;
};

static const struct service *find(const struct services *all, const struct nlattr *nest)
{
	static struct service key;	/* large */
	const struct nlattr *attr;
	size_t i;

	memset(&key, 0, sizeof(key));
	mnl_attr_for_each_nested(attr, nest)
		service_attr(&key, attr);
	for (i = 0; i < all->n; i++)
		if (service_same(&all->service[i], &key))
			return &all->service[i];
	return NULL;
}

static void collect(const struct nlattr *attr, bool first, void *data)
{
	unsigned int type = mnl_attr_get_type(attr);
	struct rows *rows = data;
	struct row *row;
	size_t i;

	if (first) {
		rows->row = realloc(rows->row, (rows->n + 1) * sizeof(*rows->row));
		if (!rows->row)
			abort();
		memset(&rows->row[rows->n++], 0, sizeof(*rows->row));
	}
	row = &rows->row[rows->n - 1];
	if (type == FLOWPAR_A_STATS_SERVICE)
		row->service = find(rows->services, attr);
	else if (type == FLOWPAR_A_STATS_CPU)
		row->cpu = (unsigned int)genl_uint(attr);
	else
		for (i = 0; i < N_COUNTERS; i++)
			if (counters[i].attr == type)
				row->count[i] = genl_uint(attr);
}

/* Return: first port of the CPU's listeners; 0: it has none. */
static unsigned int core_port(const struct service *s, unsigned int cpu)
{
	size_t rank;

	for (rank = 0; rank < s->cpus.n; rank++)
		if (s->cpus.cpu[rank] == cpu)
			return s->base_port + (unsigned int)rank * s->stride;
	return 0;
}

static void print_json(const struct rows *rows)
{
	const char *before = "[";
	const struct row *r;
	unsigned int first, j;
	size_t i;

	for (r = rows->row; r < rows->row + rows->n; r++) {
		if (!r->service)
			continue;
		printf("%s{", before);
		before = ",\n";
		service_json_key(r->service);
		printf(",\"cpu\":%u,\"core_ports\":[", r->cpu);
		first = core_port(r->service, r->cpu);
		for (j = 0; first && j < r->service->per_core; j++)
			printf("%s%u", j ? "," : "", first + j);
		putchar(']');
		for (i = 0; i < N_COUNTERS; i++)
			printf(",\"%s\":%llu", counters[i].json, (unsigned long long)r->count[i]);
		putchar('}');
	}
	printf("%s]\n", *before == '[' ? "[" : "");
}

static void print_table(const struct rows *rows)
{
	char name[SERVICE_NAME_MAX], ports[16];
	const struct row *r;
	unsigned int first;
	size_t i;

	printf("%-20s %4s %11s", "SERVICE", "CPU", "CORE-PORT");
	for (i = 0; i < N_COUNTERS; i++)
		printf(" %11s", counters[i].heading);
	putchar('\n');
	for (r = rows->row; r < rows->row + rows->n; r++) {
		if (!r->service)
			continue;
		first = core_port(r->service, r->cpu);
		if (!first)
			strcpy(ports, "-");
		else if (r->service->per_core == 1)
			snprintf(ports, sizeof(ports), "%u", first);
		else
			snprintf(ports, sizeof(ports), "%u-%u", first, first + r->service->per_core - 1);
		printf("%-20s %4u %11s", service_name(r->service, name), r->cpu, ports);
		for (i = 0; i < N_COUNTERS; i++)
			printf(" %11llu", (unsigned long long)r->count[i]);
		putchar('\n');
	}
}

/* Keep what --port asks for. Return: false if there is no such service. */
static bool filter(struct rows *rows)
{
	size_t from, to = 0;

	for (from = 0; from < rows->n; from++)
		if (rows->row[from].service && rows->row[from].service->port == port)
			rows->row[to++] = rows->row[from];
	rows->n = to;
	return to;
}

static int stats_run(char **operands)
{
	struct services services = { 0 };
	struct rows rows = { .services = &services };
	int status = EXIT_REFUSED;
	struct genl g;

	(void)operands;
	if (!strcmp(listen_by, "bpf"))
		return lookup_stats(port, json);
	if (strcmp(listen_by, "nat"))
		usage_error(&stats, "--listen", "'%s' is neither nat nor bpf", listen_by);
	if (!genl_open(&g))
		return EXIT_REFUSED;
	if (!services_get(&g, &services) ||
	    !genl_dump(&g, FLOWPAR_CMD_STATS_GET, "counters", collect, &rows, &rows.n))
		goto out;
	if (port && !filter(&rows)) {
		report("--port", "no service has public port %u; flowparctl service list shows those that there are",
		       port);
		goto out;
	}
	(json ? print_json : print_table)(&rows);
	status = EXIT_DONE;
out:
	free(rows.row);
	services_free(&services);
	genl_close(&g);
	return status;
}

const struct command stats = {
	.name = "stats",
	.summary = "print what each CPU counted, per service, in packets since it was added",
	.options = options,
	.notes =
"One line per service and CPU of its list, and per other CPU that counted anything (its\n"
"CORE-PORT is \"-\"). Counters, in packets:\n"
"  IN           to the public port, given a per-core port\n"
"  OUT          from a per-core port, given the public port\n"
"  ATTACHED     in: its socket was found and attached, so TCP does not look it up again\n"
"  MOVED        in: its flow was found at the port of another CPU\n"
"  MISSED       in: no SYN, and of no flow that any CPU's port has\n"
"  THROTTLED    in: not searched for at other ports, since too many are\n"
"  CLOSED       from outside straight to a per-core port: dropped\n"
"  FOREIGN-CPU  in, on a CPU outside the list: mapped by a hash of the flow\n"
"  ERROR        could not be rewritten: dropped\n"
"  ICMP         errors, in or out, whose quoted port was rewritten\n"
"  SPILLED      SYNs given to another CPU's listener: this CPU's is missing or too busy\n"
"\n"
"With --listen bpf, which only root may ask for, new flows are counted (and segments of\n"
"no flow, which look like them); PID is the flowparctl's that attached the program:\n"
"  IN           given a listener\n"
"  SPILLED      of them, another CPU's: this CPU has none\n"
"  FOREIGN-CPU  of them, on a CPU outside the list: mapped by a hash of the flow\n"
"  REFUSED      not given one: none was there, so the kernel answered\n"
"  CLOSED       from outside straight to a per-core port: refused\n"
"\n"
"JSON: an array of objects with family, protocol, address (null: any), port, cpu,\n"
"core_ports (an array, empty for a CPU outside the list) and the counters by their names in\n"
"small letters (foreign_cpu); with --listen bpf listen (\"bpf\"), protocol, address, port,\n"
"pid, cpu, core_ports, listening (does the CPU have a listener?) and the counters. Members\n"
"may be added, none will change.\n"
"\n"
"Exit status: 0 done, 1 failed or no service with that port, 2 usage error.\n",
	.run = stats_run,
};
