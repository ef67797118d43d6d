// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl watch: what happens to interfaces, queues, CPUs and irqbalance.
 *
 * Beside the flow's way: setup-flowpar.sh watch reads its lines and mends what they have
 * undone. It sleeps until the kernel tells of something: rtnetlink (links, addresses),
 * ethtool's notifications (channels), uevents (devices, queues, CPUs), nftables (a table
 * that goes, with --table) and inotify (the socket that a starting irqbalance makes, the
 * state of setup-flowpar.sh).
 *
 * What comes is collected until it is quiet for --settle, but no longer than SETTLE_MOST
 * times that: a driver reload is tens of events, and one line. Invariant: an event
 * that comes while nobody listens is none that is missed: the first line is written when
 * all of that is subscribed to, and one that the kernel had to drop is written as "lost".
 */
#include "watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "instance.h"
#include "irqbalance.h"
#include "report.h"

#define SETTLE_MOST	10
#define STATE_DIR	"/run/flowpar"
#define UEVENT_GROUP	1	/* the kernel's own, before udev has done its part */

static const char *links;
static const char *table;
static unsigned int settle = 300;

static const struct option_spec options[] = {
	{ "links", "NAME,NAME,...", "only these interfaces (default all)", .string = &links },
	{ "table", "NAME", "also an nftables table of family inet, when it is deleted", .string = &table },
	{ "settle", "MS", "collect events until it is quiet for so long (default 300)",
	  .number = &settle, .min = 1, .max = 60000 },
	{ 0 }
};

/* --- events until they are written ------------------------------------------- */

static char **event;
static size_t n_events;

static void happened(const char *what, const char *name)
{
	char *text;
	size_t i;

	if (asprintf(&text, "%s%s%s", what, name ? " " : "", name ? name : "") < 0)
		abort();
	for (i = 0; i < n_events; i++) {
		if (!strcmp(event[i], text)) {
			free(text);
			return;
		}
	}
	event = realloc(event, (n_events + 1) * sizeof(*event));
	if (!event)
		abort();
	event[n_events++] = text;
}

static bool write_events(void)
{
	size_t i;

	for (i = 0; i < n_events; i++) {
		printf("%s%s", i ? ", " : "", event[i]);
		free(event[i]);
	}
	n_events = 0;
	putchar('\n');
	return fflush(stdout) == 0;
}

/* Is it one of --links? */
static bool wanted(const char *name, size_t len)
{
	const char *at;

	if (!links)
		return true;
	for (at = links; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && !strncmp(at, name, len))
			return true;
	return false;
}

/* --- netlink -------------------------------------------------------------------- */

static struct mnl_socket *listen_on(int bus, unsigned int groups)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (nl && mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) >= 0)
		return nl;
	report("netlink", "%s; is it in this kernel?", strerror(errno));
	if (nl)
		mnl_socket_close(nl);
	return NULL;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *address;
	const struct nlattr *attr;
	char name[IF_NAMESIZE];

	(void)data;
	if (nlh->nlmsg_type == RTM_NEWADDR || nlh->nlmsg_type == RTM_DELADDR) {
		address = mnl_nlmsg_get_payload(nlh);
		/* an IPv6 one that is there is told of again with each router advertisement */
		if (address->ifa_family == AF_INET6 && nlh->nlmsg_type == RTM_NEWADDR)
			return MNL_CB_OK;
		if (if_indextoname(address->ifa_index, name) && wanted(name, strlen(name)))
			happened("address", name);
		return MNL_CB_OK;
	}
	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
		    wanted(mnl_attr_get_str(attr), strlen(mnl_attr_get_str(attr))))
			happened("link", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int on_ethtool(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *in;

	(void)data;
	if (genl->cmd != ETHTOOL_MSG_CHANNELS_NTF)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*genl)) {
		if (mnl_attr_get_type(attr) != ETHTOOL_A_CHANNELS_HEADER)
			continue;
		mnl_attr_for_each_nested(in, attr)
			if (mnl_attr_get_type(in) == ETHTOOL_A_HEADER_DEV_NAME &&
			    mnl_attr_validate(in, MNL_TYPE_NUL_STRING) >= 0 &&
			    wanted(mnl_attr_get_str(in), strlen(mnl_attr_get_str(in))))
				happened("channels", mnl_attr_get_str(in));
	}
	return MNL_CB_OK;
}

