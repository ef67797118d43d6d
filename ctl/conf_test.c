// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of conf.c: which braces are placeholders and what they become.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static int failed;

static void becomes(const char *text, const struct place *place, const char *expected)
{
	char *found = conf_substitute(text, place);
	int good = !strcmp(found, expected);

	printf("%sok - conf: '%s' becomes '%s'\n", good ? "" : "not ", text, found);
	failed |= !good;
	free(found);
}

int main(void)
{
	const struct place with = { .port = 8008, .cpu = 1, .instance = 2, .conf = "/run/x/8008.conf" };
	const struct place without = { .port = 65535, .cpu = 8191 };

	becomes("", &with, "");
	becomes("server.port = {port};", &with, "server.port = 8008;");
	becomes("{port}{cpu}{instance}{conf}", &with, "800812/run/x/8008.conf");
	becomes("{port}-{cpu}-{instance}", &without, "65535-8191-0");
	becomes("{conf}", &without, "{conf}");
	becomes("{port+1000} {port+0}", &with, "9008 8008");
	becomes("{port+57527} {port+57528}", &with, "65535 {port+57528}");
	becomes("{port+}{port+ 1}{port+1 }{port+-1}{port+1x}{port+1", &with,
		"{port+}{port+ 1}{port+1 }{port+-1}{port+1x}{port+1");
	becomes("{port+99999999999999999999}", &with, "{port+99999999999999999999}");
	becomes("{{port}}", &with, "{8008}");
	becomes("{por", &with, "{por");
	becomes("{", &with, "{");
	becomes("{port", &with, "{port");
	becomes("{ port }{Port}{}", &with, "{ port }{Port}{}");
	becomes("$HTTP[\"host\"] == \"a\" { x = \"y\" }", &with, "$HTTP[\"host\"] == \"a\" { x = \"y\" }");
	return failed;
}
