// SPDX-License-Identifier: GPL-2.0
/*
 * What netfilter does to a service's flows on their way: nfnetlink.
 */
#include "firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"
#include "tree.h"

/* A dump of more flows than that tells nothing new. */
#define CONNTRACK_ENOUGH	200000

static struct nlmsghdr *request(char *buf, unsigned int subsystem, unsigned int msg)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(subsystem << 8 | msg);
	nlh->nlmsg_flags = NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* --- nftables ------------------------------------------------------------------------ */

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4: return "ip";
	case NFPROTO_INET: return "inet";
	}
	return NULL;		/* nowhere on the way of an IPv4 flow, or not by port */
}

static const struct nlattr *find(const struct nlmsghdr *nlh, int type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static bool chain_name(char *name, size_t size, const struct nlmsghdr *nlh, int table_type, int chain_type)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *table = find(nlh, table_type), *chain = find(nlh, chain_type);

	if (!family_name(nfg->nfgen_family) || !table || !chain)
		return false;
	snprintf(name, size, "%s %s %s", family_name(nfg->nfgen_family), mnl_attr_get_str(table),
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
	const struct nlattr *hook = find(nlh, NFTA_CHAIN_HOOK), *policy = find(nlh, NFTA_CHAIN_POLICY);
	const struct nlattr *number = netlink_nested(hook, NFTA_HOOK_HOOKNUM);
	struct firewall *fw = data;
	struct fw_chain chain = { 0 };
	uint32_t n;

	if (!number || !chain_name(chain.name, sizeof(chain.name), nlh, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME))
		return MNL_CB_OK;
	n = ntohl(mnl_attr_get_u32(number));
	if (n >= sizeof(hooks) / sizeof(hooks[0]) || !hooks[n])
		return MNL_CB_OK;
	if (!tree_plain_name(chain.name)) {
		fw->odd++;
		return MNL_CB_OK;
	}
	chain.hook = hooks[n];
	chain.drops = policy && ntohl(mnl_attr_get_u32(policy)) == NF_DROP;
	fw->chain = realloc(fw->chain, (fw->n + 1) * sizeof(*fw->chain));
	if (!fw->chain)
		abort();
	fw->chain[fw->n++] = chain;
	return MNL_CB_OK;
}

struct rules {
	struct firewall *fw;
	unsigned int port;
};

static uint32_t expr_u32(const struct nlattr *data, int type)
{
	const struct nlattr *attr = netlink_nested(data, type);

	return attr ? ntohl(mnl_attr_get_u32(attr)) : UINT32_MAX;
}

/*
 * Is this "tcp dport PORT accept" (sport at output), with or without a counter and
 * the protocol asked for, and nothing else? Any further condition makes it maybe.
 */
static bool accepts(const struct nlattr *expressions, unsigned int offset, unsigned int port)
{
	enum { NOTHING, PROTOCOL, PORT } loaded = NOTHING;
	const struct nlattr *expr, *name, *data, *value;
	bool port_matched = false;
	const char *what;

	if (!expressions)
		return false;
	mnl_attr_for_each_nested(expr, expressions) {
		name = netlink_nested(expr, NFTA_EXPR_NAME);
		data = netlink_nested(expr, NFTA_EXPR_DATA);
		what = name ? mnl_attr_get_str(name) : "";
		if (!strcmp(what, "counter"))
			continue;
		if (!strcmp(what, "meta") && expr_u32(data, NFTA_META_KEY) == NFT_META_L4PROTO) {
			loaded = PROTOCOL;
		} else if (!strcmp(what, "payload") && expr_u32(data, NFTA_PAYLOAD_BASE) == NFT_PAYLOAD_TRANSPORT_HEADER &&
			   expr_u32(data, NFTA_PAYLOAD_OFFSET) == offset && expr_u32(data, NFTA_PAYLOAD_LEN) == 2) {
			loaded = PORT;
		} else if (!strcmp(what, "cmp") && expr_u32(data, NFTA_CMP_OP) == NFT_CMP_EQ) {
			value = netlink_nested(netlink_nested(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
			if (loaded == PORT && value && mnl_attr_get_payload_len(value) == 2 &&
			    ntohs(mnl_attr_get_u16(value)) == port)
				port_matched = true;
			else if (loaded != PROTOCOL || !value || *(const uint8_t *)mnl_attr_get_payload(value) != IPPROTO_TCP)
				return false;
			loaded = NOTHING;
		} else if (!strcmp(what, "immediate")) {
			value = netlink_nested(netlink_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
			return port_matched && value && expr_u32(value, NFTA_VERDICT_CODE) == NF_ACCEPT;
		} else {
			return false;
		}
	}
	return false;
}

static int rule_message(const struct nlmsghdr *nlh, void *data)
{
	const struct rules *r = data;
	struct fw_chain *chain;
	char name[128];
	size_t i;

	if (!chain_name(name, sizeof(name), nlh, NFTA_RULE_TABLE, NFTA_RULE_CHAIN))
		return MNL_CB_OK;
	for (i = 0; i < r->fw->n; i++) {
		chain = &r->fw->chain[i];
		if (strcmp(chain->name, name))
			continue;
		chain->rules++;
		if (chain->accepted)
			break;
		chain->compared++;
		chain->accepted = accepts(find(nlh, NFTA_RULE_EXPRESSIONS), strcmp(chain->hook, "output") ? 2 : 0,
					  r->port);
		break;
	}
	return MNL_CB_OK;
}

/* Is it in the kernel, as a module or built in? Asking a subsystem would load it. */
static bool kernel_has(const char *module, const char *symbol)
{
	char *text, *at;
	size_t len = strlen(symbol);
	bool there = false;

	if (tree_is("/sys/module/%s", module))
		return true;
	text = tree_text("/proc/kallsyms");
	for (at = text; at && !there && (at = strstr(at, symbol)); at += len)
		there = at > text && at[-1] == ' ' && at[len] == '\n';
	free(text);
	return there;
}

void firewall_read(struct firewall *fw, unsigned int port)
{
	struct rules r = { .fw = fw, .port = port };
	char buf[256], line[32];

	memset(fw, 0, sizeof(*fw));
	fw->port = port;
	fw->legacy = tree_line(line, sizeof(line), "/proc/net/ip_tables_names") && *line;
	if (kernel_has("nf_tables", "nft_do_chain")) {
		fw->err = netlink_ask(NETLINK_NETFILTER, request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN),
				      chain_message, fw);
		if (!fw->err)
			fw->err = netlink_ask(NETLINK_NETFILTER, request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE),
					      rule_message, &r);
	}
	fw->known = !fw->err;
}

void firewall_free(struct firewall *fw)
{
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
	const struct nlattr *proto = netlink_nested(find(nlh, CTA_TUPLE_ORIG), CTA_TUPLE_PROTO);
	const struct nlattr *number = netlink_nested(proto, CTA_PROTO_NUM);
	const struct nlattr *port = netlink_nested(proto, CTA_PROTO_DST_PORT);
	const struct nlattr *timeout = find(nlh, CTA_TIMEOUT);
	const struct nlattr *state = netlink_nested(netlink_nested(find(nlh, CTA_PROTOINFO), CTA_PROTOINFO_TCP),
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
	if (kernel_has("nf_conntrack_netlink", "ctnetlink_dump_table"))
		ct->err = netlink_ask(NETLINK_NETFILTER, request(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET),
				      flow_message, &t);
	else
		ct->err = ENOENT;
	ct->known = !ct->err;
}
