// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl doctor: interrupts and queues of the NICs.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ethtool.h"
#include "tree.h"

#define ENOUGH_PACKETS	200
#define UNEQUAL		2

#define for_each_nic(b, nic, d)						\
	for (b = (d)->m.bond; b < (d)->m.bond + (d)->m.n; b++)		\
		for (nic = (b)->nic; nic < (b)->nic + (b)->n; nic++)

static size_t count_nics(const struct doctor *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->m.n; i++)
		n += d->m.bond[i].n;
	return n;
}

/* It shows channels as others do, and refuses to have them changed. */
static bool fixed_channels(const struct nic *nic)
{
	char driver[32];

	return tree_link(driver, sizeof(driver), "/sys/class/net/%s/device/driver", nic->name) && !strcmp(driver, "vmxnet3");
}

/*
 * More queues than a NIC has cores, on cores that others have too, and may that be
 * changed? Some drivers have a number for each way.
 */
static bool too_many_queues(const struct doctor *d, const struct nic *nic, size_t *share, size_t *used)
{
	struct cpulist cpus = { .n = 0 };
	size_t nics = count_nics(d), i, k;

	for (i = 0; i < nic->n_irqs; i++)
		for (k = 0; k < nic->irq[i].now.n; k++)
			cpulist_add(&cpus, nic->irq[i].now.cpu[k]);
	*used = cpus.n;
	*share = d->m.pool.n > nics ? d->m.pool.n / nics : 1;
	if (nic->has_list && nic->list.n > *share)
		*share = nic->list.n;
	return nics > 1 && nic->rx_queues > *share && cpus.n > *share &&
	       nic->combined && nic->combined_max >= *share && !fixed_channels(nic);
}

void check_queues(struct doctor *d)
{
	size_t share, used;
	struct lag *b;
	struct nic *nic;

	for_each_nic(b, nic, d) {
		if (!too_many_queues(d, nic, &share, &used))
			continue;
		found(&d->found, nic->name, "%u queues on %zu cores, but %zu NICs share %zu cores: it has %zu of its own",
		      nic->rx_queues, used, count_nics(d), d->m.pool.n, share);
		mend(&d->found, "ethtool -L %s combined %zu", nic->name, share);
	}
}

/* --- which core an interrupt goes to ---------------------------------------------------- */

/* Where it belongs. Return: false if it is there. */
static bool misplaced(const struct nic *nic, size_t i, unsigned int *cpu)
{
	const struct irq *irq = &nic->irq[i];
	size_t k;

	if (!nic->want.n)
		return false;
	*cpu = nic->want.cpu[irq->queue % nic->want.n];
	if (nic->planned || irq->allowed.n != 1 || !cpulist_has(&nic->want, irq->allowed.cpu[0]))
		return irq->allowed.n != 1 || irq->allowed.cpu[0] != *cpu;
	/* Both ways of a queue on one core. */
	for (k = 0; k < i; k++)
		if (nic->irq[k].queue == irq->queue) {
			*cpu = nic->irq[k].allowed.cpu[0];
			return nic->irq[k].allowed.n == 1 && irq->allowed.cpu[0] != *cpu;
		}
	return false;
}

/* Whose NIC besides has that core as its own? */
static const struct nic *owner(const struct doctor *d, unsigned int cpu, const struct nic *but)
{
	const struct lag *b;
	const struct nic *nic;

	for_each_nic(b, nic, d)
		if (nic != but && cpulist_has(&nic->want, cpu))
			return nic;
	return NULL;
}

/* Why a pinned interrupt is wrong where it is. */
static void why(FILE *f, const struct doctor *d, const struct nic *nic, unsigned int cpu)
{
	const struct nic *other = owner(d, cpu, nic);
	const struct steered *s;

	if (nic->has_list && nic->list.n) {
		char *list = cpulist_format(&nic->list);

		fprintf(f, "; the bond sends what CPU %s sends by it", list);
		free(list);
		return;
	}
	if (other) {
		fprintf(f, ", as %s's do", other->name);
		return;
	}
	for (s = d->m.steered; s < d->m.steered + d->m.n_steered; s++)
		if (!steered_port(s, cpu)) {
			fprintf(f, ", where no instance of %s listens", s->name);
			return;
		}
}

