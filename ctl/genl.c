// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to nf_flowpar's generic netlink family, and the kernel's answers.
 */
#include "genl.h"

#include <errno.h>
#include <linux/flowpar.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "report.h"

#define DUMP_ATTEMPTS	8

struct answer {
	genl_attr_fn fn;
	void *data;
	size_t header;		/* bytes before the attributes */
	int err;		/* of the kernel, positive */
	char message[256];	/* its own words, or "" */
	unsigned int offset;	/* of the bad attribute in the request; 0: none */
};

uint64_t genl_uint(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case 1: return mnl_attr_get_u8(attr);
	case 2: return mnl_attr_get_u16(attr);
	case 4: return mnl_attr_get_u32(attr);
	case 8: return mnl_attr_get_u64(attr);
	}
	return 0;
}

static void extack(struct answer *answer, const struct nlmsghdr *nlh, size_t offset)
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	mnl_attr_for_each(attr, nlh, offset) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(answer->message, sizeof(answer->message), "%s", mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			answer->offset = mnl_attr_get_u32(attr);
	}
}

static int on_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	struct answer *answer = data;
	size_t offset = sizeof(*e);

	if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*e))) {
		answer->err = EBADMSG;
		return MNL_CB_STOP;
	}
	answer->err = -e->error;
	/* the request follows unless it was left out */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	extack(answer, nlh, offset);
	return MNL_CB_STOP;
}

/* A dump that fails half-way says so here. */
static int on_done(const struct nlmsghdr *nlh, void *data)
{
	struct answer *answer = data;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)) {
		answer->err = -*(const int *)mnl_nlmsg_get_payload(nlh);
		extack(answer, nlh, sizeof(int));
	}
	return MNL_CB_STOP;
}

static int on_ignored(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_OK;
}

static int on_data(const struct nlmsghdr *nlh, void *data)
{
	struct answer *answer = data;
	const struct nlattr *attr;
	bool first = true;

	mnl_attr_for_each(attr, nlh, answer->header) {
		if (answer->fn)
			answer->fn(attr, first, answer->data);
		first = false;
	}
	return MNL_CB_OK;
}

/* Return: 0 or a positive errno, of the kernel or of the socket. */
static int talk(struct genl *g, struct nlmsghdr *request, struct answer *answer)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_NOOP] = on_ignored,
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
		[NLMSG_OVERRUN] = on_ignored,
	};
	unsigned int portid = mnl_socket_get_portid(g->nl);
	char buf[64 * 1024];
	ssize_t n;
	int ret;

	answer->header = sizeof(struct genlmsghdr);
	if (mnl_socket_sendto(g->nl, request, request->nlmsg_len) < 0)
		return errno;
	do {
		n = mnl_socket_recvfrom(g->nl, buf, sizeof(buf));
		if (n < 0)
			return errno;
		ret = mnl_cb_run2(buf, (size_t)n, request->nlmsg_seq, portid, on_data, answer, control,
				  NLMSG_MIN_TYPE);
		if (ret < 0)
			return errno;	/* EINTR: a dump that changed meanwhile */
	} while (ret > 0);
	return answer->err;
}

static struct nlmsghdr *request_to(struct genl *g, uint16_t type, uint8_t cmd, uint8_t version,
				   uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(g->buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++g->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/* The family has but one group. */
static void groups_attr(const struct nlattr *groups, uint32_t *id)
{
	const struct nlattr *group, *attr;

	mnl_attr_for_each_nested(group, groups)
		mnl_attr_for_each_nested(attr, group)
			if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
				*id = mnl_attr_get_u32(attr);
}

static void family_attr(const struct nlattr *attr, bool first, void *data)
{
	struct genl *g = data;

	(void)first;
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		g->family = mnl_attr_get_u16(attr);
	else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
		groups_attr(attr, &g->group);
}

bool genl_open(struct genl *g)
{
	struct answer answer = { .fn = family_attr, .data = g };
	struct nlmsghdr *nlh;
	int on = 1, err;

	g->family = 0;
	g->group = 0;
	g->seq = 0;
	g->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!g->nl || mnl_socket_bind(g->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		report("generic netlink", "%s; is it in this kernel?", strerror(errno));
		genl_close(g);
		return false;
	}
	/* Older kernels lack some of these; then there is less detail to read. */
	mnl_socket_setsockopt(g->nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(g->nl, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(g->nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));

	nlh = request_to(g, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, FLOWPAR_FAMILY_NAME);
	err = talk(g, nlh, &answer);
	if (!err && g->family)
		return true;
	if (err == ENOENT)
		report("nf_flowpar", "not loaded; modprobe nf_flowpar");
	else
		report("nf_flowpar", "its netlink family cannot be found: %s", strerror(err));
	genl_close(g);
	return false;
}

void genl_close(struct genl *g)
{
	if (g->nl)
		mnl_socket_close(g->nl);
	g->nl = NULL;
}

bool genl_notified(struct genl *g)
{
	/* The controller's own group has its number. */
	int groups[] = { (int)g->group, GENL_ID_CTRL };
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!groups[i] || mnl_socket_setsockopt(g->nl, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0) {
			report("nf_flowpar", "its notifications cannot be had: %s", groups[i] ? strerror(errno) : "it has none");
			return false;
		}
	return true;
}

struct nlmsghdr *genl_request(struct genl *g, uint8_t cmd)
{
	return request_to(g, g->family, cmd, FLOWPAR_FAMILY_VERSION, NLM_F_ACK);
}

static const char *remedy(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return "run as root, or with CAP_NET_ADMIN in the network namespace";
	case ENOENT:
		return "flowparctl service list shows those that there are";
	case EOPNOTSUPP:
		return "is the loaded nf_flowpar older than flowparctl?";
	}
	return NULL;
}

/* The kernel's words where it has some, the remedy where they name none. */
static void report_refusal(const char *object, const struct answer *answer, int err,
			   const char *option)
{
	const char *found = *answer->message ? answer->message : strerror(err);
	const char *todo = remedy(err);

	if (strchr(found, ';'))
		report(object, "%s", found);
	else if (todo)
		report(object, "%s; %s", found, todo);
	else if (option)
		report(object, "%s; change --%s", found, option);
	else
		report(object, "%s", found);
}

bool genl_do(struct genl *g, struct nlmsghdr *request, const char *object,
	     const char *const *options, size_t n_options)
{
	struct answer answer = { 0 };
	const char *option = NULL;
	const struct nlattr *attr;
	int err;

	err = talk(g, request, &answer);
	if (!err)
		return true;
	mnl_attr_for_each(attr, request, sizeof(struct genlmsghdr)) {
		if (answer.offset != (unsigned int)((const char *)attr - (const char *)request))
			continue;
		if (mnl_attr_get_type(attr) < n_options)
			option = options[mnl_attr_get_type(attr)];
	}
	report_refusal(object, &answer, err, option);
	return false;
}

bool genl_dump(struct genl *g, uint8_t cmd, const char *object, genl_attr_fn fn, void *data,
	       size_t *count)
{
	struct answer answer;
	int attempt, err = EINTR;
	struct nlmsghdr *nlh;

	for (attempt = 0; attempt < DUMP_ATTEMPTS && err == EINTR; attempt++) {
		answer = (struct answer){ .fn = fn, .data = data };
		*count = 0;
		nlh = request_to(g, g->family, cmd, FLOWPAR_FAMILY_VERSION, NLM_F_DUMP);
		err = talk(g, nlh, &answer);
	}
	if (err)
		report_refusal(object, &answer, err, NULL);
	return !err;
}
