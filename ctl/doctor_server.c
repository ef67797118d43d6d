// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl doctor: who accepts the flows, and on which core.
 */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tree.h"

#define ENOUGH_PACKETS	20
#define SOMAXCONN_NOW	4096	/* the kernel's own since 5.4 */

#define for_each_steered(s, d)						\
	for (s = (d)->m.steered; s < (d)->m.steered + (d)->m.n_steered; s++)

static const char *port_object(unsigned int port, char text[32])
{
	snprintf(text, 32, "port %u", port);
	return text;
}

/* By @family; AF_UNSPEC: by any. */
static bool listened(const struct doctor *d, unsigned int port, int family)
{
	const struct listening *l;

	for (l = d->servers.listening; l < d->servers.listening + d->servers.n_listening; l++)
		if (l->port == port && (family == AF_INET ? l->ipv4 : family == AF_INET6 ? l->ipv6 : true))
			return true;
	return false;
}

/* Is it only assumed that a port is listened on by IPv4? */
static bool assumed(const struct doctor *d, unsigned int port)
{
	const struct listening *l;
	bool any = false;

	for (l = d->servers.listening; l < d->servers.listening + d->servers.n_listening; l++) {
		if (l->port != port || !l->ipv4)
			continue;
		if (!l->assumed)
			return false;
		any = true;
	}
	return any;
}

/* --- steered services --------------------------------------------------------------------- */

/* Can anybody from elsewhere come by IPv6? Not to addresses of a link or of the host alone. */
static bool has_ipv6(void)
{
	char *text = tree_text("/proc/net/if_inet6"), *line, *rest;
	unsigned int scope;
	bool has = false;

	if (!text)
		return false;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		has |= sscanf(line, "%*s %*x %*x %x", &scope) == 1 && !scope;
	free(text);
	return has;
}

bool doctor_serves(const struct doctor *d, enum fw_family family)
{
	int wanted = family == FW_IPV4 ? AF_INET : AF_INET6;
	const struct steered *s;

	if (family == FW_IPV6 && !has_ipv6())
		return false;
	for_each_steered(s, d)
		if (s->family == wanted || s->family == AF_UNSPEC)
			return true;
	return !d->m.n_steered && listened(d, d->port, wanted);
}

/* A core whose server is given packets and does not answer; false: there is none. */
static bool silent(const struct doctor *d, const struct steered *s, size_t *rank, unsigned int *port)
{
	for (*rank = 0; s->in && *rank < s->cpus.n; ++*rank) {
		*port = s->base_port + (unsigned int)*rank * s->stride;
		if (s->in[*rank] >= ENOUGH_PACKETS && !s->out[*rank] && listened(d, *port, s->family))
			return true;
	}
	return false;
}

unsigned int doctor_firewall_port(const struct doctor *d)
{
	const struct steered *s;
	unsigned int port;
	size_t rank;

	for_each_steered(s, d)
		if (silent(d, s, &rank, &port))
			return port;
	s = d->m.steered;
	if (d->port || !d->m.n_steered)
		return d->port;
	return strcmp(s->listen, "nat") ? s->port : s->base_port;
}

/*
 * Is it a chain of iptables-nft? iptables-save knows no set: it would print such a rule
 * without its ports, and what is restored from that lets everything in.
 */
static bool by_iptables(const struct fw_chain *chain)
{
	static const char *const tables[] = { "filter ", "mangle ", "raw ", "security ", "nat " };
	const char *table = !strncmp(chain->name, "ip ", 3) ? chain->name + 3 :
			    !strncmp(chain->name, "ip6 ", 4) ? chain->name + 4 : "";
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strncmp(table, tables[i], strlen(tables[i])))
			return true;
	return false;
}

