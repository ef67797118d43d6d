// SPDX-License-Identifier: GPL-2.0
/*
 * Files of /proc and /sys, below a root of one's choice.
 */
#include "tree.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpulist.h"

static const char *root = "";

#define path_of(path, fmt)						\
	do {								\
		va_list args_;						\
		int len_ = snprintf(path, sizeof(path), "%s", root);	\
									\
		va_start(args_, fmt);					\
		vsnprintf((path) + len_, sizeof(path) - (size_t)len_, fmt, args_); \
		va_end(args_);						\
	} while (0)

void tree_set(const char *new_root)
{
	root = new_root;
}

bool tree_plain_name(const char *name)
{
	/* A blank only between words, as in "inet filter input". */
	return *name && *name != '-' && *name != ' ' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@+- ")];
}

bool tree_is(const char *fmt, ...)
{
	char path[PATH_MAX];

	path_of(path, fmt);
	return !access(path, F_OK);
}

static char *text_of(const char *path)
{
	char *text = NULL, buf[16 * 1024];
	FILE *in = fopen(path, "re"), *out;
	size_t n, len;
	int err;

	if (!in)
		return NULL;
	out = open_memstream(&text, &len);
	if (!out)
		abort();
	while ((n = fread(buf, 1, sizeof(buf), in)))
		fwrite(buf, 1, n, out);
	err = ferror(in) ? errno : 0;
	fclose(in);
	if (fclose(out))
		abort();
	if (!err)
		return text;
	free(text);
	errno = err;
	return NULL;
}

char *tree_text(const char *fmt, ...)
{
	char path[PATH_MAX];

	path_of(path, fmt);
	return text_of(path);
}

size_t tree_bytes(char *bytes, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	size_t n = 0;
	FILE *f;

	path_of(path, fmt);
	f = fopen(path, "re");
	if (f) {
		n = fread(bytes, 1, size - 1, f);
		fclose(f);
	}
	bytes[n] = '\0';
	return n;
}

static bool line_of(char *line, size_t size, const char *path)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	errno = 0;
	ok = fgets(line, (int)size, f) || !ferror(f);
	if (ok && feof(f) && !ftell(f))
		*line = '\0';
	fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

bool tree_line(char *line, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];

	*line = '\0';
	path_of(path, fmt);
	return line_of(line, size, path);
}

bool tree_number(long long *value, const char *fmt, ...)
{
	char path[PATH_MAX], line[64] = "", *end;

	path_of(path, fmt);
	if (!line_of(line, sizeof(line), path))
		return false;
	*value = strtoll(line, &end, 10);
	return end != line;
}

bool tree_cpus(struct cpulist *list, const char *fmt, ...)
{
	char path[PATH_MAX], *text;
	bool ok = true;

	list->n = 0;
	path_of(path, fmt);
	text = text_of(path);
	if (!text)
		return false;
	if (*text && *text != '\n')
		ok = !cpulist_parse(list, text);
	free(text);
	return ok;
}

bool tree_mask(struct cpulist *list, const char *fmt, ...)
{
	char path[PATH_MAX], *text, *p;
	unsigned int cpu = 0, bit, digit;

	list->n = 0;
	path_of(path, fmt);
	text = text_of(path);
	if (!text)
		return false;
	for (p = text + strlen(text); p-- > text;) {
		if (!isxdigit((unsigned char)*p))
			continue;
		digit = (unsigned int)(isdigit((unsigned char)*p) ? *p - '0' : tolower(*p) - 'a' + 10);
		for (bit = 0; bit < 4; bit++, cpu++)
			if (digit & 1U << bit && cpu < CPULIST_MAX)
				list->cpu[list->n++] = (uint16_t)cpu;
	}
	free(text);
	return true;
}

bool tree_link(char *name, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX], *last;
	ssize_t len;

	path_of(path, fmt);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	last = strrchr(target, '/');
	snprintf(name, size, "%s", last ? last + 1 : target);
	return true;
}

DIR *tree_dir(const char *fmt, ...)
{
	char path[PATH_MAX];

	path_of(path, fmt);
	return opendir(path);
}

static int ascending(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

int tree_numbers(unsigned int **numbers, const char *fmt, ...)
{
	struct dirent *entry;
	char path[PATH_MAX], *end;
	unsigned long number;
	int n = 0;
	DIR *dir;

	*numbers = NULL;
	path_of(path, fmt);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		number = strtoul(entry->d_name, &end, 10);
		if (*end || number > UINT_MAX)
			continue;
		*numbers = realloc(*numbers, (size_t)(n + 1) * sizeof(**numbers));
		if (!*numbers)
			abort();
		(*numbers)[n++] = (unsigned int)number;
	}
	closedir(dir);
	if (n)
		qsort(*numbers, (size_t)n, sizeof(**numbers), ascending);
	return n;
}