static void irqs_of(struct doctor *d, const struct nic *nic)
{
	struct cpulist numbers = { .n = 0 }, on = { .n = 0 }, may = { .n = 0 };
	char *command = NULL, *text = NULL, *list, *cpus, *allowed;
	bool managed = false, spread = false;
	size_t len, text_len, i, k;
	unsigned int cpu;
	FILE *f = open_memstream(&command, &len), *t = open_memstream(&text, &text_len);

	if (!f || !t)
		abort();
	for (i = 0; i < nic->n_irqs; i++) {
		const struct irq *irq = &nic->irq[i];

		if (!misplaced(nic, i, &cpu))
			continue;
		fprintf(f, "%secho %u > /proc/irq/%u/smp_affinity_list", numbers.n ? "; " : "", cpu, irq->number);
		if (irq->number < CPULIST_MAX)
			cpulist_add(&numbers, irq->number);
		for (k = 0; k < irq->now.n; k++)
			cpulist_add(&on, irq->now.cpu[k]);
		for (k = 0; k < irq->allowed.n; k++)
			cpulist_add(&may, irq->allowed.cpu[k]);
		managed |= irq->managed;
		spread |= irq->allowed.n > 1;
	}
	fclose(f);
	list = cpulist_format(&numbers);
	cpus = cpulist_format(&on);
	allowed = cpulist_format(&may);
	fprintf(t, "%zu of %zu interrupts (%s)", numbers.n, nic->n_irqs, list);
	if (spread)
		fprintf(t, " may go to CPUs %s, now %s", allowed, cpus);
	else
		fprintf(t, " go to CPU %s", cpus);
	if (!spread && on.n)
		why(t, d, nic, on.cpu[0]);
	fclose(t);
	if (numbers.n) {
		found(&d->found, nic->name, "%s", text);
		if (managed)
			advise(&d->found, "the kernel manages them and lets nobody move them: give this NIC's cores its listeners, or change its queues with ethtool -L");
		else
			mend(&d->found, "%s", command);
	}
	free(command);
	free(text);
	free(list);
	free(cpus);
	free(allowed);
}

void check_irq(struct doctor *d)
{
	size_t share, used;
	struct lag *b;
	struct nic *nic;

	for_each_nic(b, nic, d) {
		if (*nic->irqs_with)
			unseen(&d->found, nic->name, "its interrupts: it shares a PCI function with %s, and their names do not say whose they are",
			       nic->irqs_with);
		else if (!nic->n_irqs)
			unseen(&d->found, nic->name, "its interrupts: there are none, as with a software device or one that is down");
		else if (!too_many_queues(d, nic, &share, &used))	/* said already */
			irqs_of(d, nic);
	}
}

/* --- irqbalance -------------------------------------------------------------------------- */

/* "--banirq=24", "--banirq 24" or "-i 24" in a NUL-separated command line? */
static bool banned(const char *cmdline, size_t len, unsigned int number)
{
	const char *arg, *value;

	for (arg = cmdline; arg < cmdline + len; arg += strlen(arg) + 1) {
		if (!strncmp(arg, "--banirq=", 9)) {
			value = arg + 9;
		} else if (!strcmp(arg, "--banirq") || !strcmp(arg, "-i")) {
			value = arg + strlen(arg) + 1;
			if (value >= cmdline + len)
				break;
		} else {
			continue;
		}
		if (strtoul(value, NULL, 10) == number)
			return true;
	}
	return false;
}

static void irqbalance_of(struct doctor *d, unsigned int pid)
{
	struct cpulist free_ones = { .n = 0 };
	char cmdline[16384] = "", *bans = NULL, *list;
	size_t len, bans_len, all = 0, i;
	const struct lag *b;
	const struct nic *nic;
	unsigned int number;
	FILE *f;

	len = tree_bytes(cmdline, sizeof(cmdline), "/proc/%u/cmdline", pid);
	f = open_memstream(&bans, &bans_len);
	if (!f)
		abort();
	for_each_nic(b, nic, d)
		for (i = 0; i < nic->n_irqs; i++) {
			all++;
			number = nic->irq[i].number;
			if (banned(cmdline, len, number) ||
			    (d->irqbalance == IRQBALANCE_ANSWERED && cpulist_has(&d->left_alone, number)))
				continue;
			fprintf(f, "%s--banirq=%u", free_ones.n ? " " : "", number);
			cpulist_add(&free_ones, number);
		}
	fclose(f);
	list = cpulist_format(&free_ones);
	if (free_ones.n && d->irqbalance == IRQBALANCE_SILENT) {
		unseen(&d->found, "irqbalance", "whether it was told to leave the NICs' interrupts alone: it did not answer, as it does to root");
	} else if (free_ones.n) {
		found(&d->found, "irqbalance", "running (pid %u), and free to move %zu of the NICs' %zu interrupts", pid, free_ones.n, all);
		if (d->irqbalance == IRQBALANCE_ANSWERED && irqbalance_can_ban(&d->left_alone, &free_ones))
			mend(&d->found, "flowparctl irqbalance --ban %s", list);
		else
			advise(&d->found, "add %s to IRQBALANCE_ARGS in /etc/default/irqbalance and restart it", bans);
	}
	free(list);
	free(bans);
}

