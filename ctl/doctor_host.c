// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl doctor: the kernel's settings, firewalls and the CPUs themselves.
 */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

/* Rules that each packet is compared with before they are worth a word. */
#define MANY_RULES	32

static const struct softnet *before(const struct doctor *d, unsigned int cpu)
{
	static const struct softnet none;
	size_t i;

	for (i = 0; i < d->m.sample[0].n; i++)
		if (d->m.sample[0].softnet[i].cpu == cpu)
			return &d->m.sample[0].softnet[i];
	return &none;
}

/* Columns of softnet_stat have 32 bits. */
static uint64_t since(uint64_t was, uint64_t is)
{
	return (uint32_t)(is - was);
}

void check_softnet_drops(struct doctor *d)
{
	const struct softnet *now = d->m.sample[1].softnet, *end = now + d->m.sample[1].n;
	long long limit = 1000;
	char object[16];
	uint64_t n;

	for (; now < end; now++) {
		n = since(before(d, now->cpu)->dropped, now->dropped);
		if (!n)
			continue;
		tree_number(&limit, "/proc/sys/net/core/netdev_max_backlog");
		snprintf(object, sizeof(object), "CPU %u", now->cpu);
		found(&d->found, object, "%" PRIu64 " of %" PRIu64 " packets dropped in %.1f s: its backlog of %lld was full", n,
		      n + since(before(d, now->cpu)->processed, now->processed), machine_seconds(&d->m), limit);
		mend(&d->found, "sysctl -w net.core.netdev_max_backlog=%lld", limit * 4);
	}
}

/* A base chain with rules that ask what is tracked; NULL: there is none that can be seen. */
static const struct fw_chain *asks_ct(const struct doctor *d)
{
	const struct fw_chain *chain;

	for (chain = d->fw.chain; chain < d->fw.chain + d->fw.n; chain++)
		if (chain->asks_ct)
			return chain;
	return NULL;
}

/* A base chain that rewrites what comes to the service, or may; NULL: there is none that can be seen. */
static const struct fw_chain *rewrites(const struct doctor *d)
{
	const struct fw_chain *chain;

	for (chain = d->fw.chain; chain < d->fw.chain + d->fw.n; chain++)
		if (chain->passage[FW_IPV4].rewrites || chain->passage[FW_IPV6].rewrites)
			return chain;
	return NULL;
}

/* What is not tracked is in no state: where rules accept by one, notrack cuts the service off. */
static void mend_conntrack(struct doctor *d)
{
	char *ports = doctor_ports(d, true, ", ");
	const struct fw_chain *chain = asks_ct(d), *rewriting = rewrites(d);

	if (chain) {
		advise(&d->found, "rules of chain %s go by ct state, which packets that are not tracked have none of: accept ports %s there by number, in and out, before notrack (at priority raw, in prerouting and output) takes them from conntrack",
		       chain->name, ports);
	} else if (rewriting) {
		advise(&d->found, "rules of chain %s may rewrite what comes to port %u, for which it has to be tracked: only if they do not may notrack (at priority raw, in prerouting and output) take ports %s from conntrack",
		       rewriting->name, d->fw.port, ports);
	} else if (!d->fw.known || d->fw.legacy[FW_IPV4] || d->fw.legacy[FW_IPV6]) {
		advise(&d->found, "notrack (at priority raw, in prerouting and output) takes ports %s from conntrack; but rules that accept by ct state no longer match them then, and whether there are such could not be seen",
		       ports);
	} else {
		mend(&d->found, "nft 'table inet flowpar_notrack { chain arriving { type filter hook prerouting priority raw; tcp dport { %s } notrack; }; chain leaving { type filter hook output priority raw; tcp sport { %s } notrack; }; }'",
		     ports, ports);
		advise(&d->found, "no rule goes by ct state now; one that does would no longer match these ports");
	}
	free(ports);
}

void check_conntrack(struct doctor *d)
{
	if (d->ct.entries <= 0)
		return;
	if (!d->ct.known) {
		unseen(&d->found, "conntrack", "it has %lld entries; whose, %s", d->ct.entries,
		       d->ct.err == ENOENT ? "only module nf_conntrack_netlink could tell" : "only root may see");
		return;
	}
	if (!d->ct.touched)
		return;
	found(&d->found, "conntrack", "tracks the service: %zu of its flows in %.1f s, %lld entries in all", d->ct.touched,
	      machine_seconds(&d->m), d->ct.entries);
	if (doctor_by_nft(d)) {
		advise(&d->found, "--listen nft is made of it: setup-flowpar.sh down, and up with --listen nat or bpf");
		return;
	}
	mend_conntrack(d);
}

