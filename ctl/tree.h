/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of /proc and /sys, below a root of one's choice: a test plants a machine
 * in a directory and has it looked at.
 *
 * Names are format strings with their arguments, from the root on, as "/proc/%d/comm".
 */
#ifndef FLOWPARCTL_TREE_H
#define FLOWPARCTL_TREE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

struct cpulist;

#define TREE_PATH	__attribute__((format(printf, 1, 2)))

/*
 * May this stand in a shell command as it is? Interfaces, chains and processes may
 * have names that would end one and begin another.
 */
bool tree_plain_name(const char *name);

/* The root; "" is the machine's own. The text is not copied. */
void tree_set(const char *root);

/* Is it there? */
bool tree_is(const char *fmt, ...) TREE_PATH;

/* Return: the whole text, to free(), or NULL (errno). */
char *tree_text(const char *fmt, ...) TREE_PATH;

/* The beginning as it is, a zero byte after it. Return: how many bytes. */
size_t tree_bytes(char *bytes, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The first line, without its end. Return: false if it cannot be read (errno). */
bool tree_line(char *line, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A file that begins with a decimal number. */
bool tree_number(long long *value, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A CPU list; nothing at all is the empty one. */
bool tree_cpus(struct cpulist *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A CPU mask as "ff,00000001". */
bool tree_mask(struct cpulist *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What a link points to, without the directories before it. */
bool tree_link(char *name, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Return: a directory to closedir(), or NULL (errno). */
DIR *tree_dir(const char *fmt, ...) TREE_PATH;

/* The numbers among its names, ascending, to free(). Return: how many; -1 (errno). */
int tree_numbers(unsigned int **numbers, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
