// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl stats: what nf_flowpar counted, per service and CPU.
 *
 * stats_counters[] is the one place that knows them: a new one is a new line there.
 */
#include "stats.h"

#include <linux/flowpar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_stats.h"
#include "listen.h"
#include "report.h"

static unsigned int port;
static bool json;
static const char *listen_by = "nat";

static const struct option_spec options[] = {
	{ "listen", "MODE", "whose counters: nat (default), nf_flowpar's; bpf or reuseport, those of the\n"
	  "                           programs that flowparctl run --listen MODE attached", .string = &listen_by },
	{ "json", NULL, "print JSON", .flag = &json },
	{ "port", "P", "only the services with this public port",
	  .number = &port, .min = 1, .max = 65535 },
	{ 0 }
};

const struct stats_counter stats_counters[STATS_COUNTERS] = {
	{ FLOWPAR_A_STATS_IN, "in", "IN", true },
	{ FLOWPAR_A_STATS_OUT, "out", "OUT", true },
	{ FLOWPAR_A_STATS_ATTACHED, "attached", "ATTACHED", true },
	{ FLOWPAR_A_STATS_MOVED, "moved", "MOVED", true },
	{ FLOWPAR_A_STATS_MISSED, "missed", "MISSED", true },
	{ FLOWPAR_A_STATS_THROTTLED, "throttled", "THROTTLED", true },
	{ FLOWPAR_A_STATS_CLOSED, "closed", "CLOSED", false },
	{ FLOWPAR_A_STATS_FOREIGN_CPU, "foreign_cpu", "FOREIGN-CPU", false },
	{ FLOWPAR_A_STATS_ERROR, "error", "ERROR", false },
	{ FLOWPAR_A_STATS_ICMP, "icmp", "ICMP", false },
	{ FLOWPAR_A_STATS_SPILLED, "spilled", "SPILLED", true },
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
	struct stats_sample *rows = data;
	struct stats_row *row;
	size_t i;

	if (first) {
		rows->row = realloc(rows->row, (rows->n + 1) * sizeof(*rows->row));
		if (!rows->row)
			abort();
		memset(&rows->row[rows->n++], 0, sizeof(*rows->row));
	}
	row = &rows->row[rows->n - 1];
	if (type == FLOWPAR_A_STATS_SERVICE)
		row->service = find(&rows->services, attr);
	else if (type == FLOWPAR_A_STATS_CPU)
		row->cpu = (unsigned int)genl_uint(attr);
	else
		for (i = 0; i < STATS_COUNTERS; i++)
			if (stats_counters[i].attr == type)
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

static const char *ports_of(const struct stats_row *row, char text[ROW_PORTS_MAX])
{
	unsigned int first = core_port(row->service, row->cpu);

	if (!first)
		strcpy(text, "-");
	else if (row->service->per_core == 1)
		snprintf(text, ROW_PORTS_MAX, "%u", first);
	else
		snprintf(text, ROW_PORTS_MAX, "%u-%u", first, first + row->service->per_core - 1);
	return text;
}

static void json_key(FILE *to, const struct stats_row *row)
{
	unsigned int first = core_port(row->service, row->cpu), j;

	service_json_key(to, row->service);
	fprintf(to, ",\"cpu\":%u,\"core_ports\":[", row->cpu);
	for (j = 0; first && j < row->service->per_core; j++)
		fprintf(to, "%s%u", j ? "," : "", first + j);
	fputc(']', to);
}

static void print_json(const struct stats_sample *s)
{
	const struct stats_row *r;
	const char *before = "[";
	size_t i;

	for (r = s->row; r < s->row + s->n; r++) {
		printf("%s{", before);
		before = ",\n";
		json_key(stdout, r);
		for (i = 0; i < STATS_COUNTERS; i++)
			printf(",\"%s\":%llu", stats_counters[i].json, (unsigned long long)r->count[i]);
		putchar('}');
	}
	printf("%s]\n", *before == '[' ? "[" : "");
}

static void print_table(const struct stats_sample *s)
{
	char name[SERVICE_NAME_MAX], ports[ROW_PORTS_MAX];
	const struct stats_row *r;
	size_t i;

	printf("%-20s %4s %11s", "SERVICE", "CPU", "CORE-PORT");
	for (i = 0; i < STATS_COUNTERS; i++)
		printf(" %11s", stats_counters[i].heading);
	putchar('\n');
	for (r = s->row; r < s->row + s->n; r++) {
		printf("%-20s %4u %11s", service_name(r->service, name), r->cpu, ports_of(r, ports));
		for (i = 0; i < STATS_COUNTERS; i++)
			printf(" %11llu", (unsigned long long)r->count[i]);
		putchar('\n');
	}
}

bool stats_sample_get(struct genl *g, struct stats_sample *s, unsigned int only)
{
	size_t from, to = 0;

	memset(s, 0, sizeof(*s));
	if (!services_get(g, &s->services) ||
	    !genl_dump(g, FLOWPAR_CMD_STATS_GET, "counters", collect, s, &s->n))
		return false;
	for (from = 0; from < s->n; from++)
		if (s->row[from].service && (!only || s->row[from].service->port == only))
			s->row[to++] = s->row[from];
	s->n = to;
	if (!only || to)
		return true;
	report("--port", "no service has public port %u; flowparctl service list shows those that there are",
	       only);
	return false;
}

void stats_sample_free(struct stats_sample *s)
{
	free(s->row);
	services_free(&s->services);
	memset(s, 0, sizeof(*s));
}

bool stats_rows_get(struct genl *g, struct rows *rows, unsigned int only)
{
	char name[SERVICE_NAME_MAX];
	struct stats_sample sample;
	const struct stats_row *r;
	struct row *row;
	size_t i, len;
	bool done;
	FILE *f;

	for (i = 0; i < STATS_COUNTERS; i++)
		rows_add_counter(rows, stats_counters[i].json, stats_counters[i].heading, stats_counters[i].top);
	done = stats_sample_get(g, &sample, only);
	for (r = sample.row; done && r < sample.row + sample.n; r++) {
		row = rows_add(rows);
		row->cpu = r->cpu;
		row->name = strdup(service_name(r->service, name));
		ports_of(r, row->ports);
		memcpy(row->count, r->count, sizeof(r->count));
		f = open_memstream(&row->key, &len);
		if (!f || !row->name)
			abort();
		json_key(f, r);
		fclose(f);
	}
	stats_sample_free(&sample);
	return done;
}

static int stats_run(char **operands)
{
	struct stats_sample sample;
	enum listen_mode mode;
	struct genl g;
	bool done;

	(void)operands;
	if (!listen_mode_parse(&mode, listen_by))
		usage_error(&stats, "--listen", "'%s' is neither nat, bpf nor reuseport", listen_by);
	if (mode != LISTEN_NAT)
		return bpf_stats(mode, port, json);
	if (!genl_open(&g))
		return EXIT_REFUSED;
	done = stats_sample_get(&g, &sample, port);
	if (done)
		(json ? print_json : print_table)(&sample);
	stats_sample_free(&sample);
	genl_close(&g);
	return done ? EXIT_DONE : EXIT_REFUSED;
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
"With --listen bpf or reuseport, which only root may ask for, new TCP flows are counted\n"
"(and segments of no flow, which look like them) and UDP datagrams; PID is the\n"
"flowparctl's that attached the program. With reuseport there is a service for each\n"
"address, family and protocol that the instances bind, and CORE-PORT is the public port:\n"
"  IN           given a listener\n"
"  SPILLED      of them, another CPU's: this CPU has none\n"
"  FOREIGN-CPU  of them, on a CPU outside the list: mapped by a hash of the flow\n"
"  REFUSED      bpf: not given one: none was there, so the kernel answered\n"
"  CLOSED       bpf: from outside straight to a per-core port: refused\n"
"  HASHED       reuseport: none was known yet, so the kernel's hash picked one\n"
"  MIGRATED     reuseport: connections that one left unaccepted when it closed, given to another\n"
"\n"
"JSON: an array of objects with family, protocol, address (null: any), port, cpu,\n"
"core_ports (an array, empty for a CPU outside the list) and the counters by their names in\n"
"small letters (foreign_cpu); with --listen bpf or reuseport listen (the mode), family (only\n"
"with reuseport), protocol, address, port, pid, cpu, core_ports, listening (does the CPU have\n"
"a listener?) and the counters. Members may be added, none will change.\n"
"\n"
"Exit status: 0 done, 1 failed or no service with that port, 2 usage error.\n",
	.run = stats_run,
};