/* What lets the ports through chains that keep out all packets of the family; "" if there are none. */
static char *let_in(const struct doctor *d, enum fw_family family)
{
	char *ports = doctor_ports(d, false, ", "), *command = NULL, *each, *next, *port;
	const struct fw_chain *chain;
	const char *end;
	size_t len, i;
	FILE *f = open_memstream(&command, &len);

	if (!f)
		abort();
	for (i = 0; i < d->fw.n; i++) {
		chain = &d->fw.chain[i];
		if (chain->passage[family].fate != FW_CLOSED)
			continue;
		end = strcmp(chain->hook, "output") ? "dport" : "sport";
		if (!by_iptables(chain)) {
			fprintf(f, "%snft insert rule %s tcp %s '{ %s }' accept", ftell(f) ? " && " : "", chain->name, end, ports);
			continue;
		}
		each = next = doctor_ports(d, false, " ");
		while ((port = strsep(&next, " ")))
			fprintf(f, "%snft insert rule %s tcp %s %s accept", ftell(f) ? " && " : "", chain->name, end, port);
		free(each);
	}
	if (fclose(f))
		abort();
	free(ports);
	return command;
}

/* A chain that lets some in by more than the port; NULL: there is none. */
static const struct fw_chain *undecided(const struct doctor *d, enum fw_family family)
{
	const struct fw_chain *chain;

	for (chain = d->fw.chain; chain < d->fw.chain + d->fw.n; chain++)
		if (chain->passage[family].fate == FW_UNDECIDED)
			return chain;
	return NULL;
}

void check_silent(struct doctor *d)
{
	const struct fw_chain *chain;
	const struct steered *s;
	enum fw_family family;
	unsigned int port;
	char *command;
	size_t rank;

	for_each_steered(s, d) {
		/* Of a service's ports one says it all. */
		if (!silent(d, s, &rank, &port))
			continue;
		found(&d->found, s->name, "CPU %u's port %u was given %" PRIu64 " packets in %.1f s, and none came back",
		      s->cpus.cpu[rank], port, s->in[rank], machine_seconds(&d->m));
		family = s->family == AF_INET6 ? FW_IPV6 : FW_IPV4;
		chain = undecided(d, family);
		command = let_in(d, family);
		if (port == d->fw.port && *command)
			mend(&d->found, "%s", command);
		if (port == d->fw.port && chain)
			advise(&d->found, "chain %s lets port %u in or keeps it out by more than its number: does it let these clients in? nft list ruleset",
			       chain->name, port);
		else if (port != d->fw.port || !*command)
			advise(&d->found, "what drops them? Rules see the per-core port: nft list ruleset");
		free(command);
	}
}

/* Are there an IPv6 service and the same for IPv4, as setup-flowpar.sh adds them? */
static bool has_twin(const struct doctor *d, const struct steered *s)
{
	const struct steered *other;

	for_each_steered(other, d)
		if (s->family == AF_INET6 && other->family == AF_INET && other->port == s->port &&
		    other->base_port == s->base_port && other->stride == s->stride)
			return true;
	return false;
}

/* The cores of a service that nobody listens for, or (@other) who listens by the other family only. */
static void not_listened(const struct doctor *d, const struct steered *s, bool other, struct cpulist *missing)
{
	unsigned int port;
	size_t rank;

	missing->n = 0;
	for (rank = 0; rank < s->cpus.n; rank++) {
		port = s->base_port + (unsigned int)rank * s->stride;
		if (!listened(d, port, s->family) && listened(d, port, AF_UNSPEC) == other)
			cpulist_add(missing, s->cpus.cpu[rank]);
	}
}

static void other_family(struct doctor *d, const struct steered *s)
{
	bool ipv6 = s->family == AF_INET6;
	struct cpulist missing;
	char *cpus;

	not_listened(d, s, true, &missing);
	if (!missing.n)
		return;
	cpus = cpulist_format(&missing);
	found(&d->found, s->name, "who listens for %zu of %zu cores (CPU %s, from port %u on) does so for IPv%d only: IPv%d is refused there",
	      missing.n, s->cpus.n, cpus, steered_port(s, missing.cpu[0]), ipv6 ? 4 : 6, ipv6 ? 6 : 4);
	advise(&d->found, "let the server listen on %s too, at the same ports", ipv6 ? "[::]" : "0.0.0.0");
	free(cpus);
}

