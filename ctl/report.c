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
	/* A closed stderr must not stop a supervisor: nothing to do about it. */
	if (write(STDERR_FILENO, line, len) < 0)
		return EXIT_REFUSED;
	return EXIT_REFUSED;
}

int report_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	return report("stdout", "cannot be written: %s", strerror(errno));
}
