// SPDX-License-Identifier: GPL-2.0
/*
 * One question to a kernel subsystem by netlink, and its answer.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tree.h"

int netlink_ask(int protocol, struct nlmsghdr *request, mnl_cb_t fn, void *data)
{
	struct mnl_socket *nl = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	char buf[64 * 1024];
	int err = 0, ret;
	ssize_t n;

	if (!nl)
		return errno;
	request->nlmsg_flags |= NLM_F_REQUEST | (request->nlmsg_flags & NLM_F_DUMP ? 0 : NLM_F_ACK);
	request->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, request, request->nlmsg_len) < 0) {
		err = errno;
		goto out;
	}
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		ret = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), fn, data);
		/* EINTR: what was dumped changed meanwhile, which does for a look */
		if (ret < 0 && errno != EINTR)
			err = errno;
	} while (ret > 0 || (ret < 0 && !err));
out:
	mnl_socket_close(nl);
	return err;
}

const struct nlattr *netlink_nested(const struct nlattr *nest, int type)
{
	const struct nlattr *attr;

	if (nest)
		mnl_attr_for_each_nested(attr, nest)
			if (mnl_attr_get_type(attr) == type)
				return attr;
	return NULL;
}

struct nlmsghdr *netlink_nf_request(char *buf, unsigned int subsystem, unsigned int msg, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(subsystem << 8 | msg);
	nlh->nlmsg_flags = NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

const struct nlattr *netlink_nf_attr(const struct nlmsghdr *nlh, int type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

bool netlink_there(const char *module, const char *symbol)
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

static int family_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

uint16_t netlink_family(const char *name)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	uint16_t id = 0;

	nlh->nlmsg_type = GENL_ID_CTRL;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = CTRL_CMD_GETFAMILY;
	genl->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	netlink_ask(NETLINK_GENERIC, nlh, family_message, &id);
	return id;
}
