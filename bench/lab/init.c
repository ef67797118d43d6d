// SPDX-License-Identifier: GPL-2.0
/*
 * init.c - PID 1 of a lab guest, or a service of it, and the lab-* commands used inside it.
 *
 * Runs on a host root file system mounted read-only over 9p. As PID 1 it puts a
 * tmpfs over it, mounts what a Linux system expects, brings the guest's network
 * up with guest/<role>-up, runs the guest's script with its output on
 * PORT_OUT, collects counters, and reports the verdict. Called as lab-post,
 * lab-wait, lab-link or lab-ready it hands one request to that process and prints the
 * answer. It owns the virtio ports (a port opens only once) and is the only
 * writer of PORT_CTL, so requests of several processes never mix.
 *
 * A guest with lab_root=DIR boots the system below DIR instead: PID 1 only makes
 * the root and becomes DIR's own init, systemd, and all the rest is done by
 * guest/lab.service, which runs this program once more.
 *
 * Linked statically: it must run before any library path exists.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto.h"

#define MAX_CALLERS	32

#define SERVICE		"lab.service"

static int ctl_fd = -1, listen_fd = -1, child_fd = -1, out_fd = -1;
/* Who waits for an answer. The id of a request is its place here plus a multiple
 * of MAX_CALLERS that grows, so that a late answer cannot reach the next caller.
 */
static int caller[MAX_CALLERS];
static long caller_id[MAX_CALLERS], next_id;
static char ctl_buf[LINE_MAX_LEN * 4];
static size_t ctl_len;

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(out_fd >= 0 ? out_fd : 2, fmt, ap);
	va_end(ap);
}

static _Noreturn void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static _Noreturn void give_up(const char *what)
{
	say("lab-init: %s: %s\n", what, strerror(errno));
	power_off();
}

static void must_mount(const char *src, const char *dst, const char *type,
		       unsigned long flags, const char *data)
{
	mkdir(dst, 0755);
	if (mount(src, dst, type, flags, data))
		give_up(dst);
}

/* --- root: tmpfs over the read-only 9p root, then everything else ---------- */

/* Makes the directory @path of this root one of the root at @to as well. */
static void bring(const char *path, const char *to)
{
	char there[PATH_MAX], *p;

	snprintf(there, sizeof(there), "%s%s", to, path);
	for (p = there + strlen(to) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(there, 0755);
	}
	must_mount(path, there, NULL, MS_BIND, NULL);
}

/* @root is what it is made of, our own if NULL; @repo then comes along. */
static void make_root(const char *root, const char *repo)
{
	char options[PATH_MAX + 64];

	/* /proc exists on every root; it is only borrowed as a mount point. */
	must_mount("tmpfs", "/proc", "tmpfs", 0, "mode=0755");
	mkdir("/proc/upper", 0755);
	mkdir("/proc/work", 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=/proc/upper,workdir=/proc/work",
		 root ? root : "/");
	must_mount("overlay", "/proc/root", "overlay", 0, options);
	if (root)
		bring(repo, "/proc/root");
	if (chdir("/proc/root") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		give_up("new root");
	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sysfs", "/sys", "sysfs", 0, NULL);
	must_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	must_mount("devpts", "/dev/pts", "devpts", 0, NULL);
	must_mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
	must_mount("tmpfs", "/run", "tmpfs", 0, "mode=0755");
	mkdir("/run/lab", 0755);
	mkdir("/run/netns", 0755);
	mkdir("/run/lock", 0755);
	symlink("/proc/self/fd", "/dev/fd");
	/* Optional: a kernel without them still boots, what needs them says so. */
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	must_mount("out", "/run/lab/out", "9p", 0,
		   "trans=virtio,version=9p2000.L,msize=262144");
}

/* --- environment: OUT/<role>.env, KEY=VALUE lines written by the host ------ */

static void load_env(const char *role)
{
	char path[256], line[4096];
	FILE *f;

	snprintf(path, sizeof(path), "/run/lab/out/%s.env", role);
	f = fopen(path, "re");
	if (!f)
		give_up(path);
	while (fgets(line, sizeof(line), f)) {
		char *eq = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!eq)
			continue;
		*eq = '\0';
		setenv(line, eq + 1, 1);
	}
	fclose(f);
}

