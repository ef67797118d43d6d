// SPDX-License-Identifier: GPL-2.0
/*
 * What flowparctl doctor reads of a machine.
 */
#include "machine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "tree.h"

static void *grown(void *array, size_t n, size_t size)
{
	array = realloc(array, (n + 1) * size);
	if (!array)
		abort();
	memset((char *)array + n * size, 0, size);
	return array;
}

void cpulist_add(struct cpulist *list, unsigned int cpu)
{
	size_t i;

	if (cpulist_has(list, cpu) || list->n == CPULIST_MAX)
		return;
	for (i = list->n++; i && list->cpu[i - 1] > cpu; i--)
		list->cpu[i] = list->cpu[i - 1];
	list->cpu[i] = (uint16_t)cpu;
}

/* --- interrupts ------------------------------------------------------------------- */

static bool number_at(const char *digits, unsigned int *number)
{
	if (!isdigit((unsigned char)*digits))
		return false;
	*number = (unsigned int)strtoul(digits, NULL, 10);
	return true;
}

/*
 * The queue that an interrupt serves, by the names that drivers give: virtio0-input.3,
 * eth0-TxRx-3, eth0-rx-3, eth0-fp-3, mlx5_comp3@pci, mlx4-3@pci, eth0-3, "eth0 (queue 3)",
 * gve-ntfy-blk3@pci. setup-flowpar.sh goes by the same (irq_queue in setting.sh).
 * Return: false if it names none.
 */
static bool queue_of(const struct nic *nic, const struct irq *irq, unsigned int *queue)
{
	static const char *const words[] = {
		"input", "output", "rx", "tx", "comp", "completion", "queue", "ring", "blk", "fp", "q",
	};
	const char *own = strstr(irq->name, nic->name), *p, *digits;
	char name[sizeof(irq->name)];
	size_t i;

	/* enp3s0f1q2 is no queue 2 */
	if (own)
		snprintf(name, sizeof(name), "%.*s%s", (int)(own - irq->name), irq->name, own + strlen(nic->name));
	else
		strcpy(name, irq->name);
	for (p = name; *p; p++)
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strncasecmp(p, words[i], strlen(words[i])))
				continue;
			digits = p + strlen(words[i]);
			if (*digits && strchr("-._ ", *digits))
				digits++;
			if (number_at(digits, queue))
				return true;
		}
	p = name + (strncmp(name, "mlx4", 4) ? 0 : 4);
	if (*p++ != '-')
		return false;
	digits = p + strspn(p, "0123456789");
	return (!*digits || *digits == '@') && number_at(p, queue);
}

static void irq_name(struct irq *irq)
{
	struct dirent *entry;
	DIR *dir = tree_dir("/proc/irq/%u", irq->number);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		/* its files are smp_affinity..., node, spurious and the like; an action is a directory */
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			snprintf(irq->name, sizeof(irq->name), "%.63s", entry->d_name);
	closedir(dir);
}

static bool irq_read(struct irq *irq, unsigned int number)
{
	char *text;

	memset(irq, 0, sizeof(*irq));
	irq->number = number;
	if (!tree_cpus(&irq->allowed, "/proc/irq/%u/smp_affinity_list", number))
		return false;
	/* What was pinned goes there with the next one. */
	if (irq->allowed.n == 1 || !tree_cpus(&irq->now, "/proc/irq/%u/effective_affinity_list", number) || !irq->now.n)
		irq->now = irq->allowed;
	irq_name(irq);
	/* Only there with CONFIG_GENERIC_IRQ_DEBUGFS and debugfs. */
	text = tree_text("/sys/kernel/debug/irq/irqs/%u", number);
	irq->managed = text && strstr(text, "IRQD_AFFINITY_MANAGED");
	free(text);
	return true;
}