/* Also of nft flush ruleset, with which firewalls are loaded anew. */
static int on_nftables(const struct nlmsghdr *nlh, void *data)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	(void)data;
	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE) || nfg->nfgen_family != NFPROTO_INET)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
		    !strcmp(mnl_attr_get_str(attr), table))
			happened("table", table);
	return MNL_CB_OK;
}

static void group_of(const struct nlattr *groups, uint32_t *group)
{
	const struct nlattr *one, *attr;

	mnl_attr_for_each_nested(one, groups) {
		const char *name = "";
		uint32_t id = 0;

		mnl_attr_for_each_nested(attr, one) {
			if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
			    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				name = mnl_attr_get_str(attr);
			if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
				id = mnl_attr_get_u32(attr);
		}
		if (!strcmp(name, ETHTOOL_MCGRP_MONITOR_NAME))
			*group = id;
	}
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			group_of(attr, data);
	return MNL_CB_OK;
}

/* ethtool's notifications. */
static struct mnl_socket *listen_ethtool(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	char buf[32 * 1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	uint32_t group = 0;
	ssize_t n;
	int ret;

	nlh->nlmsg_type = GENL_ID_CTRL;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = CTRL_CMD_GETFAMILY;
	genl->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto failed;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		ret = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), on_family, &group);
	} while (ret > 0);
	if (ret == 0 && !group)
		errno = ENOENT;
	if (ret == 0 && group && mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) >= 0)
		return nl;
failed:
	report("ethtool", "its notifications cannot be had: %s; is CONFIG_ETHTOOL_NETLINK in this kernel?", strerror(errno));
	if (nl)
		mnl_socket_close(nl);
	return NULL;
}

/* "add@/devices/...", then NAME=VALUE, each with its NUL. */
static void on_uevent(char *buf, size_t len)
{
	const char *subsystem = "", *path = "", *name = "", *slash;
	char *at;

	for (at = buf; at < buf + len; at += strlen(at) + 1) {
		if (!strncmp(at, "SUBSYSTEM=", 10))
			subsystem = at + 10;
		if (!strncmp(at, "DEVPATH=", 8))
			path = at + 8;
		if (!strncmp(at, "INTERFACE=", 10))
			name = at + 10;
	}
	if (!strcmp(subsystem, "cpu")) {
		slash = strrchr(path, '/');
		happened("cpu", slash ? slash + 1 : path);
	} else if (!strcmp(subsystem, "net")) {
		if (wanted(name, strlen(name)))
			happened("device", name);
	} else if (!strcmp(subsystem, "queues")) {
		slash = strstr(path, "/net/");
		name = slash ? slash + 5 : "";
		if (!wanted(name, strcspn(name, "/")))
			return;
		at = strndup(name, strcspn(name, "/"));
		if (!at)
			abort();
		happened("queues", at);
		free(at);
	}
}

/* Return: false if that socket is of no more use (reported). */
static bool drain(struct mnl_socket *nl, mnl_cb_t fn)
{
	char buf[64 * 1024];
	ssize_t n;

	for (;;) {
		n = recv(mnl_socket_get_fd(nl), buf, sizeof(buf) - 1, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0 && errno == ENOBUFS) {
			happened("lost", NULL);
			continue;
		}
		if (n <= 0) {
			report("netlink", "%s", n < 0 ? strerror(errno) : "closed");
			return false;
		}
		buf[n] = '\0';
		if (fn)
			mnl_cb_run(buf, (size_t)n, 0, 0, fn, NULL);
		else
			on_uevent(buf, (size_t)n);
	}
}

/* --- files in /run -------------------------------------------------------------- */

/* A directory below /run, whose coming is watched as well, and one kind of file in it. */
static struct {
	const char *dir;
	const char *file;	/* how its name begins */
	const char *what;
	uint32_t mask;
	int wd;
} places[] = {
	{ IRQBALANCE_DIR, "irqbalance", "irqbalance", IN_CREATE | IN_MOVED_TO, -1 },
	{ STATE_DIR, "config", "config", IN_MOVED_TO | IN_DELETE, -1 },
};

#define N_PLACES	(sizeof(places) / sizeof(places[0]))

static void look(int fd, size_t i)
{
	places[i].wd = inotify_add_watch(fd, places[i].dir, places[i].mask | IN_ONLYDIR);
}

