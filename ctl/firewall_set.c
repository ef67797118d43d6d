// SPDX-License-Identifier: GPL-2.0
/*
 * Sets and maps of nftables: nfnetlink.
 */
#include "firewall_set.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

enum fw_verdict fw_verdict_of(const struct nlattr *verdict, const char **to)
{
	const struct nlattr *code = netlink_nested(verdict, NFTA_VERDICT_CODE);
	const struct nlattr *chain = netlink_nested(verdict, NFTA_VERDICT_CHAIN);

	*to = chain ? mnl_attr_get_str(chain) : NULL;
	switch (code ? (int32_t)ntohl(mnl_attr_get_u32(code)) : NFT_CONTINUE) {
	case NF_ACCEPT:	 return FW_ACCEPT;
	case NF_DROP:	 return FW_DROP;
	case NFT_RETURN: return FW_RETURN;
	case NFT_JUMP:	 return FW_JUMP;
	case NFT_GOTO:	 return FW_GOTO;
	default:	 return FW_NEXT;
	}
}

unsigned int fw_number_of(const struct nlattr *value)
{
	switch (value ? mnl_attr_get_payload_len(value) : 0) {
	case 1:  return mnl_attr_get_u8(value);
	case 2:  return ntohs(mnl_attr_get_u16(value));
	default: return 0;
	}
}

static int set_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *flags = netlink_nf_attr(nlh, NFTA_SET_FLAGS);
	const struct nlattr *len = netlink_nf_attr(nlh, NFTA_SET_KEY_LEN);
	struct fw_set *set = data;

	set->flags = flags ? ntohl(mnl_attr_get_u32(flags)) : 0;
	set->key_len = len ? ntohl(mnl_attr_get_u32(len)) : 0;
	return MNL_CB_OK;
}

/* Counters count, all else may say no. */
static bool is_condition(const struct nlattr *expr)
{
	const struct nlattr *name = netlink_nested(expr, NFTA_EXPR_NAME);

	return !name || strcmp(mnl_attr_get_str(name), "counter");
}

static bool has_condition(const struct nlattr *elem)
{
	const struct nlattr *one = netlink_nested(elem, NFTA_SET_ELEM_EXPR);
	const struct nlattr *list = netlink_nested(elem, NFTA_SET_ELEM_EXPRESSIONS);
	bool has = one && is_condition(one);

	if (list)
		mnl_attr_for_each_nested(one, list)
			has |= is_condition(one);
	return has;
}

static int elements_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *list = netlink_nf_attr(nlh, NFTA_SET_ELEM_LIST_ELEMENTS), *elem, *attr;
	struct fw_set *set = data;
	struct fw_element *e;
	const char *to;
	uint32_t flags;

	if (!list)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(elem, list) {
		set->element = realloc(set->element, (set->n + 1) * sizeof(*e));
		if (!set->element)
			abort();
		e = &set->element[set->n++];
		attr = netlink_nested(elem, NFTA_SET_ELEM_FLAGS);
		flags = attr ? ntohl(mnl_attr_get_u32(attr)) : 0;
		attr = netlink_nested(elem, NFTA_SET_ELEM_KEY);
		*e = (struct fw_element){
			.key = fw_number_of(netlink_nested(attr, NFTA_DATA_VALUE)),
			.ends = flags & NFT_SET_ELEM_INTERVAL_END,
			.others = flags & NFT_SET_ELEM_CATCHALL,
			.conditional = has_condition(elem),
		};
		attr = netlink_nested(elem, NFTA_SET_ELEM_DATA);
		e->verdict = fw_verdict_of(netlink_nested(attr, NFTA_DATA_VERDICT), &to);
		e->to = to ? strdup(to) : NULL;
		if (to && !e->to)
			abort();
	}
	return MNL_CB_OK;
}

int fw_set_read(struct fw_set *set, uint8_t family, const char *table, const char *name)
{
	char buf[2 * NFT_NAME_MAXLEN + 256];
	struct nlmsghdr *nlh;
	int err;

	memset(set, 0, sizeof(*set));
	nlh = netlink_nf_request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSET, family);
	nlh->nlmsg_flags = 0;
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	err = netlink_ask(NETLINK_NETFILTER, nlh, set_message, set);
	if (err)
		return err;
	nlh = netlink_nf_request(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, family);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
	return netlink_ask(NETLINK_NETFILTER, nlh, elements_message, set);
}

void fw_set_free(struct fw_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		free(set->element[i].to);
	free(set->element);
	memset(set, 0, sizeof(*set));
}

/* Where one interval ends another may begin. */
static bool is_nearer(const struct fw_element *e, const struct fw_element *than)
{
	return !than || e->key > than->key || (e->key == than->key && than->ends);
}

const struct fw_element *fw_set_find(const struct fw_set *set, unsigned int key)
{
	const struct fw_element *e, *others = NULL, *in = NULL;

	for (e = set->element; e < set->element + set->n; e++) {
		if (e->others)
			others = e;
		else if (set->flags & NFT_SET_INTERVAL ? e->key <= key && is_nearer(e, in) : e->key == key)
			in = e;
	}
	return in && !in->ends ? in : others;
}
