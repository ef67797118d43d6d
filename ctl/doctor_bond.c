// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl doctor: bonds, their slaves and the switch.
 */
#include "doctor.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

/* Fewer packets than that in the interval show nothing. */
#define ENOUGH_PACKETS		200
/* One port with this many times another's load is unequal. */
#define UNEQUAL			2
/* Flows a port that there have to be to tell (Cochran, 1954: less than 5 expected are too few). */
#define ENOUGH_PER_PORT		5
/* So many addresses by one link are no accident: with two links one time in 2048. */
#define ENOUGH_ADDRESSES	12
/* So many flows by the links of a certain hash are none either: one time in 2^23. */
#define ENOUGH_FLOWS		24

#define for_each_bond(b, d)						\
	for (b = (d)->m.bond; b < (d)->m.bond + (d)->m.n; b++)		\
		if ((b)->name[0])
#define for_each_nic(nic, b)						\
	for (nic = (b)->nic; nic < (b)->nic + (b)->n; nic++)

static bool is_lacp(const struct lag *b)
{
	return !strcmp(b->mode, "802.3ad");
}

static bool is_backup(const struct lag *b)
{
	return !strcmp(b->mode, "active-backup");
}

/* "eth0 eth1", to free(). */
static char *slaves_of(const struct lag *b, const char *between)
{
	const struct nic *nic;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	for_each_nic(nic, b)
		fprintf(f, "%s%s", nic > b->nic ? between : "", nic->name);
	if (fclose(f))
		abort();
	return text;
}

static size_t working(const struct lag *b)
{
	const struct nic *nic;
	size_t n = 0;

	for_each_nic(nic, b)
		n += nic->up && nic->carrier;
	return n;
}

void check_slave_down(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;

	for_each_bond(b, d)
		for_each_nic(nic, b) {
			if (nic->up && nic->carrier)
				continue;
			found(&d->found, nic->name, "%s; %zu of the %zu slaves of %s work",
			      nic->up ? "no carrier" : "down", working(b), b->n, b->name);
			if (!nic->up)
				mend(&d->found, "ip link set %s up", nic->name);
			else
				advise(&d->found, "check its cable and the switch port");
		}
}

void check_slave_speed(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;

	for_each_bond(b, d)
		for_each_nic(nic, b) {
			if (!is_lacp(b) || !nic->carrier || nic->speed > 0)
				continue;
			found(&d->found, nic->name, "its driver reports no speed (%lld), so 802.3ad leaves it out",
			      nic->speed);
			mend(&d->found, "ethtool -s %s speed 1000 duplex full", nic->name);
		}
}

/* Could it speak LACP at all? Then it is the switch that does not. */
static bool ready(const struct lag *b)
{
	const struct nic *nic;

	for_each_nic(nic, b)
		if (nic->up && nic->carrier && nic->speed > 0)
			return true;
	return false;
}

static bool has_partner(const struct lag *b)
{
	return strcmp(b->partner, "00:00:00:00:00:00");
}

void check_lacp_partner(struct doctor *d)
{
	const struct lag *b;
	char *slaves;

	for_each_bond(b, d) {
		if (!is_lacp(b) || !ready(b))
			continue;
		if (!b->partner[0]) {
			unseen(&d->found, b->name, "its LACP partner is only shown to root");
			continue;
		}
		if (has_partner(b))
			continue;
		slaves = slaves_of(b, " ");
		found(&d->found, b->name, "no LACP partner answers on any of %zu ports", b->n);
		advise(&d->found, "make the switch ports of %s one 802.3ad group with active LACP", slaves);
		free(slaves);
	}
}

