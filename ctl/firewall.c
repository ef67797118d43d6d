// SPDX-License-Identifier: GPL-2.0
/*
 * What netfilter does to a service's flows on their way: nfnetlink.
 */
#include "firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewall_set.h"
#include "netlink.h"
#include "tree.h"

/* A dump of more flows than that tells nothing new. */
#define CONNTRACK_ENOUGH	200000

/* --- nftables ------------------------------------------------------------------------ */

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4: return "ip";
	case NFPROTO_IPV6: return "ip6";
	case NFPROTO_INET: return "inet";
	}
	return NULL;		/* nowhere on the way of a flow, or not by port */
}

static bool chain_name(char name[FW_NAME_MAX], const struct nlmsghdr *nlh, int table_type, int chain_type)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *table = netlink_nf_attr(nlh, table_type), *chain = netlink_nf_attr(nlh, chain_type);

	if (!family_name(nfg->nfgen_family) || !table || !chain)
		return false;
	snprintf(name, FW_NAME_MAX, "%s %s %s", family_name(nfg->nfgen_family), mnl_attr_get_str(table),
		 mnl_attr_get_str(chain));
	return true;
}

static int chain_message(const struct nlmsghdr *nlh, void *data)
{
	static const char *const hooks[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_LOCAL_IN] = "input",
		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = NULL,
	};
	const struct nlattr *hook = netlink_nf_attr(nlh, NFTA_CHAIN_HOOK), *policy = netlink_nf_attr(nlh, NFTA_CHAIN_POLICY);
	const struct nlattr *number = netlink_nested(hook, NFTA_HOOK_HOOKNUM);
	struct firewall *fw = data;
	struct fw_chain chain = { 0 };
	uint32_t n;

	if (!chain_name(chain.name, nlh, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME))
		return MNL_CB_OK;
	if (number) {
		n = ntohl(mnl_attr_get_u32(number));
		if (n >= sizeof(hooks) / sizeof(hooks[0]) || !hooks[n])
			return MNL_CB_OK;
		if (!tree_plain_name(chain.name)) {
			fw->odd++;
			return MNL_CB_OK;
		}
		chain.hook = hooks[n];
		chain.drops = policy && ntohl(mnl_attr_get_u32(policy)) == NF_DROP;
	}
	fw->chain = realloc(fw->chain, (fw->n + 1) * sizeof(*fw->chain));
	if (!fw->chain)
		abort();
	fw->chain[fw->n++] = chain;
	return MNL_CB_OK;
}

/* Chains by name: some machines have thousands, and as many jumps. */
struct chain_index {
	struct fw_chain **chain;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct fw_chain *const *)a)->name, (*(struct fw_chain *const *)b)->name);
}

static void index_init(struct chain_index *index, struct firewall *fw)
{
	size_t i;

	index->n = fw->n;
	index->chain = malloc((fw->n + 1) * sizeof(*index->chain));
	if (!index->chain)
		abort();
	for (i = 0; i < fw->n; i++)
		index->chain[i] = &fw->chain[i];
	qsort(index->chain, index->n, sizeof(*index->chain), by_name);
}

static struct fw_chain *index_find(const struct chain_index *index, const char *name)
{
	size_t from = 0, to = index->n, at;
	int order;

	while (from < to) {
		at = from + (to - from) / 2;
		order = strcmp(name, index->chain[at]->name);
		if (!order)
			return index->chain[at];
		if (order < 0)
			to = at;
		else
			from = at + 1;
	}
	return NULL;
}

struct rules {
	struct chain_index index;
	unsigned int port;
	int err;		/* of a set that could not be read */
};

static uint32_t expr_u32(const struct nlattr *data, int type)
{
	const struct nlattr *attr = netlink_nested(data, type);

	return attr ? ntohl(mnl_attr_get_u32(attr)) : UINT32_MAX;
}

/* What a register has, as far as it is the same for all packets of a service. */
enum loaded { SOMETHING, FAMILY, PROTOCOL, PROTOCOL_IPV4, PROTOCOL_IPV6, PORT_FROM, PORT_TO };

