/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPU lists as the kernel writes them: "0,8-11".
 *
 * Invariant: cpu[] is ascending without duplicates. The place of a CPU in it is
 * its rank k, which decides its port (base + k * stride), here as in nf_flowpar.
 */
#ifndef FLOWPARCTL_CPULIST_H
#define FLOWPARCTL_CPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest NR_CPUS that the kernel can be configured with. */
#define CPULIST_MAX	8192

struct cpulist {
	size_t n;
	uint16_t cpu[CPULIST_MAX];
};

/**
 * cpulist_parse() - read a CPU list
 * @list: filled in; undefined on failure
 * @text: numbers and ranges with commas; a trailing newline is allowed (sysfs)
 *
 * Return: NULL, or why @text is no list (a constant string).
 */
const char *cpulist_parse(struct cpulist *list, const char *text);

/**
 * cpulist_format() - write a list in its shortest form
 *
 * Return: a string to free().
 */
char *cpulist_format(const struct cpulist *list);

bool cpulist_has(const struct cpulist *list, unsigned int cpu);

#endif
