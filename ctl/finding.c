// SPDX-License-Identifier: GPL-2.0
/*
 * What flowparctl doctor found, and what it could not look at.
 */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const severities[] = {
	[BROKEN] = "broken",
	[COSTLY] = "costly",
	[SLIGHT] = "slight",
};

static char *text(const char *fmt, va_list args)
{
	char *made;

	if (vasprintf(&made, fmt, args) < 0)
		abort();
	return made;
}

static char *copy(const char *from)
{
	char *made = strdup(from);

	if (!made)
		abort();
	return made;
}

void found(struct findings *all, const char *object, const char *fmt, ...)
{
	struct finding *f;
	va_list args;

	all->finding = realloc(all->finding, (all->n + 1) * sizeof(*all->finding));
	if (!all->finding)
		abort();
	f = &all->finding[all->n++];
	memset(f, 0, sizeof(*f));
	f->check = all->check;
	f->severity = all->severity;
	f->object = copy(object);
	va_start(args, fmt);
	f->found = text(fmt, args);
	va_end(args);
}

void mend(struct findings *all, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	all->finding[all->n - 1].command = text(fmt, args);
	va_end(args);
}

void advise(struct findings *all, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	all->finding[all->n - 1].advice = text(fmt, args);
	va_end(args);
}

void unseen(struct findings *all, const char *object, const char *fmt, ...)
{
	va_list args;
	size_t i;
	char *why;

	va_start(args, fmt);
	why = text(fmt, args);
	va_end(args);
	for (i = 0; i < all->n_unseen; i++)
		if (!strcmp(all->unseen[i].object, object) && !strcmp(all->unseen[i].why, why)) {
			free(why);
			return;
		}
	all->unseen = realloc(all->unseen, (all->n_unseen + 1) * sizeof(*all->unseen));
	if (!all->unseen)
		abort();
	all->unseen[all->n_unseen++] = (struct unseen){ .object = copy(object), .why = why };
}

void findings_print(const struct findings *all)
{
	const struct finding *f;
	size_t i;

	for (f = all->finding; f < all->finding + all->n; f++) {
		printf("%-7s %s: %s\n", severities[f->severity], f->object, f->found);
		if (f->command)
			printf("        mend it with: %s\n", f->command);
		if (f->advice)
			printf("        %s\n", f->advice);
	}
	for (i = 0; i < all->n_unseen; i++)
		printf("not looked at: %s: %s\n", all->unseen[i].object, all->unseen[i].why);
}

void json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void json_member(const char *before, const char *name, const char *value)
{
	printf("%s\"%s\":", before, name);
	if (value)
		json_string(value);
	else
		fputs("null", stdout);
}

void findings_json(const struct findings *all)
{
	const struct finding *f;
	size_t i;

	fputs("\"findings\":[", stdout);
	for (f = all->finding; f < all->finding + all->n; f++) {
		json_member(f > all->finding ? ",\n{" : "\n{", "check", f->check);
		json_member(",", "severity", severities[f->severity]);
		json_member(",", "object", f->object);
		json_member(",", "found", f->found);
		json_member(",", "command", f->command);
		json_member(",", "advice", f->advice);
		putchar('}');
	}
	fputs("],\"unseen\":[", stdout);
	for (i = 0; i < all->n_unseen; i++) {
		json_member(i ? ",\n{" : "\n{", "object", all->unseen[i].object);
		json_member(",", "why", all->unseen[i].why);
		putchar('}');
	}
	putchar(']');
}

void findings_free(struct findings *all)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		free(all->finding[i].object);
		free(all->finding[i].found);
		free(all->finding[i].command);
		free(all->finding[i].advice);
	}
	for (i = 0; i < all->n_unseen; i++) {
		free(all->unseen[i].object);
		free(all->unseen[i].why);
	}
	free(all->finding);
	free(all->unseen);
	memset(all, 0, sizeof(*all));
}