/* Whoever comes by IPv4, most clients, is served. */
void check_ipv4_only(struct doctor *d)
{
	const struct steered *s;

	if (!has_ipv6())
		return;
	for_each_steered(s, d)
		if (has_twin(d, s))
			other_family(d, s);
}

/* Said where it decides whether a service is served. */
static void say_assumed(struct doctor *d, const struct steered *s)
{
	size_t rank;

	for (rank = 0; s->family == AF_INET && rank < s->cpus.n; rank++)
		if (assumed(d, s->base_port + (unsigned int)rank * s->stride)) {
			unseen(&d->found, s->name, "whether who listens on [::] serves IPv4 too: %s", d->servers.err == ENOENT ?
			       "only module tcp_diag could tell" : strerror(d->servers.err));
			return;
		}
}

void check_no_listener(struct doctor *d)
{
	const struct steered *s;
	struct cpulist missing;
	char *cpus;

	for_each_steered(s, d) {
		say_assumed(d, s);
		if (!has_twin(d, s))
			other_family(d, s);
		not_listened(d, s, false, &missing);
		if (!missing.n)
			continue;
		cpus = cpulist_format(&missing);
		found(&d->found, s->name, "nobody listens for %zu of %zu cores (CPU %s, from port %u on)", missing.n,
		      s->cpus.n, cpus, steered_port(s, missing.cpu[0]));
		free(cpus);
		cpus = cpulist_format(&s->cpus);
		if (!strcmp(s->listen, "bpf"))
			advise(&d->found, "flowparctl run has not got all its servers to listen; see what they say");
		else
			advise(&d->found, "start the instances: flowparctl run --cpus %s --port-base %u --stride %u --per-core %u -- SERVER...",
			       cpus, s->base_port, s->stride, s->per_core);
		free(cpus);
	}
}

void check_moved(struct doctor *d)
{
	const struct steered *s;

	for_each_steered(s, d) {
		if (s->total < 200)
			continue;
		if (s->moved * 20 > s->total) {
			found(&d->found, s->name, "%.1f %% of %" PRIu64 " packets belong to flows that began on another core",
			      (double)s->moved * 100 / (double)s->total, s->total);
			advise(&d->found, "the switch or an interrupt has moved them; those that begin now stay");
		}
		if (s->foreign * 20 > s->total) {
			found(&d->found, s->name, "%.1f %% of %" PRIu64 " packets arrive on a core that has no listener",
			      (double)s->foreign * 100 / (double)s->total, s->total);
			advise(&d->found, "give each core that a NIC interrupts an instance, or move the interrupt");
		}
	}
}

void check_overflow(struct doctor *d)
{
	uint64_t n = d->m.sample[1].listen_overflows - d->m.sample[0].listen_overflows;
	long long most = SOMAXCONN_NOW;

	if (!n)
		return;
	tree_number(&most, "/proc/sys/net/core/somaxconn");
	found(&d->found, "accept queues", "full %" PRIu64 " times in %.1f s, with %" PRIu64 " connections accepted; somaxconn is %lld",
	      n, machine_seconds(&d->m), d->m.sample[1].passive_opens - d->m.sample[0].passive_opens, most);
	if (most < SOMAXCONN_NOW) {
		mend(&d->found, "sysctl -w net.core.somaxconn=%d", SOMAXCONN_NOW);
		advise(&d->found, "and restart the servers: a queue keeps the length that it was opened with");
	} else {
		advise(&d->found, "raise the servers' backlog, which ss -ltn shows as Send-Q of those that listen");
	}
}