void check_aggregator(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;
	long long active;

	for_each_bond(b, d) {
		if (!is_lacp(b) || !ready(b) || !has_partner(b))
			continue;
		active = b->aggregator;
		for_each_nic(nic, b) {
			if (!nic->up || !nic->carrier || nic->speed <= 0)
				continue;
			if (active < 0)		/* hidden: then at least the same as the first */
				active = nic->aggregator;
			if (nic->aggregator == active)
				continue;
			found(&d->found, nic->name, "in aggregator %lld, but %s sends through aggregator %lld",
			      nic->aggregator, b->name, active);
			advise(&d->found, "put its switch port into the same 802.3ad group as the others', at the same speed");
		}
	}
}

void check_mtu(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;

	for_each_bond(b, d)
		for_each_nic(nic, b) {
			if (nic->mtu == b->mtu)
				continue;
			found(&d->found, nic->name, "MTU %lld, but %s has %lld", nic->mtu, b->name, b->mtu);
			mend(&d->found, "ip link set %s mtu %lld", nic->name, b->mtu);
		}
}

void check_miimon(struct doctor *d)
{
	const struct lag *b;

	for_each_bond(b, d) {
		if (b->miimon || b->arp_interval)
			continue;
		found(&d->found, b->name, "miimon 0: a link that fails is never noticed");
		mend(&d->found, "echo 100 > /sys/class/net/%s/bonding/miimon", b->name);
	}
}

void check_mode(struct doctor *d)
{
	const struct lag *b;
	const struct nic *nic;
	char *command = NULL;
	size_t len;
	FILE *f;

	for_each_bond(b, d) {
		if (!b->n || is_lacp(b) || !strcmp(b->mode, "balance-xor"))
			continue;
		/* Somebody wanted it for what it does, and may have a switch that can no more. */
		if (is_backup(b)) {
			found(&d->found, b->name, "mode active-backup: all flows share one of %zu NICs, the others stand by", b->n);
			advise(&d->found, "if they are to share the load, and not only to stand in for each other, it has to be 802.3ad, at the switch too");
			continue;
		}
		found(&d->found, b->name, !strcmp(b->mode, "balance-rr") ?
		      "mode %s: the packets of a flow leave by all of %zu NICs in turn, whichever core sends" :
		      "mode %s: which of %zu NICs a flow leaves by has nothing to do with its core", b->mode, b->n);
		/* A mode is only changed without slaves. */
		f = open_memstream(&command, &len);
		if (!f)
			abort();
		fprintf(f, "ip link set %s down", b->name);
		for_each_nic(nic, b)
			fprintf(f, " && ip link set %s nomaster", nic->name);
		fprintf(f, " && echo 802.3ad > /sys/class/net/%s/bonding/mode", b->name);
		for_each_nic(nic, b)
			fprintf(f, " && ip link set %s down && ip link set %s master %s", nic->name, nic->name, b->name);
		fprintf(f, " && ip link set %s up", b->name);
		if (fclose(f))
			abort();
		mend(&d->found, "%s", command);
		advise(&d->found, "it needs 802.3ad at the switch, takes the link down for a while and routes with it");
		free(command);
	}
}

/* Does somebody use it as it is: a team, a bridge, or addresses of its own? */
static bool in_use(const struct nic *nic)
{
	static const char *const tables[] = { "/proc/net/route", "/proc/net/if_inet6" };
	char *text, *line, *rest, name[IF_NAMESIZE];
	unsigned int scope;
	bool used = tree_is("/sys/class/net/%s/master", nic->name);
	size_t i;

	for (i = 0; i < 2 && !used; i++) {
		text = tree_text("%s", tables[i]);
		if (!text)
			continue;
		/* "NAME DESTINATION ..."; "ADDRESS INDEX PREFIX SCOPE FLAGS NAME", 0: that of all */
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			used |= (i ? sscanf(line, "%*s %*x %*x %x %*x %15s", &scope, name) == 2 && !scope :
				 sscanf(line, "%15s", name) == 1) && !strcmp(name, nic->name);
		free(text);
	}
	return used;
}

