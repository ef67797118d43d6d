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

static bool connected(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	return !getpeername(fd, (struct sockaddr *)&address, &len);
}

static bool listens_on(int fd, unsigned int port, unsigned int what)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	switch (option(fd, SO_PROTOCOL)) {
	case IPPROTO_TCP:
		if (!(what & LISTENERS_TCP) || option(fd, SO_ACCEPTCONN) != 1)
			return false;
		break;
	case IPPROTO_UDP:
		if (!(what & LISTENERS_UDP) || connected(fd))
			return false;
		break;
	default:
		return false;
	}
	if (getsockname(fd, (struct sockaddr *)&address, &len) ||
	    (address.ss_family != AF_INET && address.ss_family != AF_INET6))
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

/* Adds to what is there. */
static bool add(struct listeners *l, pid_t pid, unsigned int port, unsigned int what)
{
	int pidfd, fd, err = 0;
	int *numbers;
	size_t i, n;

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
		if (!listens_on(fd, port, what)) {
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

bool listeners_get(struct listeners *l, pid_t pid, unsigned int port, unsigned int what)
{
	l->fd = NULL;
	l->n = 0;
	return add(l, pid, port, what);
}

bool listeners_get_group(struct listeners *l, pid_t group, unsigned int port, unsigned int what)
{
	struct dirent *entry;
	int err = 0;
	pid_t pid;
	DIR *proc;

	if (!listeners_get(l, group, port, what) && errno != ESRCH)
		err = errno;
	proc = opendir("/proc");
	if (!proc)
		return false;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)atoi(entry->d_name);
		if (pid == group || getpgid(pid) != group)
			continue;
		if (!add(l, pid, port, what) && errno != ESRCH)
			err = errno;
	}
	closedir(proc);
	errno = err;
	return l->n || !err;
}

void listeners_put(struct listeners *l)
{
	while (l->n)
		close(l->fd[--l->n]);
	free(l->fd);
	l->fd = NULL;
}