static const char *need_env(const char *name)
{
	const char *v = getenv(name);

	if (!v) {
		errno = EINVAL;
		give_up(name);
	}
	return v;
}

/* --- virtio ports: udev is not here, so look the name up in sysfs ---------- */

static int open_port(const char *name)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	char path[512], got[64];
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(got, sizeof(got), f)) {
			got[strcspn(got, "\n")] = '\0';
			if (!strcmp(got, name)) {
				snprintf(path, sizeof(path), "/dev/%s", e->d_name);
				fd = open(path, O_RDWR | O_CLOEXEC);
			}
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	if (fd < 0)
		give_up(name);
	return fd;
}

/* --- requests: from the lab-* commands to the host and back ---------------- */

static void forward(int slot)
{
	char msg[LINE_MAX_LEN], line[LINE_MAX_LEN + 16];
	ssize_t n = recv(caller[slot], msg, sizeof(msg) - 1, 0);

	if (n <= 0) {		/* the caller died while it waited */
		close(caller[slot]);
		caller[slot] = -1;
		return;
	}
	msg[n] = '\0';
	caller_id[slot] = slot + MAX_CALLERS * next_id++;
	n = snprintf(line, sizeof(line), "%ld %s\n", caller_id[slot], msg);
	if (write(ctl_fd, line, n) != n)
		give_up("write to " PORT_CTL);
}

static void answer(char *line)
{
	char *rest;
	long id = strtol(line, &rest, 10);
	int slot = id % MAX_CALLERS;

	if (id < 0 || caller[slot] < 0 || caller_id[slot] != id)
		return;
	while (*rest == ' ')
		rest++;
	send(caller[slot], rest, strlen(rest), MSG_NOSIGNAL);
	close(caller[slot]);
	caller[slot] = -1;
}

static void read_ctl(void)
{
	ssize_t n = read(ctl_fd, ctl_buf + ctl_len, sizeof(ctl_buf) - ctl_len - 1);
	char *nl, *p = ctl_buf;

	if (n <= 0)
		return;
	ctl_len += n;
	ctl_buf[ctl_len] = '\0';
	while ((nl = strchr(p, '\n'))) {
		*nl = '\0';
		answer(p);
		p = nl + 1;
	}
	ctl_len -= p - ctl_buf;
	memmove(ctl_buf, p, ctl_len);
}

static void accept_caller(void)
{
	int id, fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	for (id = 0; id < MAX_CALLERS && caller[id] >= 0; id++)
		;
	if (fd >= 0 && id == MAX_CALLERS)
		close(fd);
	else if (fd >= 0)
		caller[id] = fd;
}

/* Serve requests until @pid has ended; return its exit status. */
static int serve_until(pid_t pid)
{
	struct signalfd_siginfo si;
	int status, who, i;

	for (;;) {
		struct pollfd p[3 + MAX_CALLERS] = {
			{ .fd = ctl_fd, .events = POLLIN },
			{ .fd = listen_fd, .events = POLLIN },
			{ .fd = child_fd, .events = POLLIN },
		};

		for (i = 0; i < MAX_CALLERS; i++)
			p[3 + i] = (struct pollfd){ .fd = caller[i], .events = POLLIN };
		if (poll(p, 3 + MAX_CALLERS, -1) < 0)
			continue;
		if (p[0].revents & POLLIN)
			read_ctl();
		else if (p[0].revents & POLLHUP)
			usleep(10000);	/* the host has not connected yet */
		if (p[1].revents)
			accept_caller();
		for (i = 0; i < MAX_CALLERS; i++)
			if (p[3 + i].revents && caller[i] >= 0)
				forward(i);
		if (!p[2].revents)
			continue;
		if (read(child_fd, &si, sizeof(si)) < 0)
			continue;
		while ((who = waitpid(-1, &status, WNOHANG)) > 0)
			if (who == pid)
				return WIFEXITED(status) ? WEXITSTATUS(status) :
							   128 + WTERMSIG(status);
	}
}

