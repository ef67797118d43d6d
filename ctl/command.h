/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A subcommand: its options, its help and the function that does it.
 *
 * Help is printed from the same table that the command line is parsed with, so
 * that the two cannot drift apart. main.c has the table of subcommands.
 */
#ifndef FLOWPARCTL_COMMAND_H
#define FLOWPARCTL_COMMAND_H

#include <stdbool.h>

struct cpulist;

struct option_spec {
	const char *name;	/* without the dashes; NULL ends the table */
	const char *arg;	/* name of the value; NULL for a flag */
	const char *help;	/* what it is, its unit and its default */
	bool required;
	/* Where the value goes: one of these. */
	bool *flag;
	const char **string;
	struct cpulist *cpus;
	unsigned int *number;
	unsigned int min, max;	/* of *number */
};

struct command {
	const char *name;		/* one word or two: "stats", "service add" */
	const char *summary;
	const struct option_spec *options;
	const char *operands;		/* as in the usage line; NULL: none taken */
	const char *notes;		/* output, files and exit status, for --help */
	int (*run)(char **operands);	/* NULL-terminated; returns the exit status */
};

/**
 * command_parse() - parse the command line of a subcommand into its options
 * @argv: what follows the name of the subcommand, NULL-terminated
 *
 * Exits with status 2 and one line if it is wrong, with 0 after --help.
 *
 * Return: the operands.
 */
char **command_parse(const struct command *cmd, char **argv);

/* One line to stderr, where to find the help, exit status 2. */
_Noreturn void usage_error(const struct command *cmd, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
