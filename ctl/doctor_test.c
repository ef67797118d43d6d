// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of doctor's checks: a healthy machine in a directory has no finding;
 * with one fault planted in it, exactly that one, with its number and its remedy.
 *
 *   eth0, eth1 > bond0    interrupts 24-25, 26-27 on CPUs 0, 1 of 0-3
 *   tcp *:80 > 8000, 8008    pids 100, 101, pinned
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "ethtool.h"
#include "tree.h"

struct file {
	const char *path;
	const char *text;	/* "@..." a link; "/": a directory; NULL: not there */
};

#define NIC(name, mac, irqs)						\
	{ "/sys/class/net/" name "/flags", "0x1803" },			\
	{ "/sys/class/net/" name "/carrier", "1" },			\
	{ "/sys/class/net/" name "/type", "1" },			\
	{ "/sys/class/net/" name "/mtu", "1500" },			\
	{ "/sys/class/net/" name "/speed", "1000" },			\
	{ "/sys/class/net/" name "/device/subsystem", "@../../../bus/pci" }, \
	{ "/sys/class/net/" name "/bonding_slave/ad_aggregator_id", "1" }, \
	{ "/sys/class/net/" name "/queues/rx-0/rps_cpus", "0" },	\
	{ "/sys/class/net/" name "/queues/rx-0/rps_flow_cnt", "0" },	\
	{ "/sys/class/net/" name "/queues/tx-0/xps_cpus", NULL },	\
	{ "/sys/class/net/" name "/statistics/rx_packets", "1000" },	\
	{ "/sys/class/net/" name "/statistics/rx_missed_errors", "0" },	\
	{ "/sys/class/net/" name "/statistics/rx_fifo_errors", "0" }

#define IRQ(nic, number, name, cpu)					\
	{ "/sys/class/net/" nic "/device/msi_irqs/" number, "msix" },	\
	{ "/proc/irq/" number "/smp_affinity_list", cpu },		\
	{ "/proc/irq/" number "/effective_affinity_list", cpu },	\
	{ "/proc/irq/" number "/" name, "/" }

#define PROCESS(pid, cpus, inode)					\
	{ "/proc/" pid "/comm", "lighttpd\n" },				\
	{ "/proc/" pid "/stat", pid " (lighttpd) S 50 1 1" },		\
	{ "/proc/" pid "/task/" pid "/status", "Name:\tlighttpd\nCpus_allowed_list:\t" cpus "\n" }, \
	{ "/proc/" pid "/fd/3", "@socket:[" inode "]" }

#define LISTEN(port, inode) \
	"   0: 00000000:" port " 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 " inode " 1 0 100 0 0 10 0\n"

#define ANY6		"00000000000000000000000000000000"
#define ADDRESS6	"B80D0120000000000000000001000000"
#define MAPPED		"0000000000000000FFFF00000100000A"

#define LISTEN6(address, port, inode) \
	"   0: " address ":" port " " ANY6 ":0000 0A 00000000:00000000 00:00000000 00000000     0        0 " inode " 1 0 100 0 0 10 0\n"

#define IF_INET6(begin, scope, name) \
	begin "0000000000000000000000000001 02 40 " scope " 80    " name "\n"

#define GLOBAL6		{ "/proc/net/if_inet6", IF_INET6("2001", "00", "bond0") }

#define SOFTNET(cpu, processed, dropped, squeezed) \
	processed " " dropped " " squeezed " 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 0000000" cpu "\n"

#define NETSTAT(overflows, tw) \
	"TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeWaitOverflow\nTcpExt: 7 " overflows " 9 " tw "\nIpExt: InNoRoutes\nIpExt: 3\n"

#define SNMP(opens) \
	"Ip: Forwarding\nIp: 1\nTcp: ActiveOpens PassiveOpens\nTcp: 3 " opens "\n"

#define IDLE0	"/sys/devices/system/cpu/cpu3/cpuidle/state0/"
#define IDLE1	"/sys/devices/system/cpu/cpu3/cpuidle/state1/"

#define BOND	"/sys/class/net/bond0/bonding/"
#define CT	"/proc/sys/net/netfilter/nf_conntrack_"