static int run(char *const argv[], const char *tty)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0)
		give_up("fork");
	if (pid)
		return serve_until(pid);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (tty) {
		int fd = open(tty, O_RDWR);	/* becomes the controlling terminal */

		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
	} else {
		int fd = open("/dev/null", O_RDONLY);

		dup2(fd, 0);
		dup2(out_fd, 1);
		dup2(out_fd, 2);
	}
	execvp(argv[0], argv);
	dprintf(2, "lab-init: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int bash(const char *script, const char *arg)
{
	char *argv[] = { "/bin/bash", (char *)script, (char *)arg, NULL };

	return run(argv, NULL);
}

/* --- the lab-* commands ----------------------------------------------------- */

static int request(const char *msg, char *reply, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = CTL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t n = -1;

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)) &&
	    send(fd, msg, strlen(msg), MSG_NOSIGNAL) >= 0)
		n = recv(fd, reply, size - 1, 0);
	if (n <= 0) {
		snprintf(reply, size, "err no answer from PID 1");
		return 1;
	}
	reply[n] = '\0';
	close(fd);
	return strncmp(reply, "ok", 2) ? 1 : 0;
}

static int command(const char *name, int argc, char **argv, bool quiet)
{
	char msg[LINE_MAX_LEN] = "", reply[LINE_MAX_LEN];
	size_t len;
	int i, err;

	if (!strcmp(name, "lab-ready"))
		len = snprintf(msg, sizeof(msg), "post ready");
	else
		len = snprintf(msg, sizeof(msg), "%s", name + strlen("lab-"));
	for (i = 1; i < argc && len < sizeof(msg); i++)
		len += snprintf(msg + len, sizeof(msg) - len, " %s", argv[i]);
	if (len >= sizeof(msg) || strchr(msg, '\n')) {
		fprintf(stderr, "%s: request too long or of several lines\n", name);
		return 2;
	}
	err = request(msg, reply, sizeof(reply));
	if (err)
		fprintf(stderr, "%s: %s\n", name, reply + strcspn(reply, " ") + 1);
	else if (strlen(reply) > 3 && !quiet)
		puts(reply + 3);
	return err;
}

/* PID 1 asks for itself through a child, so that it goes on serving. */
static int ask(const char *verb, const char *a, const char *b)
{
	char *argv[] = { "/run/lab/bin/lab-init", (char *)verb, (char *)a, (char *)b, NULL };

	return run(argv, NULL);
}

/* --- PID 1 ------------------------------------------------------------------ */

static void copy_self(const char *from)
{
	static const char * const names[] = { "lab-post", "lab-wait", "lab-link", "lab-ready" };
	char path[64];
	unsigned int i;

	mkdir("/run/lab/bin", 0755);
	if (symlink(from, "/run/lab/bin/lab-init"))
		give_up("/run/lab/bin");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/run/lab/bin/%s", names[i]);
		symlink(from, path);
	}
}

static void open_ctl(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = CTL_SOCKET };
	sigset_t set;
	int i;

	for (i = 0; i < MAX_CALLERS; i++)
		caller[i] = -1;
	ctl_fd = open_port(PORT_CTL);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listen_fd, MAX_CALLERS))
		give_up(CTL_SOCKET);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	child_fd = signalfd(-1, &set, SFD_CLOEXEC);
}

