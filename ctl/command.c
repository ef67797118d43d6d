// SPDX-License-Identifier: GPL-2.0
/*
 * A subcommand: its options, its help and the function that does it.
 */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpulist.h"
#include "report.h"

void usage_error(const struct command *cmd, const char *object, const char *fmt, ...)
{
	char found[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(found, sizeof(found), fmt, args);
	va_end(args);
	report(object, "%s; see flowparctl %s --help", found, cmd->name);
	exit(EXIT_USAGE);
}

static void help(const struct command *cmd)
{
	const struct option_spec *o;
	char left[64];

	printf("flowparctl %s", cmd->name);
	for (o = cmd->options; o->name; o++)
		printf(o->required ? " --%s%s%s" : " [--%s%s%s]", o->name,
		       o->arg ? " " : "", o->arg ? o->arg : "");
	printf("%s%s\n\n%s\n\n", cmd->operands ? " " : "", cmd->operands ? cmd->operands : "",
	       cmd->summary);
	for (o = cmd->options; o->name; o++) {
		snprintf(left, sizeof(left), "--%s %s", o->name, o->arg ? o->arg : "");
		printf("  %-24s %s\n", left, o->help);
	}
	printf("  %-24s %s\n", "--help", "print this and exit");
	if (cmd->notes)
		printf("\n%s", cmd->notes);
}

static void set_number(const struct command *cmd, const struct option_spec *o, const char *text)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 10);
	/* strtoul() takes signs, spaces and nothing at all */
	if (*text < '0' || *text > '9' || *end || value < o->min || value > o->max) {
		char object[64];

		snprintf(object, sizeof(object), "--%s", o->name);
		usage_error(cmd, object, "'%s' is not a number from %u to %u", text, o->min, o->max);
	}
	*o->number = (unsigned int)value;
}

static void set(const struct command *cmd, const struct option_spec *o, const char *text)
{
	const char *why;

	if (o->flag) {
		*o->flag = true;
	} else if (o->number) {
		set_number(cmd, o, text);
	} else if (o->cpus) {
		why = cpulist_parse(o->cpus, text);
		if (why) {
			char object[64];

			snprintf(object, sizeof(object), "--%s", o->name);
			usage_error(cmd, object, "'%s': %s", text, why);
		}
	} else {
		*o->string = text;
	}
}

char **command_parse(const struct command *cmd, char **argv)
{
	const struct option_spec *o;
	unsigned long seen = 0;
	char object[64];
	const char *value;
	size_t len;

	for (; *argv && !strncmp(*argv, "--", 2); argv++) {
		if (!(*argv)[2]) {
			argv++;
			break;
		}
		if (!strcmp(*argv, "--help")) {
			help(cmd);
			exit(report_output(EXIT_DONE));
		}
		/* "--name VALUE" or "--name=VALUE" */
		len = strcspn(*argv + 2, "=");
		snprintf(object, sizeof(object), "--%.*s", (int)len, *argv + 2);
		value = (*argv)[2 + len] ? *argv + 2 + len + 1 : NULL;
		for (o = cmd->options; o->name; o++)
			if (strlen(o->name) == len && !strncmp(o->name, *argv + 2, len))
				break;
		if (!o->name)
			usage_error(cmd, object, "no such option");
		if (seen & 1UL << (o - cmd->options))
			usage_error(cmd, object, "given twice");
		seen |= 1UL << (o - cmd->options);
		if (!o->arg && value)
			usage_error(cmd, object, "takes no value");
		if (o->arg && !value) {
			value = *++argv;
			if (!value)
				usage_error(cmd, object, "%s is missing", o->arg);
		}
		set(cmd, o, value);
	}
	for (o = cmd->options; o->name; o++) {
		if (!o->required || seen & 1UL << (o - cmd->options))
			continue;
		snprintf(object, sizeof(object), "--%s", o->name);
		usage_error(cmd, object, "missing");
	}
	if (!cmd->operands && *argv)
		usage_error(cmd, *argv, "not expected here");
	if (cmd->operands && !*argv)
		usage_error(cmd, cmd->name, "%s is missing", cmd->operands);
	return argv;
}