static const struct file healthy[] = {
	{ "/sys/devices/system/cpu/online", "0-3\n" },
	{ "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n" },
	{ "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "800000\n" },
	{ "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3600000\n" },
	{ "/sys/class/net/bonding_masters", "bond0\n" },
	{ "/sys/class/net/bond0/mtu", "1500" },
	{ BOND "mode", "802.3ad 4\n" },
	{ BOND "xmit_hash_policy", "cpu-bound 6\n" },
	{ BOND "miimon", "100\n" },
	{ BOND "arp_interval", "0\n" },
	{ BOND "ad_partner_mac", "52:54:00:00:02:00\n" },
	{ BOND "ad_aggregator", "1\n" },
	{ BOND "slaves", "eth0 eth1\n" },
	NIC("eth0", "00", "24"),
	{ "/sys/class/net/eth0/bonding_slave/cpus", "0\n" },
	IRQ("eth0", "24", "eth0-rx-0", "0\n"),
	IRQ("eth0", "25", "eth0-tx-0", "0\n"),
	/* for errors: it may go anywhere */
	IRQ("eth0", "28", "eth0", "0-3\n"),
	NIC("eth1", "01", "26"),
	{ "/sys/class/net/eth1/bonding_slave/cpus", "1\n" },
	IRQ("eth1", "26", "eth1-rx-0", "1\n"),
	IRQ("eth1", "27", "eth1-tx-0", "1\n"),
	PROCESS("100", "0", "300"),
	PROCESS("101", "1", "301"),
	{ "/proc/100/cmdline", NULL },
	{ "/proc/net/tcp", "  sl  local_address\n" LISTEN("1F40", "300") LISTEN("1F48", "301") },
	{ "/proc/net/tcp6", NULL },
	{ "/proc/net/if_inet6", NULL },
	{ "/proc/net/route", NULL },
	{ "/sys/class/net/eth0/master", NULL },
	{ "/proc/net/softnet_stat", SOFTNET("0", "00000100", "00000002", "00000001") SOFTNET("1", "00000100", "00000000", "00000000") },
	{ "/proc/net/netstat", NETSTAT("5", "2") },
	{ "/proc/net/snmp", SNMP("100") },
	{ "/proc/net/sockstat", "sockets: used 9\nTCP: inuse 5 orphan 0 tw 90 alloc 7 mem 1\nUDP: inuse 0 mem 0\n" },
	{ "/proc/net/ip_tables_names", NULL },
	{ "/proc/net/nf_conntrack", NULL },
	{ CT "count", NULL },
	{ CT "tcp_timeout_time_wait", "120\n" },
	{ CT "tcp_timeout_established", "432000\n" },
	{ "/proc/sys/net/core/rps_sock_flow_entries", "0\n" },
	{ "/proc/sys/net/core/somaxconn", "4096\n" },
	{ "/proc/sys/net/core/netdev_max_backlog", "1000\n" },
	{ "/proc/sys/net/core/netdev_budget", "300\n" },
	{ "/proc/sys/net/core/netdev_budget_usecs", "8000\n" },
	{ "/proc/sys/net/ipv4/tcp_max_tw_buckets", "32768\n" },
	{ "/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n" },
	{ "/proc/sys/net/ipv4/ip_local_reserved_ports", "\n" },
	{ 0 }
};

/* A second of traffic. */
static const struct file traffic[] = {
	{ "/sys/class/net/eth0/statistics/rx_packets", "2000" },
	{ "/sys/class/net/eth1/statistics/rx_packets", "2100" },
	{ "/proc/net/snmp", SNMP("350") },
	{ 0 }
};

static char root[] = "/tmp/flowpar-doctor-XXXXXX";
static int failed;

static void plant(const struct file *f)
{
	char path[PATH_MAX], *slash;
	FILE *out;

	snprintf(path, sizeof(path), "%s%s", root, f->path);
	for (slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			abort();
		*slash = '/';
	}
	if (f->text && !strcmp(f->text, "/")) {
		if (mkdir(path, 0777) && errno != EEXIST)
			abort();
		return;
	}
	if (remove(path) && errno != ENOENT)
		abort();
	if (!f->text)
		return;
	if (f->text[0] == '@') {
		if (symlink(f->text + 1, path))
			abort();
		return;
	}
	out = fopen(path, "w");
	if (!out || fputs(f->text, out) < 0 || fclose(out))
		abort();
}

static void plant_all(const struct file *f)
{
	for (; f->path; f++)
		plant(f);
}

static int take_out(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

struct fault {
	const char *name;		/* of the check that finds it; NULL: nobody */
	const char *what;
	struct file file[10];
	struct file later[4];		/* before the second sample */
	const char *bond;		/* as --bond names it */
	void (*tweak)(struct doctor *d, int when);
	const char *expected;		/* "OBJECT: FOUND | COMMAND | ADVICE", - for none */
	const char *unseen;		/* what is said not to be looked at, if it matters */
};

/* When a tweak is called: before servers are read, and before the checks. */
enum { BEFORE_READING, BEFORE_CHECKING };

static void steer(struct doctor *d)
{
	struct steered *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	strcpy(s->name, "tcp *:80");
	s->listen = "nat";
	s->family = AF_INET;
	s->port = 80;
	s->base_port = 8000;
	s->stride = 8;
	s->per_core = 1;
	cpulist_add(&s->cpus, 1);
	cpulist_add(&s->cpus, 0);
	s->in = calloc(2, sizeof(*s->in));
	s->out = calloc(2, sizeof(*s->out));
	if (!s->in || !s->out)
		abort();
	s->in[0] = s->in[1] = s->out[0] = s->out[1] = 500;
	s->total = 1000;
	d->m.steered = s;
	d->m.n_steered = 1;
}

/* --- what only netlink tells ------------------------------------------------------------- */

static void chain(struct doctor *d, const char *name, const char *hook, bool drops, size_t rules)
{
	enum fw_family family;
	struct fw_chain *c;

	d->fw.chain = realloc(d->fw.chain, (d->fw.n + 1) * sizeof(*c));
	if (!d->fw.chain)
		abort();
	c = memset(&d->fw.chain[d->fw.n++], 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->hook = hook;
	c->drops = drops;
	for (family = 0; family < FW_FAMILIES; family++)
		if (firewall_sees(c, family))
			c->passage[family] = (struct fw_passage){ .compared = rules, .fate = drops ? FW_CLOSED : FW_OPEN };
}

static void silent(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING) {
		d->m.steered[0].out[0] = d->m.steered[0].out[1] = 0;
		chain(d, "inet filter input", "input", true, 4);
		chain(d, "ip filter OUTPUT", "output", true, 4);
		chain(d, "ip filter open", "input", false, 4);
	}
}

static void silent_unknown(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->m.steered[0].out[1] = 0;
}

static void many_rules(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING) {
		chain(d, "inet filter input", "input", false, 31);
		chain(d, "ip filter OUTPUT", "output", false, 120);
	}
}

/* Adds @n rules to a chain, which is made if it is not there. */
static struct fw_rule *rules(struct doctor *d, const char *name, size_t n, bool met, enum fw_verdict verdict,
			     const char *target)
{
	struct fw_rule *rule = NULL;
	struct fw_chain *c;
	size_t i;

	for (i = 0; i < d->fw.n && strcmp(d->fw.chain[i].name, name); i++)
		;
	if (i == d->fw.n)
		chain(d, name, NULL, false, 0);
	c = &d->fw.chain[i];
	c->rule = realloc(c->rule, (c->n_rules + n) * sizeof(*c->rule));
	if (!c->rule)
		abort();
	for (; n; n--) {
		rule = memset(&c->rule[c->n_rules++], 0, sizeof(*rule));
		rule->verdict = verdict;
		rule->target = target ? strdup(target) : NULL;
		rule->always[FW_TO] = rule->always[FW_TO6] = met;
	}
	return rule;
}

/* As ufw's: all but the jumps is in other chains, and the port is accepted in one of them. */
static void as_ufw(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	chain(d, "ip filter INPUT", "input", true, 0);
	rules(d, "ip filter INPUT", 1, true, FW_JUMP, "ip filter before");
	rules(d, "ip filter INPUT", 1, true, FW_JUMP, "ip filter after");
	rules(d, "ip filter before", 17, false, FW_ACCEPT, NULL);
	rules(d, "ip filter before", 1, true, FW_JUMP, "ip filter user");
	rules(d, "ip filter before", 9, false, FW_ACCEPT, NULL);
	rules(d, "ip filter user", 11, false, FW_ACCEPT, NULL);
	rules(d, "ip filter user", 1, true, FW_RETURN, NULL);
	rules(d, "ip filter user", 50, false, FW_ACCEPT, NULL);
	rules(d, "ip filter after", 3, true, FW_NEXT, NULL);
	rules(d, "ip filter after", 1, true, FW_ACCEPT, NULL);
	rules(d, "ip filter after", 50, false, FW_ACCEPT, NULL);
	firewall_follow(&d->fw);
}

/* As firewalld's: a zone for an interface, and the same for all others. */
static void as_firewalld(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	chain(d, "inet firewalld filter_INPUT", "input", false, 0);
	rules(d, "inet firewalld filter_INPUT", 1, true, FW_JUMP, "inet firewalld zones");
	rules(d, "inet firewalld filter_INPUT", 50, false, FW_DROP, NULL);
	rules(d, "inet firewalld zones", 1, false, FW_GOTO, "inet firewalld public");
	rules(d, "inet firewalld zones", 1, true, FW_GOTO, "inet firewalld public");
	rules(d, "inet firewalld zones", 50, false, FW_DROP, NULL);
	rules(d, "inet firewalld public", 39, false, FW_ACCEPT, NULL);
	rules(d, "inet firewalld public", 1, true, FW_ACCEPT, NULL);
	rules(d, "inet firewalld public", 50, false, FW_DROP, NULL);
	firewall_follow(&d->fw);
}

/* Jumps that none of the service's packets takes, to what is not there, and in a circle. */
static void elsewhere(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	chain(d, "inet filter input", "input", false, 0);
	rules(d, "inet filter input", 1, false, FW_JUMP, "inet filter ssh")->never[FW_TO] = true;
	rules(d, "inet filter input", 1, true, FW_JUMP, "inet filter gone");
	rules(d, "inet filter input", 20, true, FW_JUMP, "inet filter input");
	rules(d, "inet filter ssh", 90, false, FW_DROP, NULL);
	rules(d, "inet filter input", 1, true, FW_DROP, NULL);
	rules(d, "inet filter input", 90, false, FW_DROP, NULL);
	firewall_follow(&d->fw);
}

static void states(struct doctor *d, const char *base, const char *other)
{
	chain(d, base, "input", true, 0);
	rules(d, base, 1, false, FW_JUMP, other);
	rules(d, other, 1, false, FW_ACCEPT, NULL)->asks_ct = true;
	firewall_follow(&d->fw);
}

static void by_state(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		states(d, "inet filter input", "inet filter states");
}

static void by_state_ipv6(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		states(d, "ip6 filter INPUT", "ip6 filter states");
}

/* Who has some addresses is let in to the port, in a chain for it; all others are not. */
static void let_some_in(struct doctor *d, size_t n)
{
	struct fw_rule *to;

	chain(d, "inet filter input", "input", false, 0);
	rules(d, "inet filter input", 1, false, FW_ACCEPT, NULL);
	to = rules(d, "inet filter input", 1, true, FW_JUMP, "inet filter service");
	to->named[FW_TO] = to->named[FW_TO6] = true;
	rules(d, "inet filter service", n, false, FW_ACCEPT, NULL);
	rules(d, "inet filter service", 1, true, FW_DROP, NULL);
	firewall_follow(&d->fw);
}

static void some_let_in(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		let_some_in(d, 40);
}

static void silent_some(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	d->m.steered[0].out[0] = 0;
	let_some_in(d, 2);
}

/* ... and what goes by no port does not let the service in. */
static void silent_none(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	d->m.steered[0].out[0] = 0;
	chain(d, "inet filter input", "input", false, 0);
	rules(d, "inet filter input", 1, false, FW_ACCEPT, NULL);
	rules(d, "inet filter input", 1, true, FW_DROP, NULL);
	firewall_follow(&d->fw);
}

/* A policy of "drop" that no packet comes to. */
static void silent_open(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	d->m.steered[0].out[0] = 0;
	chain(d, "inet filter input", "input", true, 0);
	rules(d, "inet filter input", 1, true, FW_ACCEPT, NULL);
	firewall_follow(&d->fw);
}

/* As one that hands some clients on to elsewhere. */
static void rewritten(struct doctor *d, bool served)
{
	struct fw_rule *rule;

	chain(d, "ip nat PREROUTING", "prerouting", false, 0);
	rule = rules(d, "ip nat PREROUTING", 1, false, FW_NEXT, NULL);
	rule->rewrites = true;
	rule->never[FW_TO] = !served;
	firewall_follow(&d->fw);
}

static void may_be_rewritten(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		rewritten(d, true);
}

static void others_rewritten(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		rewritten(d, false);
}

static void many_rewrite(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	rewritten(d, true);
	rules(d, "ip nat PREROUTING", 40, false, FW_NEXT, NULL);
	firewall_follow(&d->fw);
}

static void legacy(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->fw.legacy[FW_IPV4] = true;
}

/* The same service for IPv6 alone. */
static void ipv6(struct doctor *d, int when)
{
	(void)when;
	d->m.steered[0].family = AF_INET6;
	strcpy(d->m.steered[0].name, "tcp [::]:80");
}

/* ... and for both, as setup-flowpar.sh adds them. */
static void both(struct doctor *d, int when)
{
	struct steered *s;

	if (when != BEFORE_READING)
		return;
	d->m.steered = s = realloc(d->m.steered, 2 * sizeof(*s));
	if (!s)
		abort();
	s[1] = s[0];
	s[1].in = s[1].out = NULL;
	s[1].family = AF_INET6;
	strcpy(s[1].name, "tcp [::]:80");
	d->m.n_steered = 2;
}

/* What sock_diag tells of sockets of [::]. */
static void tell(struct doctor *d, bool ipv4)
{
	struct listening *l;
	struct server *s;

	for (l = d->servers.listening; l < d->servers.listening + d->servers.n_listening; l++) {
		if (!l->assumed)
			continue;
		l->assumed = false;
		l->ipv4 = ipv4;
		for (s = d->servers.server; s < d->servers.server + d->servers.n; s++)
			s->ipv4 = s->port == l->port ? ipv4 : s->ipv4;
	}
}

static void both_for_both(struct doctor *d, int when)
{
	both(d, when);
	tell(d, true);
}

static void both_for_ipv6(struct doctor *d, int when)
{
	both(d, when);
	tell(d, false);
}

static void for_ipv6(struct doctor *d, int when)
{
	(void)when;
	tell(d, false);
}

static void silent_ipv6(struct doctor *d, int when)
{
	ipv6(d, when);
	silent(d, when);
	if (when == BEFORE_CHECKING)
		chain(d, "ip6 filter INPUT", "input", true, 4);
}

static void many_rules_ipv6(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		chain(d, "ip6 filter INPUT", "input", false, 40);
}

static void both_many_rules_ipv6(struct doctor *d, int when)
{
	both(d, when);
	many_rules_ipv6(d, when);
}

/* A packet of IPv6 goes to another chain. */
static void both_apart(struct doctor *d, int when)
{
	struct fw_rule *six;

	both(d, when);
	if (when != BEFORE_CHECKING)
		return;
	chain(d, "inet filter input", "input", false, 0);
	six = rules(d, "inet filter input", 1, true, FW_GOTO, "inet filter six");
	six->always[FW_TO] = false;
	six->never[FW_TO] = true;
	rules(d, "inet filter input", 1, true, FW_ACCEPT, NULL);
	rules(d, "inet filter six", 34, false, FW_ACCEPT, NULL);
	firewall_follow(&d->fw);
}

static void both_ephemeral(struct doctor *d, int when)
{
	both(d, when);
	d->m.steered[0].base_port = d->m.steered[1].base_port = 32760;
}

static void moved(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->m.steered[0].moved = 123;
}

static void foreign(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->m.steered[0].foreign = 400;
}

static void other_nic(struct doctor *d, int when)
{
	d->m.bond[0].own = 769;
	d->m.bond[0].other = when == BEFORE_CHECKING ? 231 : 0;
}

static void offloads(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->m.bond[0].nic[1].off = 1U << FEATURE_GRO | 1U << FEATURE_TX;
}

static void bond_offloads(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->m.bond[0].off = 1U << FEATURE_TSO;
}

static void ring(struct doctor *d, int when)
{
	(void)when;
	d->m.bond[0].nic[0].rx_ring = 256;
	d->m.bond[0].nic[0].rx_ring_max = 4096;
}

static void channels(struct doctor *d, int when)
{
	(void)when;
	d->m.bond[0].nic[0].combined = 4;
	d->m.bond[0].nic[0].combined_max = 8;
}

static void weighted(struct doctor *d, int when)
{
	static const uint32_t ring[] = { 0, 0, 0, 1, 0, 0, 0, 1 };

	(void)when;
	d->m.bond[0].nic[0].shares_known = true;
	d->m.bond[0].nic[0].shares_equal = ethtool_shares_equal(ring, 8, d->m.bond[0].nic[0].rx_queues);
}

static void equal(struct doctor *d, int when)
{
	static const uint32_t ring[] = { 0, 1, 0, 1, 0, 1, 0 };

	(void)when;
	d->m.bond[0].nic[0].shares_known = true;
	d->m.bond[0].nic[0].shares_equal = ethtool_shares_equal(ring, 7, d->m.bond[0].nic[0].rx_queues);
}

/* The driver could do both, but has a number for each way now: it would refuse. */
static void separate(struct doctor *d, int when)
{
	(void)when;
	d->m.bond[0].nic[0].combined_max = 8;
}

static void syns(struct doctor *d, size_t addresses, size_t links)
{
	size_t i;

	d->syns.n = 2 * addresses;
	d->syns.syn = calloc(d->syns.n, sizeof(*d->syns.syn));
	if (!d->syns.syn)
		abort();
	for (i = 0; i < d->syns.n; i++) {
		memcpy(d->syns.syn[i].mac, "\x52\x54\0\0\0\x09", 6);
		d->syns.syn[i].address[3] = (uint8_t)(i / 2);
		memcpy(d->syns.syn[i].ports, (uint8_t[]){ 0x9c, (uint8_t)(0x40 + i), 0, 80 }, 4);
		d->syns.syn[i].slave = i % links;
	}
}

static void one_mac_one_link(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		syns(d, 12, 1);
}

static void one_mac_two_links(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		syns(d, 12, 2);
}

static void few_addresses(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		syns(d, 11, 1);
}

/* 24 flows 10.0.0.9:40000, 40007... -> 10.0.0.1:80 by these slaves. */
static void by_slaves(struct doctor *d, const char *slaves)
{
	struct syn *syn;
	uint16_t port;
	size_t i;

	syns(d, 12, 1);
	for (i = 0; i < d->syns.n; i++) {
		syn = &d->syns.syn[i];
		port = (uint16_t)(40000 + 7 * i);
		memcpy(syn->address, (uint8_t[]){ 10, 0, 0, 9 }, 4);
		memcpy(syn->to, (uint8_t[]){ 10, 0, 0, 1 }, 4);
		memcpy(syn->ports, (uint8_t[]){ (uint8_t)(port >> 8), (uint8_t)port, 0, 80 }, 4);
		syn->slave = (size_t)(slaves[i] - '0');
	}
}

/* Worked out apart from bonding's hash; its buckets may belong to either slave. */
static void as_linux_hashes(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		by_slaves(d, "100110011001100110011001");
}

static void nearly_as_linux_hashes(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		by_slaves(d, "011001100110011001100111");
}

static void unequal(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		by_slaves(d, "000100000000100000000010");
}

/* ... and one of them twice: its SYN was lost. */
static void few_flows(struct doctor *d, int when)
{
	if (when != BEFORE_CHECKING)
		return;
	by_slaves(d, "000000000000000000000000");
	d->syns.n = 10;
	memcpy(d->syns.syn[9].ports, d->syns.syn[0].ports, 4);
}

/* Nothing of flowpar: whoever listens on port 80. */
static void plain(struct doctor *d, int when)
{
	if (when != BEFORE_READING)
		return;
	free(d->m.steered[0].in);
	free(d->m.steered[0].out);
	free(d->m.steered);
	d->m.steered = NULL;
	d->m.n_steered = 0;
	d->port = 80;
}

/* ... and nobody said which port. */
static void unsaid(struct doctor *d, int when)
{
	plain(d, when);
	if (when == BEFORE_READING)
		d->port = 0;
}

static void nft(struct doctor *d, int when)
{
	plain(d, when);
	if (when == BEFORE_CHECKING)
		chain(d, "inet flowpar core", "prerouting", false, 2);
}

static void ephemeral(struct doctor *d, int when)
{
	(void)when;
	d->m.steered[0].base_port = 32760;	/* and 32768 */
}

#define RUN_AS(before, cpus, port, rest) before "flowparctl run --cpus " cpus " --port-base 8000 --listen bpf --port " port " --template " rest
#define LIGHTTPD(cpus) RUN_AS("FLOWPAR_DOCROOT=${FLOWPAR_DOCROOT:-/var/www/html} ", cpus, "80", "/etc/flowpar/lighttpd.conf.in -- /usr/sbin/lighttpd -D -f {conf}")
#define ADVICE_RUN "stop it and start one a core: " LIGHTTPD("0-1")
#define GUESS "if it is this port that is to be served so, one server a core does it: "
#define NO_FLOWS "bond0: the load of its ports: only 0 new flows came in 1.0 s; ask again under load or with a longer --interval"
#define ADVICE_SWITCH "have the switch's group hash addresses and ports (layer 3+4), not the way its uplink does already; by addresses alone few clients stay unequal"
#define ASSUMED "tcp *:80: whether who listens on [::] serves IPv4 too: only module tcp_diag could tell"
#define TRACKED { CT "count", "3\n" }, { "/proc/net/nf_conntrack",	\
	"ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=40000 dport=8000 src=10.0.0.1 dst=10.0.0.2 sport=8000 dport=40000 [ASSURED] mark=0 use=2\n" \
	"ipv4     2 tcp      6 60 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=40001 dport=8000 src=10.0.0.1 dst=10.0.0.2 sport=8000 dport=40001 [ASSURED] mark=0 use=2\n" \
	"ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=10.0.0.1 sport=40002 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=40002 [ASSURED] mark=0 use=2\n" }
