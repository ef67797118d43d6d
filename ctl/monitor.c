// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl monitor: services as they come and go.
 *
 * Notified first and listed then, so that nothing falls between: a service that
 * comes in that moment is told of twice.
 */
#include "monitor.h"

#include <errno.h>
#include <linux/flowpar.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "genl.h"
#include "report.h"
#include "service.h"

static unsigned int port;
static bool once, json;

static const struct option_spec options[] = {
	{ "once", NULL, "exit after the first change", .flag = &once },
	{ "json", NULL, "print JSON, a line for each event", .flag = &json },
	{ "port", "P", "only services with this public port",
	  .number = &port, .min = 1, .max = 65535 },
	{ 0 }
};

/* Return: false if nobody can read it any more (reported). */
static bool print(const char *event, const struct service *s)
{
	char name[SERVICE_NAME_MAX], *cpus;

	if (json) {
		printf("{\"event\":\"%s\",", event);
		service_json(s);
		puts("}");
	} else {
		cpus = cpulist_format(&s->cpus);
		printf("%-8s %s base-port %u stride %u per-core %u cpus %s spill %u%%\n", event, service_name(s, name),
		       s->base_port, s->stride, s->per_core, cpus, s->spill);
		free(cpus);
	}
	return report_output(EXIT_DONE) == EXIT_DONE;
}

static bool list(struct genl *g)
{
	struct services all;
	bool good;
	size_t i;

	good = services_get(g, &all);
	for (i = 0; good && i < all.n; i++)
		if (!port || all.service[i].port == port)
			good = print("present", &all.service[i]);
	services_free(&all);
	return good;
}

enum { ENDED = -1, GOES_ON, CHANGED };

struct events {
	struct genl *g;
	int what;
};

static bool family_gone(const struct nlmsghdr *nlh, const struct genlmsghdr *genl, uint16_t family)
{
	const struct nlattr *attr;

	if (genl->cmd != CTRL_CMD_DELFAMILY)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*genl))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID && mnl_attr_get_u16(attr) == family)
			return true;
	return false;
}

static int message(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	static struct service s;	/* large */
	const struct nlattr *attr;
	struct events *e = data;

	if (nlh->nlmsg_type == GENL_ID_CTRL && family_gone(nlh, genl, e->g->family)) {
		report("nf_flowpar", "unloaded, and its services with it");
		e->what = ENDED;
		return MNL_CB_STOP;
	}
	if (nlh->nlmsg_type != e->g->family ||
	    (genl->cmd != FLOWPAR_CMD_SERVICE_ADD_NTF && genl->cmd != FLOWPAR_CMD_SERVICE_DEL_NTF))
		return MNL_CB_OK;
	memset(&s, 0, sizeof(s));
	mnl_attr_for_each(attr, nlh, sizeof(*genl))
		service_attr(&s, attr);
	if (port && s.port != port)
		return MNL_CB_OK;
	e->what = print(genl->cmd == FLOWPAR_CMD_SERVICE_ADD_NTF ? "added" : "deleted", &s) ? CHANGED : ENDED;
	return e->what == ENDED || once ? MNL_CB_STOP : MNL_CB_OK;
}

/* Return: the exit status. */
static int watch(struct genl *g, int signal_fd)
{
	struct pollfd pfd[] = {
		{ .fd = mnl_socket_get_fd(g->nl), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	struct events e = { .g = g };
	char buf[64 * 1024];
	ssize_t n;

	for (;;) {
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			return report("monitor", "poll: %s", strerror(errno));
		if (pfd[1].revents) {
			if (!once)
				return EXIT_DONE;
			return report("monitor", "ended before anything changed");
		}
		if (!pfd[0].revents)
			continue;
		n = mnl_socket_recvfrom(g->nl, buf, sizeof(buf));
		if (n < 0 && errno == ENOBUFS)
			/* More came than we could read: who goes by what we say has to know. */
			return report("monitor", "events were lost; flowparctl service list shows what there is now");
		if (n < 0)
			return report("nf_flowpar", "%s", strerror(errno));
		e.what = GOES_ON;
		mnl_cb_run(buf, (size_t)n, 0, 0, message, &e);
		if (e.what == ENDED)
			return EXIT_REFUSED;
		if (e.what == CHANGED && once)
			return EXIT_DONE;
	}
}

static int monitor_run(char **operands)
{
	struct genl *asking = malloc(2 * sizeof(*asking)), *told = asking + 1;	/* large */
	int status = EXIT_REFUSED, signal_fd;
	sigset_t set;

	(void)operands;
	if (!asking)
		abort();
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (signal_fd < 0) {
		report("monitor", "signalfd: %s", strerror(errno));
		goto out;
	}
	if (!genl_open(told))
		goto out_fd;
	if (genl_notified(told) && genl_open(asking)) {
		if (list(asking))
			status = watch(told, signal_fd);
		genl_close(asking);
	}
	genl_close(told);
out_fd:
	close(signal_fd);
out:
	free(asking);
	return status;
}

const struct command monitor = {
	.name = "monitor",
	.summary = "print services as they are added and deleted, until a signal comes",
	.options = options,
	.notes =
"First a line for each service that there is (present), then one for each that is added\n"
"or deleted in this network namespace, by whomever. One that is added just when it\n"
"begins may be told of twice. It ends with status 1 when the module is unloaded, or when\n"
"more happens at once than it can read.\n"
"\n"
"JSON: an object a line, with event (\"present\", \"added\" or \"deleted\") and the members of\n"
"flowparctl service list --json. Members and events may be added, none will change.\n"
"\n"
"Exit status: 0 ended by SIGINT or SIGTERM, or with --once after a change; 1 failed, 2\n"
"usage error.\n",
	.run = monitor_run,
};