void check_somaxconn(struct doctor *d)
{
	long long most;

	if (!tree_number(&most, "/proc/sys/net/core/somaxconn") || most >= 1024)
		return;
	found(&d->found, "net.core.somaxconn", "%lld connections at most wait for a server, whatever backlog it asks for", most);
	mend(&d->found, "sysctl -w net.core.somaxconn=%d", SOMAXCONN_NOW);
	advise(&d->found, "and restart the servers: a queue keeps the length that it was opened with");
}

/* --- where they run --------------------------------------------------------------------------- */

/* The CPU of a service whose port it is; false: a port of no core's. */
static bool core_in(const struct steered *s, unsigned int port, unsigned int *cpu)
{
	unsigned int offset = port - s->base_port;

	if (port < s->base_port || offset / s->stride >= s->cpus.n || offset % s->stride >= s->per_core)
		return false;
	*cpu = s->cpus.cpu[offset / s->stride];
	return true;
}

static bool core_of(const struct doctor *d, unsigned int port, unsigned int *cpu)
{
	const struct steered *s;

	for_each_steered(s, d)
		if (core_in(s, port, cpu))
			return true;
	return false;
}

/* Not so at a core's port who listens by another family than the service, nor who starts others. */
static bool has_flows(const struct doctor *d, const struct server *server)
{
	const struct steered *s;
	bool others = false;
	unsigned int cpu;

	if (server->master)
		return false;
	for_each_steered(s, d) {
		if (!core_in(s, server->port, &cpu))
			continue;
		if (s->family == AF_UNSPEC || (s->family == AF_INET ? server->ipv4 : server->ipv6))
			return true;
		others = true;
	}
	return !others;
}

void check_server_core(struct doctor *d)
{
	const struct server *s;
	char object[32];
	unsigned int cpu;

	for (s = d->servers.server; s < d->servers.server + d->servers.n; s++) {
		if (!core_of(d, s->port, &cpu) || s->allowed.n != 1 || s->allowed.cpu[0] == cpu || !has_flows(d, s))
			continue;
		found(&d->found, port_object(s->port, object), "%s (pid %d) is pinned to CPU %u, but has CPU %u's flows",
		      s->comm, (int)s->pid, s->allowed.cpu[0], cpu);
		mend(&d->found, "taskset -acp %u %d", cpu, (int)s->pid);
	}
}

/* All NICs', as they are or as they should be. */
static void cores_of_nics(const struct doctor *d, struct cpulist *cores)
{
	size_t i, k, j;

	cores->n = 0;
	for (i = 0; i < d->m.n; i++)
		for (k = 0; k < d->m.bond[i].n; k++)
			for (j = 0; j < d->m.bond[i].nic[k].want.n; j++)
				cpulist_add(cores, d->m.bond[i].nic[k].want.cpu[j]);
}

/* Servers whose templates come with flowpar; configs/ says how each is started. */
static const struct {
	const char *comm, *before, *file, *command;
} known[] = {
	{ "lighttpd", "FLOWPAR_DOCROOT=${FLOWPAR_DOCROOT:-/var/www/html} ", "/etc/flowpar/lighttpd.conf.in", "/usr/sbin/lighttpd -D -f {conf}" },
	{ "nginx", "", "/etc/flowpar/nginx.conf.in", "nginx -c {conf}" },
	{ "haproxy", "", "/etc/flowpar/haproxy.cfg.in", "haproxy -W -db -f {conf}" },
};

