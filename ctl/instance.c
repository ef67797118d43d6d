// SPDX-License-Identifier: GPL-2.0
/*
 * One server instance: pinned to its CPU, listening on that CPU's port.
 */
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backoff.h"
#include "keeper.h"
#include "report.h"

/* How long SIGKILL may take before we say that it does not work. */
#define KILL_MS		5000

/* What went wrong between fork() and exec(): sent to the parent through a pipe. */
struct start_error {
	const char *step;	/* constant string, at the same address in both */
	int err;
};

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#define say(i, fmt, ...)						\
	do {								\
		char object_[48];					\
									\
		snprintf(object_, sizeof(object_), "port %u (CPU %u)",	\
			 (i)->place.port, (i)->place.cpu);		\
		report(object_, fmt, ##__VA_ARGS__);			\
	} while (0)

static bool executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if (S_ISREG(st.st_mode) && !access(path, X_OK))
		return true;
	errno = EACCES;
	return false;
}

/*
 * As execvp() looks, but before anything is started, and without its fallback to
 * sh for a file that is no program. Return: a string to free(), or NULL (errno).
 */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char *full;

	if (strchr(name, '/'))
		return executable(name) ? strdup(name) : NULL;
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		if (asprintf(&full, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name) < 0)
			abort();
		if (executable(full))
			return full;
		free(full);
		if (!*end)
			break;
	}
	errno = ENOENT;
	return NULL;
}

bool instance_init(struct instance *i, struct place place, size_t slot, char *const *command,
		   const char *conf)
{
	size_t n;

	i->place = place;
	i->slot = slot;
	i->conf = conf ? strdup(conf) : NULL;
	if (conf && !i->conf)
		abort();
	i->place.conf = i->conf;
	for (n = 0; command[n]; n++)
		;
	i->argv = calloc(n + 1, sizeof(*i->argv));
	if (!i->argv)
		abort();
	while (n--)
		i->argv[n] = conf_substitute(command[n], &i->place);
	i->path = find_program(i->argv[0]);
	if (!i->path)
		report(i->argv[0], "%s; install it or give the path of the server's program",
		       errno == ENOENT ? "command not found" : strerror(errno));
	return i->path;
}

void instance_free(struct instance *i)
{
	char **arg;

	for (arg = i->argv; arg && *arg; arg++)
		free(*arg);
	free(i->argv);
	free(i->path);
	free(i->conf);
}

static bool pin(unsigned int cpu)
{
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	size_t size = CPU_ALLOC_SIZE(cpu + 1);
	int ret;

	if (!set)
		return false;
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	ret = sched_setaffinity(0, size, set);
	CPU_FREE(set);
	return !ret;
}

static void set_variable(const char *name, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	setenv(name, text, 1);
}

