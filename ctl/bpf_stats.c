// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl stats --listen bpf and reuseport: what their programs counted.
 *
 * counters[] is the one place that knows them: a new one is a new line there.
 */
#include "bpf_stats.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf_service.h"
#include "report.h"

static const struct counter {
	unsigned int index;
	unsigned int modes;	/* bits of those that count it */
	struct row_counter as;
} counters[] = {
	{ LOOKUP_IN, 1 << LISTEN_BPF | 1 << LISTEN_REUSEPORT, { "in", "IN", true } },
	{ LOOKUP_SPILLED, 1 << LISTEN_BPF | 1 << LISTEN_REUSEPORT, { "spilled", "SPILLED", true } },
	{ LOOKUP_FOREIGN_CPU, 1 << LISTEN_BPF | 1 << LISTEN_REUSEPORT, { "foreign_cpu", "FOREIGN-CPU", false } },
	{ LOOKUP_REFUSED, 1 << LISTEN_BPF, { "refused", "REFUSED", true } },
	{ LOOKUP_CLOSED, 1 << LISTEN_BPF, { "closed", "CLOSED", true } },
	{ LOOKUP_HASHED, 1 << LISTEN_REUSEPORT, { "hashed", "HASHED", true } },
	{ LOOKUP_MIGRATED, 1 << LISTEN_REUSEPORT, { "migrated", "MIGRATED", true } },
};

#define N_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

static enum listen_mode mode;

/* counters[i], unless this mode has none such */
#define for_each_counter(c)						\
	for ((c) = counters; (c) < counters + N_COUNTERS; (c)++)	\
		if (!((c)->modes & 1u << mode)) {} else

/* A CPU outside the list has a row if it counted anything. */
static bool has_row(const struct bpf_service *s, unsigned int cpu)
{
	const struct counter *c;

	if (s->config.rank[cpu] != LOOKUP_NO_RANK)
		return true;
	for_each_counter(c)
		if (s->counts[cpu].n[c->index])
			return true;
	return false;
}