/* Does a name have the NIC's as a word? "eth1-rx-0" has eth1, "eth10-rx-0" has not. */
static bool names_nic(const char *name, const char *nic)
{
	size_t len = strlen(nic);
	const char *at;

	for (at = name; (at = strstr(at, nic)); at++)
		if ((at == name || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]))
			return true;
	return false;
}

/*
 * A PCI function may have several NICs (mlx4, Chelsio). The interrupts that name another
 * are not this one's, and those that name none are the first slave's. setup-flowpar.sh
 * goes by the same (irqs_of_others in setting.sh).
 */
static void leave_others_irqs(const struct lag *b, struct nic *nic)
{
	const char *first = nic->name;
	bool mine, others;
	struct dirent *entry;
	size_t i, to = 0;
	DIR *dir;

	for (i = 0; i < b->n; i++)
		if (tree_is("/sys/class/net/%s/device/net/%s", nic->name, b->nic[i].name)) {
			first = b->nic[i].name;
			break;
		}
	for (i = 0; i < nic->n_irqs; i++) {
		mine = names_nic(nic->irq[i].name, nic->name);
		others = false;
		dir = tree_dir("/sys/class/net/%s/device/net", nic->name);
		while (dir && (entry = readdir(dir)))
			others |= entry->d_name[0] != '.' && names_nic(nic->irq[i].name, entry->d_name);
		if (dir)
			closedir(dir);
		if (mine || (!others && !strcmp(first, nic->name)))
			nic->irq[to++] = nic->irq[i];
	}
	if (nic->n_irqs && !to && first != nic->name)
		strcpy(nic->irqs_with, first);
	nic->n_irqs = to;
}

/*
 * A virtio NIC hangs off a virtio device; the vectors are the PCI function's above.
 * Not for others: above a NIC is the bridge, with interrupts of its own.
 */
static void nic_irqs(const struct lag *b, struct nic *nic)
{
	struct irq *irq = malloc(sizeof(*irq));
	unsigned int *numbers = NULL;
	bool any_queue = false;
	char subsystem[32];
	const char *up = "";
	long long number;
	size_t i, to = 0;
	int n;

	if (!irq)
		abort();
	if (tree_link(subsystem, sizeof(subsystem), "/sys/class/net/%s/device/subsystem", nic->name) &&
	    !strcmp(subsystem, "virtio"))
		up = "/..";
	n = tree_numbers(&numbers, "/sys/class/net/%s/device%s/msi_irqs", nic->name, up);
	for (i = 0; n > 0 && i < (size_t)n; i++) {
		if (!irq_read(irq, numbers[i]))
			continue;
		nic->irq = grown(nic->irq, nic->n_irqs, sizeof(*irq));
		nic->irq[nic->n_irqs++] = *irq;
	}
	free(numbers);
	if (!nic->n_irqs && tree_number(&number, "/sys/class/net/%s/device%s/irq", nic->name, up) &&
	    number && irq_read(irq, (unsigned int)number)) {
		nic->irq = grown(NULL, 0, sizeof(*irq));
		nic->irq[nic->n_irqs++] = *irq;
	}
	free(irq);
	leave_others_irqs(b, nic);
	for (i = 0; i < nic->n_irqs; i++)
		any_queue |= queue_of(nic, &nic->irq[i], &nic->irq[i].queue);
	if (!any_queue) {	/* in turn, or all would belong on one core */
		for (i = 0; i < nic->n_irqs; i++)
			nic->irq[i].queue = (unsigned int)i;
		return;
	}
	/* Those for configuration and errors bring no packets. */
	for (i = 0; i < nic->n_irqs; i++)
		if (queue_of(nic, &nic->irq[i], &nic->irq[i].queue))
			nic->irq[to++] = nic->irq[i];
	nic->n_irqs = to;
}

/* --- NICs and bonds ----------------------------------------------------------------- */

