/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What netfilter does to a service's flows on their way: rules that are compared
 * with each packet, chains that drop, and connection tracking. Reads only, and has
 * no module loaded.
 */
#ifndef FLOWPARCTL_FIREWALL_H
#define FLOWPARCTL_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table's family and name and a chain's, each as long as the kernel lets it be. */
#define FW_NAME_MAX	528

enum fw_family { FW_IPV4, FW_IPV6, FW_FAMILIES };

/* A packet of the service: to its port or from it, by IPv4 or IPv6. */
enum fw_packet { FW_TO, FW_FROM, FW_TO6, FW_FROM6, FW_PACKETS };

/* What becomes of a packet that meets all conditions of a rule. */
enum fw_verdict { FW_NEXT, FW_ACCEPT, FW_DROP, FW_RETURN, FW_JUMP, FW_GOTO };

struct fw_rule {
	bool more;		/* no rule of its own: another verdict of the map of the one before */
	enum fw_verdict verdict;
	char *target;		/* of a jump or goto, as chains are named; else NULL */
	/* Does each such packet, or none, meet its conditions? Neither: it depends. */
	bool always[FW_PACKETS], never[FW_PACKETS];
	bool named[FW_PACKETS];	/* one of them is that it has the service's port */
	bool asks_ct;		/* what connection tracking knows */
	bool rewrites;		/* addresses or ports, by connection tracking */
};

/*
 * What becomes of the service's packets in a base chain. Rules that ask for more than
 * can be known here, as for an address, decide for some of them: that is undecided if
 * the rule, or one that leads to it, names the port. Whoever wrote it meant the service.
 */
enum fw_fate { FW_OPEN, FW_UNDECIDED, FW_CLOSED };

/* A base chain and the service's packets of one family. */
struct fw_passage {
	/* Rules until the first that accepts or drops them all; all if none does. */
	size_t compared;
	bool goes_on;		/* some of them in other chains */
	bool at_most;		/* ... that not every packet goes to */
	bool rewrites;		/* some of them, and may the service's new connections */
	enum fw_fate fate;
};

/* An nftables chain: a base chain on the way of what comes in or is answered, or another. */
struct fw_chain {
	char name[FW_NAME_MAX];	/* "inet filter input" */
	const char *hook;	/* "prerouting", "input" or "output"; NULL: only jumped to */
	bool drops;		/* by its policy */
	struct fw_rule *rule;
	size_t n_rules;

	/* Of a base chain, by firewall_follow(): with the chains that it goes on to. */
	struct fw_passage passage[FW_FAMILIES];	/* 0 rules where it sees none of the family */
	bool asks_ct;		/* some rule does */
};

struct firewall {
	bool known;
	int err;		/* why not: a positive errno */
	unsigned int port;	/* looked for; 0: none */
	bool legacy[FW_FAMILIES];	/* there are tables of iptables-legacy, ip6tables-legacy too */
	struct fw_chain *chain;
	size_t n;
	unsigned int odd;	/* chains left out, since their names fit in no command */
};

/* Does a chain see packets of a family? */
bool firewall_sees(const struct fw_chain *chain, enum fw_family family);

/* The chains, as packets to (input) or from (output) TCP port @port see them. */
void firewall_read(struct firewall *fw, unsigned int port);
void firewall_free(struct firewall *fw);

/* What follows from the rules, for each base chain; firewall_read() has done it. */
void firewall_follow(struct firewall *fw);

struct conntrack {
	bool known;
	int err;
	long long entries;	/* in this network namespace; -1: conntrack is not there */
	size_t ours;		/* TCP flows to the ports asked for */
	size_t touched;		/* ... that it has seen a packet of lately */
};

/**
 * conntrack_read() - does connection tracking see the flows to some ports?
 * @ports: 65536 entries
 * @seconds: what is lately
 */
void conntrack_read(struct conntrack *ct, const bool *ports, double seconds);

#endif
