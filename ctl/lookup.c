// SPDX-License-Identifier: GPL-2.0
/*
 * --listen bpf: loads and attaches lookup.bpf.c, keeps its map of listeners, reads
 * what it counted.
 *
 * Listeners are found in the servers' processes (listeners.c) and put into the map
 * by their keys. The map holds no reference: a socket that its server closes is
 * out at once. So all that is to be done is to look again, which run.c does.
 */
#include "lookup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listeners.h"
#include "report.h"
#include "lookup.skel.h"

/* More programs than the kernel attaches to one network namespace (MAX_BPF_FUNCS). */
#define MAX_PROGRAMS	64

static struct lookup_bpf *skel;
static pid_t *reported;		/* by slot: group whose sockets could not be had */
static int claim = -1;

/* libbpf explains itself at length; we have one line. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int netns_open(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		report("/proc/self/ns/net", "%s", strerror(errno));
	return fd;
}

/*
 * Two programs for one port would both be right. An abstract socket's name is unique
 * in its network namespace, and free again when its process ends, however it ends.
 */
static bool claim_port(unsigned int port)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char object[32];
	int len;

	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "flowparctl-listen-bpf-%u", port);
	snprintf(object, sizeof(object), "port %u", port);
	claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (claim >= 0 && !bind(claim, (struct sockaddr *)&name,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)))
		return true;
	if (claim >= 0 && errno == EADDRINUSE)
		report(object, "another flowparctl run --listen bpf serves it (flowparctl stats --listen bpf shows its pid); stop that or choose another --port");
	else
		report(object, "cannot be claimed: %s", strerror(errno));
	return false;
}

static bool cannot(const char *what, int err)
{
	if (err == EPERM || err == EACCES)
		report("--listen bpf", "%s: %s; it needs CAP_BPF, CAP_NET_ADMIN and CAP_SYS_PTRACE: run it as root",
		       what, strerror(err));
	else
		report("--listen bpf", "%s: %s; it needs Linux 5.17 or newer with CONFIG_BPF_SYSCALL, CONFIG_BPF_JIT and net.core.bpf_jit_enable=1, or use --listen nat",
		       what, strerror(err));
	return false;
}

bool lookup_attach(struct lookup_config *config, const struct cpulist *cpus)
{
	unsigned int slots = config->n_cpus * config->per_core;
	int netns, err;
	size_t k;

	config->pid = (__u32)getpid();
	for (k = 0; k < LOOKUP_CPUS; k++)
		config->rank[k] = LOOKUP_NO_RANK;
	for (k = 0; k < cpus->n; k++)
		config->rank[cpus->cpu[k]] = (__u16)k;

	if (!claim_port(config->port))
		return false;
	libbpf_set_print(quiet);
	reported = calloc(slots, sizeof(*reported));
	skel = lookup_bpf__open();
	if (!reported || !skel)
		abort();
	memcpy((void *)&skel->rodata_config->config, config, sizeof(*config));
	bpf_map__set_max_entries(skel->maps.flowpar_sockets, LOOKUP_KEY(slots, 0));
	err = lookup_bpf__load(skel);
	if (err)
		return cannot("the kernel refuses the program", -err);
	netns = netns_open();
	if (netns < 0)
		return false;
	skel->links.flowpar_listen = bpf_program__attach_netns(skel->progs.flowpar_listen, netns);
	err = errno;
	close(netns);
	if (!skel->links.flowpar_listen)
		return cannot("the program cannot be attached", err);
	return true;
}

void lookup_detach(void)
{
	lookup_bpf__destroy(skel);
	skel = NULL;
	free(reported);
	reported = NULL;
	if (claim >= 0)
		close(claim);
	claim = -1;
}

/* Cookie of the socket at a key; 0: none is there. */
static uint64_t cookie_at(int map, uint32_t key)
{
	uint64_t cookie;

	return bpf_map_lookup_elem(map, &key, &cookie) ? 0 : cookie;
}

/* Return: does it take connections of IPv4, of IPv6? */
static bool takes(int fd, bool ipv6)
{
	int domain = 0, only = 0;
	socklen_t len = sizeof(int);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (domain == AF_INET6)
		getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len);
	return ipv6 ? domain == AF_INET6 : !only;
}

/* Put each family's first listener at its key. Return: 0 or errno. */
static int put(int map, size_t slot, const struct listeners *l)
{
	uint64_t cookie, value;
	socklen_t len;
	uint32_t key;
	int ipv6;
	size_t i;

	for (ipv6 = 0; ipv6 < 2; ipv6++) {
		for (i = 0; i < l->n; i++)
			if (takes(l->fd[i], ipv6))
				break;
		if (i == l->n)
			continue;
		key = LOOKUP_KEY((uint32_t)slot, (uint32_t)ipv6);
		cookie = 0;
		len = sizeof(cookie);
		getsockopt(l->fd[i], SOL_SOCKET, SO_COOKIE, &cookie, &len);
		if (cookie_at(map, key) == cookie)
			continue;
		value = (uint64_t)l->fd[i];
		if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
			return errno;
	}
	return 0;
}

/*
 * The leader may be a script with the server for a child, or leave listening to its
 * workers. Return: 0, also if nobody listens, or errno.
 */
static int search_group(struct listeners *l, pid_t group, unsigned int port)
{
	struct dirent *entry;
	int err = 0;
	pid_t pid;
	DIR *proc;

	if (!listeners_get(l, group, port) && errno != ESRCH)
		err = errno;
	if (l->n)
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return errno;
	while (!l->n && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)atoi(entry->d_name);
		if (pid == group || getpgid(pid) != group)
			continue;
		listeners_put(l);
		if (!listeners_get(l, pid, port) && errno != ESRCH)
			err = errno;
	}
	closedir(proc);
	return l->n ? 0 : err;
}

