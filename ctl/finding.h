/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What flowparctl doctor found, and what it could not look at.
 */
#ifndef FLOWPARCTL_FINDING_H
#define FLOWPARCTL_FINDING_H

#include <stdbool.h>
#include <stddef.h>

/* What it costs, the worst first. */
enum severity {
	BROKEN,		/* packets are lost, or a link or core stands idle */
	COSTLY,		/* flows do not stay on one core */
	SLIGHT,		/* they do, but each packet costs more, or it may yet bite */
};

struct finding {
	const char *check;	/* constant strings */
	enum severity severity;
	char *object;		/* what it is about: "eth0", "port 80" */
	char *found;		/* with the number that shows it */
	char *command;		/* that mends it, for a shell; or NULL */
	char *advice;		/* where no command of this machine can; or NULL */
};

struct unseen {
	char *object;
	char *why;
};

struct findings {
	struct finding *finding;
	size_t n;
	struct unseen *unseen;
	size_t n_unseen;
	/* Of the check that runs. */
	const char *check;
	enum severity severity;
};

/* Something is found; mend() or advise() completes it. */
void found(struct findings *all, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* How the latest finding is mended: by a command, or by what one has to do. */
void mend(struct findings *all, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void advise(struct findings *all, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Something could not be looked at; said once an object and reason. */
void unseen(struct findings *all, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void findings_print(const struct findings *all);

/* The members "findings" and "unseen" of a JSON object, without braces. */
void findings_json(const struct findings *all);
void findings_free(struct findings *all);

/* A JSON string with its quotes. */
void json_string(const char *text);

#endif