/* What lets a service's packets pass before all other rules of a chain. */
static char *accept_first(const struct doctor *d, const struct fw_chain *chain)
{
	const char *end = strcmp(chain->hook, "output") ? "dport" : "sport";
	char *ports = doctor_ports(d, !d->m.n_steered || strcmp(d->m.steered[0].listen, "nat"), " ");
	char *next = ports, *port, *command = NULL;
	size_t len;
	FILE *f = open_memstream(&command, &len);

	if (!f)
		abort();
	while ((port = strsep(&next, " ")))
		fprintf(f, "%snft insert rule %s tcp %s %s accept", ftell(f) ? " && " : "", chain->name, end, port);
	if (fclose(f))
		abort();
	free(ports);
	return command;
}

/* Of what the families that are served have of a chain, the longest; false: none goes through it. */
static bool passage_of(const struct doctor *d, const struct fw_chain *chain, struct fw_passage *most)
{
	const struct fw_passage *p;
	enum fw_family family;
	bool any = false;

	for (family = 0; family < FW_FAMILIES; family++) {
		p = &chain->passage[family];
		if (!p->compared || !doctor_serves(d, family))
			continue;
		if (!any) {
			*most = *p;
			any = true;
			continue;
		}
		most->at_most |= p->at_most || p->compared != most->compared;
		most->goes_on |= p->goes_on;
		most->rewrites |= p->rewrites;
		most->compared = p->compared > most->compared ? p->compared : most->compared;
		most->fate = p->fate > most->fate ? p->fate : most->fate;
	}
	return any;
}

void check_firewall(struct doctor *d)
{
	const struct fw_chain *chain;
	struct fw_passage p;
	char *command;

	if (!d->fw.known)
		unseen(&d->found, "firewall", "%s", d->fw.err == EPERM ? "only root may read it" : strerror(d->fw.err));
	if (d->fw.odd)
		unseen(&d->found, "firewall", "%u chains with names that fit in no command", d->fw.odd);
	if (d->fw.legacy[FW_IPV4])
		unseen(&d->found, "firewall", "it has tables of iptables-legacy; iptables-legacy-save shows them");
	if (d->fw.legacy[FW_IPV6])
		unseen(&d->found, "firewall", "it has tables of ip6tables-legacy; ip6tables-legacy-save shows them");
	for (chain = d->fw.chain; d->fw.port && chain < d->fw.chain + d->fw.n; chain++) {
		if (!passage_of(d, chain, &p) || p.compared < MANY_RULES)
			continue;
		found(&d->found, "firewall", "a packet of port %u is compared with %s%zu rules of chain %s%s", d->fw.port,
		      p.at_most ? "up to " : "", p.compared, chain->name, p.goes_on ? " and those that it goes on to" : "");
		if (p.rewrites) {
			advise(&d->found, "some of them may rewrite it, unless one before accepts it: put first, in chain %s, those that are for the service",
			       chain->name);
			continue;
		}
		if (p.fate != FW_OPEN) {
			advise(&d->found, "not all of them are let in, as far as the rules tell: put first, in chain %s, what lets in those that are",
			       chain->name);
			continue;
		}
		command = accept_first(d, chain);
		mend(&d->found, "%s", command);
		free(command);
	}
}