/* Before what is preloaded already. */
static void set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *all;

	if (asprintf(&all, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
		abort();
	setenv("LD_PRELOAD", all, 1);
	free(all);
}

/* Signals that `run` handles, and passes on to the servers. */
static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

/* What a server and what looks at its configuration have in common. Return: what failed. */
static const char *become_child(const struct instance *i, const struct instance_inherit *inherit,
				pid_t parent)
{
	int fd;

	if (setpgid(0, 0))
		return "setpgid";
	/* For the time until the keeper knows the group, and if the keeper is killed too. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return "prctl";
	if (getppid() != parent)
		_exit(0);
	fd = open("/dev/null", O_RDONLY);
	if (fd < 0 || (fd != STDIN_FILENO && dup2(fd, STDIN_FILENO) < 0))
		return "/dev/null";
	if (fd > STDERR_FILENO)
		close(fd);
	set_variable("FLOWPAR_PORT", i->place.port);
	set_variable("FLOWPAR_CPU", i->place.cpu);
	set_variable("FLOWPAR_INSTANCE", i->place.instance);
	/* Ignored as under nohup they would stay so in the server, deaf to a reload. */
	for (size_t k = 0; k < sizeof(passed_on) / sizeof(passed_on[0]); k++)
		signal(passed_on[k], SIG_DFL);
	sigaction(SIGPIPE, &inherit->sigpipe, NULL);
	sigprocmask(SIG_SETMASK, &inherit->mask, NULL);
	return NULL;
}

/* The child, up to exec(). Return: what failed. */
static const char *become_server(const struct instance *i, const struct instance_inherit *inherit,
				 pid_t parent)
{
	const char *step = become_child(i, inherit, parent);

	if (step)
		return step;
	if (!pin(i->place.cpu))
		return "the CPU cannot be used (offline, or not in the cpuset any more)";
	if (inherit->preload)
		set_preload(inherit->preload);
	execv(i->path, i->argv);
	return i->path;
}

static void gone(struct instance *i)
{
	i->group = 0;
	keeper_hold(i->slot, 0);
}

static void failed(struct instance *i, const char *how, uint64_t lived)
{
	unsigned int delay;

	i->fails = backoff_fails(i->fails, lived);
	delay = backoff_delay_ms(i->fails);
	i->state = WAITING;
	i->deadline = now_ms() + delay;
	if (i->fails < INSTANCE_FAILING)
		say(i, "%s after %.2f s; it is started again in %.1f s", how, (double)lived / 1000,
		    delay / 1000.0);
	else if (i->fails == INSTANCE_FAILING)
		say(i, "%s, %u times in a row; tried again after up to %d s each time, reported again once it stays up for %d s",
		    how, i->fails, BACKOFF_MOST_MS / 1000, BACKOFF_HEALTHY_MS / 1000);
}

void instance_start(struct instance *i, const struct instance_inherit *inherit)
{
	struct start_error error;
	pid_t parent = getpid();
	char how[160];
	ssize_t n;
	int fds[2];

	i->started = now_ms();
	if (pipe2(fds, O_CLOEXEC)) {
		snprintf(how, sizeof(how), "cannot be started: pipe: %s", strerror(errno));
		failed(i, how, 0);
		return;
	}
	i->pid = fork();
	if (i->pid < 0) {
		i->pid = 0;
		snprintf(how, sizeof(how), "cannot be started: fork: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		failed(i, how, 0);
		return;
	}
	if (!i->pid) {
		close(fds[0]);
		error.step = become_server(i, inherit, parent);
		error.err = errno;
		_exit(write(fds[1], &error, sizeof(error)) < 0 ? 126 : 127);
	}
	i->group = i->pid;
	keeper_hold(i->slot, i->group);
	close(fds[1]);
	/* Ends with exec(): from here on the process is the server and has its group. */
	do {
		n = read(fds[0], &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	close(fds[0]);
	i->state = RUNNING;
	i->deadline = i->started + BACKOFF_HEALTHY_MS;
	if (n == sizeof(error)) {
		while (waitpid(i->pid, NULL, 0) < 0 && errno == EINTR)
			;
		i->pid = 0;
		gone(i);
		snprintf(how, sizeof(how), "cannot be started: %s: %s", error.step, strerror(error.err));
		failed(i, how, 0);
	} else if (i->fails < INSTANCE_FAILING) {
		say(i, "started, pid %d", (int)i->pid);
	}
}

pid_t instance_check(const struct instance *i, const struct instance_inherit *inherit,
		     const char *command)
{
	struct place place = i->place;
	pid_t parent = getpid(), pid;
	char *text;

	pid = fork();
	if (pid > 0)
		setpgid(pid, pid);	/* whoever comes first */
	if (pid)
		return pid;
	place.conf = conf_new_name(&i->place);
	text = conf_substitute(command, &place);
	if (!become_child(i, inherit, parent))
		execl("/bin/sh", "sh", "-c", text, NULL);
	_exit(126);
}

void instance_died(struct instance *i, int code, int status)
{
	char how[80];

	i->pid = 0;
	if (code == CLD_EXITED)
		snprintf(how, sizeof(how), "exited with status %d%s", status,
			 status ? "" : " (a server has to stay in the foreground)");
	else
		snprintf(how, sizeof(how), "killed by signal %d (%s)", status, strsignal(status));

	if (i->state == STOPPING) {
		if (i->killed || (code == CLD_EXITED ? !status || status == 128 + SIGTERM : status == SIGTERM))
			return;
		i->unclean = true;
		say(i, "%s when it was asked to stop", how);
		return;
	}
	/*
	 * Workers that outlive their master would keep the port. Until it is reaped
	 * the group's number cannot belong to anybody else.
	 */
	kill(-i->group, SIGKILL);
	gone(i);
	failed(i, how, now_ms() - i->started);
}

void instance_stop(struct instance *i, uint64_t timeout_ms)
{
	if (i->fails >= INSTANCE_FAILING)
		i->unclean = true;
	if (!i->group) {
		i->state = DOWN;
		i->deadline = 0;
		return;
	}
	i->state = STOPPING;
	i->deadline = now_ms() + timeout_ms;
	kill(-i->group, SIGTERM);
	kill(-i->group, SIGCONT);	/* one that is stopped must hear it too */
}

static void stopping_timeout(struct instance *i)
{
	if (!i->pid && kill(-i->group, 0) && errno == ESRCH) {
		gone(i);
		i->state = DOWN;
		i->deadline = 0;
		return;
	}
	if (now_ms() < i->deadline)
		return;
	i->unclean = true;
	if (i->killed) {
		say(i, "process group %d does not end by SIGKILL; left behind", (int)i->group);
		gone(i);
		i->state = DOWN;
		i->deadline = 0;
		return;
	}
	i->killed = true;
	i->deadline = now_ms() + KILL_MS;
	say(i, "still running after the stop timeout; killed");
	kill(-i->group, SIGKILL);
}

void instance_timeout(struct instance *i, const struct instance_inherit *inherit)
{
	switch (i->state) {
	case DOWN:
		break;
	case RUNNING:
		i->deadline = 0;
		i->was_well = true;
		if (i->fails >= INSTANCE_FAILING)
			say(i, "stays up again, pid %d", (int)i->pid);
		i->fails = 0;
		break;
	case WAITING:
		instance_start(i, inherit);
		break;
	case STOPPING:
		stopping_timeout(i);
		break;
	}
}