#define TRACKS "conntrack: tracks the service: 1 of its flows in 1.0 s, 3 entries in all | "
#define NOTRACK "nft 'table inet flowpar_notrack { chain arriving { type filter hook prerouting priority raw; tcp dport { 80, 8000, 8008 } notrack; }; chain leaving { type filter hook output priority raw; tcp sport { 80, 8000, 8008 } notrack; }; }' | no rule goes by ct state now; one that does would no longer match these ports"
#define QUEUES(nic, number, text) { "/sys/class/net/" nic "/queues/" number, text }
#define UNEQUAL_QUEUES \
	  .file = { QUEUES("eth0", "rx-1/rps_cpus", "0"), { "/sys/class/net/eth0/bonding_slave/cpus", "0,2-3" }, \
		    { "/proc/irq/25/smp_affinity_list", "2" }, { "/proc/irq/25/effective_affinity_list", "2" }, { "/proc/irq/25/eth0-tx-0", NULL }, \
		    { "/proc/irq/25/eth0-rx-1", "/" } }, \
	  .later = { { "/proc/net/softnet_stat", SOFTNET("0", "00001100", "00000002", "00000001") SOFTNET("1", "00000100", "00000000", "00000000") SOFTNET("2", "00000010", "00000000", "00000000") } }
#define FEW_FLOWS "few flows stay unequal, and so do many if the NIC hashes addresses only: ethtool -n eth0 rx-flow-hash tcp4 shows it"
#define BY_PORT "bond0: transmit policy layer3+4: an answer leaves by its own core's NIC one time in 2 | echo cpu-bound > /sys/class/net/bond0/bonding/xmit_hash_policy | -"
#define SYMMETRIC "\nsymmetric-hash: bond0: all 24 new flows came by the slave that its own layer3+4 chooses for the answers: the switch hashes as Linux does | - | answers leave where the flows came by the luck of this switch, and with another do not: to compare policies have it hash otherwise, as with layer2+3"
#define EMPTY(bond)							\
	{ "/sys/class/net/" bond "/bonding/mode", "balance-rr 0\n" },	\
	{ "/sys/class/net/" bond "/bonding/slaves", "\n" },		\
	{ "/sys/class/net/" bond "/bonding/miimon", "0\n" },		\
	{ "/sys/class/net/" bond "/bonding/xmit_hash_policy", "layer2 0\n" }
#define CONNECTED(port, state) \
	"   0: 0100000A:" port " 0200000A:9C40 " state " 00000000:00000000 00:00000000 00000000     0        0 0 1 0 100 0 0 10 0\n"
#define EIGHT(port, state) CONNECTED(port, state) CONNECTED(port, state) CONNECTED(port, state) CONNECTED(port, state) \
	CONNECTED(port, state) CONNECTED(port, state) CONNECTED(port, state) CONNECTED(port, state)
#define STATUS(cpus) "Name:\tx\nCpus_allowed_list:\t" cpus "\n"

/* What irqbalance leaves alone, over its socket. */
static void leaves(struct doctor *d, unsigned int first, unsigned int last)
{
	d->irqbalance = IRQBALANCE_ANSWERED;
	for (; first <= last; first++)
		cpulist_add(&d->left_alone, first);
}

static void answers(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		leaves(d, 24, 25);
}

static void answers_many(struct doctor *d, int when)
{
	answers(d, when);
	if (when == BEFORE_CHECKING)
		leaves(d, 100, 217);
}

static void answers_all(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		leaves(d, 24, 27);
}

static void no_answer(struct doctor *d, int when)
{
	if (when == BEFORE_CHECKING)
		d->irqbalance = IRQBALANCE_SILENT;
}

