// SPDX-License-Identifier: GPL-2.0
/*
 * steer team: mode loadbalance, with the sending CPU for a hash.
 *
 * Where the filter runs: in the team's transmit function, per packet. The hash
 * modulo the ports is a port, in the order in which they were added. teamd can only
 * hash packet fields and teamnl cannot set a filter, so over netlink.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/if_team.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>

#include "steer.h"

/* What team means by an option's type: the kernel's NLA_*, no part of its user API. */
enum { TYPE_STRING = 5, TYPE_BINARY = 11 };

struct team_socket {
	struct mnl_socket *nl;
	uint16_t family;
	char buf[4096];
};

static struct nlmsghdr *request(struct team_socket *s, uint16_t type, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(s->buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

/* Send, and read until the ack. @what is for the report. */
static void ask(struct team_socket *s, const struct nlmsghdr *nlh, mnl_cb_t answer, const char *what)
{
	int n, more = 1;

	if (mnl_socket_sendto(s->nl, nlh, nlh->nlmsg_len) < 0)
		die(what, "%s", strerror(errno));
	while (more > 0) {
		n = mnl_socket_recvfrom(s->nl, s->buf, sizeof(s->buf));
		more = n < 0 ? -1 : mnl_cb_run(s->buf, n, 0, mnl_socket_get_portid(s->nl), answer, s);
	}
	/* An option is set, and only then told to listeners; team says so if there are none. */
	if (more < 0 && errno != ESRCH)
		die(what, "the kernel refuses: %s", strerror(errno));
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	struct team_socket *s = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			s->family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static void set(struct team_socket *s, const char *dev, const char *name, uint8_t type,
		const void *value, size_t len)
{
	struct nlmsghdr *nlh = request(s, s->family, TEAM_CMD_OPTIONS_SET);
	struct nlattr *list, *item;
	char what[64];

	mnl_attr_put_u32(nlh, TEAM_ATTR_TEAM_IFINDEX, if_nametoindex(dev));
	list = mnl_attr_nest_start(nlh, TEAM_ATTR_LIST_OPTION);
	item = mnl_attr_nest_start(nlh, TEAM_ATTR_ITEM_OPTION);
	mnl_attr_put_strz(nlh, TEAM_ATTR_OPTION_NAME, name);
	mnl_attr_put_u8(nlh, TEAM_ATTR_OPTION_TYPE, type);
	mnl_attr_put(nlh, TEAM_ATTR_OPTION_DATA, len, value);
	mnl_attr_nest_end(nlh, item);
	mnl_attr_nest_end(nlh, list);
	snprintf(what, sizeof(what), "%s %s", dev, name);
	ask(s, nlh, NULL, what);
}

void team(int argc, char **argv)
{
	const struct sock_filter cpu[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_CPU),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct team_socket s = { 0 };
	struct nlmsghdr *nlh;

	(void)argc;
	if (!if_nametoindex(argv[0]))
		die(argv[0], "%s; make it by ip link add %s type team", strerror(errno), argv[0]);
	s.nl = mnl_socket_open(NETLINK_GENERIC);
	if (!s.nl || mnl_socket_bind(s.nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("generic netlink", "%s", strerror(errno));
	nlh = request(&s, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, TEAM_GENL_NAME);
	ask(&s, nlh, on_family, "generic netlink family team");

	set(&s, argv[0], "mode", TYPE_STRING, "loadbalance", sizeof("loadbalance"));
	set(&s, argv[0], "lb_tx_method", TYPE_STRING, "hash", sizeof("hash"));
	set(&s, argv[0], "bpf_hash_func", TYPE_BINARY, cpu, sizeof(cpu));
	mnl_socket_close(s.nl);
}
