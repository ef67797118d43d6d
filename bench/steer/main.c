// SPDX-License-Identifier: GPL-2.0
/*
 * steer: tells a stock kernel to steer by CPU, for the set-ups that flowpar is
 * compared with (bench/setups/).
 *
 * Beside the flow's way. Linux can pick a listener, or a bond's slave, by the
 * CPU that it is on, but no tool of a distribution says so to it; these are
 * the few system calls that do. Nothing here is needed to run flowpar.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steer.h"

static const struct subcommand {
	const char *name, *operands, *summary;
	int min_args;
	void (*run)(int argc, char **argv);
} subcommands[] = {
	{ "sk-lookup", "PORT PID...",
	  "BPF sk_lookup: of a new flow to PORT, CPU k's goes to the listener of the k-th PID", 2, sk_lookup },
	{ "reuseport", "PORT PID...",
	  "of a new flow to PORT, CPU k's goes to the k-th socket of the SO_REUSEPORT group", 2, reuseport },
	{ "reuseport-off", "PORT PID...",
	  "the group's own choice again, by hash", 2, reuseport_off },
	{ "queue-id", "BOND SLAVES",
	  "BPF at the bond's egress: what CPU k sends leaves by the slave with queue_id k + 1", 2, queue_id },
	{ "team", "TEAM",
	  "make a team without ports yet a loadbalance one, whose CPU k sends through port k", 1, team },
	{ "listen", "PORT COMMAND...",
	  "run COMMAND with a listening SO_REUSEPORT socket, as by systemd's socket activation", 2, listen_as },
};

#define N_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

void die(const char *object, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "steer: %s: ", object);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

unsigned int number(const char *text, const char *what, unsigned int min, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || n < min || n > max) {
		fprintf(stderr, "steer: %s: not %s; want a number from %u to %u\n", text, what, min, max);
		exit(EXIT_USAGE);
	}
	return n;
}

static void help(FILE *to)
{
	size_t i;

	fputs("usage: steer SUBCOMMAND ...\n\n", to);
	for (i = 0; i < N_SUBCOMMANDS; i++)
		fprintf(to, "  %-13s %-15s %s\n", subcommands[i].name, subcommands[i].operands,
			subcommands[i].summary);
	fputs("\nWith fewer listeners or slaves than CPUs, k is the CPU modulo their number. sk-lookup\n"
	      "and queue-id print the pid of a process that they leave behind: it holds the program,\n"
	      "ending it detaches. Exit status: 0 done, 1 refused or failed, 2 usage error.\n", to);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		help(stdout);
		return 0;
	}
	for (i = 0; argc > 1 && i < N_SUBCOMMANDS; i++) {
		if (strcmp(argv[1], subcommands[i].name))
			continue;
		if (argc - 2 < subcommands[i].min_args)
			break;
		subcommands[i].run(argc - 2, argv + 2);
		return 0;
	}
	help(stderr);
	return EXIT_USAGE;
}
