// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl conf: the configuration of one instance, for a supervisor that is not
 * flowparctl run.
 *
 * Beside the flow's way: a systemd unit per core (configs/systemd) calls it before it
 * starts its server, and reads the same template as `flowparctl run` would. It starts
 * nothing and keeps nothing; the file belongs to the unit.
 */
#include "write_conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf.h"
#include "cpulist.h"
#include "report.h"

static struct cpulist cpus;
static unsigned int cpu, port_base, stride = 8;
static const char *template, *output;

static const struct option_spec options[] = {
	{ "cpu", "N", "the instance's CPU",
	  .required = true, .number = &cpu, .min = 0, .max = CPULIST_MAX - 1 },
	{ "cpus", "LIST", "CPUs of all instances, as 0,8-11",
	  .required = true, .cpus = &cpus },
	{ "port-base", "P", "port of the first CPU's instance",
	  .required = true, .number = &port_base, .min = 1, .max = 65535 },
	{ "stride", "S", "ports from one CPU to the next (default 8)",
	  .number = &stride, .min = 1, .max = 65535 },
	{ "template", "FILE", "configuration to write out",
	  .required = true, .string = &template },
	{ "output", "FILE", "where to, at once and with the template's mode (default: stdout)",
	  .string = &output },
	{ 0 }
};

static const char notes[] =
"CPU number k of the list in ascending order (k = 0, 1, ...) has port P + k*S, as with\n"
"flowparctl run and flowparctl service add. In FILE these are replaced; other braces are\n"
"left alone:\n"
"  {port}       the CPU's port\n"
"  {port+N}     N more, the port of another service with a base port N higher\n"
"  {cpu}        the CPU\n"
"  {instance}   0\n"
"  {conf}       the name given to --output\n"
"\n"
"Exit status: 0 written, 1 refused, 2 usage error.\n";

static int run_conf(char **operands)
{
	struct place place = { .cpu = cpu, .conf = output };
	unsigned long port;
	char *text, *filled;
	char object[16];
	bool written = true;
	size_t k;

	(void)operands;
	for (k = 0; k < cpus.n && cpus.cpu[k] != cpu; k++)
		;
	if (k == cpus.n) {
		char *list = cpulist_format(&cpus);

		snprintf(object, sizeof(object), "CPU %u", cpu);
		report(object, "not in --cpus %s; start no instance for it, or add it there and to the service",
		       list);
		free(list);
		return EXIT_REFUSED;
	}
	port = port_base + k * stride;
	if (port > 65535)
		usage_error(&write_conf, "--port-base",
			    "CPU %u is number %zu of %zu and would get port %lu, beyond 65535",
			    cpu, k, cpus.n, port);
	place.port = (unsigned int)port;
	text = conf_read(template);
	if (!text)
		return EXIT_REFUSED;
	if (output) {
		written = conf_write(text, &place);
	} else {
		filled = conf_substitute(text, &place);
		fputs(filled, stdout);
		free(filled);
	}
	free(text);
	return written ? EXIT_DONE : EXIT_REFUSED;
}

const struct command write_conf = {
	.name = "conf",
	.summary = "write out one instance's configuration from a template",
	.options = options,
	.notes = notes,
	.run = run_conf,
};
