// SPDX-License-Identifier: GPL-2.0
/*
 * Who listens on which TCP ports, and which CPUs they may run on.
 */
#include "servers.h"

#include <ctype.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "tree.h"

struct tcp_line {
	int family;
	unsigned int port, state;
	unsigned long inode;
	bool loopback;
	bool any, mapped;	/* IPv6: [::], ::ffff:0:0/96 */
};

typedef void (*tcp_line_fn)(const struct tcp_line *line, void *data);

/* "sl: ADDRESS:PORT ADDRESS:PORT STATE tx:rx tr:when retrnsmt uid timeout inode ..." */
static bool tcp_lines(tcp_line_fn fn, void *data)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	char *text, *next, *line, address[33];
	struct tcp_line t;
	bool read_one = false;
	size_t i;

	for (i = 0; i < 2; i++) {
		text = tree_text("%s", tables[i]);
		read_one |= text != NULL;
		next = text;
		while (next && (line = strsep(&next, "\n"))) {
			t.inode = 0;
			if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
				   address, &t.port, &t.state, &t.inode) < 3 || t.port > 65535)
				continue;	/* the heading */
			t.family = i ? AF_INET6 : AF_INET;
			/* 127.0.0.0/8 and ::1, as words in host byte order */
			t.loopback = i ? !strcmp(address, "00000000000000000000000001000000") :
					 !strcmp(address + 6, "7F");
			t.any = i && !strcmp(address, "00000000000000000000000000000000");
			t.mapped = i && !strncmp(address, "0000000000000000FFFF0000", 24);
			fn(&t, data);
		}
		free(text);
	}
	return read_one;
}

struct reading {
	struct servers *s;
	const bool *wanted;
};

static void collect(const struct tcp_line *t, void *data)
{
	struct reading *r = data;
	struct servers *s = r->s;

	if (t->state != TCP_LISTEN || !r->wanted[t->port])
		return;
	s->listening = realloc(s->listening, (s->n_listening + 1) * sizeof(*s->listening));
	if (!s->listening)
		abort();
	s->listening[s->n_listening++] = (struct listening){
		.port = t->port, .family = t->family, .inode = t->inode,
		.ipv4 = t->family == AF_INET || t->any || t->mapped,
		.ipv6 = t->family == AF_INET6 && !t->mapped,
		.assumed = t->any,
	};
}

/* /proc shows all of a socket but IPV6_V6ONLY. */
static int diag_message(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct servers *s = data;
	size_t i;

	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (mnl_attr_get_type(attr) != INET_DIAG_SKV6ONLY)
			continue;
		for (i = 0; i < s->n_listening; i++) {
			if (!s->listening[i].assumed || s->listening[i].inode != msg->idiag_inode)
				continue;
			s->listening[i].assumed = false;
			s->listening[i].ipv4 = !mnl_attr_get_u8(attr);
		}
	}
	return MNL_CB_OK;
}

static void diag_read(struct servers *s)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;

	if (!netlink_there("tcp_diag", "tcp_diag_dump")) {
		s->err = ENOENT;
		return;
	}
	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_DUMP;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = AF_INET6;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = 1U << TCP_LISTEN;
	s->err = netlink_ask(NETLINK_SOCK_DIAG, nlh, diag_message, s);
}

/* All threads' CPUs, since each may have its own; where each has just one, it is pinned. */
static void threads_read(struct server *server)
{
	char *text, *at;
	unsigned int *tids = NULL;
	struct cpulist list;
	int i, n;
	size_t k;

	server->pinned = true;
	n = tree_numbers(&tids, "/proc/%d/task", (int)server->pid);
	for (i = 0; i < n; i++) {
		text = tree_text("/proc/%d/task/%u/status", (int)server->pid, tids[i]);
		at = text ? strstr(text, "\nCpus_allowed_list:") : NULL;
		if (at) {
			at += strlen("\nCpus_allowed_list:");
			at += strspn(at, " \t");
			at[strcspn(at, "\n")] = '\0';
			server->threads++;
			if (cpulist_parse(&list, at))
				list.n = 0;
			server->pinned &= list.n == 1;
			if (!server->allowed.n) {
				server->allowed = list;
			} else {
				for (k = 0; k < list.n; k++)
					if (!cpulist_has(&server->allowed, list.cpu[k]))
						server->allowed.cpu[server->allowed.n++] = list.cpu[k];
			}
		}
		free(text);
	}
	free(tids);
}

