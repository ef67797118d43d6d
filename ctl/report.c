// SPDX-License-Identifier: GPL-2.0
/*
 * What flowparctl says to the administrator on stderr.
 */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool held;
static char kept[1024];
static size_t kept_len;

/* A closed stderr must not stop a supervisor: nothing to do about it. */
static void out(const char *line, size_t len)
{
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void report_hold(bool hold)
{
	held = hold;
	if (!hold && kept_len)
		out(kept, kept_len);
	kept_len = 0;
}

int report(const char *object, const char *fmt, ...)
{
	char line[1024];
	size_t len, room = sizeof(line) - 1;	/* for the newline */
	va_list args;

	len = (size_t)snprintf(line, room, "flowparctl: %s: ", object);
	if (len < room) {
		va_start(args, fmt);
		len += (size_t)vsnprintf(line + len, room - len, fmt, args);
		va_end(args);
	}
	if (len >= room)
		len = room - 1;
	line[len++] = '\n';
	if (held) {
		memcpy(kept, line, len);
		kept_len = len;
	} else {
		out(line, len);
	}
	return EXIT_REFUSED;
}

int report_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	return report("stdout", "cannot be written: %s", strerror(errno));
}
