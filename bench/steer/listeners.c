// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets of running servers, by pidfd_getfd(2): the servers need not
 * know of steering, nor be started by us.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steer.h"

static int option(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

static bool listens_on(int fd, unsigned int port)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (option(fd, SO_ACCEPTCONN) != 1 || option(fd, SO_PROTOCOL) != IPPROTO_TCP ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		return false;
	/* sin_port and sin6_port are at the same place */
	return ntohs(((struct sockaddr_in *)&address)->sin_port) == port;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The numbers of @pid's descriptors, ascending: readdir() promises no order. */
static int *descriptors(const char *pid, size_t *count)
{
	struct dirent *entry;
	int *numbers = NULL;
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		die(path, "%s; is the server running, and are you root?", strerror(errno));
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		numbers = realloc(numbers, (n + 1) * sizeof(*numbers));
		if (!numbers)
			abort();
		numbers[n++] = atoi(entry->d_name);
	}
	closedir(dir);
	if (n)
		qsort(numbers, n, sizeof(*numbers), by_number);
	*count = n;
	return numbers;
}

int *listeners(unsigned int port, char **pids, size_t n_pids, size_t *count)
{
	size_t i, j, n, before;
	int *numbers, *fds = NULL;
	int pidfd, fd;

	*count = 0;
	for (i = 0; i < n_pids; i++) {
		before = *count;
		pidfd = pidfd_open(number(pids[i], "a pid", 1, 1 << 22), 0);
		if (pidfd < 0)
			die(pids[i], "no such process: %s", strerror(errno));
		numbers = descriptors(pids[i], &n);
		for (j = 0; j < n; j++) {
			fd = pidfd_getfd(pidfd, numbers[j], 0);
			if (fd < 0 && errno == EPERM)
				die(pids[i], "its descriptors are not ours to take; run this as root");
			if (fd < 0)
				continue;	/* closed meanwhile */
			if (!listens_on(fd, port)) {
				close(fd);
				continue;
			}
			fds = realloc(fds, (*count + 1) * sizeof(*fds));
			if (!fds)
				abort();
			fds[(*count)++] = fd;
		}
		free(numbers);
		close(pidfd);
		if (*count == before)
			die(pids[i], "this process does not listen on port %u; wait until it does", port);
	}
	return fds;
}

void close_all(int *fds, size_t count)
{
	while (count)
		close(fds[--count]);
	free(fds);
}
