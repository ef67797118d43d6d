// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper: ends the servers and removes the files of a killed flowparctl.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"

static _Atomic pid_t *groups;	/* shared memory; written by flowparctl only */
static size_t n_groups;
static int pipe_fd = -1;	/* flowparctl's end; close-on-exec */
static pid_t keeper = -1;

static _Noreturn void keep(int fd)
{
	pid_t group;
	ssize_t n;
	size_t i;
	char c;

	/* ^C and kill -9 -GROUP are for flowparctl, as is killall by name */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "flowpar-keeper");
	/* --ready-fd among them: its reader waits for the last one who has it */
	if (fd > 3)
		close_range(3, fd - 1, 0);
	close_range(fd + 1, ~0u, 0);
	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);

	for (i = 0; i < n_groups; i++) {
		group = atomic_load(&groups[i]);
		if (group > 0)
			kill(-group, SIGKILL);
	}
	conf_dir_remove();
	_exit(0);
}

pid_t keeper_start(size_t slots)
{
	sigset_t all;
	int fds[2];

	if (!groups) {
		groups = mmap(NULL, slots * sizeof(*groups), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (groups == MAP_FAILED)
			return -1;
		n_groups = slots;
	}
	if (pipe_fd >= 0)
		close(pipe_fd);
	if (pipe2(fds, O_CLOEXEC))
		return -1;
	keeper = fork();
	if (!keeper) {
		/* nothing short of SIGKILL ends it early */
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		close(fds[1]);
		keep(fds[0]);
	}
	close(fds[0]);
	pipe_fd = fds[1];
	return keeper;
}

void keeper_hold(size_t slot, pid_t group)
{
	atomic_store(&groups[slot], group);
}

void keeper_end(void)
{
	close(pipe_fd);
	pipe_fd = -1;
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
		;
}
