// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl irqbalance: which interrupts irqbalance leaves alone.
 *
 * Beside the flow's way: setup-flowpar.sh keeps a running irqbalance off the NICs'
 * interrupts with it. Over irqbalance's own socket (its manual page, API): "setup" answers
 * with what is banned, "settings ban irqs ..." replaces all of that. It reads at most
 * REQUEST_MAX bytes and says nothing to a request, so what came of one is read back.
 */
#include "irqbalance.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cpulist.h"
#include "report.h"

/*
 * irqbalance answers between two looks at the interrupts; after a change it sleeps once
 * for a whole interval (--interval, 10 s unless it is told otherwise).
 */
#define ANSWER_MS	(60 * 1000)
#define SOON_MS		1000
#define REQUEST_MAX	500

/* Interrupt numbers are as small as CPU numbers, and lists of them look the same. */
static struct cpulist to_ban, to_allow;

static const struct option_spec options[] = {
	{ "ban", "LIST", "also leave these interrupts alone, such as 24-31", .cpus = &to_ban },
	{ "allow", "LIST", "balance these again", .cpus = &to_allow },
	{ 0 }
};

/* A list while it is being changed: by number. */
static bool banned[CPULIST_MAX];

static void put(const struct cpulist *list, bool value)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		banned[list->cpu[i]] = value;
}

/* One request, one connection. Return: bytes of the answer, or -1 (errno). */
static ssize_t ask(const char *path, const char *request, char *answer, size_t size, int wait_ms)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ucred me = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)request, strlen(request) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct pollfd wait = { .events = POLLIN };
	size_t got = 0;
	ssize_t n = -1;
	int fd, err;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		goto out;
	/* It wants to see who asks. */
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_CREDENTIALS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(me));
	memcpy(CMSG_DATA(cmsg), &me, sizeof(me));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		goto out;
	/* It closes the connection when it is done, with or without an answer. */
	wait.fd = fd;
	do {
		n = poll(&wait, 1, wait_ms);
		if (n == 0)
			errno = ETIMEDOUT;
		if (n <= 0) {
			n = -1;
			break;
		}
		n = read(fd, answer + got, size - 1 - got);
		if (n > 0)
			got += (size_t)n;
	} while (n > 0 && got < size - 1);
out:
	err = errno;
	close(fd);
	errno = err;
	answer[got] = '\0';
	return n < 0 ? -1 : (ssize_t)got;
}

/* "SLEEP 10 IRQ 24 LOAD 0 DIFF 0 CLASS 5 IRQ 25 ... BANNED 0": the numbers into banned. */
static bool parse(char *answer)
{
	char *word, *number, *save = NULL;
	unsigned long irq;

	memset(banned, 0, sizeof(banned));
	if (strncmp(answer, "SLEEP ", 6))
		return false;
	for (word = strtok_r(answer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "IRQ"))
			continue;
		number = strtok_r(NULL, " ", &save);
		irq = number ? strtoul(number, NULL, 10) : CPULIST_MAX;
		if (irq < CPULIST_MAX)
			banned[irq] = true;
	}
	return true;
}

/* The size of an answer to "setup". */
#define ANSWER_MAX	(128 * CPULIST_MAX)

static bool get(const char *path)
{
	static char answer[ANSWER_MAX];

	if (ask(path, "setup", answer, sizeof(answer), ANSWER_MS) < 0) {
		report("irqbalance", "%s: %s; is it irqbalance's, 1.4 or newer? Are you root?", path, strerror(errno));
		return false;
	}
	if (!parse(answer)) {
		report("irqbalance", "%s: no answer to 'setup'; it answers root alone", path);
		return false;
	}
	return true;
}

