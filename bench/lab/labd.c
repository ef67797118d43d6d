// SPDX-License-Identifier: GPL-2.0
/*
 * labd.c - host side of one lab run: starts the two QEMU guests, carries their
 * events, cuts links, and takes their verdicts.
 *
 *   labd OUT NLINKS TIMEOUT
 *
 * reads each guest's QEMU command line from OUT/<role>.args (one argument a
 * line; "@ctl@", "@out@", "@verdict@", "@qmp@" and "@linkK@" stand for the file
 * descriptors made here). Link K is a pair of connected unix datagram sockets,
 * one end given to each guest: a frame a datagram, and a full socket makes the
 * sender's NIC wait, as a full wire would.
 *
 * Exit: 0 both guests said "exit 0"; 1 one said otherwise; 2 a run that broke
 * (a guest without verdict, timeout, QEMU that does not start).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto.h"

#define MAX_LINKS	64
#define MAX_ARGS	1024
#define MAX_EVENTS	4096
#define MAX_WAITS	64

enum { SERVER, CLIENT, GUESTS };
enum { CTL, OUT, VERDICT, QMP, PORTS };

static const char * const role[GUESTS] = { "server", "client" };
static const char * const port_name[PORTS] = { "ctl", "out", "verdict", "qmp" };

struct buf {
	char data[LINE_MAX_LEN * 8];
	size_t len;
};

struct guest {
	pid_t pid;
	int port[PORTS];		/* our ends */
	struct buf in[PORTS];
	int log;			/* OUT/<role>.log */
	int verdict;			/* -1 until it came */
	bool gone;
};

struct event {
	char name[64];
	char value[LINE_MAX_LEN];
};

struct wait {
	int guest;
	long id;
	char name[64];
};

static struct guest guests[GUESTS] = {
	{ .verdict = -1 }, { .verdict = -1 },
};
static struct event events[MAX_EVENTS];
static struct wait waits[MAX_WAITS];
static int nevents, nwaits, nlinks;
static int link_fd[MAX_LINKS][GUESTS];
static const char *outdir;
static struct timespec started;
static bool tty;			/* a person sits at the server's console */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec - started.tv_sec + (t.tv_nsec - started.tv_nsec) / 1e9;
}