static int by_cpu(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void process_read(struct server *server, pid_t pid)
{
	char *text, *at;
	int parent;

	memset(server, 0, sizeof(*server));
	server->pid = pid;
	tree_line(server->comm, sizeof(server->comm), "/proc/%d/comm", (int)pid);
	/* Anybody may give a process any name: none that talks to a terminal. */
	for (at = server->comm; *at; at++)
		if (!isprint((unsigned char)*at))
			*at = '?';
	text = tree_text("/proc/%d/stat", (int)pid);
	/* "pid (any text) state ppid": the text may hold brackets too */
	at = text ? strrchr(text, ')') : NULL;
	if (at && sscanf(at, ") %*c %d", &parent) == 1)
		server->parent = parent;
	free(text);
	threads_read(server);
	qsort(server->allowed.cpu, server->allowed.n, sizeof(server->allowed.cpu[0]), by_cpu);
}

static void add(struct servers *s, struct server **process, pid_t pid, const struct listening *l)
{
	size_t i;

	if (!*process) {
		*process = malloc(sizeof(**process));
		if (!*process)
			abort();
		process_read(*process, pid);
	}
	/* Those that start servers hold their sockets without serving. */
	if (pid == 1 || !strcmp((*process)->comm, "flowparctl") || !(*process)->allowed.n)
		return;
	for (i = 0; i < s->n && (s->server[i].pid != pid || s->server[i].port != l->port); i++)
		;
	if (i == s->n) {
		s->server = realloc(s->server, (s->n + 1) * sizeof(*s->server));
		if (!s->server)
			abort();
		s->server[s->n] = **process;
		s->server[s->n++].port = l->port;
	}
	s->server[i].ipv4 |= l->ipv4;
	s->server[i].ipv6 |= l->ipv6;
}

static void sockets_of(struct servers *s, pid_t pid)
{
	struct server *process = NULL;
	unsigned int *fds = NULL;
	unsigned long inode;
	char name[64];
	size_t k;
	int i, n;

	n = tree_numbers(&fds, "/proc/%d/fd", (int)pid);
	s->hidden |= n < 0 && (errno == EACCES || errno == EPERM);
	for (i = 0; i < n; i++) {
		if (!tree_link(name, sizeof(name), "/proc/%d/fd/%u", (int)pid, fds[i]) ||
		    sscanf(name, "socket:[%lu]", &inode) != 1)
			continue;
		for (k = 0; k < s->n_listening; k++)
			if (s->listening[k].inode == inode) {
				s->listening[k].holders++;
				add(s, &process, pid, &s->listening[k]);
			}
	}
	free(fds);
	free(process);
}

bool servers_read(struct servers *s, const bool *wanted)
{
	struct reading r = { .s = s, .wanted = wanted };
	unsigned int *pids = NULL;
	size_t k, j;
	int i, n;

	memset(s, 0, sizeof(*s));
	if (!tcp_lines(collect, &r))
		return false;
	diag_read(s);
	n = s->n_listening ? tree_numbers(&pids, "/proc") : 0;
	for (i = 0; i < n; i++)
		sockets_of(s, (pid_t)pids[i]);
	free(pids);
	for (k = 0; k < s->n; k++)
		for (j = 0; j < s->n; j++)
			s->server[k].master |= s->server[j].port == s->server[k].port &&
					       s->server[j].parent == s->server[k].pid;
	return true;
}

void servers_free(struct servers *s)
{
	free(s->listening);
	free(s->server);
	memset(s, 0, sizeof(*s));
}

size_t servers_sockets(const struct servers *s, unsigned int port)
{
	size_t i, n4 = 0, n6 = 0;

	for (i = 0; i < s->n_listening; i++)
		if (s->listening[i].port == port)
			(*(s->listening[i].family == AF_INET ? &n4 : &n6))++;
	return n4 > n6 ? n4 : n6;
}

struct busiest {
	unsigned int *connections;
	bool *listened;
};

static void tally(const struct tcp_line *t, void *data)
{
	struct busiest *b = data;

	if (t->state == TCP_LISTEN)
		b->listened[t->port] = true;
	else if (t->state != TCP_TIME_WAIT && !t->loopback)
		b->connections[t->port]++;
}

/* Whoever looks at the machine is often there by it. */
static bool is_ssh(unsigned int port)
{
	bool *wanted = calloc(65536, sizeof(*wanted)), ssh = port == 22;
	struct servers s;
	size_t i;

	if (!wanted)
		abort();
	wanted[port] = true;
	if (servers_read(&s, wanted))
		for (i = 0; i < s.n; i++)
			ssh |= !strncmp(s.server[i].comm, "sshd", 4) || !strcmp(s.server[i].comm, "dropbear");
	servers_free(&s);
	free(wanted);
	return ssh;
}

unsigned int servers_busiest(unsigned int least)
{
	struct busiest b = {
		.connections = calloc(65536, sizeof(*b.connections)),
		.listened = calloc(65536, sizeof(*b.listened)),
	};
	unsigned int port, best;

	if (!b.connections || !b.listened)
		abort();
	tcp_lines(tally, &b);
	do {
		best = 0;
		for (port = 1; port < 65536; port++)
			if (b.listened[port] && b.connections[port] >= least &&
			    (!best || b.connections[port] > b.connections[best]))
				best = port;
		b.listened[best] = false;	/* the next, if this is none */
	} while (best && is_ssh(best));
	free(b.connections);
	free(b.listened);
	return best;
}