static enum loaded meta(const struct nlattr *data)
{
	switch (expr_u32(data, NFTA_META_KEY)) {
	case NFT_META_NFPROTO: return FAMILY;
	case NFT_META_L4PROTO: return PROTOCOL;
	}
	return SOMETHING;
}

static enum loaded payload(const struct nlattr *data)
{
	uint32_t base = expr_u32(data, NFTA_PAYLOAD_BASE), offset = expr_u32(data, NFTA_PAYLOAD_OFFSET),
		 len = expr_u32(data, NFTA_PAYLOAD_LEN);

	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && len == 2)
		return offset == 2 ? PORT_TO : offset ? SOMETHING : PORT_FROM;
	if (base == NFT_PAYLOAD_NETWORK_HEADER && len == 1)
		return offset == offsetof(struct iphdr, protocol) ? PROTOCOL_IPV4 :
		       offset == offsetof(struct ip6_hdr, ip6_nxt) ? PROTOCOL_IPV6 : SOMETHING;
	return SOMETHING;
}

/* How many bytes it has. */
static size_t loaded_len(enum loaded loaded)
{
	return loaded == PORT_FROM || loaded == PORT_TO ? 2 : loaded != SOMETHING;
}

static bool is_ipv6(enum fw_packet packet)
{
	return packet == FW_TO6 || packet == FW_FROM6;
}

/* What it is for a packet. Return: false if that depends. */
static bool loaded_value(enum loaded loaded, enum fw_packet packet, unsigned int port, unsigned int *value)
{
	bool to = packet == FW_TO || packet == FW_TO6;

	switch (loaded) {
	case FAMILY:
		*value = is_ipv6(packet) ? NFPROTO_IPV6 : NFPROTO_IPV4;
		return true;
	case PROTOCOL:
		*value = IPPROTO_TCP;
		return true;
	case PROTOCOL_IPV4:
	case PROTOCOL_IPV6:
		*value = IPPROTO_TCP;
		return (loaded == PROTOCOL_IPV6) == is_ipv6(packet);
	case PORT_FROM:
	case PORT_TO:
		*value = port;
		return (loaded == PORT_TO) == to;
	default:
		return false;
	}
}

static void it_depends(struct fw_rule *rule)
{
	memset(rule->always, 0, sizeof(rule->always));
}

/* Does a packet meet a condition of what is loaded? Not @known: it depends. */
static void decide(struct fw_rule *rule, enum fw_packet packet, enum loaded loaded, bool known, bool met)
{
	unsigned int any;

	rule->always[packet] &= known && met;
	rule->never[packet] |= known && !met;
	rule->named[packet] |= (met || !known) && loaded_len(loaded) == 2 && loaded_value(loaded, packet, 0, &any);
}

static bool compares(uint32_t op, unsigned int is, unsigned int with)
{
	switch (op) {
	case NFT_CMP_EQ:  return is == with;
	case NFT_CMP_NEQ: return is != with;
	case NFT_CMP_LT:  return is < with;
	case NFT_CMP_LTE: return is <= with;
	case NFT_CMP_GT:  return is > with;
	default:	  return is >= with;
	}
}

static const struct nlattr *data_value(const struct nlattr *data, int type, enum loaded loaded)
{
	const struct nlattr *value = netlink_nested(netlink_nested(data, type), NFTA_DATA_VALUE);

	return value && mnl_attr_get_payload_len(value) == loaded_len(loaded) ? value : NULL;
}

static void compare(struct fw_rule *rule, const struct nlattr *data, enum loaded loaded, unsigned int port)
{
	const struct nlattr *with = data_value(data, NFTA_CMP_DATA, loaded);
	uint32_t op = expr_u32(data, NFTA_CMP_OP);
	enum fw_packet packet;
	unsigned int is = 0;
	bool known;

	for (packet = 0; packet < FW_PACKETS; packet++) {
		known = with && loaded_value(loaded, packet, port, &is);
		decide(rule, packet, loaded, known, compares(op, is, fw_number_of(with)));
	}
}