void check_no_bond(struct doctor *d)
{
	const struct lag *b = d->m.bond;
	const struct nic *nic;
	char *slaves = NULL;
	size_t n = 0, len;
	FILE *f;

	if (!d->m.n || b->name[0])
		return;
	f = open_memstream(&slaves, &len);
	if (!f)
		abort();
	for_each_nic(nic, b)
		if (!in_use(nic))
			fprintf(f, "%s%s", n++ ? "," : "", nic->name);
	if (fclose(f))
		abort();
	if (b->n < 2) {
		unseen(&d->found, "bond", "there is none, and %s NIC with a link", b->n ? "only one" : "no");
	} else if (n < 2) {
		unseen(&d->found, "bond", "there is none, and of %zu NICs with a link %zu in no use: no address, team or bridge", b->n, n);
	} else {
		found(&d->found, "machine", "%zu NICs with a link, in no bond and no use: an address is served by one of them", n);
		advise(&d->found, "setup-flowpar.sh up --bond bond0 --slaves %s --address A.B.C.D/N, with 802.3ad at the switch", slaves);
	}
	free(slaves);
}

void check_policy(struct doctor *d)
{
	const struct lag *b;
	bool by_port;

	for_each_bond(b, d) {
		if (!b->n || (!is_lacp(b) && strcmp(b->mode, "balance-xor")) || !strcmp(b->policy, "cpu-bound"))
			continue;
		by_port = !strcmp(b->policy, "layer3+4") || !strcmp(b->policy, "encap3+4");
		if (by_port)
			found(&d->found, b->name, "transmit policy %s: an answer leaves by its own core's NIC one time in %zu",
			      b->policy, b->n);
		else
			found(&d->found, b->name, "transmit policy %s: all that is sent to one host or router leaves by one of %zu NICs",
			      b->policy, b->n);
		if (b->patched)
			mend(&d->found, "echo cpu-bound > /sys/class/net/%s/bonding/xmit_hash_policy", b->name);
		else if (!by_port)
			mend(&d->found, "echo layer3+4 > /sys/class/net/%s/bonding/xmit_hash_policy", b->name);
		else
			advise(&d->found, "this kernel's bonding does not know cpu-bound: %s, then set it in /sys/class/net/%s/bonding/xmit_hash_policy",
			       tree_is("/usr/sbin/flowpar-dkms") ? "run 'flowpar-dkms status', which says what is missing" :
			       "apt-get install flowpar-dkms, or boot the patched kernel", b->name);
	}
}

/* What came from one Ethernet address: from how many addresses, by which slaves. */
struct sender {
	const struct syn *syn;
	size_t addresses, flows;
	bool several;		/* slaves */
};

static void add_syn(struct sender *sender, const struct syns *s, size_t i)
{
	const struct syn *syn = &s->syn[i];
	size_t k;

	sender->flows++;
	sender->several |= syn->slave != sender->syn->slave;
	for (k = 0; k < i; k++)
		if (s->syn[k].bond == syn->bond && !memcmp(s->syn[k].mac, syn->mac, sizeof(syn->mac)) &&
		    !memcmp(s->syn[k].address, syn->address, sizeof(syn->address)))
			return;
	sender->addresses++;
}

void check_switch_hash(struct doctor *d)
{
	const struct syns *s = &d->syns;
	struct sender *senders = NULL, *sender;
	size_t n = 0, i, k;

	for (i = 0; i < s->n; i++) {
		if (!d->m.bond[s->syn[i].bond].name[0] || working(&d->m.bond[s->syn[i].bond]) < 2)
			continue;
		for (k = 0; k < n; k++)
			if (senders[k].syn->bond == s->syn[i].bond &&
			    !memcmp(senders[k].syn->mac, s->syn[i].mac, sizeof(s->syn[i].mac)))
				break;
		if (k == n) {
			senders = realloc(senders, (n + 1) * sizeof(*senders));
			if (!senders)
				abort();
			senders[n++] = (struct sender){ .syn = &s->syn[i] };
		}
		add_syn(&senders[k], s, i);
	}
	for (sender = senders; sender < senders + n; sender++) {
		const struct lag *b = &d->m.bond[sender->syn->bond];
		const uint8_t *mac = sender->syn->mac;

		if (sender->several || sender->addresses < ENOUGH_ADDRESSES)
			continue;
		found(&d->found, b->name, "the switch sends all %zu new flows of the %zu addresses behind %02x:%02x:%02x:%02x:%02x:%02x to %s: it hashes layer 2 only",
		      sender->flows, sender->addresses, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		      b->nic[sender->syn->slave].name);
		advise(&d->found, "have the switch's group hash addresses and ports (layer 3+4), or addresses (layer 2+3)");
	}
	free(senders);
}

