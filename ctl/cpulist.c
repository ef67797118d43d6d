// SPDX-License-Identifier: GPL-2.0
/*
 * CPU lists as the kernel writes them: "0,8-11".
 */
#include "cpulist.h"

#include <stdio.h>
#include <stdlib.h>

/* strtoul() would take signs, spaces and wrap around; a CPU number has none. */
static const char *number(const char *text, unsigned int *value)
{
	const char *p = text;

	for (*value = 0; *p >= '0' && *p <= '9'; p++)
		if (*value < CPULIST_MAX)	/* saturates */
			*value = *value * 10 + (unsigned int)(*p - '0');
	return p == text ? NULL : p;
}

const char *cpulist_parse(struct cpulist *list, const char *text)
{
	bool set[CPULIST_MAX] = { false };
	unsigned int first, last;
	const char *p = text;

	for (;;) {
		p = number(p, &first);
		if (!p)
			return "a CPU number is missing";
		last = first;
		if (*p == '-') {
			p = number(p + 1, &last);
			if (!p)
				return "a range has no end";
		}
		if (first >= CPULIST_MAX || last >= CPULIST_MAX)
			return "a CPU number is beyond 8191, the most that Linux knows";
		if (last < first)
			return "a range runs backwards";
		for (; first <= last; first++)
			set[first] = true;
		if (*p != ',')
			break;
		p++;
	}
	if (*p == '\n')
		p++;
	if (*p)
		return "only numbers, '-' and ',' make a CPU list";

	list->n = 0;
	for (first = 0; first < CPULIST_MAX; first++)
		if (set[first])
			list->cpu[list->n++] = (uint16_t)first;
	return NULL;
}

char *cpulist_format(const struct cpulist *list)
{
	char *text = NULL;
	size_t len, i, end;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	for (i = 0; i < list->n; i = end + 1) {
		for (end = i; end + 1 < list->n && list->cpu[end + 1] == list->cpu[end] + 1; end++)
			;
		fprintf(f, "%s%d", i ? "," : "", list->cpu[i]);
		if (end > i)
			fprintf(f, "-%d", list->cpu[end]);
	}
	if (fclose(f))
		abort();
	return text;
}

bool cpulist_has(const struct cpulist *list, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->cpu[i] == cpu)
			return true;
	return false;
}