static void nic_read(struct nic *nic, const char *name)
{
	struct dirent *entry;
	long long number;
	char line[32];
	DIR *dir;

	snprintf(nic->name, sizeof(nic->name), "%.15s", name);
	if (tree_line(line, sizeof(line), "/sys/class/net/%s/flags", name))
		nic->up = strtoul(line, NULL, 16) & IFF_UP;
	/* EINVAL while it is down */
	nic->carrier = tree_number(&number, "/sys/class/net/%s/carrier", name) && number;
	tree_number(&nic->mtu, "/sys/class/net/%s/mtu", name);
	if (!tree_number(&nic->speed, "/sys/class/net/%s/speed", name))
		nic->speed = -1;
	dir = tree_dir("/sys/class/net/%s/queues", name);
	while (dir && (entry = readdir(dir))) {
		nic->rx_queues += !strncmp(entry->d_name, "rx-", 3);
		nic->tx_queues += !strncmp(entry->d_name, "tx-", 3);
	}
	if (dir)
		closedir(dir);
	if (!tree_number(&nic->aggregator, "/sys/class/net/%s/bonding_slave/ad_aggregator_id", name))
		nic->aggregator = -1;
	nic->has_list = tree_cpus(&nic->list, "/sys/class/net/%s/bonding_slave/cpus", name);
}

static void first_word(char *line)
{
	line[strcspn(line, " ")] = '\0';
}

/* @asked: somebody named it; else one without slaves, as loading bonding makes, is passed over. */
static bool bond_read(struct machine *m, const char *name, bool asked)
{
	char *slaves, *next, *slave;
	struct lag *b;
	size_t i;

	if (strlen(name) >= IF_NAMESIZE || !tree_is("/sys/class/net/%s/bonding", name))
		return false;
	if (!tree_plain_name(name)) {
		m->odd++;
		return true;
	}
	slaves = tree_text("/sys/class/net/%s/bonding/slaves", name);
	if (!asked && slaves && !slaves[strspn(slaves, " \n")]) {
		free(slaves);
		return true;
	}
	m->bond = grown(m->bond, m->n, sizeof(*m->bond));
	b = &m->bond[m->n++];
	strcpy(b->name, name);
	tree_line(b->mode, sizeof(b->mode), "/sys/class/net/%s/bonding/mode", name);
	tree_line(b->policy, sizeof(b->policy), "/sys/class/net/%s/bonding/xmit_hash_policy", name);
	first_word(b->mode);
	first_word(b->policy);
	tree_number(&b->miimon, "/sys/class/net/%s/bonding/miimon", name);
	tree_number(&b->arp_interval, "/sys/class/net/%s/bonding/arp_interval", name);
	tree_number(&b->mtu, "/sys/class/net/%s/mtu", name);
	tree_line(b->partner, sizeof(b->partner), "/sys/class/net/%s/bonding/ad_partner_mac", name);
	if (!tree_number(&b->aggregator, "/sys/class/net/%s/bonding/ad_aggregator", name))
		b->aggregator = -1;
	next = slaves;
	while (next && (slave = strsep(&next, " \n"))) {
		if (!*slave)
			continue;
		if (!tree_plain_name(slave)) {
			m->odd++;
			continue;
		}
		b->nic = grown(b->nic, b->n, sizeof(*b->nic));
		nic_read(&b->nic[b->n++], slave);
	}
	free(slaves);
	for (i = 0; i < b->n; i++) {
		nic_irqs(b, &b->nic[i]);
		b->patched |= b->nic[i].has_list;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct nic *)a)->name, ((const struct nic *)b)->name);
}

