// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl doctor: what keeps flows from staying on one core.
 *
 * Reads only, twice with some time between. It works on any kernel, with whatever of
 * flowpar there is on the machine, and says what it could not look at.
 */
#include "doctor.h"

#include <errno.h>
#include <linux/flowpar.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bonds.h"
#include "ethtool.h"
#include "genl.h"
#include "bpf_service.h"
#include "report.h"
#include "service.h"
#include "stats.h"
#include "tree.h"

/* Connections that a port has before it counts as the one that is served. */
#define BUSY	8

static unsigned int port, interval = 1;
static const char *bond;
static bool json;

static const struct option_spec options[] = {
	{ "bond", "NAME", "look at this bond (default: at all that have slaves; without any at the NICs)", .string = &bond },
	{ "port", "P", "public port that is served (default: those of the services, else the\n"
	  "                           listened one with most connections, but for ssh's)",
	  .number = &port, .min = 1, .max = 65535 },
	{ "interval", "SECONDS", "how long to watch what is counted (default 1)",
	  .number = &interval, .min = 1, .max = 3600 },
	{ "json", NULL, "print JSON", .flag = &json },
	{ 0 }
};

/* By severity, then by cost: findings come in this order. */
const struct check doctor_checks[] = {
	{ "slave-down", BROKEN, check_slave_down },
	{ "slave-speed", BROKEN, check_slave_speed },
	{ "lacp-partner", BROKEN, check_lacp_partner },
	{ "aggregator", BROKEN, check_aggregator },
	{ "silent-service", BROKEN, check_silent },
	{ "no-listener", BROKEN, check_no_listener },
	{ "accept-queue", BROKEN, check_overflow },
	{ "nic-drops", BROKEN, check_nic_drops },
	{ "backlog-drops", BROKEN, check_softnet_drops },
	{ "mtu", BROKEN, check_mtu },
	{ "miimon", BROKEN, check_miimon },

	{ "bond-mode", COSTLY, check_mode },
	{ "no-bond", COSTLY, check_no_bond },
	{ "queues", COSTLY, check_queues },
	{ "irq", COSTLY, check_irq },
	{ "irqbalance", COSTLY, check_irqbalance },
	{ "rps", COSTLY, check_rps },
	{ "rfs", COSTLY, check_rfs },
	{ "shared-listener", COSTLY, check_shared_listener },
	{ "unpinned", COSTLY, check_unpinned },
	{ "server-core", COSTLY, check_server_core },
	{ "policy", COSTLY, check_policy },
	{ "own-nic", COSTLY, check_own_nic },
	{ "moved", COSTLY, check_moved },
	{ "switch-hash", COSTLY, check_switch_hash },
	{ "port-load", COSTLY, check_port_load },
	{ "rss-load", COSTLY, check_rss_load },
	{ "conntrack", COSTLY, check_conntrack },
	{ "xps", COSTLY, check_xps },

	{ "ipv4-only", SLIGHT, check_ipv4_only },
	{ "firewall", SLIGHT, check_firewall },
	{ "offloads", SLIGHT, check_offloads },
	{ "governor", SLIGHT, check_governor },
	{ "idle-states", SLIGHT, check_idle_states },
	{ "budget", SLIGHT, check_budget },
	{ "somaxconn", SLIGHT, check_somaxconn },
	{ "time-wait", SLIGHT, check_time_wait },
	{ "ephemeral", SLIGHT, check_ephemeral },
	{ "symmetric-hash", SLIGHT, check_symmetric_hash },
	{ 0 }
};

/* --- steered services ---------------------------------------------------------------------- */

static struct steered *add_steered(struct machine *m)
{
	m->steered = realloc(m->steered, (m->n_steered + 1) * sizeof(*m->steered));
	if (!m->steered)
		abort();
	return memset(&m->steered[m->n_steered++], 0, sizeof(*m->steered));
}

