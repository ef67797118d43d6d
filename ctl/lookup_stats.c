// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl stats --listen bpf: what the programs of --listen bpf counted.
 *
 * counters[] is the one place that knows them: a new one is a new line there.
 */
#include "lookup_stats.h"

#include <stdio.h>

#include "lookup.h"
#include "report.h"

static const struct counter {
	unsigned int index;
	const char *json;
	const char *heading;
} counters[] = {
	{ LOOKUP_IN, "in", "IN" },
	{ LOOKUP_SPILLED, "spilled", "SPILLED" },
	{ LOOKUP_FOREIGN_CPU, "foreign_cpu", "FOREIGN-CPU" },
	{ LOOKUP_REFUSED, "refused", "REFUSED" },
	{ LOOKUP_CLOSED, "closed", "CLOSED" },
};

#define N_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

/* A CPU outside the list has a row if it counted anything. */
static bool has_row(const struct lookup_service *s, unsigned int cpu)
{
	size_t i;

	if (s->config.rank[cpu] != LOOKUP_NO_RANK)
		return true;
	for (i = 0; i < N_COUNTERS; i++)
		if (s->counts[cpu].n[counters[i].index])
			return true;
	return false;
}

static void print_json(const struct lookup_service *s, unsigned int cpu, bool first)
{
	unsigned int rank = s->config.rank[cpu], j;
	size_t i;

	printf("%s{\"listen\":\"bpf\",\"protocol\":\"tcp\",\"address\":null,\"port\":%u,\"pid\":%u,\"cpu\":%u,\"core_ports\":[",
	       first ? "[" : ",\n", s->config.port, s->config.pid, cpu);
	for (j = 0; rank != LOOKUP_NO_RANK && j < s->config.per_core; j++)
		printf("%s%u", j ? "," : "", s->config.base_port + rank * s->config.stride + j);
	printf("],\"listening\":%s", rank != LOOKUP_NO_RANK && s->listening[rank] ? "true" : "false");
	for (i = 0; i < N_COUNTERS; i++)
		printf(",\"%s\":%llu", counters[i].json,
		       (unsigned long long)s->counts[cpu].n[counters[i].index]);
	putchar('}');
}

static void print_row(const struct lookup_service *s, unsigned int cpu)
{
	unsigned int rank = s->config.rank[cpu], first;
	char name[24], ports[16] = "-";
	const char *listening = "-";
	size_t i;

	snprintf(name, sizeof(name), "tcp *:%u", s->config.port);
	if (rank != LOOKUP_NO_RANK) {
		listening = s->listening[rank] ? "yes" : "no";
		first = s->config.base_port + rank * s->config.stride;
		if (s->config.per_core == 1)
			snprintf(ports, sizeof(ports), "%u", first);
		else
			snprintf(ports, sizeof(ports), "%u-%u", first, first + s->config.per_core - 1);
	}
	printf("%-14s %8u %4u %11s %9s", name, s->config.pid, cpu, ports, listening);
	for (i = 0; i < N_COUNTERS; i++)
		printf(" %11llu", (unsigned long long)s->counts[cpu].n[counters[i].index]);
	putchar('\n');
}

int lookup_stats(unsigned int port, bool json)
{
	struct lookup_services all;
	const struct lookup_service *s;
	int status = EXIT_REFUSED;
	bool first = true, found = false;
	unsigned int cpu;
	size_t i;

	if (!lookup_services_get(&all))
		goto out;
	for (s = all.service; s < all.service + all.n; s++)
		found |= s->config.port == port;
	if (port && !found) {
		report("--port", "no flowparctl run --listen bpf serves public port %u in this network namespace", port);
		goto out;
	}
	if (!json) {
		printf("%-14s %8s %4s %11s %9s", "SERVICE", "PID", "CPU", "CORE-PORT", "LISTENING");
		for (i = 0; i < N_COUNTERS; i++)
			printf(" %11s", counters[i].heading);
		putchar('\n');
	}
	for (s = all.service; s < all.service + all.n; s++) {
		if (port && s->config.port != port)
			continue;
		for (cpu = 0; cpu < lookup_cpus() && cpu < LOOKUP_CPUS; cpu++) {
			if (!has_row(s, cpu))
				continue;
			if (json)
				print_json(s, cpu, first);
			else
				print_row(s, cpu);
			first = false;
		}
	}
	if (json)
		printf("%s]\n", first ? "[" : "");
	status = EXIT_DONE;
out:
	lookup_services_free(&all);
	return status;
}