/* Without a bond: the NICs that could be one's slaves. */
static void nics_read(struct machine *m)
{
	struct dirent *entry;
	struct lag *b;
	long long value;
	size_t i;
	DIR *dir;

	m->bond = grown(m->bond, 0, sizeof(*m->bond));
	m->n = 1;
	b = m->bond;
	dir = tree_dir("/sys/class/net");
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !tree_is("/sys/class/net/%s/device", entry->d_name) ||
		    tree_is("/sys/class/net/%s/wireless", entry->d_name) ||
		    !tree_number(&value, "/sys/class/net/%s/type", entry->d_name) || value != 1 ||
		    !tree_number(&value, "/sys/class/net/%s/carrier", entry->d_name) || !value)
			continue;
		if (!tree_plain_name(entry->d_name)) {
			m->odd++;
			continue;
		}
		b->nic = grown(b->nic, b->n, sizeof(*b->nic));
		nic_read(&b->nic[b->n++], entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (b->n)
		qsort(b->nic, b->n, sizeof(*b->nic), by_name);
	for (i = 0; i < b->n; i++)
		nic_irqs(b, &b->nic[i]);
}

bool machine_read(struct machine *m, const char *only)
{
	char *names, *next, *name;
	bool good = true;

	memset(m, 0, sizeof(*m));
	tree_cpus(&m->online, "/sys/devices/system/cpu/online");
	if (only) {
		good = bond_read(m, only, true);
	} else {
		names = tree_text("/sys/class/net/bonding_masters");
		next = names;
		while (next && (name = strsep(&next, " \n")))
			if (*name)
				bond_read(m, name, false);
		free(names);
	}
	if (!m->n && good)
		nics_read(m);
	return good;
}

void machine_free(struct machine *m)
{
	size_t i, k;

	for (i = 0; i < m->n; i++) {
		for (k = 0; k < m->bond[i].n; k++)
			free(m->bond[i].nic[k].irq);
		free(m->bond[i].nic);
	}
	for (i = 0; i < m->n_steered; i++) {
		free(m->steered[i].in);
		free(m->steered[i].out);
	}
	free(m->bond);
	free(m->steered);
	free(m->sample[0].softnet);
	free(m->sample[1].softnet);
	memset(m, 0, sizeof(*m));
}

/* --- what is counted -------------------------------------------------------------------- */

/* Of /proc/net/netstat and snmp: a line of names, then one of values. */
static uint64_t counter(const char *text, const char *group, const char *name)
{
	size_t group_len = strlen(group), name_len = strlen(name);
	const char *names, *values, *end;

	for (names = text; names; names = strchr(values, '\n'), names += !!names) {
		values = strchr(names, '\n');
		if (!values++)
			break;
		if (strncmp(names, group, group_len) || strncmp(values, group, group_len))
			continue;
		names += group_len;
		values += group_len;
		for (;;) {
			names += strspn(names, " ");
			values += strspn(values, " ");
			end = names + strcspn(names, " \n");
			if (end == names)
				return 0;
			if ((size_t)(end - names) == name_len && !strncmp(names, name, name_len))
				return strtoull(values, NULL, 10);
			names = end;
			values += strcspn(values, " \n");
		}
	}
	return 0;
}

static void softnet_read(struct sample *s)
{
	char *text = tree_text("/proc/net/softnet_stat"), *next = text, *line, *field;
	unsigned long column[13];
	struct softnet *row;
	size_t i;

	while (next && (line = strsep(&next, "\n"))) {
		memset(column, 0, sizeof(column));
		for (i = 0; i < 13 && (field = strsep(&line, " ")); i++)
			column[i] = strtoul(field, NULL, 16);
		if (i < 13)	/* older kernels do not say which CPU */
			continue;
		s->softnet = grown(s->softnet, s->n, sizeof(*s->softnet));
		row = &s->softnet[s->n++];
		row->cpu = (unsigned int)column[12];
		row->processed = column[0];
		row->dropped = column[1];
		row->squeezed = column[2];
	}
	free(text);
}

/* Of states that are switched off nothing more is to be feared. */
static uint64_t deep_us(const struct cpulist *cpus)
{
	long long latency, disabled, us;
	unsigned int state;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < cpus->n; i++)
		for (state = 0; tree_number(&latency, "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/latency", cpus->cpu[i], state); state++) {
			disabled = us = 0;
			tree_number(&disabled, "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/disable", cpus->cpu[i], state);
			tree_number(&us, "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/time", cpus->cpu[i], state);
			if (latency > DEEP_LATENCY && !disabled)
				sum += (uint64_t)us;
		}
	return sum;
}