/* Return: false if it does not take so many. */
static bool request_of(char request[REQUEST_MAX])
{
	size_t len = strlen(strcpy(request, "settings ban irqs")), irq, none = len;

	for (irq = 1; irq < CPULIST_MAX; irq++) {
		if (!banned[irq])
			continue;
		len += (size_t)snprintf(request + len, REQUEST_MAX - len, " %zu", irq);
		if (len >= REQUEST_MAX)
			return false;
	}
	if (len == none)
		strcat(request, " NONE");
	return true;
}

bool irqbalance_can_ban(const struct cpulist *have, const struct cpulist *more)
{
	char request[REQUEST_MAX];

	memset(banned, 0, sizeof(banned));
	put(have, true);
	put(more, true);
	return request_of(request);
}

static bool set(const char *path)
{
	char request[REQUEST_MAX], answer[16];

	if (!request_of(request)) {
		report("irqbalance", "more interrupts than one request to it can name; name them with --banirq in IRQBALANCE_ARGS in /etc/default/irqbalance, and restart it");
		return false;
	}
	if (ask(path, request, answer, sizeof(answer), ANSWER_MS) < 0) {
		report("irqbalance", "%s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static bool runs(int pid)
{
	char path[32], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	return !strcmp(comm, "irqbalance\n");
}

/* The socket of the irqbalance that runs: one that was killed has left its own. */
static bool find(char *path, size_t size)
{
	DIR *dir = opendir(IRQBALANCE_DIR);
	struct dirent *entry;
	bool found = false;
	int pid;

	while (!found && dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "irqbalance%d.sock", &pid) != 1 || !runs(pid))
			continue;
		snprintf(path, size, IRQBALANCE_DIR "/irqbalance%d.sock", pid);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* What is banned, as a list. */
static void listed(struct cpulist *list)
{
	size_t irq;

	list->n = 0;
	for (irq = 0; irq < CPULIST_MAX; irq++)
		if (banned[irq])
			list->cpu[list->n++] = (uint16_t)irq;
}

enum irqbalance_answer irqbalance_leaves(struct cpulist *list)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum irqbalance_answer said = IRQBALANCE_SILENT;
	char *answer;

	if (!find(path, sizeof(path)))
		return IRQBALANCE_NO_SOCKET;
	answer = malloc(ANSWER_MAX);
	if (!answer)
		abort();
	if (ask(path, "setup", answer, ANSWER_MAX, SOON_MS) > 0 && parse(answer)) {
		listed(list);
		said = IRQBALANCE_ANSWERED;
	}
	free(answer);
	return said;
}

static int irqbalance_run(char **operands)
{
	static bool wanted[CPULIST_MAX];
	static struct cpulist now;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t irq;
	char *text;

	(void)operands;
	if (!find(path, sizeof(path)))
		return report("irqbalance", "no socket of a running one in " IRQBALANCE_DIR "; is it running?");
	if (!get(path))
		return EXIT_REFUSED;
	if (to_ban.n || to_allow.n) {
		put(&to_ban, true);
		put(&to_allow, false);
		memcpy(wanted, banned, sizeof(wanted));
		if (!set(path) || !get(path))
			return EXIT_REFUSED;
		/* All of them: the request replaces what others have asked for as well. */
		for (irq = 1; irq < CPULIST_MAX; irq++)
			if (banned[irq] != wanted[irq])
				return report("irqbalance", "%s: it did not take the request: interrupt %zu is %s; restart it and ask again", path, irq,
					      wanted[irq] ? "balanced" : "left alone");
	}
	listed(&now);
	text = cpulist_format(&now);
	puts(text);
	free(text);
	return EXIT_DONE;
}

const struct command irqbalance = {
	.name = "irqbalance",
	.summary = "Interrupts that a running irqbalance leaves alone: show them, change them.",
	.options = options,
	.notes = "Output: those interrupts, as a list; what its command line bans is among them, what\n"
		 "--banmod or a policy script bans is not. Until irqbalance is restarted.\n"
		 "Files: " IRQBALANCE_DIR "/irqbalance<PID>.sock\n",
	.run = irqbalance_run,
};