/* What to start instead of servers that share a listener. Nobody is told to stop what was only guessed. */
static void advise_run(struct doctor *d, unsigned int port, const char *comm)
{
	struct cpulist cores;
	unsigned int base = 8000;
	const char *so = d->guessed ? "if it is this port that is to be served so, one server a core does it" :
				      "stop it and start one a core";
	size_t i;
	char *list;

	cores_of_nics(d, &cores);
	if (port >= base && port < base + 8 * cores.n)
		base = 9000;
	list = cpulist_format(&cores);
	for (i = 0; i < sizeof(known) / sizeof(known[0]) && (!comm || strcmp(comm, known[i].comm)); i++)
		;
	if (i < sizeof(known) / sizeof(known[0]))
		advise(&d->found, "%s: %sflowparctl run --cpus %s --port-base %u --listen bpf --port %u --template %s -- %s",
		       so, known[i].before, list, base, port, known[i].file, known[i].command);
	else
		advise(&d->found, "%s: flowparctl run --cpus %s --port-base %u --listen bpf --port %u --template FILE -- SERVER {conf}, "
		       "with its configuration as FILE, {port} in the place of the port, and its command, in the foreground, as SERVER",
		       so, list, base, port);
	free(list);
}

/*
 * May it run where its flows are not? What serves a core, on another than that; others, if
 * one of their threads may run on several: a pinned thread on each is as good as a process.
 */
static bool roams(const struct doctor *d, const struct server *s)
{
	unsigned int cpu;

	return s->allowed.n > 1 && has_flows(d, s) && (!s->pinned || core_of(d, s->port, &cpu));
}

void check_unpinned(struct doctor *d)
{
	const struct server *s, *first;
	struct cpulist allowed;
	unsigned int cpu, processes, threads;
	char object[32], *list;
	size_t k;

	for (first = d->servers.server; first < d->servers.server + d->servers.n; first++) {
		bool core = core_of(d, first->port, &cpu), seen = false;

		/* One finding a port: of all its processes that are not pinned. */
		allowed.n = processes = threads = 0;
		for (s = d->servers.server; s < d->servers.server + d->servers.n; s++) {
			if (s->port != first->port || !roams(d, s))
				continue;
			seen |= s < first;
			processes++;
			threads += s->threads;
			for (k = 0; k < s->allowed.n; k++)
				cpulist_add(&allowed, s->allowed.cpu[k]);
		}
		if (!roams(d, first) || seen || !processes)
			continue;
		list = cpulist_format(&allowed);
		if (processes == 1)
			found(&d->found, port_object(first->port, object), "%s (pid %d, %u threads) may run on CPUs %s",
			      first->comm, (int)first->pid, threads, list);
		else
			found(&d->found, port_object(first->port, object), "%u processes (%s, pid %d and others, %u threads) may run on CPUs %s",
			      processes, first->comm, (int)first->pid, threads, list);
		free(list);
		if (core) {
			char *command = NULL;
			size_t len;
			FILE *f = open_memstream(&command, &len);

			if (!f)
				abort();
			for (s = first; s < d->servers.server + d->servers.n; s++)
				if (s->port == first->port && roams(d, s))
					fprintf(f, "%staskset -acp %u %d", s > first ? "; " : "", cpu, (int)s->pid);
			fclose(f);
			mend(&d->found, "%s", command);
			free(command);
		} else {
			advise_run(d, first->port, first->comm);
		}
	}
}

void check_shared_listener(struct doctor *d)
{
	struct cpulist cores;
	const struct server *s;
	unsigned int processes = 0, cpu;
	const char *comm = NULL;
	char object[32];

	cores_of_nics(d, &cores);
	/* A core's port as nft steers to it looks like one for all. */
	if (!d->port || core_of(d, d->port, &cpu) || cores.n < 2 || doctor_by_nft(d) || servers_sockets(&d->servers, d->port) != 1)
		return;
	for (s = d->servers.server; s < d->servers.server + d->servers.n; s++)
		if (s->port == d->port && !s->master) {
			processes++;
			comm = s->comm;
		}
	port_object(d->port, object);
	if (comm)
		found(&d->found, object, "one listening socket for the flows of %zu cores (%s, %u processes)", cores.n, comm, processes);
	else
		found(&d->found, object, "one listening socket for the flows of %zu cores", cores.n);
	advise_run(d, d->port, comm);
}