static void range(struct fw_rule *rule, const struct nlattr *data, enum loaded loaded, unsigned int port)
{
	const struct nlattr *from = data_value(data, NFTA_RANGE_FROM_DATA, loaded);
	const struct nlattr *to = data_value(data, NFTA_RANGE_TO_DATA, loaded);
	bool in = expr_u32(data, NFTA_RANGE_OP) == NFT_RANGE_EQ, known;
	enum fw_packet packet;
	unsigned int is = 0;

	for (packet = 0; packet < FW_PACKETS; packet++) {
		known = from && to && loaded_value(loaded, packet, port, &is);
		decide(rule, packet, loaded, known, (is >= fw_number_of(from) && is <= fw_number_of(to)) == in);
	}
}

/* The chain of that name in another's table. */
static char *chain_beside(const char *chain, const char *name)
{
	char *text;

	if (asprintf(&text, "%.*s %s", (int)(strrchr(chain, ' ') - chain), chain, name) < 0)
		abort();
	return text;
}

static void verdict(struct fw_rule *rule, const struct nlattr *data, const char *chain)
{
	const struct nlattr *value = netlink_nested(netlink_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const char *to;

	if (!value)		/* a number, for what comes after */
		return;
	rule->verdict = fw_verdict_of(value, &to);
	rule->target = to ? chain_beside(chain, to) : NULL;
}

static struct fw_rule *add_rule(struct fw_chain *chain, const struct fw_rule *rule)
{
	chain->rule = realloc(chain->rule, (chain->n_rules + 1) * sizeof(*chain->rule));
	if (!chain->rule)
		abort();
	chain->rule[chain->n_rules] = *rule;
	return &chain->rule[chain->n_rules++];
}

/* What a packet finds in a set; NULL: nothing. Return: false if that depends, as on packets that add to it. */
static bool finds(const struct fw_set *set, enum loaded loaded, enum fw_packet packet, unsigned int port,
		  const struct fw_element **element)
{
	unsigned int key;

	if (!set->key_len || loaded_len(loaded) != set->key_len || set->flags & (NFT_SET_EVAL | NFT_SET_TIMEOUT) ||
	    !loaded_value(loaded, packet, port, &key))
		return false;
	*element = fw_set_find(set, key);
	return !*element || !(*element)->conditional;
}

/* A verdict for each element: the rule is followed by one for each. It ends with that. */
static void by_map(struct fw_chain *chain, const struct fw_set *map, enum loaded loaded, enum loaded part,
		   unsigned int port)
{
	const struct fw_rule rule = chain->rule[chain->n_rules - 1];
	const struct fw_element *element, *found[FW_PACKETS];
	bool known[FW_PACKETS];
	enum fw_packet packet;
	struct fw_rule *each;

	for (packet = 0; packet < FW_PACKETS; packet++)
		known[packet] = finds(map, loaded, packet, port, &found[packet]);
	for (element = map->element; element < map->element + map->n; element++) {
		if (element->ends)
			continue;
		each = add_rule(chain, &rule);
		each->more = true;
		each->verdict = element->verdict;
		each->target = element->to ? chain_beside(chain->name, element->to) : NULL;
		for (packet = 0; packet < FW_PACKETS; packet++)
			decide(each, packet, part, known[packet], known[packet] && found[packet] == element);
	}
}

/* The latest rule of a chain looks up what is loaded; @part: the port, alone or beside something else. */
static void lookup(struct rules *r, struct fw_chain *chain, const struct nlmsghdr *nlh, const struct nlattr *data,
		   enum loaded loaded, enum loaded part)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const char *table = mnl_attr_get_str(netlink_nf_attr(nlh, NFTA_RULE_TABLE));
	const struct nlattr *name = netlink_nested(data, NFTA_LOOKUP_SET);
	const struct nlattr *to = netlink_nested(data, NFTA_LOOKUP_DREG), *flags = netlink_nested(data, NFTA_LOOKUP_FLAGS);
	bool map = to && ntohl(mnl_attr_get_u32(to)) == NFT_REG_VERDICT, known;
	bool inverted = flags && ntohl(mnl_attr_get_u32(flags)) & NFT_LOOKUP_F_INV;
	struct fw_rule *rule = &chain->rule[chain->n_rules - 1];
	const struct fw_element *element = NULL;
	struct fw_set set = { 0 };
	enum fw_packet packet;

	/* Sets of addresses may be long. */
	if (name && (map || loaded_len(loaded)))
		r->err = fw_set_read(&set, nfg->nfgen_family, table, mnl_attr_get_str(name)) ?: r->err;
	if (map)
		by_map(chain, &set, loaded, part, r->port);
	for (packet = 0; !map && packet < FW_PACKETS; packet++) {
		/* What a map of another kind has goes elsewhere. */
		known = !to && finds(&set, loaded, packet, r->port, &element);
		decide(rule, packet, part, known, !element == inverted);
	}
	fw_set_free(&set);
}