void check_irqbalance(struct doctor *d)
{
	unsigned int *pids = NULL;
	char comm[16];
	int i, n;

	n = tree_numbers(&pids, "/proc");
	for (i = 0; i < n; i++)
		if (tree_line(comm, sizeof(comm), "/proc/%u/comm", pids[i]) && !strcmp(comm, "irqbalance"))
			irqbalance_of(d, pids[i]);
	free(pids);
}

/* --- queues --------------------------------------------------------------------------------- */

void check_rps(struct doctor *d)
{
	struct cpulist cpus, all;
	unsigned int q, n;
	struct lag *b;
	struct nic *nic;
	char *list;
	size_t k;

	for_each_nic(b, nic, d) {
		all.n = n = 0;
		for (q = 0; q < nic->rx_queues; q++) {
			if (!tree_mask(&cpus, "/sys/class/net/%s/queues/rx-%u/rps_cpus", nic->name, q))
				continue;
			n += !!cpus.n;
			for (k = 0; k < cpus.n; k++)
				cpulist_add(&all, cpus.cpu[k]);
		}
		if (!n)
			continue;
		list = cpulist_format(&all);
		found(&d->found, nic->name, "RPS hands the packets of %u of %u queues on to CPUs %s", n, nic->rx_queues, list);
		mend(&d->found, "echo 0 | tee /sys/class/net/%s/queues/rx-*/rps_cpus", nic->name);
		free(list);
	}
}

void check_rfs(struct doctor *d)
{
	long long entries = 0, count;
	unsigned int q, n;
	struct lag *b;
	struct nic *nic;

	if (!tree_number(&entries, "/proc/sys/net/core/rps_sock_flow_entries") || !entries)
		return;
	for_each_nic(b, nic, d) {
		for (n = q = 0; q < nic->rx_queues; q++)
			n += tree_number(&count, "/sys/class/net/%s/queues/rx-%u/rps_flow_cnt", nic->name, q) && count;
		if (!n)
			continue;
		found(&d->found, nic->name, "RFS moves flows of %u of %u queues to where their servers ran last (%lld entries)",
		      n, nic->rx_queues, entries);
		mend(&d->found, "echo 0 | tee /sys/class/net/%s/queues/rx-*/rps_flow_cnt", nic->name);
	}
}

static void print_mask(FILE *f, unsigned int cpu)
{
	fprintf(f, "%x", 1U << cpu % 32);
	for (cpu /= 32; cpu; cpu--)
		fputs(",00000000", f);
}

/* The core that should send by a queue: the one that its interrupt goes to. */
static bool queue_core(const struct nic *nic, unsigned int q, unsigned int *cpu)
{
	size_t i;

	if (!nic->want.n)
		return false;
	*cpu = nic->want.cpu[q % nic->want.n];
	for (i = 0; i < nic->n_irqs && !nic->planned; i++)
		if (nic->irq[i].queue == q && nic->irq[i].allowed.n == 1) {
			*cpu = nic->irq[i].allowed.cpu[0];
			break;
		}
	return true;
}

/* A map by the queue that a flow came by goes before that by the core that sends. */
static void xps_rxqs(struct doctor *d, const struct nic *nic)
{
	struct cpulist queues;
	unsigned int q, n = 0;

	for (q = 0; q < nic->tx_queues; q++)
		n += tree_mask(&queues, "/sys/class/net/%s/queues/tx-%u/xps_rxqs", nic->name, q) && queues.n;
	if (!n)
		return;
	found(&d->found, nic->name, "%u of %u transmit queues go by receive queue (xps_rxqs), before any core that they have",
	      n, nic->tx_queues);
	mend(&d->found, "echo 0 | tee /sys/class/net/%s/queues/tx-*/xps_rxqs", nic->name);
}