void machine_sample(struct machine *m, unsigned int which)
{
	struct sample *s = &m->sample[which];
	long long missed, fifo;
	struct nic *nic;
	size_t i, k;
	char *text;

	memset(s, 0, sizeof(*s));
	s->ms = now_ms();
	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n; k++) {
			nic = &m->bond[i].nic[k];
			missed = fifo = 0;
			tree_number(&nic->rx[which], "/sys/class/net/%s/statistics/rx_packets", nic->name);
			tree_number(&missed, "/sys/class/net/%s/statistics/rx_missed_errors", nic->name);
			tree_number(&fifo, "/sys/class/net/%s/statistics/rx_fifo_errors", nic->name);
			/* Some drivers count one loss in both. */
			nic->missed[which] = missed > fifo ? missed : fifo;
		}
	softnet_read(s);
	s->deep_us = deep_us(&m->online);
	text = tree_text("/proc/net/netstat");
	s->listen_overflows = text ? counter(text, "TcpExt:", "ListenOverflows") : 0;
	s->tw_overflows = text ? counter(text, "TcpExt:", "TCPTimeWaitOverflow") : 0;
	free(text);
	text = tree_text("/proc/net/snmp");
	s->passive_opens = text ? counter(text, "Tcp:", "PassiveOpens") : 0;
	free(text);
}

double machine_seconds(const struct machine *m)
{
	uint64_t ms = m->sample[1].ms - m->sample[0].ms;

	return (double)(ms ? ms : 1) / 1000;
}

/* --- which cores are whose ---------------------------------------------------------------- */

unsigned int steered_port(const struct steered *s, unsigned int cpu)
{
	size_t rank;

	for (rank = 0; rank < s->cpus.n; rank++)
		if (s->cpus.cpu[rank] == cpu)
			return s->base_port + (unsigned int)rank * s->stride;
	return 0;
}

static bool serves(const struct machine *m, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < m->n_steered; i++)
		if (!steered_port(&m->steered[i], cpu))
			return false;
	return true;
}

/* Where its interrupts go, if they are pinned; one that is not takes none. */
static bool pinned_cores(const struct nic *nic, struct cpulist *cores)
{
	size_t i;

	cores->n = 0;
	for (i = 0; i < nic->n_irqs; i++) {
		if (nic->irq[i].allowed.n != 1)
			return false;
		cpulist_add(cores, nic->irq[i].allowed.cpu[0]);
	}
	return cores->n;
}

/*
 * Cores to choose from, as setup-flowpar.sh does that nobody has named any: one thread of
 * each, none that is isolated, none that a service could not run on.
 */
static void pool_read(struct machine *m)
{
	static const char *const cpusets[] = {
		"/sys/fs/cgroup/system.slice/cpuset.cpus.effective", "/sys/fs/cgroup/cpuset.cpus.effective",
		"/sys/fs/cgroup/cpuset/system.slice/cpuset.effective_cpus", "/sys/fs/cgroup/cpuset/cpuset.effective_cpus",
	};
	struct cpulist *list = calloc(5, sizeof(*list)), *isolated = list + 1, *ticks = list + 2, *cpuset = list + 3, *used = list + 4;
	size_t i;

	if (!list)
		abort();
	if (!tree_cpus(isolated, "/sys/devices/system/cpu/isolated"))
		isolated->n = 0;
	if (!tree_cpus(ticks, "/sys/devices/system/cpu/nohz_full"))
		ticks->n = 0;
	for (i = 0; i < sizeof(cpusets) / sizeof(cpusets[0]); i++)
		if (tree_cpus(cpuset, "%s", cpusets[i]) && cpuset->n)
			break;
	if (i == sizeof(cpusets) / sizeof(cpusets[0]))
		*cpuset = m->online;
	m->pool.n = 0;
	for (i = 0; i < m->online.n; i++) {
		unsigned int cpu = m->online.cpu[i];

		if (cpulist_has(isolated, cpu) || cpulist_has(ticks, cpu) || !cpulist_has(cpuset, cpu))
			continue;
		if (tree_cpus(list, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu) && list->n) {
			if (cpulist_has(used, list->cpu[0]))
				continue;
			cpulist_add(used, list->cpu[0]);
		}
		cpulist_add(&m->pool, cpu);
	}
	if (!m->pool.n)
		m->pool = m->online;
	free(list);
}