/* Of what iptables-nft keeps as it was. */
static bool asks_ct(const struct nlattr *match)
{
	const struct nlattr *name = netlink_nested(match, NFTA_MATCH_NAME);

	return name && (!strncmp(mnl_attr_get_str(name), "conn", 4) || !strcmp(mnl_attr_get_str(name), "state"));
}

/* ... and does it ask for ports, be it which they may? */
static bool asks_port(const struct nlattr *match)
{
	const struct nlattr *name = netlink_nested(match, NFTA_MATCH_NAME);

	return name && (!strcmp(mnl_attr_get_str(name), "tcp") || !strcmp(mnl_attr_get_str(name), "multiport"));
}

static bool is_target(const struct nlattr *target, const char *name)
{
	const struct nlattr *attr = netlink_nested(target, NFTA_TARGET_NAME);

	return attr && !strcmp(mnl_attr_get_str(attr), name);
}

static bool rewrites(const char *what, const struct nlattr *data)
{
	static const char *const targets[] = { "DNAT", "REDIRECT", "SNAT", "MASQUERADE", "NETMAP" };
	size_t i;

	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (!strcmp(what, "target") && is_target(data, targets[i]))
			return true;
	return !strcmp(what, "nat") || !strcmp(what, "redir") || !strcmp(what, "masq");
}

static void read_rule(struct rules *r, struct fw_chain *chain, const struct nlmsghdr *nlh)
{
	const struct nlattr *expressions = netlink_nf_attr(nlh, NFTA_RULE_EXPRESSIONS), *expr, *name, *data;
	struct fw_rule *rule = add_rule(chain, &(struct fw_rule){ 0 });
	enum loaded loaded = SOMETHING, part = SOMETHING;
	const char *what;

	memset(rule->always, true, sizeof(rule->always));
	if (!expressions)
		return;
	mnl_attr_for_each_nested(expr, expressions) {
		name = netlink_nested(expr, NFTA_EXPR_NAME);
		data = netlink_nested(expr, NFTA_EXPR_DATA);
		what = name ? mnl_attr_get_str(name) : "";
		if (!strcmp(what, "counter") || !strcmp(what, "log") || !strcmp(what, "notrack"))
			continue;
		if (!strcmp(what, "meta")) {
			loaded = meta(data);
		} else if (!strcmp(what, "payload")) {
			loaded = payload(data);
			part = loaded_len(loaded) == 2 ? loaded : part;
		} else if (!strcmp(what, "cmp")) {
			compare(rule, data, loaded, r->port);
		} else if (!strcmp(what, "range")) {
			range(rule, data, loaded, r->port);
		} else if (!strcmp(what, "lookup")) {
			lookup(r, chain, nlh, data, loaded, part);
			rule = &chain->rule[chain->n_rules - 1];
			part = SOMETHING;
		} else if (!strcmp(what, "immediate")) {
			verdict(rule, data, chain->name);
			loaded = SOMETHING;
		} else if (!strcmp(what, "reject") || (!strcmp(what, "target") && is_target(data, "REJECT"))) {
			rule->verdict = FW_DROP;
		} else {
			rule->asks_ct |= !strcmp(what, "ct") || (!strcmp(what, "match") && asks_ct(data));
			rule->rewrites |= rewrites(what, data);
			if (!strcmp(what, "match") && asks_port(data))
				memset(rule->named, true, sizeof(rule->named));
			loaded = SOMETHING;
			it_depends(rule);
		}
	}
}