static uint64_t difference(const struct stats_sample *old, const struct stats_row *row, unsigned int attr)
{
	uint64_t was = 0;
	size_t i, k;

	for (k = 0; k < STATS_COUNTERS && stats_counters[k].attr != attr; k++)
		;
	for (i = 0; i < old->n; i++)
		if (old->row[i].cpu == row->cpu && service_same(old->row[i].service, row->service))
			was = old->row[i].count[k];
	return row->count[k] < was ? row->count[k] : row->count[k] - was;
}

/* nf_flowpar's services, and what they counted from one sample to the next. */
static void steered_by_nat(struct machine *m, const struct stats_sample *old, const struct stats_sample *new)
{
	const struct stats_row *row;
	const struct service *from;
	struct steered *s;
	size_t i, rank;

	for (i = 0; i < new->services.n; i++) {
		from = &new->services.service[i];
		if (from->protocol != IPPROTO_TCP || (port && from->port != port))
			continue;
		s = add_steered(m);
		service_name(from, s->name);
		s->listen = "nat";
		s->family = from->family;
		s->port = from->port;
		s->base_port = from->base_port;
		s->stride = from->stride;
		s->per_core = from->per_core;
		s->cpus = from->cpus;
		s->in = calloc(s->cpus.n, sizeof(*s->in));
		s->out = calloc(s->cpus.n, sizeof(*s->out));
		if (!s->in || !s->out)
			abort();
		for (row = new->row; row < new->row + new->n; row++) {
			if (!service_same(row->service, from))
				continue;
			s->total += difference(old, row, FLOWPAR_A_STATS_IN);
			s->moved += difference(old, row, FLOWPAR_A_STATS_MOVED);
			s->foreign += difference(old, row, FLOWPAR_A_STATS_FOREIGN_CPU);
			for (rank = 0; rank < s->cpus.n; rank++)
				if (s->cpus.cpu[rank] == row->cpu) {
					s->in[rank] = difference(old, row, FLOWPAR_A_STATS_IN);
					s->out[rank] = difference(old, row, FLOWPAR_A_STATS_OUT);
				}
		}
	}
}

/* Those of running flowparctl run --listen bpf. With reuseport all listen on one port: no core has its own. */
static void steered_by_bpf(struct doctor *d)
{
	const struct lookup_config *c;
	struct bpf_services all;
	struct steered *s;
	unsigned int cpu;
	size_t i;

	if (geteuid()) {
		unseen(&d->found, "--listen bpf", "whether a program is attached only root may see");
		return;
	}
	if (!bpf_services_get(LISTEN_BPF, &all))
		unseen(&d->found, "--listen bpf", "attached programs cannot be read");
	for (i = 0; i < all.n; i++) {
		c = &all.service[i].config;
		if (port && c->port != port)
			continue;
		s = add_steered(&d->m);
		snprintf(s->name, sizeof(s->name), "tcp *:%u", c->port);
		s->listen = "bpf";
		s->port = c->port;
		s->base_port = c->base_port;
		s->stride = c->stride;
		s->per_core = c->per_core;
		for (cpu = 0; cpu < LOOKUP_CPUS && cpu < CPULIST_MAX; cpu++)
			if (c->rank[cpu] != LOOKUP_NO_RANK)
				cpulist_add(&s->cpus, cpu);
	}
	bpf_services_free(&all);
}

/* --- reading and examining -------------------------------------------------------------------- */

static void mark(struct doctor *d, unsigned int number)
{
	if (number && number < 65536)
		d->ports[number] = true;
}