static const char *protocol(const struct bpf_service *s)
{
	return s->config.protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* Return: NULL for any address, of whichever family. */
static const char *address(const struct bpf_service *s, char text[INET6_ADDRSTRLEN])
{
	static const __u8 any[16];

	if (!memcmp(s->config.address, any, sizeof(any)))
		return NULL;
	return inet_ntop(s->config.family, s->config.address, text, INET6_ADDRSTRLEN);
}

/* How many ports a CPU's instances have. */
static unsigned int core_ports(const struct bpf_service *s)
{
	return s->config.stride ? s->config.per_core : 1;
}

static const char *ports_of(const struct bpf_service *s, unsigned int cpu, char text[ROW_PORTS_MAX])
{
	unsigned int rank = s->config.rank[cpu], first;

	strcpy(text, "-");
	if (rank == LOOKUP_NO_RANK)
		return text;
	first = s->config.base_port + rank * s->config.stride;
	if (core_ports(s) == 1)
		snprintf(text, ROW_PORTS_MAX, "%u", first);
	else
		snprintf(text, ROW_PORTS_MAX, "%u-%u", first, first + s->config.per_core - 1);
	return text;
}

/* "tcp *:80", or "tcp [::]:80" for any of IPv6, which may take IPv4 too. */
#define NAME_MAX_LEN	(INET6_ADDRSTRLEN + 16)
static const char *name_of(const struct bpf_service *s, char name[NAME_MAX_LEN])
{
	char text[INET6_ADDRSTRLEN];
	const char *bound = address(s, text);

	if (s->config.family == AF_INET6)
		snprintf(name, NAME_MAX_LEN, "%s [%s]:%u", protocol(s), bound ? bound : "::", s->config.port);
	else
		snprintf(name, NAME_MAX_LEN, "%s %s:%u", protocol(s), bound ? bound : "*", s->config.port);
	return name;
}

/* The members of a JSON object that name a row, without braces. */
static void json_key(FILE *to, const struct bpf_service *s, unsigned int cpu)
{
	unsigned int rank = s->config.rank[cpu], j;
	char text[INET6_ADDRSTRLEN];
	const char *bound = address(s, text);

	fprintf(to, "\"listen\":\"%s\",", listen_mode_name(mode));
	if (s->config.family)
		fprintf(to, "\"family\":\"%s\",", s->config.family == AF_INET6 ? "inet6" : "inet");
	fprintf(to, "\"protocol\":\"%s\",\"address\":%s%s%s,\"port\":%u,\"pid\":%u,\"cpu\":%u,\"core_ports\":[",
		protocol(s), bound ? "\"" : "", bound ? bound : "null", bound ? "\"" : "",
		s->config.port, s->config.pid, cpu);
	for (j = 0; rank != LOOKUP_NO_RANK && j < core_ports(s); j++)
		fprintf(to, "%s%u", j ? "," : "", s->config.base_port + rank * s->config.stride + j);
	fputc(']', to);
}

static bool listening(const struct bpf_service *s, unsigned int cpu)
{
	unsigned int rank = s->config.rank[cpu];

	return rank != LOOKUP_NO_RANK && s->listening[rank];
}

static void print_json(const struct bpf_service *s, unsigned int cpu, bool first)
{
	const struct counter *c;

	fputs(first ? "[{" : ",\n{", stdout);
	json_key(stdout, s, cpu);
	printf(",\"listening\":%s", listening(s, cpu) ? "true" : "false");
	for_each_counter(c)
		printf(",\"%s\":%llu", c->as.json, (unsigned long long)s->counts[cpu].n[c->index]);
	putchar('}');
}

static void print_row(const struct bpf_service *s, unsigned int cpu)
{
	char name[NAME_MAX_LEN], ports[ROW_PORTS_MAX];
	const struct counter *c;

	printf("%-14s %8u %4u %11s %9s", name_of(s, name), s->config.pid, cpu, ports_of(s, cpu, ports),
	       s->config.rank[cpu] == LOOKUP_NO_RANK ? "-" : listening(s, cpu) ? "yes" : "no");
	for_each_counter(c)
		printf(" %11llu", (unsigned long long)s->counts[cpu].n[c->index]);
	putchar('\n');
}

/* Return: false on failure, or if there is no service with that port (reported). */
static bool services_get(struct bpf_services *all, unsigned int port)
{
	const struct bpf_service *s;

	if (!bpf_services_get(mode, all))
		return false;
	for (s = all->service; s < all->service + all->n; s++)
		if (!port || s->config.port == port)
			return true;
	if (!port)
		return true;
	report("--port", "no flowparctl run --listen %s serves public port %u in this network namespace",
	       listen_mode_name(mode), port);
	return false;
}

int bpf_stats(enum listen_mode listen, unsigned int port, bool json)
{
	struct bpf_services all;
	const struct bpf_service *s;
	const struct counter *c;
	int status = EXIT_REFUSED;
	bool first = true;
	unsigned int cpu;

	mode = listen;
	if (!services_get(&all, port))
		goto out;
	if (!json) {
		printf("%-14s %8s %4s %11s %9s", "SERVICE", "PID", "CPU", "CORE-PORT", "LISTENING");
		for_each_counter(c)
			printf(" %11s", c->as.heading);
		putchar('\n');
	}
	for (s = all.service; s < all.service + all.n; s++) {
		if (port && s->config.port != port)
			continue;
		for (cpu = 0; cpu < bpf_service_cpus() && cpu < LOOKUP_CPUS; cpu++) {
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
	bpf_services_free(&all);
	return status;
}

bool bpf_rows_get(enum listen_mode listen, struct rows *rows, unsigned int port)
{
	char name[NAME_MAX_LEN];
	struct bpf_services all;
	const struct bpf_service *s;
	const struct counter *c;
	unsigned int cpu;
	struct row *row;
	size_t i, len;
	bool done;
	FILE *f;

	mode = listen;
	for_each_counter(c)
		rows_add_counter(rows, c->as.json, c->as.heading, c->as.top);
	done = services_get(&all, port);
	for (s = all.service; done && s < all.service + all.n; s++) {
		if (port && s->config.port != port)
			continue;
		for (cpu = 0; cpu < bpf_service_cpus() && cpu < LOOKUP_CPUS; cpu++) {
			if (!has_row(s, cpu))
				continue;
			row = rows_add(rows);
			row->cpu = cpu;
			row->name = strdup(name_of(s, name));
			ports_of(s, cpu, row->ports);
			i = 0;
			for_each_counter(c)
				row->count[i++] = s->counts[cpu].n[c->index];
			f = open_memstream(&row->key, &len);
			if (!f || !row->name)
				abort();
			json_key(f, s, cpu);
			fclose(f);
		}
	}
	bpf_services_free(&all);
	return done;
}
