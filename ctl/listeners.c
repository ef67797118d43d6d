// SPDX-License-Identifier: GPL-2.0
/*
 * Listening sockets of running servers, by pidfd_getfd(2).
 */
#include "listeners.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

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

/*
 * The numbers of a process's sockets, ascending: readdir() promises no order. What
 * is no socket is not fetched: closing a copy of a device may do things.
 */
static bool socket_numbers(pid_t pid, int **numbers, size_t *n)
{
	struct dirent *entry;
	char path[64], what[8];
	ssize_t len;
	int err = 0;
	DIR *dir;

	*numbers = NULL;
	*n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir) {
		if (errno == ENOENT)
			errno = ESRCH;
		return false;
	}
	while (!err && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, what, sizeof(what));
		if (len < 0 && errno != ENOENT)		/* that one was closed meanwhile */
			err = errno;
		if (len < (ssize_t)sizeof(what) || memcmp(what, "socket:[", sizeof(what)))
			continue;
		*numbers = realloc(*numbers, (*n + 1) * sizeof(**numbers));
		if (!*numbers)
			abort();
		(*numbers)[(*n)++] = atoi(entry->d_name);
	}
	closedir(dir);
	if (*n)
		qsort(*numbers, *n, sizeof(**numbers), by_number);
	errno = err;
	return !err;
}

bool listeners_get(struct listeners *l, pid_t pid, unsigned int port)
{
	int pidfd, fd, err = 0;
	int *numbers;
	size_t i, n;

	l->fd = NULL;
	l->n = 0;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return false;
	if (!socket_numbers(pid, &numbers, &n))
		err = errno;
	for (i = 0; i < n && !err; i++) {
		fd = pidfd_getfd(pidfd, numbers[i], 0);
		if (fd < 0) {
			if (errno != EBADF)	/* that one was closed meanwhile */
				err = errno;
			continue;
		}
		if (!listens_on(fd, port)) {
			close(fd);
			continue;
		}
		l->fd = realloc(l->fd, (l->n + 1) * sizeof(*l->fd));
		if (!l->fd)
			abort();
		l->fd[l->n++] = fd;
	}
	free(numbers);
	close(pidfd);
	errno = err;
	return !err;
}

void listeners_put(struct listeners *l)
{
	while (l->n)
		close(l->fd[--l->n]);
	free(l->fd);
	l->fd = NULL;
}