void doctor_read(struct doctor *d)
{
	const struct steered *s;
	const struct lag *b;
	unsigned int k;
	size_t rank;

	d->ports = calloc(65536, sizeof(*d->ports));
	if (!d->ports)
		abort();
	if (!d->port && !d->m.n_steered) {
		d->port = servers_busiest(BUSY);
		d->guessed = d->port;
		if (d->guessed)
			unseen(&d->found, "server", "any other port than %u, which has most connections; say with --port which one is served", d->port);
		else
			unseen(&d->found, "server", "no listened port has %d connections now; say with --port which one is served", BUSY);
	}
	mark(d, d->port);
	for (s = d->m.steered; s < d->m.steered + d->m.n_steered; s++) {
		mark(d, s->port);
		for (rank = 0; rank < s->cpus.n; rank++)
			for (k = 0; k < s->per_core; k++)
				mark(d, s->base_port + (unsigned int)rank * s->stride + k);
	}
	if (d->m.odd)
		unseen(&d->found, "machine", "%u bonds or NICs with names that fit in no command", d->m.odd);
	for (b = d->m.bond; b < d->m.bond + d->m.n; b++)
		if (b->name[0] && !b->n)
			unseen(&d->found, b->name, "how it sends: it has no slaves");
	if (!servers_read(&d->servers, d->ports))
		unseen(&d->found, "server", "/proc/net/tcp cannot be read");
	else if (d->servers.hidden)
		unseen(&d->found, "server", "whose sockets are whose: other users' are only shown to root");
	conntrack_read(&d->ct, d->ports, machine_seconds(&d->m));
	machine_plan(&d->m);
}

void doctor_examine(struct doctor *d)
{
	const struct check *c;

	for (c = doctor_checks; c->name; c++) {
		d->found.check = c->name;
		d->found.severity = c->severity;
		c->run(d);
	}
}

void doctor_free(struct doctor *d)
{
	machine_free(&d->m);
	servers_free(&d->servers);
	firewall_free(&d->fw);
	syns_free(&d->syns);
	findings_free(&d->found);
	free(d->ports);
	memset(d, 0, sizeof(*d));
}

bool doctor_by_nft(const struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->fw.n; i++)
		if (!strncmp(d->fw.chain[i].name, "inet flowpar ", 13))
			return true;
	return false;
}

/* Services of both families may have the same ports. */
static void print_port(FILE *f, bool *printed, const char *between, unsigned int number)
{
	number &= 65535;
	if (printed[number])
		return;
	printed[number] = true;
	fprintf(f, "%s%u", ftell(f) ? between : "", number);
}

char *doctor_ports(const struct doctor *d, bool public_ones, const char *between)
{
	const struct steered *s;
	bool *printed = calloc(65536, sizeof(*printed));
	char *text = NULL;
	unsigned int k;
	size_t len, rank;
	FILE *f = open_memstream(&text, &len);

	if (!f || !printed)
		abort();
	if (public_ones && d->port)
		print_port(f, printed, between, d->port);
	for (s = d->m.steered; s < d->m.steered + d->m.n_steered; s++) {
		if (public_ones)
			print_port(f, printed, between, s->port);
		/* Where nothing is rewritten no packet has a core's port. */
		for (rank = 0; rank < s->cpus.n && !strcmp(s->listen, "nat"); rank++)
			for (k = 0; k < s->per_core; k++)
				print_port(f, printed, between, s->base_port + (unsigned int)rank * s->stride + k);
	}
	if (fclose(f))
		abort();
	free(printed);
	return text;
}

/* --- the command ---------------------------------------------------------------------------------- */

static void bonds_since(struct machine *m, const struct bonds *old, const struct bonds *new)
{
	size_t i, k, j;

	for (i = 0; i < m->n; i++)
		for (k = 0; k < old->n; k++)
			for (j = 0; j < new->n; j++) {
				if (strcmp(m->bond[i].name, old->bond[k].name) || strcmp(m->bond[i].name, new->bond[j].name))
					continue;
				m->bond[i].own = new->bond[j].own - old->bond[k].own;
				m->bond[i].other = new->bond[j].other - old->bond[k].other;
			}
}