void check_xps(struct doctor *d)
{
	unsigned int q, cpu, missing, crossing;
	struct cpulist cpus;
	char *command = NULL;
	struct lag *b;
	struct nic *nic;
	size_t len;
	FILE *f;

	for_each_nic(b, nic, d) {
		if (nic->tx_queues < 2)
			continue;
		xps_rxqs(d, nic);
		missing = crossing = 0;
		f = open_memstream(&command, &len);
		if (!f)
			abort();
		for (q = 0; q < nic->tx_queues; q++) {
			if (!tree_mask(&cpus, "/sys/class/net/%s/queues/tx-%u/xps_cpus", nic->name, q) ||
			    !queue_core(nic, q, &cpu) || (cpus.n == 1 && cpus.cpu[0] == cpu))
				continue;
			fputs(missing + crossing ? "; echo " : "echo ", f);
			print_mask(f, cpu);
			fprintf(f, " > /sys/class/net/%s/queues/tx-%u/xps_cpus", nic->name, q);
			missing += !cpus.n;
			crossing += !!cpus.n;
		}
		fclose(f);
		if (missing + crossing) {
			found(&d->found, nic->name, "of %u transmit queues %u have no core (XPS) and %u another than their interrupt's",
			      nic->tx_queues, missing, crossing);
			mend(&d->found, "%s", command);
		}
		free(command);
	}
}

static uint64_t processed(const struct sample *s, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->softnet[i].cpu == cpu)
			return s->softnet[i].processed;
	return 0;
}

void check_rss_load(struct doctor *d)
{
	uint64_t most, total, got;
	unsigned int most_cpu = 0;
	struct lag *b;
	struct nic *nic;
	size_t k;

	for_each_nic(b, nic, d) {
		if (nic->want.n < 2 || nic->rx_queues < 2)
			continue;
		most = total = 0;
		for (k = 0; k < nic->want.n; k++) {
			got = processed(&d->m.sample[1], nic->want.cpu[k]) -
			      processed(&d->m.sample[0], nic->want.cpu[k]);
			total += got;
			if (got > most) {
				most = got;
				most_cpu = nic->want.cpu[k];
			}
		}
		if (total < ENOUGH_PACKETS * nic->want.n || most * nic->want.n <= UNEQUAL * total)
			continue;
		found(&d->found, nic->name, "CPU %u processes %" PRIu64 " of %" PRIu64 " packets that its %zu cores get",
		      most_cpu, most, total, nic->want.n);
		if (nic->shares_known && !nic->shares_equal)
			mend(&d->found, "ethtool -X %s equal %u", nic->name, nic->rx_queues);
		else
			advise(&d->found, "%s: few flows stay unequal, and so do many if the NIC hashes addresses only: ethtool -n %s rx-flow-hash tcp4 shows it",
			       nic->shares_known ? "its queues have equal shares of the hash" : "its driver does not tell the queues' shares",
			       nic->name);
	}
}

void check_nic_drops(struct doctor *d)
{
	long long missed;
	struct lag *b;
	struct nic *nic;

	for_each_nic(b, nic, d) {
		missed = nic->missed[1] - nic->missed[0];
		if (missed <= 0)
			continue;
		if (nic->rx_ring && nic->rx_ring < nic->rx_ring_max) {
			found(&d->found, nic->name, "%lld packets lost in %.1f s, its receive ring of %u was full",
			      missed, machine_seconds(&d->m), nic->rx_ring);
			mend(&d->found, "ethtool -G %s rx %u", nic->name, nic->rx_ring_max);
		} else {
			found(&d->found, nic->name, "%lld packets lost in %.1f s before its core took them", missed,
			      machine_seconds(&d->m));
			advise(&d->found, "its core is too busy: flowparctl top shows by what");
		}
	}
}

static void offloads_of(struct doctor *d, const char *name, unsigned int off, int of)
{
	char *options = NULL, *names = NULL;
	size_t len, names_len;
	FILE *f, *t;
	int i;

	if (!off)
		return;
	f = open_memstream(&options, &len);
	t = open_memstream(&names, &names_len);
	if (!f || !t)
		abort();
	for (i = 0; i < N_FEATURES; i++)
		if (off & 1U << i) {
			fprintf(f, " %s on", feature_names[i].option);
			fprintf(t, "%s%s", ftell(t) ? ", " : "", feature_names[i].name);
		}
	fclose(f);
	fclose(t);
	found(&d->found, name, "%d of %d offloads off that it has: %s", __builtin_popcount(off), of, names);
	mend(&d->found, "ethtool -K %s%s", name, options);
	free(options);
	free(names);
}

void check_offloads(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;

	/* Off on the bond itself its packets are cut up before any slave sees them. */
	for (b = d->m.bond; b < d->m.bond + d->m.n; b++)
		offloads_of(d, b->name, b->off, 2);
	for_each_nic(b, nic, d) {
		if (!nic->features_known)
			unseen(&d->found, nic->name, "its offloads: ethtool netlink does not tell");
		offloads_of(d, nic->name, nic->off, N_FEATURES);
	}
}
