// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of cpulist.c: what is a CPU list, what is none, and its shortest form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpulist.h"

static int failed;

static void point(int good, const char *what, const char *text)
{
	printf("%sok - cpulist: %s: '%s'\n", good ? "" : "not ", what, text);
	failed |= !good;
}

static void accepted(const char *text, const char *shortest, size_t n)
{
	struct cpulist list;
	char *formatted;

	if (cpulist_parse(&list, text)) {
		point(0, "is a list", text);
		return;
	}
	formatted = cpulist_format(&list);
	point(list.n == n && !strcmp(formatted, shortest), shortest, text);
	free(formatted);
}

static void refused(const char *text)
{
	struct cpulist list;

	point(cpulist_parse(&list, text) != NULL, "is refused", text);
}

int main(void)
{
	struct cpulist list;

	accepted("0", "0", 1);
	accepted("0,8-11", "0,8-11", 5);
	accepted("8-11,0", "0,8-11", 5);
	accepted("3,2,1,0", "0-3", 4);
	accepted("0-3,2-5,5", "0-5", 6);
	accepted("0-0", "0", 1);
	accepted("007", "7", 1);
	accepted("0-7\n", "0-7", 8);
	accepted("0-8191", "0-8191", 8192);
	accepted("8191", "8191", 1);
	refused("");
	refused("\n");
	refused(",");
	refused("1,");
	refused(",1");
	refused("1,,2");
	refused("1-");
	refused("-1");
	refused("+1");
	refused("3-1");
	refused("0-8192");
	refused("8192");
	refused("4294967296");		/* 2^32: 0 if it wrapped around */
	refused("18446744073709551616");	/* 2^64 */
	refused("0 1");
	refused(" 0");
	refused("0 ");
	refused("0x1");
	refused("all");
	refused("0-3:1/2");
	refused("0\n\n");
	refused("1-2-3");

	point(!cpulist_parse(&list, "1,3") && !cpulist_has(&list, 0) && cpulist_has(&list, 1) &&
	      !cpulist_has(&list, 2) && cpulist_has(&list, 3), "1 and 3, not 0 and 2, are in", "1,3");
	return failed;
}