bool lookup_find(size_t slot, pid_t group, unsigned int port, bool again)
{
	int map = bpf_map__fd(skel->maps.flowpar_sockets);
	struct listeners l;
	char object[32];
	bool there;
	int err;

	there = cookie_at(map, LOOKUP_KEY((uint32_t)slot, 0)) || cookie_at(map, LOOKUP_KEY((uint32_t)slot, 1));
	if (there && !again)
		return true;
	err = search_group(&l, group, port);
	if (!err)
		err = put(map, slot, &l);
	there |= l.n && !err;
	listeners_put(&l);
	if (err && reported[slot] != group) {
		reported[slot] = group;
		snprintf(object, sizeof(object), "port %u", port);
		report(object, "its listener cannot be given flows: %s; %s", strerror(err),
		       err == EPERM || err == EACCES ? "flowparctl needs CAP_SYS_PTRACE: run it as root" :
		       "a plain TCP socket is wanted");
	}
	return there;
}

void lookup_forget(size_t slot)
{
	int map = bpf_map__fd(skel->maps.flowpar_sockets);
	uint32_t key;

	key = LOOKUP_KEY((uint32_t)slot, 0);
	bpf_map_delete_elem(map, &key);
	key = LOOKUP_KEY((uint32_t)slot, 1);
	bpf_map_delete_elem(map, &key);
}

unsigned int lookup_cpus(void)
{
	static unsigned int n;

	if (!n)
		n = (unsigned int)libbpf_num_possible_cpus();
	return n;
}

/* The maps that a service is read from: config, counts, sockets. */
enum { CONFIG, COUNTS, SOCKETS, N_MAPS };
static const char *const map_names[N_MAPS] = { LOOKUP_CONFIG, LOOKUP_COUNTS, LOOKUP_SOCKETS };

/* Descriptors of a program's maps, -1 where it has none. */
static void maps_open(int program, int fds[N_MAPS])
{
	uint32_t ids[16], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = 16, .map_ids = (uintptr_t)ids };
	struct bpf_map_info map;
	uint32_t i;
	int fd, k;

	for (k = 0; k < N_MAPS; k++)
		fds[k] = -1;
	if (bpf_obj_get_info_by_fd(program, &info, &len) || strcmp(info.name, LOOKUP_PROGRAM))
		return;
	for (i = 0; i < info.nr_map_ids && i < 16; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		memset(&map, 0, sizeof(map));
		len = sizeof(map);
		if (!bpf_obj_get_info_by_fd(fd, &map, &len))
			for (k = 0; k < N_MAPS; k++)
				if (!strcmp(map.name, map_names[k]) && fds[k] < 0 &&
				    (k != CONFIG || map.value_size == sizeof(struct lookup_config)) &&
				    (k != COUNTS || map.value_size == sizeof(struct lookup_counts)))
					break;
		if (k < N_MAPS)
			fds[k] = fd;
		else
			close(fd);
	}
}

/* Return: false if it is no service of flowparctl, or gone meanwhile. */
static bool service_read(struct lookup_service *s, int program)
{
	uint32_t zero = 0, rank, slot;
	int fds[N_MAPS], k;
	bool done = false;

	maps_open(program, fds);
	if (fds[CONFIG] >= 0 && fds[COUNTS] >= 0 && fds[SOCKETS] >= 0 &&
	    !bpf_map_lookup_elem(fds[CONFIG], &zero, &s->config)) {
		s->counts = calloc(lookup_cpus(), sizeof(*s->counts));
		s->listening = calloc(s->config.n_cpus, sizeof(*s->listening));
		if (!s->counts || !s->listening)
			abort();
		done = !bpf_map_lookup_elem(fds[COUNTS], &zero, s->counts);
		for (rank = 0; rank < s->config.n_cpus; rank++)
			for (slot = rank * s->config.per_core; slot < (rank + 1) * s->config.per_core; slot++)
				s->listening[rank] |= cookie_at(fds[SOCKETS], LOOKUP_KEY(slot, 0)) ||
						      cookie_at(fds[SOCKETS], LOOKUP_KEY(slot, 1));
		if (!done) {
			free(s->counts);
			free(s->listening);
		}
	}
	for (k = 0; k < N_MAPS; k++)
		if (fds[k] >= 0)
			close(fds[k]);
	return done;
}

bool lookup_services_get(struct lookup_services *all)
{
	uint32_t ids[MAX_PROGRAMS], n = MAX_PROGRAMS, i;
	int netns, program, err;

	all->n = 0;
	all->service = calloc(MAX_PROGRAMS, sizeof(*all->service));
	if (!all->service)
		abort();
	libbpf_set_print(quiet);
	netns = netns_open();
	if (netns < 0)
		return false;
	err = bpf_prog_query(netns, BPF_SK_LOOKUP, 0, NULL, ids, &n) ? errno : 0;
	close(netns);
	for (i = 0; i < n && !err; i++) {
		program = bpf_prog_get_fd_by_id(ids[i]);
		if (program < 0) {
			err = errno == ENOENT ? 0 : errno;	/* detached meanwhile */
			continue;
		}
		if (service_read(&all->service[all->n], program))
			all->n++;
		close(program);
	}
	if (!err)
		return true;
	report("--listen bpf", "attached programs cannot be read: %s; %s", strerror(err),
	       err == EPERM ? "run it as root" : "this kernel has no BPF sk_lookup");
	return false;
}

void lookup_services_free(struct lookup_services *all)
{
	while (all->n) {
		all->n--;
		free(all->service[all->n].counts);
		free(all->service[all->n].listening);
	}
	free(all->service);
}