static int rule_message(const struct nlmsghdr *nlh, void *data)
{
	struct rules *r = data;
	struct fw_chain *chain;
	char name[FW_NAME_MAX];

	if (!chain_name(name, nlh, NFTA_RULE_TABLE, NFTA_RULE_CHAIN))
		return MNL_CB_OK;
	chain = index_find(&r->index, name);
	if (chain)
		read_rule(r, chain, nlh);
	return MNL_CB_OK;
}

/* --- from chain to chain ------------------------------------------------------------------- */

/* The kernel's NFT_JUMP_STACK_SIZE */
#define DEEPEST	16

/* How packets come to a rule. */
struct coming {
	bool sure;		/* each of them */
	bool named;		/* by rules that name the port */
};

struct step {
	const struct fw_chain *chain;
	struct coming coming;
};

/* A packet's way from a base chain. */
struct walk {
	const struct chain_index *index;
	const struct fw_chain *base;
	enum fw_packet packet;
	struct fw_passage *passage;
	bool some_accepted, some_dropped;	/* by rules that name the port */
	struct step *step;	/* the chains that it has come to */
	size_t n;
	unsigned int depth;
};

static struct step *step_to(struct walk *w, const struct fw_chain *chain)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->step[i].chain == chain)
			return &w->step[i];
	w->step = realloc(w->step, (w->n + 1) * sizeof(*w->step));
	if (!w->step)
		abort();
	w->step[w->n] = (struct step){ .chain = chain };
	return &w->step[w->n++];
}

static bool walk(struct walk *w, const struct fw_chain *chain, struct coming coming, bool count);

/* A chain counts once, and is gone through again if packets come to it in a way that says more. */
static bool go_on(struct walk *w, const struct fw_rule *rule, struct coming coming)
{
	const struct fw_chain *to = rule->target ? index_find(w->index, rule->target) : NULL;
	size_t known = w->n;
	struct step *step;
	bool over, again;

	if (!to || w->depth == DEEPEST)
		return false;
	step = step_to(w, to);
	again = w->n == known;
	if (again && step->coming.sure >= coming.sure && step->coming.named >= coming.named)
		return false;
	step->coming.sure |= coming.sure;
	step->coming.named |= coming.named;
	w->depth++;
	over = walk(w, to, coming, !again);
	w->depth--;
	return over;
}

/* Return: is it known what becomes of each packet? Else they go on in the chain before. */
static bool walk(struct walk *w, const struct fw_chain *chain, struct coming coming, bool count)
{
	const struct fw_rule *rule;
	struct coming on;

	for (rule = chain->rule; rule < chain->rule + chain->n_rules; rule++) {
		on.sure = coming.sure && rule->always[w->packet];
		on.named = coming.named || rule->named[w->packet];
		if (count && !rule->more) {
			w->passage->compared++;
			w->passage->goes_on |= chain != w->base;
			w->passage->at_most |= !coming.sure;
		}
		if (rule->never[w->packet])
			continue;
		/* What answers is no new connection. */
		w->passage->rewrites |= rule->rewrites && (w->packet == FW_TO || w->packet == FW_TO6);
		if (go_on(w, rule, on))
			return true;
		if (rule->verdict == FW_ACCEPT || rule->verdict == FW_DROP) {
			if (on.sure) {
				w->passage->fate = rule->verdict == FW_ACCEPT ? FW_OPEN : FW_CLOSED;
				return true;
			}
			w->some_accepted |= on.named && rule->verdict == FW_ACCEPT;
			w->some_dropped |= on.named && rule->verdict == FW_DROP;
		}
		/* None goes on here. */
		if (rule->always[w->packet] && rule->verdict != FW_NEXT && rule->verdict != FW_JUMP)
			break;
	}
	return false;
}