void check_governor(struct doctor *d)
{
	struct cpulist slow = { .n = 0 };
	long long now = 0, most = 0;
	char governor[32], which[32] = "", object[32];
	char *list;
	size_t i;

	for (i = 0; i < d->m.online.n; i++) {
		unsigned int cpu = d->m.online.cpu[i];

		if (!tree_line(governor, sizeof(governor), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu) ||
		    !strcmp(governor, "performance"))
			continue;
		cpulist_add(&slow, cpu);
		strcpy(which, governor);
	}
	if (!slow.n)
		return;
	tree_number(&now, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", slow.cpu[0]);
	tree_number(&most, "/sys/devices/system/cpu/cpu%u/cpufreq/cpuinfo_max_freq", slow.cpu[0]);
	list = cpulist_format(&slow);
	snprintf(object, sizeof(object), "CPU %.24s", list);
	free(list);
	found(&d->found, object, "frequency governor %s: CPU %u runs at %lld of %lld MHz", which, slow.cpu[0], now / 1000, most / 1000);
	mend(&d->found, "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
}

/* An interrupt waits until its core is awake. */
void check_idle_states(struct doctor *d)
{
	uint64_t was = d->m.sample[0].deep_us, is = d->m.sample[1].deep_us;

	if (is <= was || !d->m.online.n)
		return;
	found(&d->found, "idle states", "the CPUs spent %.1f %% of their time in states that take more than %d us to leave",
	      100 * (double)(is - was) / 1e6 / machine_seconds(&d->m) / (double)d->m.online.n, DEEP_LATENCY);
	mend(&d->found, "for s in /sys/devices/system/cpu/cpu*/cpuidle/state*; do [ $(cat $s/latency) -le %d ] || echo 1 > $s/disable; done",
	     DEEP_LATENCY);
}

/* A core that used up its budget all the time had more to do than it was let. */
void check_budget(struct doctor *d)
{
	const struct softnet *now = d->m.sample[1].softnet, *end = now + d->m.sample[1].n;
	long long usecs = 2000, packets = 300;
	char object[16];
	uint64_t n;

	tree_number(&usecs, "/proc/sys/net/core/netdev_budget_usecs");
	tree_number(&packets, "/proc/sys/net/core/netdev_budget");
	for (; now < end; now++) {
		n = since(before(d, now->cpu)->squeezed, now->squeezed);
		if ((double)n * (double)usecs / 1e6 < machine_seconds(&d->m) / 2)
			continue;
		snprintf(object, sizeof(object), "CPU %u", now->cpu);
		found(&d->found, object, "%" PRIu64 " times in %.1f s the budget of %lld packets or %lld us ended its softirq with work left",
		      n, machine_seconds(&d->m), packets, usecs);
		mend(&d->found, "sysctl -w net.core.netdev_budget=%lld net.core.netdev_budget_usecs=%lld", packets * 2, usecs * 4);
	}
}

void check_time_wait(struct doctor *d)
{
	uint64_t lost = d->m.sample[1].tw_overflows - d->m.sample[0].tw_overflows;
	long long most, tw = 0;
	char *text, *at;

	if (!tree_number(&most, "/proc/sys/net/ipv4/tcp_max_tw_buckets"))
		return;
	text = tree_text("/proc/net/sockstat");
	at = text ? strstr(text, "\nTCP:") : NULL;
	at = at ? strstr(at, " tw ") : NULL;
	if (at)
		tw = atoll(at + 4);
	free(text);
	if (!lost && tw * 10 < most * 9)
		return;
	found(&d->found, "net.ipv4.tcp_max_tw_buckets", "%lld, and %lld sockets are in TIME_WAIT; %" PRIu64 " more had no room in %.1f s",
	      most, tw, lost, machine_seconds(&d->m));
	mend(&d->found, "sysctl -w net.ipv4.tcp_max_tw_buckets=%lld", most * 4 > 65536 ? most * 4 : 65536);
}

/* Is it in "80,8000-8010"? Those have more numbers than CPUs have. */
static bool in_list(const char *text, unsigned int port)
{
	unsigned int first, last;
	int used;

	while (sscanf(text, "%u%n", &first, &used) == 1) {
		text += used;
		last = first;
		if (*text == '-' && sscanf(text + 1, "%u%n", &last, &used) == 1)
			text += used + 1;
		if (port >= first && port <= last)
			return true;
		if (*text++ != ',')
			break;
	}
	return false;
}

void check_ephemeral(struct doctor *d)
{
	char *reserved = tree_text("/proc/sys/net/ipv4/ip_local_reserved_ports"), line[64], *ports = NULL;
	unsigned int first = 0, last = 0, n = 0, port, k;
	const struct steered *s;
	size_t len, rank;
	bool *printed = calloc(65536, sizeof(*printed));
	FILE *f;

	if (!printed)
		abort();
	if (reserved)
		reserved[strcspn(reserved, "\n")] = '\0';
	f = open_memstream(&ports, &len);
	if (!f)
		abort();
	if (tree_line(line, sizeof(line), "/proc/sys/net/ipv4/ip_local_port_range") &&
	    sscanf(line, "%u %u", &first, &last) == 2)
		for (s = d->m.steered; s < d->m.steered + d->m.n_steered; s++)
			for (rank = 0; rank < s->cpus.n; rank++)
				for (k = 0; k < s->per_core; k++) {
					port = s->base_port + (unsigned int)rank * s->stride + k;
					/* services of both families have the same */
					if (port < first || port > last || (reserved && in_list(reserved, port)) ||
					    printed[port & 65535])
						continue;
					printed[port & 65535] = true;
					fprintf(f, "%s%u", n++ || (reserved && *reserved) ? "," : "", port);
				}
	fclose(f);
	if (n) {
		found(&d->found, "per-core ports", "%u of them are in ip_local_port_range %u-%u: a client on this machine may get one as its own",
		      n, first, last);
		mend(&d->found, "sysctl -w net.ipv4.ip_local_reserved_ports=%s%s", reserved ? reserved : "", ports);
	}
	free(ports);
	free(reserved);
	free(printed);
}
