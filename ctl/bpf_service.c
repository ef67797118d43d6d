// SPDX-License-Identifier: GPL-2.0
/*
 * Services of --listen bpf and reuseport: their configuration, the claim on their
 * port, and what the kernel has of those that there are.
 *
 * Reads go by names and sizes of maps, so they work between builds. A program of
 * sk_lookup hangs on its network namespace, which is asked; one of a reuseport group
 * hangs on sockets, where nobody can ask, so all programs are looked through.
 */
#include "bpf_service.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "report.h"

/* More programs than the kernel attaches to one network namespace (MAX_BPF_FUNCS). */
#define MAX_ATTACHED	64

static int claim = -1;

/* libbpf explains itself at length; we have one line. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

int bpf_service_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		report("/proc/self/ns/net", "%s", strerror(errno));
	return fd;
}

static uint64_t netns_inode(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

/*
 * An abstract socket's name is unique in its network namespace, and free again when
 * its process ends, however it ends.
 */
static bool claim_port(unsigned int port)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char object[32];
	int len;

	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "flowparctl-listen-%u", port);
	snprintf(object, sizeof(object), "port %u", port);
	claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (claim >= 0 && !bind(claim, (struct sockaddr *)&name,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)))
		return true;
	if (claim >= 0 && errno == EADDRINUSE)
		report(object, "another flowparctl run --listen bpf or reuseport serves it (flowparctl stats --listen bpf, --listen reuseport shows its pid); stop that or choose another --port");
	else
		report(object, "cannot be claimed: %s", strerror(errno));
	return false;
}

bool bpf_service_begin(enum listen_mode mode, const struct listen_service *service,
		       struct lookup_config *config)
{
	const struct cpulist *cpus = service->cpus;
	size_t k;

	libbpf_set_print(quiet);
	memset(config, 0, sizeof(*config));
	config->pid = (__u32)getpid();
	config->port = (__u16)service->port;
	config->base_port = (__u16)service->base_port;
	config->stride = (__u16)service->stride;
	config->per_core = (__u16)service->per_core;
	config->n_cpus = (__u32)cpus->n;
	config->netns = mode == LISTEN_REUSEPORT ? netns_inode() : 0;
	for (k = 0; k < LOOKUP_CPUS; k++)
		config->rank[k] = LOOKUP_NO_RANK;
	for (k = 0; k < cpus->n; k++)
		config->rank[cpus->cpu[k]] = (__u16)k;
	return claim_port(service->port);
}

void bpf_service_end(void)
{
	if (claim >= 0)
		close(claim);
	claim = -1;
}

bool bpf_service_cannot(enum listen_mode mode, const char *what, int err)
{
	char object[32];

	snprintf(object, sizeof(object), "--listen %s", listen_mode_name(mode));
	if (err == EPERM || err == EACCES)
		report(object, "%s: %s; it needs CAP_BPF, CAP_NET_ADMIN and CAP_SYS_PTRACE: run it as root",
		       what, strerror(err));
	else
		report(object, "%s: %s; it needs Linux 5.17 or newer with CONFIG_BPF_SYSCALL, CONFIG_BPF_JIT and net.core.bpf_jit_enable=1, or use --listen nat",
		       what, strerror(err));
	return false;
}

uint64_t bpf_service_cookie(int map, uint32_t key)
{
	uint64_t cookie;

	return bpf_map_lookup_elem(map, &key, &cookie) ? 0 : cookie;
}

uint64_t bpf_service_cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

unsigned int bpf_service_cpus(void)
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
static void maps_open(int program, const char *name, int fds[N_MAPS])
{
	uint32_t ids[16], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = 16, .map_ids = (uintptr_t)ids };
	struct bpf_map_info map;
	uint32_t i;
	int fd, k;

	for (k = 0; k < N_MAPS; k++)
		fds[k] = -1;
	if (bpf_obj_get_info_by_fd(program, &info, &len) || strcmp(info.name, name))
		return;
	for (i = 0; i < info.nr_map_ids && i < 16; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		memset(&map, 0, sizeof(map));
		len = sizeof(map);
		k = N_MAPS;
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

/* Return: false if it is no service of this mode and namespace, or gone meanwhile. */
static bool service_read(struct bpf_service *s, enum listen_mode mode, int program)
{
	const char *name = mode == LISTEN_BPF ? LOOKUP_PROGRAM : REUSEPORT_PROGRAM;
	uint32_t keys = mode == LISTEN_BPF ? LOOKUP_KEY(1, 0) : 1, zero = 0, rank, key;
	int fds[N_MAPS], k;
	bool done = false;

	maps_open(program, name, fds);
	if (fds[CONFIG] >= 0 && fds[COUNTS] >= 0 && fds[SOCKETS] >= 0 &&
	    !bpf_map_lookup_elem(fds[CONFIG], &zero, &s->config) &&
	    (mode == LISTEN_BPF || s->config.netns == netns_inode())) {
		s->counts = calloc(bpf_service_cpus(), sizeof(*s->counts));
		s->listening = calloc(s->config.n_cpus, sizeof(*s->listening));
		if (!s->counts || !s->listening)
			abort();
		done = !bpf_map_lookup_elem(fds[COUNTS], &zero, s->counts);
		keys *= s->config.per_core;
		for (rank = 0; rank < s->config.n_cpus; rank++)
			for (key = rank * keys; key < (rank + 1) * keys; key++)
				s->listening[rank] |= bpf_service_cookie(fds[SOCKETS], key) != 0;
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

/* Return: 0 or errno. */
static int add_program(struct bpf_services *all, enum listen_mode mode, uint32_t id)
{
	int program = bpf_prog_get_fd_by_id(id);

	if (program < 0)
		return errno == ENOENT ? 0 : errno;	/* gone meanwhile */
	all->service = realloc(all->service, (all->n + 1) * sizeof(*all->service));
	if (!all->service)
		abort();
	if (service_read(&all->service[all->n], mode, program))
		all->n++;
	close(program);
	return 0;
}

/* Return: 0 or errno. */
static int add_attached(struct bpf_services *all)
{
	uint32_t ids[MAX_ATTACHED], n = MAX_ATTACHED, i;
	int netns = bpf_service_netns(), err;

	if (netns < 0)
		return errno;
	err = bpf_prog_query(netns, BPF_SK_LOOKUP, 0, NULL, ids, &n) ? errno : 0;
	close(netns);
	for (i = 0; i < n && !err; i++)
		err = add_program(all, LISTEN_BPF, ids[i]);
	return err;
}

/* Return: 0 or errno. */
static int add_loaded(struct bpf_services *all)
{
	uint32_t id = 0;
	int err = 0;

	while (!err && !bpf_prog_get_next_id(id, &id))
		err = add_program(all, LISTEN_REUSEPORT, id);
	return err ? err : errno == ENOENT ? 0 : errno;
}

bool bpf_services_get(enum listen_mode mode, struct bpf_services *all)
{
	char object[32];
	int err;

	memset(all, 0, sizeof(*all));
	libbpf_set_print(quiet);
	err = mode == LISTEN_BPF ? add_attached(all) : add_loaded(all);
	if (!err)
		return true;
	snprintf(object, sizeof(object), "--listen %s", listen_mode_name(mode));
	report(object, "attached programs cannot be read: %s; %s", strerror(err),
	       err == EPERM ? "run it as root" : "this kernel has no BPF for sockets");
	return false;
}

void bpf_services_free(struct bpf_services *all)
{
	while (all->n) {
		all->n--;
		free(all->service[all->n].counts);
		free(all->service[all->n].listening);
	}
	free(all->service);
	all->service = NULL;
}
