// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl: services, their counters, and a pinned server per core.
 *
 * Beside the flow's way: it tells nf_flowpar which services there are (generic
 * netlink) and starts the servers that listen on the per-core ports. It keeps no
 * state: the kernel owns the services, a running `flowparctl run` its servers.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "doctor.h"
#include "monitor.h"
#include "irqbalance.h"
#include "report.h"
#include "run.h"
#include "service.h"
#include "stats.h"
#include "top.h"
#include "watch.h"
#include "write_conf.h"

static const struct command *const commands[] = {
	&service_add,
	&service_del,
	&service_list,
	&stats,
	&top,
	&monitor,
	&run,
	&write_conf,
	&doctor,
	&irqbalance,
	&watch,
};

#define N_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void help(void)
{
	size_t i;

	puts("flowparctl SUBCOMMAND [OPTION]...\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-14s %s\n", commands[i]->name, commands[i]->summary);
	puts("\nflowparctl SUBCOMMAND --help tells more. Exit status: 0 done, 1 refused or failed, 2 usage error.");
}

/* How many words of argv the name takes; 0: it is another subcommand. */
static int matches(const char *name, char **argv)
{
	const char *second = strchr(name, ' ');
	size_t first_len = second ? (size_t)(second - name) : strlen(name);

	if (!argv[0] || strlen(argv[0]) != first_len || strncmp(argv[0], name, first_len))
		return 0;
	if (!second)
		return 1;
	return argv[1] && !strcmp(argv[1], second + 1) ? 2 : 0;
}

int main(int argc, char **argv)
{
	int words;
	size_t i;

	if (argc < 2) {
		report("command line", "a subcommand is missing; see flowparctl --help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help();
		return report_output(EXIT_DONE);
	}
	for (i = 0; i < N_COMMANDS; i++) {
		words = matches(commands[i]->name, argv + 1);
		if (words)
			return report_output(commands[i]->run(command_parse(commands[i], argv + 1 + words)));
	}
	report(argv[1], "no such subcommand; see flowparctl --help");
	return EXIT_USAGE;
}