static void pass_time(void)
{
	struct timespec left = { .tv_sec = interval };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* All that is counted, twice. */
static void watch(struct doctor *d)
{
	struct stats_sample nat[2];
	struct bonds bonds[2];
	struct genl *g = NULL;
	bool by_nat = false, counted;
	size_t i, k;

	/* A kernel without the module has nothing to ask, and would load it. */
	if (tree_is("/sys/module/nf_flowpar")) {
		g = malloc(sizeof(*g));		/* large */
		if (!g)
			abort();
		by_nat = genl_open(g);
	}
	syns_open(&d->syns, &d->m);
	machine_sample(&d->m, 0);
	if (by_nat)
		by_nat = stats_sample_get(g, &nat[0], 0);
	counted = bonds_get(&bonds[0]);

	pass_time();

	machine_sample(&d->m, 1);
	syns_close(&d->syns, &d->m);
	if (!d->syns.known)
		unseen(&d->found, "switch", "what it hashes on: %s", d->syns.err == EPERM ?
		       "only root may look at packets" : strerror(d->syns.err));
	if (g && !by_nat)
		unseen(&d->found, "nf_flowpar", "its services and counters cannot be read");
	if (by_nat) {
		if (stats_sample_get(g, &nat[1], 0))
			steered_by_nat(&d->m, &nat[0], &nat[1]);
		stats_sample_free(&nat[1]);
		stats_sample_free(&nat[0]);
	}
	if (g)
		genl_close(g);
	free(g);
	if (counted && bonds_get(&bonds[1])) {
		bonds_since(&d->m, &bonds[0], &bonds[1]);
		bonds_free(&bonds[1]);
	}
	bonds_free(&bonds[0]);
	for (i = 0; i < d->m.n; i++) {
		for (k = 0; k < d->m.bond[i].n; k++)
			ethtool_read(&d->m.bond[i].nic[k]);
		if (d->m.bond[i].name[0])
			ethtool_read_bond(&d->m.bond[i]);
	}
}

static void print_bonds(const struct machine *m)
{
	const char *before = "[";
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (!m->bond[i].name[0])
			continue;
		fputs(before, stdout);
		json_string(m->bond[i].name);
		before = ",";
	}
	fputs(*before == '[' ? "[]" : "]", stdout);
}

static void print(const struct doctor *d)
{
	if (json) {
		printf("{\"seconds\":%.3f,\"bonds\":", machine_seconds(&d->m));
		print_bonds(&d->m);
		putchar(',');
		findings_json(&d->found);
		puts("}");
		return;
	}
	findings_print(&d->found);
	if (!d->found.n)
		printf("nothing found in %.1f s\n", machine_seconds(&d->m));
}

static int doctor_run(char **operands)
{
	struct doctor *d = calloc(1, sizeof(*d));
	int status;

	(void)operands;
	if (!d)
		abort();
	if (!machine_read(&d->m, bond)) {
		report("--bond", "%s is no bond of this network namespace; ip link show type bond shows those that there are", bond);
		machine_free(&d->m);
		free(d);
		return EXIT_REFUSED;
	}
	watch(d);
	steered_by_bpf(d);
	d->port = d->m.n_steered ? 0 : port;
	doctor_read(d);
	firewall_read(&d->fw, doctor_firewall_port(d));
	d->irqbalance = irqbalance_leaves(&d->left_alone);
	doctor_examine(d);
	print(d);
	status = d->found.n ? EXIT_REFUSED : EXIT_DONE;
	doctor_free(d);
	free(d);
	return status;
}

const struct command doctor = {
	.name = "doctor",
	.summary = "find what keeps flows from staying on one core, and name the command that mends it",
	.options = options,
	.notes =
"Reads only, on any kernel and before anything of flowpar is installed. It watches for\n"
"the interval and prints two lines or three for each finding, the worst first: how much\n"
"it costs, what it is about, the number that shows it, and the command that mends it, for\n"
"a shell of root's; or what to do where no command of this machine can. Findings are:\n"
"  broken   packets are lost, or a link or a core stands idle\n"
"  costly   flows do not stay on one core, or meet on one\n"
"  slight   each packet costs more than it has to, or it may yet bite\n"
"Ask under load: what nobody sends cannot be counted. What could not be looked at, to an\n"
"ordinary user above all, is said in lines that begin \"not looked at:\".\n"
"\n"
"JSON: an object with seconds (length of the interval), bonds (an array of names),\n"
"findings (an array of objects with check, severity, object, found, command and advice,\n"
"the last two a string or null) and unseen (an array of objects with object and why).\n"
"Members and checks may be added, none will change.\n"
"\n"
"Exit status: 0 nothing found, 1 something found or failed (a line on stderr), 2 usage error.\n",
	.run = doctor_run,
};