static void follow(struct fw_chain *base, const struct chain_index *index, enum fw_family family)
{
	bool out = !strcmp(base->hook, "output");
	struct walk w = {
		.index = index,
		.base = base,
		.packet = family == FW_IPV4 ? (out ? FW_FROM : FW_TO) : (out ? FW_FROM6 : FW_TO6),
		.passage = &base->passage[family],
	};
	struct coming all = { .sure = true };

	*w.passage = (struct fw_passage){ .fate = base->drops ? FW_CLOSED : FW_OPEN };
	step_to(&w, base)->coming = all;
	walk(&w, base, all, true);
	if (w.passage->fate == FW_CLOSED ? w.some_accepted : w.some_dropped)
		w.passage->fate = FW_UNDECIDED;
	free(w.step);
}

/* Does any rule ask connection tracking, of packets of another port or state too? */
static bool any_asks_ct(struct walk *w, const struct fw_chain *chain)
{
	const struct fw_rule *rule;
	const struct fw_chain *to;
	size_t known;
	bool asks = false;

	for (rule = chain->rule; !asks && rule < chain->rule + chain->n_rules; rule++) {
		asks = rule->asks_ct;
		to = rule->target && w->depth < DEEPEST ? index_find(w->index, rule->target) : NULL;
		known = w->n;
		if (!to || asks || (step_to(w, to), w->n == known))
			continue;
		w->depth++;
		asks = any_asks_ct(w, to);
		w->depth--;
	}
	return asks;
}

bool firewall_sees(const struct fw_chain *chain, enum fw_family family)
{
	return strncmp(chain->name, family == FW_IPV4 ? "ip6 " : "ip ", family == FW_IPV4 ? 4 : 3);
}

void firewall_follow(struct firewall *fw)
{
	struct chain_index index;
	enum fw_family family;
	struct fw_chain *base;
	size_t i;

	index_init(&index, fw);
	for (i = 0; i < fw->n; i++) {
		struct walk w = { .index = &index };

		base = &fw->chain[i];
		if (!base->hook)
			continue;
		for (family = 0; family < FW_FAMILIES; family++)
			if (firewall_sees(base, family))
				follow(base, &index, family);
		step_to(&w, base);
		base->asks_ct = any_asks_ct(&w, base);
		free(w.step);
	}
	free(index.chain);
}

void firewall_read(struct firewall *fw, unsigned int port)
{
	struct rules r = { .port = port };
	char buf[256], line[32];

	memset(fw, 0, sizeof(*fw));
	fw->port = port;
	fw->legacy[FW_IPV4] = tree_line(line, sizeof(line), "/proc/net/ip_tables_names") && *line;
	fw->legacy[FW_IPV6] = tree_line(line, sizeof(line), "/proc/net/ip6_tables_names") && *line;
	if (netlink_there("nf_tables", "nft_do_chain")) {
		fw->err = netlink_ask(NETLINK_NETFILTER, netlink_nf_request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN, AF_UNSPEC),
				      chain_message, fw);
		index_init(&r.index, fw);
		if (!fw->err)
			fw->err = netlink_ask(NETLINK_NETFILTER, netlink_nf_request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, AF_UNSPEC),
					      rule_message, &r);
		free(r.index.chain);
		fw->err = fw->err ? fw->err : r.err;
		if (!fw->err)
			firewall_follow(fw);
	}
	fw->known = !fw->err;
}

void firewall_free(struct firewall *fw)
{
	size_t i, k;

	for (i = 0; i < fw->n; i++) {
		for (k = 0; k < fw->chain[i].n_rules; k++)
			free(fw->chain[i].rule[k].target);
		free(fw->chain[i].rule);
	}
	free(fw->chain);
	memset(fw, 0, sizeof(*fw));
}

/* --- connection tracking ----------------------------------------------------------------- */

