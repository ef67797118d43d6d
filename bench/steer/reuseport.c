// SPDX-License-Identifier: GPL-2.0
/*
 * steer reuseport: which socket of a SO_REUSEPORT group gets a new flow, by CPU.
 *
 * Where the filter runs: in softirq, when a SYN has found the group
 * (reuseport_select_sock()). The filter's answer is an index into the group in the
 * order of listen(), so the server's k-th socket has to be that of its instance
 * or worker on CPU k. nginx does so: it listens in the order of its workers.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steer.h"

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

static int *group(char **argv, int argc, size_t *count)
{
	unsigned int port = number(argv[0], "a port", 1, 65535);
	int *fds = listeners(port, argv + 1, argc - 1, count);
	socklen_t len = sizeof(int);
	int shared = 0;
	size_t i;

	for (i = 0; i < *count; i++)
		if (getsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &shared, &len) || !shared)
			die(argv[0], "a listener without SO_REUSEPORT; in nginx: listen %s reuseport", argv[0]);
	return fds;
}

void reuseport(int argc, char **argv)
{
	size_t count;
	int *fds = group(argv, argc, &count);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_CPU),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	/* It is the group's, whichever of its sockets is asked. */
	if (setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof(filter)))
		die(argv[0], "the filter cannot be attached: %s", strerror(errno));
	close_all(fds, count);
}

void reuseport_off(int argc, char **argv)
{
	size_t count;
	int *fds = group(argv, argc, &count);
	int none = 0;

	if (setsockopt(fds[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)))
		die(argv[0], "the filter cannot be detached: %s", strerror(errno));
	close_all(fds, count);
}

/* For servers that cannot set SO_REUSEPORT themselves but take a socket. */
void listen_as(int argc, char **argv)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_port = htons(number(argv[0], "a port", 1, 65535)),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char pid[16];
	int on = 1;

	(void)argc;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1024))
		die(argv[0], "cannot be listened on: %s", strerror(errno));
	/* systemd's protocol: sockets from descriptor 3 on, for this pid. */
	if (fd != 3 && (dup2(fd, 3) < 0 || close(fd)))
		die(argv[0], "descriptor 3: %s", strerror(errno));
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	execvp(argv[1], argv + 1);
	die(argv[1], "%s", strerror(errno));
}