/* A NIC that gets cores. */
struct dealt {
	struct nic *nic;
	struct cpulist near;	/* of its node */
	size_t queues;
};

static void dealt_read(struct dealt *d, struct nic *nic)
{
	struct cpulist queues = { .n = 0 };
	long long node;
	size_t i;

	d->nic = nic;
	for (i = 0; i < nic->n_irqs; i++)
		if (nic->irq[i].queue < CPULIST_MAX)
			cpulist_add(&queues, nic->irq[i].queue);
	d->queues = queues.n;
	/* of a virtio NIC the PCI function above has it */
	if ((!tree_number(&node, "/sys/class/net/%s/device/numa_node", nic->name) &&
	     !tree_number(&node, "/sys/class/net/%s/device/../numa_node", nic->name)) || node < 0 ||
	    !tree_cpus(&d->near, "/sys/devices/system/node/node%lld/cpulist", node))
		d->near.n = 0;
}

static void give(struct dealt *d, struct cpulist *taken, unsigned int cpu)
{
	cpulist_add(&d->nic->want, cpu);
	cpulist_add(taken, cpu);
	d->nic->planned = true;
}

/* One that is free for each that has none yet: of its node, while there are such, then any. */
static void deal_first(struct dealt *dealt, size_t n, const struct cpulist *cores, struct cpulist *taken)
{
	unsigned int far;
	size_t k, i;

	for (far = 0; far < 2; far++)
		for (k = 0; k < n; k++)
			for (i = 0; i < cores->n && !dealt[k].nic->want.n; i++)
				if (!cpulist_has(taken, cores->cpu[i]) && (far || cpulist_has(&dealt[k].near, cores->cpu[i])))
					give(&dealt[k], taken, cores->cpu[i]);
}

static size_t users(const struct machine *m, unsigned int cpu)
{
	size_t i, k, n = 0;

	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n; k++)
			n += cpulist_has(&m->bond[i].nic[k].want, cpu);
	return n;
}

/* More NICs than cores: one of those that fewest NICs have, and of its node if it can be. */
static void deal_shared(const struct machine *m, struct dealt *d, const struct cpulist *cores, struct cpulist *taken)
{
	size_t i, least = SIZE_MAX, n;
	unsigned int best = 0;
	bool near = false;

	for (i = 0; i < cores->n; i++) {
		n = users(m, cores->cpu[i]);
		if (n > least || (n == least && (near || !cpulist_has(&d->near, cores->cpu[i]))))
			continue;
		least = n;
		best = cores->cpu[i];
		near = cpulist_has(&d->near, best);
	}
	if (least != SIZE_MAX)
		give(d, taken, best);
}

/* What is left goes to NICs that have more queues, within a node: to who has fewer. */
static void deal_rest(struct dealt *dealt, size_t n, const struct cpulist *cores, struct cpulist *taken)
{
	struct dealt *best, *d;
	size_t i;

	for (i = 0; i < cores->n; i++) {
		if (cpulist_has(taken, cores->cpu[i]))
			continue;
		best = NULL;
		for (d = dealt; d < dealt + n; d++) {
			bool here = cpulist_has(&d->near, cores->cpu[i]);
			bool there = best && cpulist_has(&best->near, cores->cpu[i]);

			if (!d->nic->planned || d->nic->want.n >= d->queues || (d->near.n && !here))
				continue;
			if (!best || (here != there ? here : d->nic->want.n < best->nic->want.n))
				best = d;
		}
		if (best)
			give(best, taken, cores->cpu[i]);
	}
}