/* Of bonding's own policy layer3+4: bond_xmit_hash(), Documentation/networking/bonding.rst. */
static uint32_t hash_l34(const struct syn *syn)
{
	uint32_t from[4], to[4], hash;
	int i;

	memcpy(from, syn->address, sizeof(from));
	memcpy(to, syn->to, sizeof(to));
	memcpy(&hash, syn->ports, sizeof(hash));
	for (i = 0; i < 4; i++)
		hash ^= from[i] ^ to[i];
	hash ^= hash >> 16;
	hash ^= hash >> 8;
	return hash >> 1;
}

static bool seen_before(const struct syns *s, size_t i)
{
	size_t k;

	for (k = 0; k < i; k++)
		if (s->syn[k].bond == s->syn[i].bond && !memcmp(s->syn[k].ports, s->syn[i].ports, 4) &&
		    !memcmp(s->syn[k].address, s->syn[i].address, 16) && !memcmp(s->syn[k].to, s->syn[i].to, 16))
			return true;
	return false;
}

/* How many flows came to a bond, all by the slave that layer3+4 means; 0: not all. */
static size_t flows_by_l34(const struct syns *s, size_t bond, size_t n_slaves)
{
	size_t *slave_of = malloc(n_slaves * sizeof(*slave_of)), used = 0, flows = 0, i, k, bucket;

	if (!slave_of)
		abort();
	for (k = 0; k < n_slaves; k++)
		slave_of[k] = SIZE_MAX;
	for (i = 0; i < s->n; i++) {
		if (s->syn[i].bond != bond || seen_before(s, i))
			continue;
		flows++;
		bucket = hash_l34(&s->syn[i]) % n_slaves;
		if (slave_of[bucket] == s->syn[i].slave)
			continue;
		for (k = 0; k < n_slaves; k++)
			if (k == bucket ? slave_of[k] != SIZE_MAX : slave_of[k] == s->syn[i].slave)
				break;
		if (k < n_slaves) {
			used = 0;
			break;
		}
		slave_of[bucket] = s->syn[i].slave;
		used++;
	}
	free(slave_of);
	return used > 1 ? flows : 0;
}

/*
 * With a Linux box as the switch: its hash of a flow is also that of the way back. It only
 * matters where the bond goes by that hash too, and not by cores.
 */
void check_symmetric_hash(struct doctor *d)
{
	size_t i, n, flows;

	for (i = 0; i < d->m.n; i++) {
		const struct lag *b = &d->m.bond[i];

		if (!b->name[0] || (strcmp(b->policy, "layer3+4") && strcmp(b->policy, "encap3+4")))
			continue;
		n = working(b);
		flows = n > 1 ? flows_by_l34(&d->syns, i, n) : 0;
		if (flows < ENOUGH_FLOWS)
			continue;
		found(&d->found, b->name, "all %zu new flows came by the slave that its own %s chooses for the answers: the switch hashes as Linux does",
		      flows, b->policy);
		advise(&d->found, "answers leave where the flows came by the luck of this switch, and with another do not: to compare policies have it hash otherwise, as with layer2+3");
	}
}