/* By state of a TCP flow: seconds that its entry lives on after a packet. */
static const char *const timeouts[] = {
	[TCP_CONNTRACK_SYN_SENT] = "syn_sent",
	[TCP_CONNTRACK_SYN_RECV] = "syn_recv",
	[TCP_CONNTRACK_ESTABLISHED] = "established",
	[TCP_CONNTRACK_FIN_WAIT] = "fin_wait",
	[TCP_CONNTRACK_CLOSE_WAIT] = "close_wait",
	[TCP_CONNTRACK_LAST_ACK] = "last_ack",
	[TCP_CONNTRACK_TIME_WAIT] = "time_wait",
	[TCP_CONNTRACK_CLOSE] = "close",
	[TCP_CONNTRACK_SYN_SENT2] = "syn_sent",
};

#define N_TIMEOUTS	(sizeof(timeouts) / sizeof(timeouts[0]))

struct tracked {
	struct conntrack *ct;
	const bool *ports;
	double seconds;
	long long timeout[N_TIMEOUTS];
	size_t seen;
};

static void flow(struct tracked *t, unsigned int port, unsigned int state, long long left)
{
	long long age;

	if (!t->ports[port])
		return;
	t->ct->ours++;
	if (state >= N_TIMEOUTS)
		return;
	/* Each packet sets it back to what its state has. */
	age = t->timeout[state] - left;
	t->ct->touched += age >= 0 && (double)age <= t->seconds + 1;
}

/* "ipv4 2 tcp 6 117 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 src=..." */
static bool flows_in_proc(struct tracked *t)
{
	char *text = tree_text("/proc/net/nf_conntrack"), *next = text, *line, *at, name[32];
	unsigned int state;
	long long left;
	size_t i;

	if (!text)
		return false;
	while ((line = strsep(&next, "\n"))) {
		at = strstr(line, " dport=");
		if (sscanf(line, "%*s %*u tcp %*u %lld %31s", &left, name) != 2 || !at)
			continue;
		state = N_TIMEOUTS;
		for (i = 0; i < N_TIMEOUTS; i++)
			if (timeouts[i] && !strcasecmp(timeouts[i], name))
				state = (unsigned int)i;
		flow(t, (unsigned int)strtoul(at + strlen(" dport="), NULL, 10) & 65535, state, left);
	}
	free(text);
	return true;
}

static int flow_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *proto = netlink_nested(netlink_nf_attr(nlh, CTA_TUPLE_ORIG), CTA_TUPLE_PROTO);
	const struct nlattr *number = netlink_nested(proto, CTA_PROTO_NUM);
	const struct nlattr *port = netlink_nested(proto, CTA_PROTO_DST_PORT);
	const struct nlattr *timeout = netlink_nf_attr(nlh, CTA_TIMEOUT);
	const struct nlattr *state = netlink_nested(netlink_nested(netlink_nf_attr(nlh, CTA_PROTOINFO), CTA_PROTOINFO_TCP),
						    CTA_PROTOINFO_TCP_STATE);
	struct tracked *t = data;

	if (++t->seen > CONNTRACK_ENOUGH)
		return MNL_CB_STOP;
	if (number && mnl_attr_get_u8(number) == IPPROTO_TCP && port && timeout && state)
		flow(t, ntohs(mnl_attr_get_u16(port)), mnl_attr_get_u8(state),
		     (long long)ntohl(mnl_attr_get_u32(timeout)));
	return MNL_CB_OK;
}

void conntrack_read(struct conntrack *ct, const bool *ports, double seconds)
{
	struct tracked t = { .ct = ct, .ports = ports, .seconds = seconds };
	char buf[256];
	size_t i;

	memset(ct, 0, sizeof(*ct));
	if (!tree_number(&ct->entries, "/proc/sys/net/netfilter/nf_conntrack_count"))
		ct->entries = -1;
	ct->known = true;
	if (ct->entries <= 0)
		return;
	for (i = 0; i < N_TIMEOUTS; i++)
		if (timeouts[i])
			tree_number(&t.timeout[i], "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_%s", timeouts[i]);
	if (flows_in_proc(&t))
		return;
	if (netlink_there("nf_conntrack_netlink", "ctnetlink_dump_table"))
		ct->err = netlink_ask(NETLINK_NETFILTER, netlink_nf_request(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, AF_UNSPEC),
				      flow_message, &t);
	else
		ct->err = ENOENT;
	ct->known = !ct->err;
}