/* The system below lab_root takes over; @repo has the unit that comes back to us. */
static _Noreturn void become_system(const char *repo)
{
	static const char wants[] = "/run/systemd/system/multi-user.target.wants";
	char path[PATH_MAX];

	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/system", 0755);
	mkdir(wants, 0755);
	mkdir("/run/udev", 0755);
	mkdir("/run/udev/rules.d", 0755);
	snprintf(path, sizeof(path), "%s/bench/lab/guest/" SERVICE, repo);
	if (symlink(path, "/run/systemd/system/" SERVICE) ||
	    chdir(wants) || symlink("../" SERVICE, SERVICE))
		give_up(SERVICE);
	snprintf(path, sizeof(path), "%s/bench/lab/guest/lab.rules", repo);
	if (symlink(path, "/run/udev/rules.d/lab.rules") || chdir("/"))
		give_up(path);
	execl("/sbin/init", "/sbin/init", NULL);
	give_up("/sbin/init");
}

/* Both ways end the guest, once it has said its verdict. */
static int guest(bool service)
{
	const char *role, *other, *repo;
	char path[4096], status[16];
	int err, verdict_fd;

	/* The kernel hands "lab_role=X" on as an environment variable of ours. */
	role = need_env("lab_role");
	if (!service) {
		make_root(getenv("lab_root"), getenv("lab_repo"));
		load_env(role);
		copy_self(need_env("LAB_INIT"));
		sethostname(role, strlen(role));
		if (getenv("lab_root"))
			become_system(need_env("LAB_REPO"));
	} else {
		load_env(role);
	}
	repo = need_env("LAB_REPO");
	out_fd = open_port(PORT_OUT);
	verdict_fd = open_port(PORT_VERDICT);
	open_ctl();
	/* What the guest's own system has installed comes before what was built here. */
	snprintf(path, sizeof(path), service ? "/run/lab/bin:%1$s/bench/lab/guest:%2$s:%1$s/out/bin" :
		 "/run/lab/bin:%1$s/bench/lab/guest:%1$s/out/bin:%2$s", repo,
		 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	setenv("PATH", path, 1);
	setenv("HOME", "/root", 1);
	setenv("LC_ALL", "C", 1);
	setenv("LAB_OUT", "/run/lab/out", 1);
	unsetenv("lab_role");
	if (chdir(repo))
		give_up(repo);

	snprintf(path, sizeof(path), "%s/bench/lab/guest/%s-up", repo, role);
	err = bash(path, NULL);
	other = !strcmp(role, "server") ? "client" : "server";
	if (err)
		say("lab-init: %s failed with %d\n", path, err);
	if (!err && !strcmp(role, "client"))
		err = ask("lab-wait", "ready", NULL);
	if (!err && getenv("LAB_TTY")) {
		char *argv[] = { "/bin/bash", (char *)need_env("LAB_SCRIPT"), NULL };

		err = run(argv, getenv("LAB_TTY"));
	} else if (!err) {
		err = bash(need_env("LAB_SCRIPT"), NULL);
	}
	snprintf(status, sizeof(status), "%d", err);
	snprintf(path, sizeof(path), "%s-exit", role);
	ask("lab-post", path, status);
	snprintf(path, sizeof(path), "%s-exit", other);
	ask("lab-wait", path, NULL);

	snprintf(path, sizeof(path), "%s/bench/lab/guest/collect", repo);
	if (bash(path, "end") && !err)
		err = 3;	/* the script was content, the kernel log is not */
	sync();
	dprintf(verdict_fd, "exit %d\n", err);
	usleep(100000);		/* let the port drain before the machine goes */
	if (service)		/* as its administrator would: what is set up at boot is undone */
		execlp("systemctl", "systemctl", "--no-block", "poweroff", NULL);
	power_off();
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (getpid() == 1) {
		if (getenv("lab_probe"))	/* does this accelerator boot at all? */
			power_off();
		return guest(false);
	}
	if (!strcmp(name, "lab-init"))
		return argc > 1 ? command(argv[1], argc - 1, argv + 1, true) : guest(true);
	return command(name, argc, argv, false);
}