static const struct fault faults[] = {
	{ NULL, "the machine as it is", .tweak = NULL },
	{ "slave-down", "a link without carrier",
	  .file = { { "/sys/class/net/eth1/carrier", "0" } },
	  .expected = "eth1: no carrier; 1 of the 2 slaves of bond0 work | - | check its cable and the switch port" },
	{ "slave-down", "a slave set down",
	  .file = { { "/sys/class/net/eth1/carrier", NULL }, { "/sys/class/net/eth1/flags", "0x1802" } },
	  .expected = "eth1: down; 1 of the 2 slaves of bond0 work | ip link set eth1 up | -" },
	{ "slave-speed", "a driver that knows no speed",
	  .file = { { "/sys/class/net/eth0/speed", "-1" } },
	  .expected = "eth0: its driver reports no speed (-1), so 802.3ad leaves it out | ethtool -s eth0 speed 1000 duplex full | -" },
	{ "lacp-partner", "no LACP partner",
	  .file = { { BOND "ad_partner_mac", "00:00:00:00:00:00\n" } },
	  .expected = "bond0: no LACP partner answers on any of 2 ports | - | make the switch ports of eth0 eth1 one 802.3ad group with active LACP" },
	{ NULL, "a partner that is not shown (to who is not root)",
	  .file = { { BOND "ad_partner_mac", "\n" }, { BOND "ad_aggregator", "\n" } },
	  .unseen = "bond0: its LACP partner is only shown to root\n" NO_FLOWS },
	{ "aggregator", "a slave in an aggregator of its own",
	  .file = { { "/sys/class/net/eth1/bonding_slave/ad_aggregator_id", "2" } },
	  .expected = "eth1: in aggregator 2, but bond0 sends through aggregator 1 | - | put its switch port into the same 802.3ad group as the others', at the same speed" },
	{ "silent-service", "a firewall that drops per-core ports", .tweak = silent,
	  .expected = "tcp *:80: CPU 0's port 8000 was given 500 packets in 1.0 s, and none came back | nft insert rule inet filter input tcp dport '{ 8000, 8008 }' accept && nft insert rule ip filter OUTPUT tcp sport 8000 accept && nft insert rule ip filter OUTPUT tcp sport 8008 accept | -" },
	{ "silent-service", "... of IPv6", .tweak = silent_ipv6, .file = { { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") LISTEN6(ANY6, "1F48", "301") } },
	  .expected = "tcp [::]:80: CPU 0's port 8000 was given 500 packets in 1.0 s, and none came back | nft insert rule inet filter input tcp dport '{ 8000, 8008 }' accept && nft insert rule ip6 filter INPUT tcp dport 8000 accept && nft insert rule ip6 filter INPUT tcp dport 8008 accept | -" },
	{ "silent-service", "... by a rule for all that none before accepts", .tweak = silent_none,
	  .expected = "tcp *:80: CPU 0's port 8000 was given 500 packets in 1.0 s, and none came back | nft insert rule inet filter input tcp dport '{ 8000, 8008 }' accept | -" },
	{ "silent-service", "... but lets some in to them", .tweak = silent_some,
	  .expected = "tcp *:80: CPU 0's port 8000 was given 500 packets in 1.0 s, and none came back | - | chain inet filter input lets port 8000 in or keeps it out by more than its number: does it let these clients in? nft list ruleset" },
	{ "silent-service", "... or all", .tweak = silent_open,
	  .expected = "tcp *:80: CPU 0's port 8000 was given 500 packets in 1.0 s, and none came back | - | what drops them? Rules see the per-core port: nft list ruleset" },
	{ "silent-service", "something else that drops them", .tweak = silent_unknown,
	  .expected = "tcp *:80: CPU 1's port 8008 was given 500 packets in 1.0 s, and none came back | - | what drops them? Rules see the per-core port: nft list ruleset" },
	{ "no-listener", "a core without a server",
	  .file = { { "/proc/net/tcp", LISTEN("1F40", "300") } },
	  .expected = "tcp *:80: nobody listens for 1 of 2 cores (CPU 1, from port 8008 on) | - | start the instances: flowparctl run --cpus 0-1 --port-base 8000 --stride 8 --per-core 1 -- SERVER..." },
	{ "no-listener", "a service of IPv6 with servers of IPv4", .tweak = ipv6,
	  .expected = "tcp [::]:80: who listens for 2 of 2 cores (CPU 0-1, from port 8000 on) does so for IPv4 only: IPv6 is refused there | - | let the server listen on [::] too, at the same ports" },
	{ "no-listener", "a service of IPv4 with a server at an address of IPv6",
	  .file = { { "/proc/net/tcp", LISTEN("1F40", "300") }, { "/proc/net/tcp6", LISTEN6(ADDRESS6, "1F48", "301") } },
	  .expected = "tcp *:80: who listens for 1 of 2 cores (CPU 1, from port 8008 on) does so for IPv6 only: IPv4 is refused there | - | let the server listen on 0.0.0.0 too, at the same ports" },
	{ NULL, "... that has one of IPv4 in it",
	  .file = { { "/proc/net/tcp", LISTEN("1F40", "300") }, { "/proc/net/tcp6", LISTEN6(MAPPED, "1F48", "301") } } },
	{ NULL, "services of both with sockets for both", .tweak = both_for_both,
	  .file = { { "/proc/net/tcp", "\n" }, { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") LISTEN6(ANY6, "1F48", "301") } } },
	{ NULL, "... as far as can be told", .tweak = both,
	  .file = { { "/proc/net/tcp", "\n" }, { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") LISTEN6(ANY6, "1F48", "301") } },
	  .unseen = ASSUMED "\n" NO_FLOWS },
	{ "no-listener", "... that are for IPv6 only", .tweak = both_for_ipv6,
	  .file = { { "/proc/net/tcp", "\n" }, { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") LISTEN6(ANY6, "1F48", "301") } },
	  .expected = "tcp *:80: who listens for 2 of 2 cores (CPU 0-1, from port 8000 on) does so for IPv6 only: IPv4 is refused there | - | let the server listen on 0.0.0.0 too, at the same ports" },
	{ NULL, "... beside sockets of IPv4", .tweak = both_for_ipv6,
	  .file = { { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") LISTEN6(ANY6, "1F48", "301") } } },
	{ NULL, "services of both with a server of IPv4, and no address of IPv6 but the link's", .tweak = both,
	  .file = { { "/proc/net/if_inet6", IF_INET6("fe80", "20", "eth0") IF_INET6("0000", "10", "  lo") } } },
	{ "ipv4-only", "... and with one", .tweak = both,
	  .file = { { "/proc/net/tcp6", LISTEN6(ANY6, "1F40", "300") },
		    { "/proc/net/if_inet6", IF_INET6("fe80", "20", "eth0") IF_INET6("2001", "00", "bond0") } },
	  .expected = "tcp [::]:80: who listens for 1 of 2 cores (CPU 1, from port 8008 on) does so for IPv4 only: IPv6 is refused there | - | let the server listen on [::] too, at the same ports" },
	{ "accept-queue", "accept queues that overflow",
	  .later = { { "/proc/net/netstat", NETSTAT("17", "2") } },
	  .expected = "accept queues: full 12 times in 1.0 s, with 250 connections accepted; somaxconn is 4096 | - | raise the servers' backlog, which ss -ltn shows as Send-Q of those that listen" },
	{ "nic-drops", "a ring that overflows", .tweak = ring,
	  .later = { { "/sys/class/net/eth0/statistics/rx_fifo_errors", "33" }, { "/sys/class/net/eth0/statistics/rx_missed_errors", "30" } },
	  .expected = "eth0: 33 packets lost in 1.0 s, its receive ring of 256 was full | ethtool -G eth0 rx 4096 | -" },
	{ "nic-drops", "packets lost for another reason",
	  .later = { { "/sys/class/net/eth0/statistics/rx_missed_errors", "33" } },
	  .expected = "eth0: 33 packets lost in 1.0 s before its core took them | - | its core is too busy: flowparctl top shows by what" },
	{ "backlog-drops", "a backlog that overflows",
	  .later = { { "/proc/net/softnet_stat", SOFTNET("0", "00000164", "00000007", "00000001") SOFTNET("1", "00000200", "00000000", "00000000") } },
	  .expected = "CPU 0: 5 of 105 packets dropped in 1.0 s: its backlog of 1000 was full | sysctl -w net.core.netdev_max_backlog=4000 | -" },
	{ "mtu", "another MTU",
	  .file = { { "/sys/class/net/eth1/mtu", "9000" } },
	  .expected = "eth1: MTU 9000, but bond0 has 1500 | ip link set eth1 mtu 1500 | -" },
	{ "miimon", "nobody watches the links",
	  .file = { { BOND "miimon", "0\n" } },
	  .expected = "bond0: miimon 0: a link that fails is never noticed | echo 100 > /sys/class/net/bond0/bonding/miimon | -" },
	{ NULL, "links watched by ARP",
	  .file = { { BOND "miimon", "0\n" }, { BOND "arp_interval", "100\n" } } },
	{ "bond-mode", "round robin",
	  .file = { { BOND "mode", "balance-rr 0\n" }, { BOND "ad_partner_mac", "\n" } },
	  .expected = "bond0: mode balance-rr: the packets of a flow leave by all of 2 NICs in turn, whichever core sends | "
		"ip link set bond0 down && ip link set eth0 nomaster && ip link set eth1 nomaster && echo 802.3ad > /sys/class/net/bond0/bonding/mode"
		" && ip link set eth0 down && ip link set eth0 master bond0 && ip link set eth1 down && ip link set eth1 master bond0 && ip link set bond0 up"
		" | it needs 802.3ad at the switch, takes the link down for a while and routes with it" },
	{ "bond-mode", "a bond for failover", .file = { { BOND "mode", "active-backup 1\n" }, { BOND "ad_partner_mac", "\n" } },
	  .later = { { "/sys/class/net/eth1/statistics/rx_packets", "1000" } },
	  .expected = "bond0: mode active-backup: all flows share one of 2 NICs, the others stand by | - | if they are to share the load, and not only to stand in for each other, it has to be 802.3ad, at the switch too" },
	{ NULL, "a slave whose name would be a command",
	  .file = { { BOND "slaves", "eth0 eth1 x;reboot\n" }, { "/sys/class/net/x;reboot/mtu", "9000" } },
	  .unseen = "machine: 1 bonds or NICs with names that fit in no command\n" NO_FLOWS },
	{ "unpinned", "a server with a name for the terminal",
	  .file = { { "/proc/101/task/101/status", STATUS("0-3") }, { "/proc/101/comm", "\033[2Jx\n" } },
	  .expected = "port 8008: ?[2Jx (pid 101, 1 threads) may run on CPUs 0-3 | taskset -acp 1 101 | -" },
	{ NULL, "balance-xor", .file = { { BOND "mode", "balance-xor 2\n" }, { BOND "ad_partner_mac", "\n" } } },
	{ "no-bond", "no bond",
	  .file = { { "/sys/class/net/bonding_masters", NULL }, { "/sys/class/net/eth0/bonding_slave/cpus", NULL }, { "/sys/class/net/eth1/bonding_slave/cpus", NULL } },
	  .expected = "machine: 2 NICs with a link, in no bond and no use: an address is served by one of them | - | setup-flowpar.sh up --bond bond0 --slaves eth0,eth1 --address A.B.C.D/N, with 802.3ad at the switch" },
	{ "no-bond", "none but the one that loading bonding makes", .file = { EMPTY("bond0") },
	  .expected = "machine: 2 NICs with a link, in no bond and no use: an address is served by one of them | - | setup-flowpar.sh up --bond bond0 --slaves eth0,eth1 --address A.B.C.D/N, with 802.3ad at the switch" },
	{ NULL, "none, and NICs of a bridge and with an address", .file = { { "/sys/class/net/bonding_masters", NULL },
		    { "/sys/class/net/eth0/master", "@../eth1" }, { "/proc/net/route", "Iface\tDestination\teth1 \neth1\t0000000A\t00000000\n" } },
	  .unseen = "bond: there is none, and of 2 NICs with a link 0 in no use: no address, team or bridge" },
	{ NULL, "none, and a NIC with an address of IPv6 beside one without", .file = { { "/sys/class/net/bonding_masters", NULL },
		    { "/proc/net/if_inet6", IF_INET6("fe80", "20", "eth0") IF_INET6("2001", "00", "eth1") } },
	  .unseen = "bond: there is none, and of 2 NICs with a link 1 in no use: no address, team or bridge" },
	{ NULL, "... beside another", .file = { { "/sys/class/net/bonding_masters", "bond0 bond1\n" }, EMPTY("bond1") } },
	{ "miimon", "... that was asked for", .file = { { "/sys/class/net/bonding_masters", "bond0 bond1\n" }, EMPTY("bond1") }, .bond = "bond1",
	  .expected = "bond1: miimon 0: a link that fails is never noticed | echo 100 > /sys/class/net/bond1/bonding/miimon | -",
	  .unseen = "bond1: how it sends: it has no slaves" },
	{ "queues", "a NIC with a queue on every core", .tweak = channels,
	  .file = { QUEUES("eth0", "rx-1/rps_cpus", "0"), QUEUES("eth0", "rx-2/rps_cpus", "0"), QUEUES("eth0", "rx-3/rps_cpus", "0"),
		    { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/proc/irq/24/smp_affinity_list", "0-3" },
		    { "/proc/irq/24/effective_affinity_list", "0-3" } },
	  .expected = "eth0: 4 queues on 4 cores, but 2 NICs share 4 cores: it has 2 of its own | ethtool -L eth0 combined 2 | -" },
	{ "irq", "... whose driver lets nobody change that",
	  .file = { QUEUES("eth0", "rx-1/rps_cpus", "0"), QUEUES("eth0", "rx-2/rps_cpus", "0"), QUEUES("eth0", "rx-3/rps_cpus", "0"),
		    { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/proc/irq/24/smp_affinity_list", "0-3" },
		    { "/proc/irq/24/effective_affinity_list", "0-3" } },
	  .expected = "eth0: 1 of 2 interrupts (24) may go to CPUs 0-3, now 0-3 | echo 0 > /proc/irq/24/smp_affinity_list | -" },
	{ "irq", "... but shows its channels", .tweak = channels,
	  .file = { QUEUES("eth0", "rx-1/rps_cpus", "0"), QUEUES("eth0", "rx-2/rps_cpus", "0"), QUEUES("eth0", "rx-3/rps_cpus", "0"),
		    { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/proc/irq/24/smp_affinity_list", "0-3" },
		    { "/proc/irq/24/effective_affinity_list", "0-3" }, { "/sys/class/net/eth0/device/driver", "@../../../bus/pci/drivers/vmxnet3" } },
	  .expected = "eth0: 1 of 2 interrupts (24) may go to CPUs 0-3, now 0-3 | echo 0 > /proc/irq/24/smp_affinity_list | -" },
	{ "irq", "... or not for both ways together", .tweak = separate,
	  .file = { QUEUES("eth0", "rx-1/rps_cpus", "0"), QUEUES("eth0", "rx-2/rps_cpus", "0"), QUEUES("eth0", "rx-3/rps_cpus", "0"),
		    { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/proc/irq/24/smp_affinity_list", "0-3" },
		    { "/proc/irq/24/effective_affinity_list", "0-3" } },
	  .expected = "eth0: 1 of 2 interrupts (24) may go to CPUs 0-3, now 0-3 | echo 0 > /proc/irq/24/smp_affinity_list | -" },
	{ "irq", "an interrupt on the wrong core",
	  .file = { { "/proc/irq/27/smp_affinity_list", "0" }, { "/proc/irq/27/effective_affinity_list", "0" } },
	  .expected = "eth1: 1 of 2 interrupts (27) go to CPU 0; the bond sends what CPU 1 sends by it | echo 1 > /proc/irq/27/smp_affinity_list | -" },
	{ "irq", "interrupts that may go anywhere",
	  .file = { { "/proc/irq/26/smp_affinity_list", "0-3" }, { "/proc/irq/27/smp_affinity_list", "0-3" } },
	  .expected = "eth1: 2 of 2 interrupts (26-27) may go to CPUs 0-3, now 1 | echo 1 > /proc/irq/26/smp_affinity_list; echo 1 > /proc/irq/27/smp_affinity_list | -" },
	{ "irq", "two NICs on one core, without lists",
	  .file = { { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/sys/class/net/eth1/bonding_slave/cpus", "\n" },
		    { "/proc/irq/26/smp_affinity_list", "0" }, { "/proc/irq/27/smp_affinity_list", "0" },
		    { "/proc/irq/26/effective_affinity_list", "0" }, { "/proc/irq/27/effective_affinity_list", "0" } },
	  .expected = "eth1: 2 of 2 interrupts (26-27) go to CPU 0, as eth0's do | echo 1 > /proc/irq/26/smp_affinity_list; echo 1 > /proc/irq/27/smp_affinity_list | -" },
	{ "irq", "a NIC on a core where nobody listens",
	  .file = { { "/sys/class/net/eth1/bonding_slave/cpus", "\n" },
		    { "/proc/irq/26/smp_affinity_list", "3" }, { "/proc/irq/27/smp_affinity_list", "3" },
		    { "/proc/irq/26/effective_affinity_list", "3" }, { "/proc/irq/27/effective_affinity_list", "3" } },
	  .expected = "eth1: 2 of 2 interrupts (26-27) go to CPU 3, where no instance of tcp *:80 listens | echo 1 > /proc/irq/26/smp_affinity_list; echo 1 > /proc/irq/27/smp_affinity_list | -" },
	{ "irq", "one that the kernel manages",
	  .file = { { "/proc/irq/26/smp_affinity_list", "2-3" }, { "/proc/irq/26/effective_affinity_list", "2" },
		    { "/sys/kernel/debug/irq/irqs/26", "dstate:   0x1\n            IRQD_AFFINITY_MANAGED\n" } },
	  .expected = "eth1: 1 of 2 interrupts (26) may go to CPUs 2-3, now 2 | - | the kernel manages them and lets nobody move them: give this NIC's cores its listeners, or change its queues with ethtool -L" },
	{ NULL, "a queue on each core of a NIC's, with bnx2x's names",
	  .file = { { "/sys/class/net/eth0/bonding_slave/cpus", "0,2\n" }, { "/proc/irq/24/eth0-rx-0", NULL }, { "/proc/irq/25/eth0-tx-0", NULL },
		    { "/proc/irq/24/eth0-fp-0", "/" }, { "/proc/irq/25/eth0-fp-1", "/" },
		    { "/proc/irq/25/smp_affinity_list", "2" }, { "/proc/irq/25/effective_affinity_list", "2" } } },
	{ NULL, "no lists, but pinned interrupts",
	  .file = { { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/sys/class/net/eth1/bonding_slave/cpus", "\n" } } },
	{ "irqbalance", "irqbalance, with too few bans",
	  .file = { { "/proc/60/comm", "irqbalance\n" }, { "/proc/60/cmdline", "/usr/sbin/irqbalance" } },
	  .expected = "irqbalance: running (pid 60), and free to move 4 of the NICs' 4 interrupts | - | add --banirq=24 --banirq=25 --banirq=26 --banirq=27 to IRQBALANCE_ARGS in /etc/default/irqbalance and restart it" },
	{ "irqbalance", "irqbalance that answers, with too few bans", .tweak = answers,
	  .file = { { "/proc/60/comm", "irqbalance\n" }, { "/proc/60/cmdline", "/usr/sbin/irqbalance" } },
	  .expected = "irqbalance: running (pid 60), and free to move 2 of the NICs' 4 interrupts | flowparctl irqbalance --ban 26-27 | -" },
	{ "irqbalance", "... and with more than it can be told", .tweak = answers_many,
	  .file = { { "/proc/60/comm", "irqbalance\n" }, { "/proc/60/cmdline", "/usr/sbin/irqbalance" } },
	  .expected = "irqbalance: running (pid 60), and free to move 2 of the NICs' 4 interrupts | - | add --banirq=26 --banirq=27 to IRQBALANCE_ARGS in /etc/default/irqbalance and restart it" },
	{ NULL, "... and was told all", .tweak = answers_all,
	  .file = { { "/proc/60/comm", "irqbalance\n" }, { "/proc/60/cmdline", "/usr/sbin/irqbalance" } } },
	{ NULL, "... and does not answer", .tweak = no_answer,
	  .file = { { "/proc/60/comm", "irqbalance\n" }, { "/proc/60/cmdline", "/usr/sbin/irqbalance" } },
	  .unseen = "irqbalance: whether it was told to leave the NICs' interrupts alone: it did not answer, as it does to root\n" NO_FLOWS },
	{ "rps", "receive packet steering",
	  .file = { { "/sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,0000000c" } },
	  .expected = "eth0: RPS hands the packets of 1 of 1 queues on to CPUs 2-3 | echo 0 | tee /sys/class/net/eth0/queues/rx-*/rps_cpus | -" },
	{ "rfs", "receive flow steering",
	  .file = { { "/proc/sys/net/core/rps_sock_flow_entries", "32768" }, { "/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "4096" } },
	  .expected = "eth0: RFS moves flows of 1 of 1 queues to where their servers ran last (32768 entries) | echo 0 | tee /sys/class/net/eth0/queues/rx-*/rps_flow_cnt | -" },
	{ NULL, "flow tables that nobody uses",
	  .file = { { "/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "4096" } } },
	{ "shared-listener", "one listener for all", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") } },
	  .expected = "port 80: one listening socket for the flows of 2 cores (lighttpd, 1 processes) | - | " ADVICE_RUN },
	{ "shared-listener", "... of one NIC with a queue on each", .tweak = plain,
	  .file = { { BOND "slaves", "eth0\n" }, { "/sys/class/net/eth0/bonding_slave/cpus", "\n" }, { "/proc/net/tcp", LISTEN("0050", "300") },
		    { "/proc/irq/25/smp_affinity_list", "2" }, { "/proc/irq/25/effective_affinity_list", "2" }, { "/proc/irq/25/eth0-tx-0", NULL },
		    { "/proc/irq/25/eth0-rx-1", "/" }, { "/proc/100/comm", "nginx\n" } },
	  .expected = "port 80: one listening socket for the flows of 2 cores (nginx, 1 processes) | - | stop it and start one a core: "
		RUN_AS("", "0,2", "80", "/etc/flowpar/nginx.conf.in -- nginx -c {conf}") },
	{ "shared-listener", "one listener for all, of a server that no template is for", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") }, { "/proc/100/comm", "python3\n" } },
	  .expected = "port 80: one listening socket for the flows of 2 cores (python3, 1 processes) | - | stop it and start one a core: "
		RUN_AS("", "0-1", "80", "FILE -- SERVER {conf}, with its configuration as FILE, {port} in the place of the port, and its command, in the foreground, as SERVER") },
	{ "shared-listener", "... of a port that is only guessed, not ssh's nor one whose connections are over", .tweak = unsaid,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0016", "302") LISTEN("08AE", "301") LISTEN("1F90", "303") EIGHT("0050", "01")
		      EIGHT("0016", "01") EIGHT("0016", "01") EIGHT("08AE", "01") EIGHT("08AE", "01") EIGHT("1F90", "06") EIGHT("1F90", "06") },
		    { "/proc/101/comm", "sshd-session\n" } },
	  .expected = "port 80: one listening socket for the flows of 2 cores (lighttpd, 1 processes) | - | " GUESS LIGHTTPD("0-1"),
	  .unseen = "server: any other port than 80, which has most connections; say with --port which one is served\n" NO_FLOWS },
	{ NULL, "connections of ssh alone", .tweak = unsaid,
	  .file = { { "/proc/net/tcp", LISTEN("0016", "300") EIGHT("0016", "01") } },
	  .unseen = "server: no listened port has 8 connections now; say with --port which one is served\n" NO_FLOWS },
	{ NULL, "a core's listener that nft steers to", .tweak = nft,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") } } },
	{ NULL, "a listener a core by SO_REUSEPORT, pinned", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0050", "301") } } },
	{ "unpinned", "a server that may run anywhere, with a listener a core", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0050", "301") }, { "/proc/101/task/101/status", STATUS("0-3") },
		    { "/proc/100/task/100/status", STATUS("0-3") } },
	  .expected = "port 80: 2 processes (lighttpd, pid 100 and others, 2 threads) may run on CPUs 0-3 | - | " ADVICE_RUN },
	{ NULL, "a server with a thread on each core and a listener each", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0050", "302") }, { "/proc/100/fd/4", "@socket:[302]" },
		    { "/proc/100/task/102/status", STATUS("1") } } },
	{ "unpinned", "... and a thread that may run on either", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0050", "302") }, { "/proc/100/fd/4", "@socket:[302]" },
		    { "/proc/100/task/102/status", STATUS("1") }, { "/proc/100/task/103/status", STATUS("0-1") } },
	  .expected = "port 80: lighttpd (pid 100, 3 threads) may run on CPUs 0-1 | - | " ADVICE_RUN },
	{ NULL, "their master may run anywhere: it serves nobody", .tweak = plain,
	  .file = { { "/proc/net/tcp", LISTEN("0050", "300") LISTEN("0050", "301") }, { "/proc/50/task/50/status", STATUS("0-3") },
		    { "/proc/50/fd/3", "@socket:[300]" }, { "/proc/50/fd/4", "@socket:[301]" } } },
	{ "unpinned", "an instance that may run anywhere",
	  .file = { { "/proc/101/task/101/status", STATUS("0-3") } },
	  .expected = "port 8008: lighttpd (pid 101, 1 threads) may run on CPUs 0-3 | taskset -acp 1 101 | -" },
	{ "unpinned", "an instance with a thread on another core",
	  .file = { { "/proc/101/task/102/status", STATUS("3") } },
	  .expected = "port 8008: lighttpd (pid 101, 2 threads) may run on CPUs 1,3 | taskset -acp 1 101 | -" },
	{ NULL, "a server of IPv6 at the ports of a service of IPv4", .tweak = for_ipv6,
	  .file = { { "/proc/net/tcp6", LISTEN6(ANY6, "1F48", "302") }, PROCESS("102", "0-3", "302") } },
	{ "unpinned", "... which has IPv6 too", .tweak = both_for_ipv6,
	  .file = { { "/proc/net/tcp6", LISTEN6(ANY6, "1F48", "302") }, PROCESS("102", "0-3", "302") },
	  .expected = "port 8008: lighttpd (pid 102, 1 threads) may run on CPUs 0-3 | taskset -acp 1 102 | -" },
	{ "server-core", "an instance on another's core",
	  .file = { { "/proc/101/task/101/status", STATUS("0") } },
	  .expected = "port 8008: lighttpd (pid 101) is pinned to CPU 0, but has CPU 1's flows | taskset -acp 1 101 | -" },
	{ "policy", "a policy by addresses",
	  .file = { { BOND "xmit_hash_policy", "layer2 0\n" } },
	  .expected = "bond0: transmit policy layer2: all that is sent to one host or router leaves by one of 2 NICs | echo cpu-bound > /sys/class/net/bond0/bonding/xmit_hash_policy | -" },
	{ "policy", "... on an unpatched kernel",
	  .file = { { BOND "xmit_hash_policy", "layer2+3 2\n" }, { "/sys/class/net/eth0/bonding_slave/cpus", NULL }, { "/sys/class/net/eth1/bonding_slave/cpus", NULL } },
	  .expected = "bond0: transmit policy layer2+3: all that is sent to one host or router leaves by one of 2 NICs | echo layer3+4 > /sys/class/net/bond0/bonding/xmit_hash_policy | -" },
	{ "policy", "the best that an unpatched kernel has",
	  .file = { { BOND "xmit_hash_policy", "layer3+4 1\n" }, { "/sys/class/net/eth0/bonding_slave/cpus", NULL }, { "/sys/class/net/eth1/bonding_slave/cpus", NULL } },
	  .expected = "bond0: transmit policy layer3+4: an answer leaves by its own core's NIC one time in 2 | - | this kernel's bonding does not know cpu-bound: apt-get install flowpar-dkms, or boot the patched kernel, then set it in /sys/class/net/bond0/bonding/xmit_hash_policy" },
	{ "policy", "... where flowpar-dkms is installed",
	  .file = { { BOND "xmit_hash_policy", "layer3+4 1\n" }, { "/sys/class/net/eth0/bonding_slave/cpus", NULL }, { "/sys/class/net/eth1/bonding_slave/cpus", NULL },
		    { "/usr/sbin/flowpar-dkms", "" } },
	  .expected = "bond0: transmit policy layer3+4: an answer leaves by its own core's NIC one time in 2 | - | this kernel's bonding does not know cpu-bound: run 'flowpar-dkms status', which says what is missing, then set it in /sys/class/net/bond0/bonding/xmit_hash_policy" },
	{ "own-nic", "cores without a NIC that send", .tweak = other_nic,
	  .expected = "bond0: 23.1 % of 1000 packets left by another NIC than their core's own | - | cores without a NIC of their own send them: keep servers and interrupts to the cores that have one" },
	{ "moved", "flows that have moved", .tweak = moved,
	  .expected = "tcp *:80: 12.3 % of 1000 packets belong to flows that began on another core | - | the switch or an interrupt has moved them; those that begin now stay" },
	{ "moved", "packets on a core outside the list", .tweak = foreign,
	  .expected = "tcp *:80: 40.0 % of 1000 packets arrive on a core that has no listener | - | give each core that a NIC interrupts an instance, or move the interrupt" },
	{ "switch-hash", "a switch that hashes layer 2", .tweak = one_mac_one_link,
	  .expected = "bond0: the switch sends all 24 new flows of the 12 addresses behind 52:54:00:00:00:09 to eth0: it hashes layer 2 only | - | have the switch's group hash addresses and ports (layer 3+4), or addresses (layer 2+3)" },
	{ NULL, "a router's flows by both links", .tweak = one_mac_two_links },
	{ "port-load", "too few addresses to tell what it hashes, but enough flows", .tweak = few_addresses,
	  .expected = "bond0: new flows in 1.0 s: eth0 22, eth1 0: a hash that is fair to 22 flows does that less than one time in 1000 | - | " ADVICE_SWITCH },
	{ "port-load", "unequal ports", .tweak = unequal,
	  .expected = "bond0: new flows in 1.0 s: eth0 21, eth1 3: a hash that is fair to 24 flows does that less than one time in 1000 | - | " ADVICE_SWITCH },
	{ NULL, "unequal packets, of few flows that are not",
	  .later = { { "/sys/class/net/eth0/statistics/rx_packets", "9000" }, { "/sys/class/net/eth1/statistics/rx_packets", "1000" } },
	  .tweak = nearly_as_linux_hashes },
	{ NULL, "too few flows to tell by", .tweak = few_flows,
	  .unseen = "bond0: the load of its ports: only 9 new flows came in 1.0 s; ask again under load or with a longer --interval" },
	{ "rss-load", "a NIC whose queues are unequal", .tweak = weighted, UNEQUAL_QUEUES,
	  .expected = "eth0: CPU 0 processes 4096 of 4112 packets that its 3 cores get | ethtool -X eth0 equal 2 | -" },
	{ "rss-load", "... with equal shares", .tweak = equal, UNEQUAL_QUEUES,
	  .expected = "eth0: CPU 0 processes 4096 of 4112 packets that its 3 cores get | - | its queues have equal shares of the hash: " FEW_FLOWS },
	{ "rss-load", "... whose driver does not tell them", UNEQUAL_QUEUES,
	  .expected = "eth0: CPU 0 processes 4096 of 4112 packets that its 3 cores get | - | its driver does not tell the queues' shares: " FEW_FLOWS },
	{ "conntrack", "connection tracking",
	  .file = { TRACKED },
	  .expected = TRACKS NOTRACK },
	{ "conntrack", "... that rules go by, in a chain that is jumped to", .tweak = by_state,
	  .file = { TRACKED },
	  .expected = TRACKS "- | rules of chain inet filter input go by ct state, which packets that are not tracked have none of: accept ports 80, 8000, 8008 there by number, in and out, before notrack (at priority raw, in prerouting and output) takes them from conntrack" },
	{ "conntrack", "... of IPv6, since notrack is for both", .tweak = by_state_ipv6,
	  .file = { TRACKED },
	  .expected = TRACKS "- | rules of chain ip6 filter INPUT go by ct state, which packets that are not tracked have none of: accept ports 80, 8000, 8008 there by number, in and out, before notrack (at priority raw, in prerouting and output) takes them from conntrack" },
	{ "conntrack", "... that the service may be rewritten by", .tweak = may_be_rewritten,
	  .file = { TRACKED },
	  .expected = TRACKS "- | rules of chain ip nat PREROUTING may rewrite what comes to port 8000, for which it has to be tracked: only if they do not may notrack (at priority raw, in prerouting and output) take ports 80, 8000, 8008 from conntrack" },
	{ "conntrack", "... that another service is rewritten by", .tweak = others_rewritten,
	  .file = { TRACKED },
	  .expected = TRACKS NOTRACK },
	{ "conntrack", "... that rules of iptables-legacy may go by", .tweak = legacy,
	  .file = { TRACKED },
	  .expected = TRACKS "- | notrack (at priority raw, in prerouting and output) takes ports 80, 8000, 8008 from conntrack; but rules that accept by ct state no longer match them then, and whether there are such could not be seen",
	  .unseen = NO_FLOWS "\nfirewall: it has tables of iptables-legacy; iptables-legacy-save shows them" },
	{ NULL, "connection tracking of others' flows",
	  .file = { { CT "count", "1\n" }, { "/proc/net/nf_conntrack",
		"ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=10.0.0.1 sport=40002 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=40002 [ASSURED] mark=0 use=2\n" } } },
	{ "xps", "transmit queues without a core",
	  .file = { QUEUES("eth1", "tx-0/xps_cpus", "2"), QUEUES("eth1", "tx-1/xps_cpus", "0") },
	  .expected = "eth1: of 2 transmit queues 1 have no core (XPS) and 0 another than their interrupt's | echo 2 > /sys/class/net/eth1/queues/tx-1/xps_cpus | -" },
	{ "xps", "transmit queues of other cores",
	  .file = { QUEUES("eth1", "tx-0/xps_cpus", "1"), QUEUES("eth1", "tx-1/xps_cpus", "00000001,00000000") },
	  .expected = "eth1: of 2 transmit queues 0 have no core (XPS) and 2 another than their interrupt's | echo 2 > /sys/class/net/eth1/queues/tx-0/xps_cpus; echo 2 > /sys/class/net/eth1/queues/tx-1/xps_cpus | -" },
	{ "xps", "transmit queues by receive queue",
	  .file = { QUEUES("eth1", "tx-0/xps_cpus", "2"), QUEUES("eth1", "tx-1/xps_cpus", "2"), QUEUES("eth1", "tx-0/xps_rxqs", "0"), QUEUES("eth1", "tx-1/xps_rxqs", "1") },
	  .expected = "eth1: 1 of 2 transmit queues go by receive queue (xps_rxqs), before any core that they have | echo 0 | tee /sys/class/net/eth1/queues/tx-*/xps_rxqs | -" },
	{ "firewall", "a long ruleset", .tweak = many_rules,
	  .expected = "firewall: a packet of port 8000 is compared with 120 rules of chain ip filter OUTPUT | nft insert rule ip filter OUTPUT tcp sport 8000 accept && nft insert rule ip filter OUTPUT tcp sport 8008 accept | -" },
	{ "firewall", "a long ruleset in the chains that ufw has", .tweak = as_ufw,
	  .expected = "firewall: a packet of port 8000 is compared with 45 rules of chain ip filter INPUT and those that it goes on to | nft insert rule ip filter INPUT tcp dport 8000 accept && nft insert rule ip filter INPUT tcp dport 8008 accept | -" },
	{ "firewall", "... that firewalld has", .tweak = as_firewalld,
	  .expected = "firewall: a packet of port 8000 is compared with up to 43 rules of chain inet firewalld filter_INPUT and those that it goes on to | nft insert rule inet firewalld filter_INPUT tcp dport 8000 accept && nft insert rule inet firewalld filter_INPUT tcp dport 8008 accept | -" },
	{ "firewall", "... that may rewrite packets", .tweak = many_rewrite,
	  .expected = "firewall: a packet of port 8000 is compared with 41 rules of chain ip nat PREROUTING | - | some of them may rewrite it, unless one before accepts it: put first, in chain ip nat PREROUTING, those that are for the service" },
	{ "firewall", "... that keeps some out", .tweak = some_let_in,
	  .expected = "firewall: a packet of port 8000 is compared with 43 rules of chain inet filter input and those that it goes on to | - | not all of them are let in, as far as the rules tell: put first, in chain inet filter input, what lets in those that are" },
	{ "firewall", "a long ruleset of IPv6", .tweak = both_many_rules_ipv6,
	  .file = { { "/proc/net/tcp6", LISTEN6(ADDRESS6, "1F40", "300") LISTEN6(ADDRESS6, "1F48", "301") }, GLOBAL6 },
	  .expected = "firewall: a packet of port 8000 is compared with 40 rules of chain ip6 filter INPUT | nft insert rule ip6 filter INPUT tcp dport 8000 accept && nft insert rule ip6 filter INPUT tcp dport 8008 accept | -" },
	{ NULL, "... on a machine with no address of it", .tweak = both_many_rules_ipv6,
	  .file = { { "/proc/net/tcp6", LISTEN6(ADDRESS6, "1F40", "300") LISTEN6(ADDRESS6, "1F48", "301") } } },
	{ NULL, "... or no service", .tweak = many_rules_ipv6, .file = { GLOBAL6 } },
	{ "firewall", "a long ruleset for packets of IPv6 among others", .tweak = both_apart,
	  .file = { { "/proc/net/tcp6", LISTEN6(ADDRESS6, "1F40", "300") LISTEN6(ADDRESS6, "1F48", "301") }, GLOBAL6 },
	  .expected = "firewall: a packet of port 8000 is compared with up to 35 rules of chain inet filter input and those that it goes on to | nft insert rule inet filter input tcp dport 8000 accept && nft insert rule inet filter input tcp dport 8008 accept | -" },
	{ NULL, "long chains that no packet of the service comes to", .tweak = elsewhere },
	{ "offloads", "offloads off", .tweak = offloads,
	  .expected = "eth1: 2 of 4 offloads off that it has: generic receive offload, transmit checksum offload | ethtool -K eth1 gro on tx on | -" },
	{ "offloads", "... on the bond itself", .tweak = bond_offloads,
	  .expected = "bond0: 1 of 2 offloads off that it has: TCP segmentation offload | ethtool -K bond0 tso on | -" },
	{ "governor", "a slow frequency governor",
	  .file = { { "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n" } },
	  .expected = "CPU 0: frequency governor powersave: CPU 0 runs at 800 of 3600 MHz | echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | -" },
	{ "idle-states", "idle states that are slow to leave",
	  .file = { { IDLE0 "latency", "0\n" }, { IDLE1 "latency", "133\n" }, { IDLE1 "disable", "0\n" }, { IDLE1 "time", "5000000\n" } },
	  .later = { { IDLE1 "time", "6000000\n" } },
	  .expected = "idle states: the CPUs spent 25.0 % of their time in states that take more than 20 us to leave | for s in /sys/devices/system/cpu/cpu*/cpuidle/state*; do [ $(cat $s/latency) -le 20 ] || echo 1 > $s/disable; done | -" },
	{ NULL, "... that are off, or not entered, and a quick one",
	  .file = { { IDLE0 "latency", "2\n" }, { IDLE0 "time", "1\n" }, { IDLE1 "latency", "133\n" }, { IDLE1 "disable", "1\n" }, { IDLE1 "time", "1\n" },
		    { "/sys/devices/system/cpu/cpu1/cpuidle/state0/latency", "133\n" }, { "/sys/devices/system/cpu/cpu1/cpuidle/state0/time", "7\n" } },
	  .later = { { IDLE0 "time", "900000\n" }, { IDLE1 "time", "900000\n" } } },
	{ "budget", "a softirq that never gets through",
	  .later = { { "/proc/net/softnet_stat", SOFTNET("0", "00000164", "00000002", "0000004b") SOFTNET("1", "00000200", "00000000", "00000002") } },
	  .expected = "CPU 0: 74 times in 1.0 s the budget of 300 packets or 8000 us ended its softirq with work left | sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=32000 | -" },
	{ "somaxconn", "short accept queues",
	  .file = { { "/proc/sys/net/core/somaxconn", "128\n" } },
	  .expected = "net.core.somaxconn: 128 connections at most wait for a server, whatever backlog it asks for | sysctl -w net.core.somaxconn=4096 | and restart the servers: a queue keeps the length that it was opened with" },
	{ "time-wait", "too little room for TIME_WAIT",
	  .file = { { "/proc/sys/net/ipv4/tcp_max_tw_buckets", "100\n" } },
	  .expected = "net.ipv4.tcp_max_tw_buckets: 100, and 90 sockets are in TIME_WAIT; 0 more had no room in 1.0 s | sysctl -w net.ipv4.tcp_max_tw_buckets=65536 | -" },
	{ "time-wait", "... and no more",
	  .later = { { "/proc/net/netstat", NETSTAT("5", "9") } },
	  .expected = "net.ipv4.tcp_max_tw_buckets: 32768, and 90 sockets are in TIME_WAIT; 7 more had no room in 1.0 s | sysctl -w net.ipv4.tcp_max_tw_buckets=131072 | -" },
	{ "ephemeral", "per-core ports that clients may get", .tweak = ephemeral,
	  .file = { { "/proc/net/tcp", LISTEN("7FF8", "300") LISTEN("8000", "301") }, { "/proc/sys/net/ipv4/ip_local_reserved_ports", "40000-40010\n" } },
	  .expected = "per-core ports: 1 of them are in ip_local_port_range 32768-60999: a client on this machine may get one as its own | sysctl -w net.ipv4.ip_local_reserved_ports=40000-40010,32768 | -" },
	{ NULL, "... but are reserved", .tweak = ephemeral,
	  .file = { { "/proc/net/tcp", LISTEN("7FF8", "300") LISTEN("8000", "301") }, { "/proc/sys/net/ipv4/ip_local_reserved_ports", "7,32766-32770\n" } } },
	{ "ephemeral", "per-core ports of services of both families", .tweak = both_ephemeral,
	  .file = { { "/proc/net/tcp", "\n" }, { "/proc/net/tcp6", LISTEN6(ANY6, "7FF8", "300") LISTEN6(ANY6, "8000", "301") } },
	  .expected = "per-core ports: 1 of them are in ip_local_port_range 32768-60999: a client on this machine may get one as its own | sysctl -w net.ipv4.ip_local_reserved_ports=32768 | -",
	  .unseen = ASSUMED "\n" NO_FLOWS },
	{ "policy", "a switch that hashes as the bond does", .tweak = as_linux_hashes,
	  .file = { { BOND "xmit_hash_policy", "layer3+4 1\n" } },
	  .expected = BY_PORT SYMMETRIC },
	{ "policy", "a switch that sends one flow otherwise", .tweak = nearly_as_linux_hashes,
	  .file = { { BOND "xmit_hash_policy", "layer3+4 1\n" } },
	  .expected = BY_PORT },
	{ NULL, "a bond that goes by cores, whose switch hashes as Linux does", .tweak = as_linux_hashes },
};

static void clear(void)
{
	nftw(root, take_out, 8, FTW_DEPTH | FTW_PHYS);
	if (mkdir(root, 0700))
		abort();
}

static char *examine(const struct fault *fault)
{
	struct doctor *d = calloc(1, sizeof(*d));
	const struct finding *f;
	char *text = NULL;
	size_t len, i, k;
	FILE *out;

	if (!d)
		abort();
	plant_all(healthy);
	plant_all(fault->file);
	if (!machine_read(&d->m, fault->bond))
		abort();
	machine_sample(&d->m, 0);
	plant_all(traffic);
	plant_all(fault->later);
	machine_sample(&d->m, 1);
	d->m.sample[0].ms = 0;
	d->m.sample[1].ms = 1000;
	steer(d);
	if (fault->tweak)
		fault->tweak(d, BEFORE_READING);
	doctor_read(d);
	d->fw.known = d->syns.known = true;
	d->fw.port = 8000;
	for (i = 0; i < d->m.n; i++)
		for (k = 0; k < d->m.bond[i].n; k++)
			d->m.bond[i].nic[k].features_known = true;
	if (fault->tweak)
		fault->tweak(d, BEFORE_CHECKING);
	doctor_examine(d);

	out = open_memstream(&text, &len);
	if (!out)
		abort();
	for (f = d->found.finding; f < d->found.finding + d->found.n; f++)
		fprintf(out, "%s%s: %s: %s | %s | %s", ftell(out) ? "\n" : "", f->check, f->object, f->found,
			f->command ? f->command : "-", f->advice ? f->advice : "-");
	for (i = 0; fault->unseen && i < d->found.n_unseen; i++)
		fprintf(out, "%s%s: %s", ftell(out) ? "\n" : "", d->found.unseen[i].object, d->found.unseen[i].why);
	fclose(out);
	doctor_free(d);
	free(d);
	clear();
	return text;
}

/*
 * Queues by the names in /proc/interrupts: the table of tests/affinity/placement.sh, which
 * has setup-flowpar.sh go by the same; "-" is one that brings no packets.
 */
static const struct {
	const char *what, *queues, *nic, *names[6];
} named[] = {
	{ "virtio", "- 0 0 1 1", "eth0", { "virtio0-config", "virtio0-input.0", "virtio0-output.0", "virtio0-input.1", "virtio0-output.1" } },
	{ "ixgbe, igb and ice", "- 0 1", "eth0", { "eth0", "eth0-TxRx-0", "ice-eth0-TxRx-1" } },
	{ "vmxnet3", "0 1 -", "eth0", { "eth0-rxtx-0", "eth0-rxtx-1", "eth0-event-4" } },
	{ "mlx5", "- 0 1", "eth0", { "mlx5_async0@pci:0000:03:00.0", "mlx5_comp0@pci:0000:03:00.0", "mlx5_comp1@pci:0000:03:00.0" } },
	{ "mlx4", "0 1", "eth0", { "mlx4-0@0000:03:00.0", "mlx4-1@0000:03:00.0" } },
	{ "sfc", "0 1", "eth0", { "eth0-0", "eth0-1" } },
	{ "cxgb4", "0 1 2", "eth0", { "eth0 (queue 0)", "eth0 (queue 1)", "eth0 (queue 2)" } },
	{ "bnx2x", "- 0 1", "eth0", { "eth0", "eth0-fp-0", "eth0-fp-1" } },
	{ "gve", "0 1 -", "eth0", { "gve-ntfy-blk0@pci:0000:00:04.0", "gve-ntfy-blk1@pci:0000:00:04.0", "gve-mgmnt@pci:0000:00:04.0" } },
	{ "a NIC whose name ends like a queue", "0 1", "enp3s0f1q2", { "enp3s0f1q2-TxRx-0", "enp3s0f1q2-TxRx-1" } },
	{ "a NIC whose name is like a queue", "0 1", "tx0", { "tx0-0", "tx0-1" } },
	{ "names that say nothing: in turn", "0 1 2", "eth0", { "strange:a", "strange:b", "strange:c" } },
	{ "interrupts that nobody has requested: in turn", "0 1", "eth0", { "", "" } },
};

static void plant_text(const char *text, const char *fmt, ...)
{
	struct file file = { .text = text };
	va_list args;
	char *path;

	va_start(args, fmt);
	if (vasprintf(&path, fmt, args) < 0)
		abort();
	va_end(args);
	file.path = path;
	plant(&file);
	free(path);
}

static void queues(size_t row)
{
	const char *nic = named[row].nic;
	const struct nic *n;
	struct machine m;
	char *text = NULL;
	size_t len, i, k;
	bool good;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	plant_text("1", "/sys/class/net/%s/carrier", nic);
	plant_text("1", "/sys/class/net/%s/type", nic);
	for (i = 0; named[row].names[i]; i++) {
		plant_text("msix", "/sys/class/net/%s/device/msi_irqs/%zu", nic, 24 + i);
		plant_text("0", "/proc/irq/%zu/smp_affinity_list", 24 + i);
		if (*named[row].names[i])
			plant_text("/", "/proc/irq/%zu/%s", 24 + i, named[row].names[i]);
	}
	if (!machine_read(&m, NULL) || m.bond[0].n != 1)
		abort();
	n = m.bond[0].nic;
	for (i = k = 0; named[row].names[i]; i++) {
		if (k < n->n_irqs && n->irq[k].number == 24 + i)
			fprintf(out, "%s%u", i ? " " : "", n->irq[k++].queue);
		else
			fprintf(out, "%s-", i ? " " : "");
	}
	fclose(out);
	good = !strcmp(text, named[row].queues);
	printf("%sok - doctor: queues of %s\n", good ? "" : "not ", named[row].what);
	if (!good)
		printf("#   found:    %s\n#   expected: %s\n", text, named[row].queues);
	failed |= !good;
	free(text);
	machine_free(&m);
	clear();
}

/*
 * Several NICs of one PCI function, of which slaves are in the bond: whose interrupts 24 to
 * 27 are, as tests/affinity/placement.sh has it of setup-flowpar.sh.
 */
static const struct {
	const char *what, *nics[2], *slaves, *names[4], *irqs;
} functions[] = {
	{ "each its own, the first what is nobody's", { "ens1f4", "ens1f4d1" }, "ens1f4 ens1f4d1",
	  { "0000:03:00.4", "ens1f4-Rx0", "ens1f4d1-Rx0", "ens1f4d1-Rx1" }, "ens1f4 25; ens1f4d1 26 27" },
	{ "... also what names no queue", { "ens1f4", "ens1f4d1" }, "ens1f4d1 ens1f4",
	  { "0000:03:00.4", "a", "ens1f4-Rx0", "b" }, "ens1f4d1 24 25 27; ens1f4 26" },
	{ "... unless the first is no slave", { "ens1f4", "ens1f4d1" }, "ens1f4d1",
	  { "x-Rx0", "ens1f4-Rx0", "ens1f4d1-Rx0", "" }, "ens1f4d1 24 26" },
	{ "names that do not say whose they are", { "eth0", "eth1" }, "eth0 eth1",
	  { "mlx4-0@0000:03:00.0", "mlx4-1@0000:03:00.0", "mlx4-2@0000:03:00.0", "mlx4-3@0000:03:00.0" },
	  "eth0 24 25 26 27; eth1 with eth0; "
	  "unseen eth1: its interrupts: it shares a PCI function with eth0, and their names do not say whose they are" },
	{ "all are another's, which is no slave", { "ens1f4", "ens1f4d1" }, "ens1f4",
	  { "ens1f4d1-0", "ens1f4d1-1", "ens1f4d1-2", "ens1f4d1-3" },
	  "ens1f4; unseen ens1f4: its interrupts: there are none, as with a software device or one that is down" },
	{ "a name that begins like another's", { "eth1", "eth10" }, "eth1 eth10",
	  { "eth1-rx-0", "eth10-rx-0", "eth1-rx-1", "eth10-rx-1" }, "eth1 24 26; eth10 25 27" },
	{ "one alone has all", { "eth0" }, "eth0", { "mlx4-0@0000:03:00.0", "mlx4-1@0000:03:00.0", "eth1-rx-2", "x" }, "eth0 24 25 26" },
};

static void function(size_t row)
{
	const char *const *nics = functions[row].nics;
	struct doctor *d = calloc(1, sizeof(*d));
	const struct nic *nic;
	char *text = NULL;
	size_t len, i, k;
	bool good;
	FILE *out = open_memstream(&text, &len);

	if (!d || !out)
		abort();
	plant_text("bond0", "/sys/class/net/bonding_masters");
	plant_text(functions[row].slaves, BOND "slaves");
	for (i = 0; i < 2 && nics[i]; i++) {
		for (k = 0; k < 4; k++)
			plant_text("msix", "/sys/class/net/%s/device/msi_irqs/%zu", nics[i], 24 + k);
		for (k = 0; k < 2 && nics[k]; k++)
			plant_text("/", "/sys/class/net/%s/device/net/%s", nics[i], nics[k]);
	}
	for (k = 0; k < 4; k++) {
		plant_text("0", "/proc/irq/%zu/smp_affinity_list", 24 + k);
		if (*functions[row].names[k])
			plant_text("/", "/proc/irq/%zu/%s", 24 + k, functions[row].names[k]);
	}
	if (!machine_read(&d->m, NULL))
		abort();
	check_irq(d);
	for (i = 0; i < d->m.bond->n; i++) {
		nic = &d->m.bond->nic[i];
		fprintf(out, "%s%s", i ? "; " : "", nic->name);
		for (k = 0; k < nic->n_irqs; k++)
			fprintf(out, " %u", nic->irq[k].number);
		if (*nic->irqs_with)
			fprintf(out, " with %s", nic->irqs_with);
	}
	for (i = 0; i < d->found.n_unseen; i++)
		fprintf(out, "; unseen %s: %s", d->found.unseen[i].object, d->found.unseen[i].why);
	fclose(out);
	good = !strcmp(text, functions[row].irqs);
	printf("%sok - doctor: NICs of one PCI function: %s\n", good ? "" : "not ", functions[row].what);
	if (!good)
		printf("#   found:    %s\n#   expected: %s\n", text, functions[row].irqs);
	failed |= !good;
	free(text);
	doctor_free(d);
	free(d);
	clear();
}

/*
 * Which cores a NIC is to have: the table of tests/affinity/placement.sh where NICs are not
 * pinned, since setup-flowpar.sh deals by the same rules. CPUs are CPU:NODE:SIBLINGS, NICs
 * NAME:NODE:QUEUES:ALLOWED..., the last for each queue, or for all; what is wanted has '!'
 * where interrupts are to be moved. Once they are there is nothing more to be found.
 */
static const struct {
	const char *what, *cpus, *nics, *want, *isolated, *cpuset;
} plans[] = {
	{ "one queue each: the first", "0:0 1:0 2:0 3:0", "eth0:0:1:0-3 eth1:0:1:0-3", "eth0 0! eth1 1!", NULL, NULL },
	{ "more NICs than cores: they share", "0:0 1:0", "eth0:0:1:0-1 eth1:0:1:0-1 eth2:-1:1:0-1", "eth0 0! eth1 1! eth2 0!", NULL, NULL },
	{ "eight queues, eight cores", "0:0 1:0 2:0 3:0 4:0 5:0 6:0 7:0", "eth0:-1:8:0-7", "eth0 0-7!", NULL, NULL },
	{ "... pinned to one core by somebody", "0:0 1:0 2:0 3:0", "eth0:-1:4:0", "eth0 0", NULL, NULL },
	{ "... but for one", "0:0 1:0 2:0 3:0", "eth0:-1:4:0:1:2:0-3", "eth0 0-3!", NULL, NULL },
	{ "two NICs that their drivers pin to the same four of eight", "0:0 1:0 2:0 3:0 4:0 5:0 6:0 7:0",
	  "eth0:-1:4:0:1:2:3 eth1:-1:4:0:1:2:3", "eth0 0-3 eth1 4-7!", NULL, NULL },
	{ "... both threads of four", "0:0:0,4 1:0:1,5 2:0:2,6 3:0:3,7 4:0:0,4 5:0:1,5 6:0:2,6 7:0:3,7",
	  "eth0:-1:4:0:1:2:3 eth1:-1:4:0:1:2:3", "eth0 0,2! eth1 1,3!", NULL, NULL },
	{ "... the threads of a core apart", "0:0:0,2 1:0:1,3 2:0:0,2 3:0:1,3", "eth0:-1:2:0:1 eth1:-1:2:2:3", "eth0 0-1 eth1 2-3", NULL, NULL },
	{ "two NICs that are not pinned", "0:0 1:0 2:0 3:0", "eth0:-1:4:0-3 eth1:-1:4:0-3", "eth0 0,2! eth1 1,3!", NULL, NULL },
	{ "several queues: what is left of the node", "0:0 1:0 2:0 3:0", "eth0:0:1:0-3 multi0:0:4:0-3", "eth0 0! multi0 1-3!", NULL, NULL },
	{ "... not beyond it", "0:0 1:0 2:1 3:1", "many:1:8:0-3 near:0:1:0-3", "many 2-3! near 0!", NULL, NULL },
	{ "no more than it has queues", "0:0 1:0 2:0 3:0", "eth0:0:2:0-3", "eth0 0-1!", NULL, NULL },
	{ "each a core of its own node", "0:0 1:0 2:1 3:1", "far:1:1:0-3 near:0:1:0-3", "far 2! near 0!", NULL, NULL },
	{ "no core left on its node: one of another", "0:0 1:0 2:1 3:1", "far:1:1:0-3 far2:1:1:0-3 far3:1:1:0-3", "far 2! far2 3! far3 0!", NULL, NULL },
	{ "one thread of a core, also for queues", "0:0:0,4 1:0:1,5 4:0:0,4 5:0:1,5", "multi0:0:8:0-1", "multi0 0-1!", NULL, NULL },
	{ "isolated cores are left out", "0:0 1:0 2:0 3:0", "eth0:0:4:0-3", "eth0 1,3!", "0,2", NULL },
	{ "... and those where no service may run", "0:0 1:0 2:0 3:0", "eth0:0:4:0-3", "eth0 1-2!", "0", "0-2" },
	{ "all isolated: any", "0:0 1:0", "eth0:0:2:0-1", "eth0 0-1!", "0-1", NULL },
};

/* The findings of check irq, with the machine as it is planted. */
static size_t planned(char **text)
{
	struct doctor *d = calloc(1, sizeof(*d));
	const struct nic *nic;
	size_t len, i, n;
	char *list;
	FILE *out = open_memstream(text, &len);

	if (!d || !out || !machine_read(&d->m, NULL))
		abort();
	machine_plan(&d->m);
	check_irq(d);
	n = d->found.n;
	for (nic = d->m.bond->nic; nic < d->m.bond->nic + d->m.bond->n; nic++) {
		list = cpulist_format(&nic->want);
		fprintf(out, "%s%s %s%s", nic > d->m.bond->nic ? " " : "", nic->name, list, nic->planned ? "!" : "");
		free(list);
		for (i = 0; i < nic->n_irqs; i++)	/* as the commands do */
			if (nic->planned) {
				list = NULL;
				if (asprintf(&list, "%u", nic->want.cpu[nic->irq[i].queue % nic->want.n]) < 0)
					abort();
				plant_text(list, "/proc/irq/%u/smp_affinity_list", nic->irq[i].number);
				free(list);
			}
	}
	fclose(out);
	doctor_free(d);
	free(d);
	return n;
}

static void plan(size_t row)
{
	char *spec = strdup(plans[row].cpus), *nics = strdup(plans[row].nics), *next = spec, *word, *text, *again;
	struct cpulist online = { .n = 0 };
	unsigned int irq = 24;
	size_t found_n, then;
	bool good;

	while ((word = strsep(&next, " "))) {
		const char *cpu = strsep(&word, ":"), *node = strsep(&word, ":");
		char *cpus = NULL;

		cpulist_add(&online, (unsigned int)atoi(cpu));
		plant_text(word ? word : cpu, "/sys/devices/system/cpu/cpu%s/topology/thread_siblings_list", cpu);
		/* its node has those before it too */
		if (strcmp(node, "0") && asprintf(&cpus, "2-%s", cpu) < 0)
			abort();
		if (!strcmp(node, "0") && asprintf(&cpus, "0-%s", cpu) < 0)
			abort();
		plant_text(cpus, "/sys/devices/system/node/node%s/cpulist", node);
		free(cpus);
	}
	word = cpulist_format(&online);
	plant_text(word, "/sys/devices/system/cpu/online");
	free(word);
	plant_text(plans[row].isolated ? plans[row].isolated : "\n", "/sys/devices/system/cpu/isolated");
	plant_text("(null)", "/sys/devices/system/cpu/nohz_full");
	if (plans[row].cpuset)
		plant_text(plans[row].cpuset, "/sys/fs/cgroup/system.slice/cpuset.cpus.effective");
	for (next = nics; (word = strsep(&next, " "));) {
		const char *name = strsep(&word, ":"), *node = strsep(&word, ":"), *allowed = NULL, *one;
		int queue, queues = atoi(strsep(&word, ":"));

		plant_text("1", "/sys/class/net/%s/carrier", name);
		plant_text("1", "/sys/class/net/%s/type", name);
		plant_text(node, "/sys/class/net/%s/device/numa_node", name);
		for (queue = 0; queue < queues; queue++, irq++) {
			one = strsep(&word, ":");
			allowed = one ? one : allowed;
			plant_text("msix", "/sys/class/net/%s/device/msi_irqs/%u", name, irq);
			plant_text(allowed, "/proc/irq/%u/smp_affinity_list", irq);
			plant_text("/", "/proc/irq/%u/%s-rxtx-%d", irq, name, queue);
		}
	}
	found_n = planned(&text);
	then = planned(&again);
	good = !strcmp(text, plans[row].want) && !!found_n == !!strchr(plans[row].want, '!') && !then;
	printf("%sok - doctor: cores of NICs: %s\n", good ? "" : "not ", plans[row].what);
	if (!good)
		printf("#   found:    %s (%zu findings)\n#   expected: %s\n#   then:     %s (%zu findings)\n", text, found_n,
		       plans[row].want, again, then);
	failed |= !good;
	free(text);
	free(again);
	free(spec);
	free(nics);
	clear();
}

/*
 * The bound of port-load: a fair hash stays within it, with more than 99.9 % in all and with
 * the few that there are here for certain; half of the ports without flows do not.
 */
static void fairness(void)
{
	static const size_t all_ports[] = { 2, 3, 4, 8, 16, 24 };
	static const size_t per_port[] = { 5, 10, 50 };
	enum { RUNS = 4000 };
	uint64_t random = 1;
	size_t flows[24], i, k, ports, run, uneven, halved = 0;
	bool good;

	for (i = 0; i < sizeof(all_ports) / sizeof(all_ports[0]); i++) {
		ports = all_ports[i];
		uneven = 0;
		for (k = 0; k < sizeof(per_port) / sizeof(per_port[0]); k++)
			for (run = 0; run < RUNS; run++) {
				size_t left = ports * per_port[k];

				memset(flows, 0, sizeof(flows));
				while (left--) {
					random = random * 6364136223846793005u + 1442695040888963407u;
					flows[(random >> 33) % ports]++;
				}
				uneven += doctor_uneven(flows, ports);
			}
		good = uneven * 1000 < 3 * RUNS;
		printf("%sok - doctor: %zu ports: a fair hash is uneven less than one time in 1000\n", good ? "" : "not ", ports);
		if (!good)
			printf("#   found:    %zu of %d\n", uneven, 3 * RUNS);
		failed |= !good;

		for (k = 0; k < ports; k++)
			flows[k] = k % 2 ? 0 : 10 * ports / ((ports + 1) / 2);
		halved += !(ports % 2) && !doctor_uneven(flows, ports);
	}
	/* Exactly for two ports, of 20 flows: 18 and 2 or worse, 422 of 2^20. */
	good = doctor_uneven((size_t[]){ 18, 2 }, 2) && !doctor_uneven((size_t[]){ 17, 3 }, 2);
	/* Of very many flows what is seen is not what costs. */
	good &= !doctor_uneven((size_t[]){ 60000, 40000 }, 2) && !doctor_uneven((size_t[]){ 9, 0 }, 2);
	printf("%sok - doctor: half of the ports without flows are uneven, and what is so by chance is not\n", good && !halved ? "" : "not ");
	failed |= !good || halved;
}

/* Is it found beside another? */
static bool is_second(const char *expected, const char *name)
{
	const char *at = strchr(expected, '\n');

	return at && !strncmp(at + 1, name, strlen(name)) && at[1 + strlen(name)] == ':';
}

/* Has each check its fault? */
static void complete(void)
{
	const struct check *c;
	size_t i;

	for (c = doctor_checks; c->name; c++) {
		for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			if (faults[i].name && (!strcmp(faults[i].name, c->name) || is_second(faults[i].expected, c->name)))
				break;
		if (i < sizeof(faults) / sizeof(faults[0]))
			continue;
		printf("not ok - doctor: no fault is planted for check %s\n", c->name);
		failed = 1;
	}
}

int main(void)
{
	const struct fault *f;
	char *found, *expected;
	size_t row;
	bool good;

	if (!mkdtemp(root))
		abort();
	tree_set(root);
	for (f = faults; f < faults + sizeof(faults) / sizeof(faults[0]); f++) {
		found = examine(f);
		if (asprintf(&expected, "%s%s%s%s%s", f->name ? f->name : "", f->name ? ": " : "", f->name ? f->expected : "",
			     f->name && f->unseen ? "\n" : "", f->unseen ? f->unseen : "") < 0)
			abort();
		good = !strcmp(found, expected);
		printf("%sok - doctor: %s%s%s\n", good ? "" : "not ", f->what, f->name ? " is found by " : " has no finding",
		       f->name ? f->name : "");
		if (!good)
			printf("#   found:    %s\n#   expected: %s\n", found, expected);
		failed |= !good;
		free(found);
		free(expected);
	}
	for (row = 0; row < sizeof(named) / sizeof(named[0]); row++)
		queues(row);
	for (row = 0; row < sizeof(functions) / sizeof(functions[0]); row++)
		function(row);
	for (row = 0; row < sizeof(plans) / sizeof(plans[0]); row++)
		plan(row);
	fairness();
	complete();
	rmdir(root);
	return failed;
}