/*
 * Pearson's chi-square of n flows in k ports, X2 = sum (n_i - n/k)^2 / (n/k), is by a fair
 * hash beyond this one time in 2000: its quantile for k - 1 degrees of freedom by Wilson and
 * Hilferty (The distribution of chi-square, PNAS 17, 1931), with the normal one 3.29.
 */
static double chi_square_bound(size_t ports)
{
	double v = (double)ports - 1, part = 2 / (9 * v), root = 1 - part + 3.29 * sqrt(part);

	return v * root * root * root;
}

bool doctor_uneven(const size_t *flows, size_t ports)
{
	size_t i, n = 0, most = 0, least = SIZE_MAX;
	double mean, x2 = 0;

	for (i = 0; i < ports; i++) {
		n += flows[i];
		most = flows[i] > most ? flows[i] : most;
		least = flows[i] < least ? flows[i] : least;
	}
	if (ports < 2 || n < ENOUGH_PER_PORT * ports)
		return false;
	mean = (double)n / (double)ports;
	for (i = 0; i < ports; i++)
		x2 += ((double)flows[i] - mean) * ((double)flows[i] - mean) / mean;
	/* Of very many flows less would show, that costs nothing. */
	return x2 > chi_square_bound(ports) && most > UNEQUAL * least;
}

/* A switch that hashes layer 2 explains it. */
static bool by_layer2(const struct doctor *d, const struct lag *b)
{
	size_t i;

	for (i = 0; i < d->found.n; i++)
		if (!strcmp(d->found.finding[i].check, "switch-hash") && !strcmp(d->found.finding[i].object, b->name))
			return true;
	return false;
}

static void port_load(struct doctor *d, size_t bond)
{
	const struct lag *b = &d->m.bond[bond];
	size_t *flows = calloc(b->n + 1, sizeof(*flows)), *ports = calloc(b->n + 1, sizeof(*ports)), n = 0, total = 0, len, i;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	if (!flows || !ports || !f)
		abort();
	for (i = 0; i < d->syns.n; i++)
		if (d->syns.syn[i].bond == bond && !seen_before(&d->syns, i))
			flows[d->syns.syn[i].slave]++;
	for (i = 0; i < b->n; i++) {
		if (!b->nic[i].up || !b->nic[i].carrier)
			continue;
		fprintf(f, "%s%s %zu", n ? ", " : "", b->nic[i].name, flows[i]);
		total += flows[i];
		ports[n++] = flows[i];
	}
	if (fclose(f))
		abort();
	if (total < ENOUGH_PER_PORT * n) {
		if (d->syns.known)
			unseen(&d->found, b->name, "the load of its ports: only %zu new flows came in %.1f s; ask again under load or with a longer --interval",
			       total, machine_seconds(&d->m));
	} else if (doctor_uneven(ports, n)) {
		found(&d->found, b->name, "new flows in %.1f s: %s: a hash that is fair to %zu flows does that less than one time in 1000",
		      machine_seconds(&d->m), text, total);
		advise(&d->found, "have the switch's group hash addresses and ports (layer 3+4), not the way its uplink does already; by addresses alone few clients stay unequal");
	}
	free(text);
	free(flows);
	free(ports);
}

void check_port_load(struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->m.n; i++)
		if (d->m.bond[i].name[0] && working(&d->m.bond[i]) > 1 && !is_backup(&d->m.bond[i]) &&
		    !by_layer2(d, &d->m.bond[i]))
			port_load(d, i);
}

void check_own_nic(struct doctor *d)
{
	const struct lag *b;

	for_each_bond(b, d) {
		if (b->own + b->other < ENOUGH_PACKETS || b->other * 20 <= b->own + b->other)
			continue;
		found(&d->found, b->name, "%.1f %% of %" PRIu64 " packets left by another NIC than their core's own",
		      (double)b->other * 100 / (double)(b->own + b->other), b->own + b->other);
		advise(&d->found, "cores without a NIC of their own send them: keep servers and interrupts to the cores that have one");
	}
}