/* As placement_deal does in setup-flowpar.sh, of what those that stay have left. */
static void deal(struct machine *m, const struct cpulist *cores, struct cpulist *taken, size_t nics)
{
	struct dealt *dealt = calloc(nics + 1, sizeof(*dealt));
	struct cpulist pinned;
	size_t i, k, n = 0;

	if (!dealt)
		abort();
	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n; k++)
			if (!m->bond[i].nic[k].want.n)
				dealt_read(&dealt[n++], &m->bond[i].nic[k]);
	deal_first(dealt, n, cores, taken);
	/* Where no more listen it may as well stay. */
	for (k = 0; k < n; k++)
		if (!dealt[k].nic->want.n && pinned_cores(dealt[k].nic, &pinned) && pinned.n == 1 &&
		    !cpulist_has(taken, pinned.cpu[0])) {
			dealt[k].nic->want = pinned;
			cpulist_add(taken, pinned.cpu[0]);
		}
	deal_first(dealt, n, &m->pool, taken);
	for (k = 0; k < n; k++)
		if (!dealt[k].nic->want.n)
			deal_shared(m, &dealt[k], cores, taken);
	deal_rest(dealt, n, cores, taken);
	free(dealt);
}

/* Are all NICs pinned where they may be, none where another is? Then nothing is to be dealt. */
static bool all_apart(const struct machine *m)
{
	struct cpulist *cores = calloc(2, sizeof(*cores)), *taken = cores + 1;
	const struct nic *nic;
	size_t i, k, j;
	bool apart = true;

	if (!cores)
		abort();
	for (i = 0; i < m->n && apart; i++)
		for (k = 0; k < m->bond[i].n && apart; k++) {
			nic = &m->bond[i].nic[k];
			if (nic->has_list && nic->list.n)
				*cores = nic->list;
			else
				apart = pinned_cores(nic, cores);
			for (j = 0; j < cores->n && apart; j++) {
				apart = !cpulist_has(taken, cores->cpu[j]) && serves(m, cores->cpu[j]);
				cpulist_add(taken, cores->cpu[j]);
			}
		}
	free(cores);
	return apart;
}

void machine_plan(struct machine *m)
{
	struct cpulist *taken = calloc(3, sizeof(*taken)), *cores = taken + 1, *served = taken + 2;
	size_t i, k, j, nics = 0, share;
	bool is_free, apart = all_apart(m);
	struct nic *nic;

	if (!taken)
		abort();
	pool_read(m);
	for (i = 0; i < m->online.n && m->n_steered; i++)
		if (serves(m, m->online.cpu[i]))
			cpulist_add(served, m->online.cpu[i]);
	if (!served->n)
		*served = m->pool;
	for (i = 0; i < m->n; i++)
		nics += m->bond[i].n;
	share = nics && served->n > nics ? served->n / nics : 1;
	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n; k++) {
			nic = &m->bond[i].nic[k];
			nic->want.n = 0;
			nic->planned = false;
			if (nic->has_list && nic->list.n) {
				nic->want = nic->list;
			} else if (pinned_cores(nic, cores)) {
				/* More NICs than cores have to share. */
				is_free = cores->n <= share;
				for (j = 0; j < cores->n; j++)
					is_free &= (nics > served->n || !cpulist_has(taken, cores->cpu[j])) &&
						   (serves(m, cores->cpu[j]) || nics > m->online.n);
				if (is_free || apart)
					nic->want = *cores;
			}
			for (j = 0; j < nic->want.n; j++)
				cpulist_add(taken, nic->want.cpu[j]);
		}
	deal(m, served, taken, nics);
	free(taken);
}