static void note(const char *fmt, ...)
{
	va_list ap;

	if (tty)
		return;
	fprintf(stderr, "[lab %5.1fs] ", now());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static _Noreturn void broken(const char *fmt, ...)
{
	va_list ap;
	int g;

	va_start(ap, fmt);
	fprintf(stderr, "labd: ");
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	for (g = 0; g < GUESTS; g++)
		if (guests[g].pid > 0)
			kill(guests[g].pid, SIGKILL);
	exit(2);
}

/* --- starting a guest -------------------------------------------------------- */

static const char *subst(const char *arg, const int fd[PORTS], int g)
{
	char out[4096], *p;
	const char *at;
	int k;

	at = strchr(arg, '@');
	if (!at)
		return strdup(arg);
	for (k = 0; k < PORTS; k++) {
		size_t n = strlen(port_name[k]);

		if (!strncmp(at + 1, port_name[k], n) && at[1 + n] == '@') {
			snprintf(out, sizeof(out), "%.*s%d%s", (int)(at - arg), arg,
				 fd[k], at + n + 2);
			return strdup(out);
		}
	}
	if (sscanf(at, "@link%d", &k) == 1 && k < nlinks) {
		p = strchr(at + 1, '@');
		snprintf(out, sizeof(out), "%.*s%d%s", (int)(at - arg), arg,
			 link_fd[k][g], p ? p + 1 : "");
		return strdup(out);
	}
	return strdup(arg);
}

static void start(int g)
{
	static const char *argv[MAX_ARGS + 1];
	int fd[PORTS], pair[2], argc = 0, k, log;
	char path[4096], line[4096];
	pid_t parent = getpid();
	FILE *f;

	for (k = 0; k < PORTS; k++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			broken("socketpair: %s", strerror(errno));
		guests[g].port[k] = pair[0];
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
		fd[k] = pair[1];
	}
	snprintf(path, sizeof(path), "%s/%s.args", outdir, role[g]);
	f = fopen(path, "re");
	if (!f)
		broken("%s: %s", path, strerror(errno));
	while (argc < MAX_ARGS && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		argv[argc++] = subst(line, fd, g);
	}
	fclose(f);
	argv[argc] = NULL;
	snprintf(path, sizeof(path), "%s/%s.log", outdir, role[g]);
	guests[g].log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	snprintf(path, sizeof(path), "%s/%s.qemu", outdir, role[g]);
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (guests[g].log < 0 || log < 0)
		broken("%s: %s", path, strerror(errno));

	guests[g].pid = fork();
	if (guests[g].pid < 0)
		broken("fork: %s", strerror(errno));
	if (!guests[g].pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		for (k = 0; k < PORTS; k++)
			fcntl(fd[k], F_SETFD, 0);
		for (k = 0; k < nlinks; k++)
			fcntl(link_fd[k][g], F_SETFD, 0);
		if (!(tty && g == SERVER)) {
			int null = open("/dev/null", O_RDONLY);

			dup2(null, 0);
			dup2(log, 1);
		}
		dup2(log, 2);
		execvp(argv[0], (char **)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(log);
	for (k = 0; k < PORTS; k++)
		close(fd[k]);
	/* QMP wants its handshake before it takes a command. */
	if (dprintf(guests[g].port[QMP], "{\"execute\":\"qmp_capabilities\"}\n") < 0)
		broken("%s: QMP: %s", role[g], strerror(errno));
}

/* --- events ------------------------------------------------------------------ */

static void reply(int g, long id, const char *fmt, ...)
{
	char line[LINE_MAX_LEN + 64];
	size_t n, done = 0;
	va_list ap;

	n = snprintf(line, sizeof(line), "%ld ", id);
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	while (done < n) {
		ssize_t w = write(guests[g].port[CTL], line + done, n - done);

		if (w > 0)
			done += w;
		else if (errno == EAGAIN)
			usleep(1000);
		else
			return;		/* the guest is gone; the main loop sees that */
	}
}

static struct event *find_event(const char *name)
{
	int i;

	for (i = 0; i < nevents; i++)
		if (!strcmp(events[i].name, name))
			return &events[i];
	return NULL;
}

/* The other script's end answers whatever can now never come. */
static bool never(int g)
{
	return find_event(g == SERVER ? "client-exit" : "server-exit");
}

static void settle(void)
{
	int i = 0;

	while (i < nwaits) {
		struct event *e = find_event(waits[i].name);

		if (!e && !never(waits[i].guest)) {
			i++;
			continue;
		}
		if (e)
			reply(waits[i].guest, waits[i].id, "ok %s", e->value);
		else
			reply(waits[i].guest, waits[i].id,
			      "err %s: the other script ended without posting it", waits[i].name);
		waits[i] = waits[--nwaits];
	}
}

static void post(int g, long id, const char *name, const char *value)
{
	struct event *e = find_event(name);

	if (!e && nevents == MAX_EVENTS) {
		reply(g, id, "err more than %d events", MAX_EVENTS);
		return;
	}
	if (!e) {
		e = &events[nevents++];
		snprintf(e->name, sizeof(e->name), "%s", name);
	}
	snprintf(e->value, sizeof(e->value), "%s", value);
	note("%s posts %s %s", role[g], name, value);
	reply(g, id, "ok");
	settle();
}

static void set_link(int g, long id, const char *rest)
{
	char state[8];
	int k, i;

	if (sscanf(rest, "%d %7s", &k, state) != 2 || k < 0 || k >= nlinks ||
	    (strcmp(state, "up") && strcmp(state, "down"))) {
		reply(g, id, "err link %s: want a link 0..%d and up or down", rest, nlinks - 1);
		return;
	}
	for (i = 0; i < GUESTS; i++)
		if (dprintf(guests[i].port[QMP],
			    "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"link%d\",\"up\":%s}}\n",
			    k, strcmp(state, "up") ? "false" : "true") < 0)
			broken("%s: QMP: %s", role[i], strerror(errno));
	note("link %d %s", k, state);
	reply(g, id, "ok");
}

static void request(int g, char *line)
{
	char verb[16] = "", name[64] = "";
	int off = 0;
	long id;

	if (sscanf(line, "%ld %15s %63s %n", &id, verb, name, &off) < 3) {
		note("%s: not understood: %s", role[g], line);
		return;
	}
	if (!strcmp(verb, "post")) {
		post(g, id, name, off ? line + off : "");
	} else if (!strcmp(verb, "wait")) {
		if (nwaits == MAX_WAITS)
			return reply(g, id, "err more than %d waiting", MAX_WAITS);
		waits[nwaits].guest = g;
		waits[nwaits].id = id;
		snprintf(waits[nwaits++].name, sizeof(waits[0].name), "%s", name);
		settle();
	} else if (!strcmp(verb, "link")) {
		set_link(g, id, strstr(line, " link ") + strlen(" link "));
	} else {
		reply(g, id, "err %s: unknown request", verb);
	}
}

static void got_line(int g, int port, char *line)
{
	switch (port) {
	case CTL:
		request(g, line);
		break;
	case VERDICT:
		if (sscanf(line, "exit %d", &guests[g].verdict) == 1)
			note("%s: exit %d", role[g], guests[g].verdict);
		break;
	case QMP:
		if (strstr(line, "\"error\""))
			broken("%s: QMP: %s", role[g], line);
		break;
	}
}

/* Returns false once the port's other end is closed. */
static bool read_port(int g, int port)
{
	struct buf *b = &guests[g].in[port];
	ssize_t n = read(guests[g].port[port], b->data + b->len, sizeof(b->data) - b->len - 1);
	char *p = b->data, *nl;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	if (port == OUT) {
		if (write(guests[g].log, b->data, n) != n)
			broken("%s.log: %s", role[g], strerror(errno));
		return true;
	}
	b->len += n;
	b->data[b->len] = '\0';
	while ((nl = strchr(p, '\n'))) {
		*nl = '\0';
		got_line(g, port, p);
		p = nl + 1;
	}
	b->len -= p - b->data;
	memmove(b->data, p, b->len);
	if (b->len == sizeof(b->data) - 1)
		b->len = 0;		/* a line that long is none of ours */
	return true;
}

/* --- main -------------------------------------------------------------------- */

static void reap(void)
{
	int status, g, k;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (g = 0; g < GUESTS; g++) {
			if (guests[g].pid != pid)
				continue;
			for (k = 0; k < PORTS; k++)	/* what it said last */
				while (guests[g].port[k] >= 0 && read_port(g, k) && errno != EAGAIN)
					errno = 0;
			guests[g].gone = true;
			guests[g].pid = 0;
			if (guests[g].verdict < 0)
				broken("%s: the guest ended without a verdict (status %#x); see %s/%s.console and .qemu",
				       role[g], status, outdir, role[g]);
		}
	}
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo si;
	double limit;
	sigset_t set;
	int sig, g, k, pair[2];

	if (argc != 4 || (nlinks = atoi(argv[2])) < 1 || nlinks > MAX_LINKS) {
		fprintf(stderr, "usage: labd OUT NLINKS TIMEOUT\n");
		return 2;
	}
	outdir = argv[1];
	limit = atof(argv[3]);
	tty = getenv("LAB_TTY");
	clock_gettime(CLOCK_MONOTONIC, &started);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	for (k = 0; k < nlinks; k++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
			broken("socketpair: %s", strerror(errno));
		link_fd[k][SERVER] = pair[0];
		link_fd[k][CLIENT] = pair[1];
	}
	for (g = 0; g < GUESTS; g++)
		start(g);
	for (k = 0; k < nlinks; k++) {
		close(link_fd[k][SERVER]);
		close(link_fd[k][CLIENT]);
	}

	while (!guests[SERVER].gone || !guests[CLIENT].gone) {
		struct pollfd p[1 + GUESTS * PORTS] = { { .fd = sig, .events = POLLIN } };

		for (g = 0; g < GUESTS; g++)
			for (k = 0; k < PORTS; k++)
				p[1 + g * PORTS + k] = (struct pollfd){
					.fd = guests[g].port[k], .events = POLLIN };
		poll(p, 1 + GUESTS * PORTS, 1000);
		for (g = 0; g < GUESTS; g++)
			for (k = 0; k < PORTS; k++)
				if (p[1 + g * PORTS + k].revents && !read_port(g, k)) {
					close(guests[g].port[k]);
					guests[g].port[k] = -1;
				}
		while (read(sig, &si, sizeof(si)) == sizeof(si))
			if (si.ssi_signo != SIGCHLD)
				broken("ended by signal %u", si.ssi_signo);
		reap();
		if (now() > limit)
			broken("timeout: not done after %.0f s; see %s", limit, outdir);
	}
	return guests[SERVER].verdict || guests[CLIENT].verdict ? 1 : 0;
}