static void on_inotify(int fd)
{
	char buf[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	const char *at;
	ssize_t n;
	size_t i;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (at = buf; at < buf + n; at += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)at;
			if (e->mask & IN_Q_OVERFLOW)
				happened("lost", NULL);
			for (i = 0; i < N_PLACES; i++) {
				if (e->mask & IN_IGNORED && e->wd == places[i].wd)
					places[i].wd = -1;
				else if (e->len && e->wd == places[i].wd &&
					 !strncmp(e->name, places[i].file, strlen(places[i].file)))
					happened(places[i].what, NULL);
				/* The directory is new, and may have had the file before it was watched. */
				else if (e->len && e->mask & IN_CREATE && !strcmp(e->name, strrchr(places[i].dir, '/') + 1) &&
					 places[i].wd < 0) {
					look(fd, i);
					happened(places[i].what, NULL);
				}
			}
		}
	}
}

/* --- the loop --------------------------------------------------------------------- */

static struct {
	struct mnl_socket *route, *ethtool, *uevent, *nftables;
	int files;
} in = { .files = -1 };

static bool listen_all(void)
{
	size_t i;

	in.route = listen_on(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	in.ethtool = listen_ethtool();
	in.uevent = listen_on(NETLINK_KOBJECT_UEVENT, UEVENT_GROUP);
	in.files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* Only if asked for: listening there loads nf_tables. */
	if (table)
		in.nftables = listen_on(NETLINK_NETFILTER, 1 << (NFNLGRP_NFTABLES - 1));
	if (!in.route || !in.ethtool || !in.uevent || (table && !in.nftables))
		return false;
	if (in.files < 0 || inotify_add_watch(in.files, "/run", IN_CREATE | IN_ONLYDIR) < 0) {
		report("/run", "cannot be watched: %s", strerror(errno));
		return false;
	}
	for (i = 0; i < N_PLACES; i++)
		look(in.files, i);
	return true;
}

static void close_all(void)
{
	if (in.route)
		mnl_socket_close(in.route);
	if (in.ethtool)
		mnl_socket_close(in.ethtool);
	if (in.uevent)
		mnl_socket_close(in.uevent);
	if (in.nftables)
		mnl_socket_close(in.nftables);
	if (in.files >= 0)
		close(in.files);
}

static int loop(void)
{
	struct pollfd fds[] = {
		{ .fd = mnl_socket_get_fd(in.route), .events = POLLIN },
		{ .fd = mnl_socket_get_fd(in.ethtool), .events = POLLIN },
		{ .fd = mnl_socket_get_fd(in.uevent), .events = POLLIN },
		{ .fd = in.files, .events = POLLIN },
		{ .fd = STDOUT_FILENO },	/* POLLERR: who reads us has gone */
		{ .fd = in.nftables ? mnl_socket_get_fd(in.nftables) : -1, .events = POLLIN },
	};
	uint64_t first = 0, last = 0, until, now;
	size_t before;
	int n;

	for (;;) {
		now = now_ms();
		until = last + settle;
		if (until > first + SETTLE_MOST * (uint64_t)settle)
			until = first + SETTLE_MOST * (uint64_t)settle;
		if (n_events && now >= until) {
			if (!write_events())
				return EXIT_REFUSED;
			continue;
		}
		n = poll(fds, sizeof(fds) / sizeof(fds[0]), n_events ? (int)(until - now) : -1);
		if (n < 0 && errno != EINTR)
			return report("poll", "%s", strerror(errno));
		if (n <= 0)
			continue;
		if (fds[4].revents)
			return EXIT_DONE;
		before = n_events;
		if ((fds[0].revents && !drain(in.route, on_link)) ||
		    (fds[1].revents && !drain(in.ethtool, on_ethtool)) ||
		    (fds[2].revents && !drain(in.uevent, NULL)) ||
		    (fds[5].revents && !drain(in.nftables, on_nftables)))
			return EXIT_REFUSED;
		if (fds[3].revents)
			on_inotify(in.files);
		if (n_events)
			last = now_ms();
		if (!before)
			first = last;
	}
}

static int watch_run(char **operands)
{
	int status = EXIT_REFUSED;

	(void)operands;
	if (listen_all()) {
		happened("start", NULL);
		if (write_events())
			status = loop();
	}
	close_all();
	return status;
}

const struct command watch = {
	.name = "watch",
	.summary = "A line for each burst of events that may undo what setup-flowpar.sh set.",
	.options = options,
	.notes = "Output: \"start\", then for each burst what has happened: link, device, queues, channels,\n"
		 "address or table NAME; cpu cpuN; irqbalance (one has started); config (setup-flowpar.sh up or\n"
		 "down ran); lost (the kernel had to drop some). It ends when nobody reads on.\n",
	.run = watch_run,
};
