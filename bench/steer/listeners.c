// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets of running servers, one process after the other; how they
 * are fetched is flowparctl's (ctl/listeners.c).
 */
#include "../../ctl/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steer.h"

int *listeners(unsigned int port, char **pids, size_t n_pids, size_t *count)
{
	struct listeners l;
	int *fds = NULL;
	size_t i, j;

	*count = 0;
	for (i = 0; i < n_pids; i++) {
		if (!listeners_get(&l, (pid_t)number(pids[i], "a pid", 1, 1 << 22), port, LISTENERS_TCP)) {
			if (errno == ESRCH)
				die(pids[i], "no such process; is the server running?");
			die(pids[i], "its descriptors are not ours to take: %s; run this as root", strerror(errno));
		}
		if (!l.n)
			die(pids[i], "this process does not listen on port %u; wait until it does", port);
		fds = realloc(fds, (*count + l.n) * sizeof(*fds));
		if (!fds)
			abort();
		for (j = 0; j < l.n; j++)
			fds[(*count)++] = l.fd[j];
		free(l.fd);	/* the descriptors are the caller's now */
	}
	return fds;
}

void close_all(int *fds, size_t count)
{
	while (count)
		close(fds[--count]);
	free(fds);
}
