// SPDX-License-Identifier: GPL-2.0
/*
 * --listen reuseport: finds the SO_REUSEPORT groups that the instances make of the
 * public port, and has reuseport.bpf.c choose in them.
 *
 * Every instance opens its own socket on the public port, as it would alone; that they
 * may be several is reuseport_preload.c's doing, or the server's own. The sockets of one
 * address, family and protocol are a group, for which the kernel asks one program. So
 * for each group that is met a program is loaded, with a map of sockets by slot, and
 * attached by way of any socket of the group; sockets are found in the servers'
 * processes (listeners.c). From then on as with bpf: the map holds no reference, run.c
 * has us look again.
 *
 * Why so, of the ways there are. A classic filter (index = CPU) counts on the order of
 * the group, which a restart changes. Sockets that flowparctl opens once and hands to
 * every start of an instance (LISTEN_FDS) keep the order, but the server has to know how
 * to take them, and flows of a dead instance would wait in a queue that nobody serves;
 * here they go to another. Setting SO_REUSEPORT by a BPF program at bind() instead of
 * the preloaded library would need Linux 6.1 and a cgroup of our own.
 *
 * The program belongs to the group: it goes with the group's last socket, or, after
 * that, with us. Invariant: what is in a map is unconnected and of an instance that runs.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf_service.h"
#include "listen.h"
#include "listeners.h"
#include "report.h"
#include "reuseport.skel.h"

/* An instance on more addresses than that is not what this is for. */
#define MAX_GROUPS	64

/* What makes sockets one group for the kernel, as far as it can differ in one service. */
struct group_key {
	struct in6_addr address;
	int family, protocol, v6only, device;
};

struct group {
	struct group_key key;
	struct reuseport_bpf *skel;
	unsigned int found_in;		/* number of the last find() that met a socket of it */
};

/* What is known of an instance. */
struct seen {
	pid_t reported;			/* process group that something was wrong with */
	unsigned int sockets;		/* groups that it has a socket in, when last looked at */
};

static struct lookup_config config;	/* of all groups, but for the group's own */
static struct group groups[MAX_GROUPS];
static size_t n_groups;
static struct seen *seen;
static unsigned int finds;

static size_t n_slots(void)
{
	return (size_t)config.n_cpus * config.per_core;
}

static int sockets_of(const struct group *g)
{
	return bpf_map__fd(g->skel->maps.flowpar_sockets);
}

/* Return: a group's program and maps, loaded; NULL (errno). */
static struct reuseport_bpf *load(const struct group_key *key)
{
	struct reuseport_bpf *skel = reuseport_bpf__open();
	struct lookup_config *own;
	int err;

	if (!skel)
		abort();
	own = (struct lookup_config *)&skel->rodata_config->config;
	*own = config;
	own->family = (__u16)key->family;
	own->protocol = (__u16)key->protocol;
	memcpy(own->address, &key->address, sizeof(own->address));
	bpf_map__set_max_entries(skel->maps.flowpar_sockets, (__u32)n_slots());
	err = reuseport_bpf__load(skel);
	if (!err)
		return skel;
	reuseport_bpf__destroy(skel);
	errno = -err;
	return NULL;
}

static bool reuseport_begin(const struct listen_service *service)
{
	const struct group_key any = { .family = AF_INET, .protocol = IPPROTO_TCP };
	struct reuseport_bpf *skel;

	if (!bpf_service_begin(LISTEN_REUSEPORT, service, &config))
		return false;
	seen = calloc(n_slots(), sizeof(*seen));
	if (!seen)
		abort();
	/* Whether the kernel takes it: better known before servers run. */
	skel = load(&any);
	if (!skel)
		return bpf_service_cannot(LISTEN_REUSEPORT, "the kernel refuses the program", errno);
	reuseport_bpf__destroy(skel);
	return true;
}

static void reuseport_end(void)
{
	while (n_groups)
		reuseport_bpf__destroy(groups[--n_groups].skel);
	free(seen);
	seen = NULL;
	bpf_service_end();
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &len) ? 0 : value;
}

static void key_of(struct group_key *key, int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	memset(key, 0, sizeof(*key));
	memset(&address, 0, sizeof(address));
	getsockname(fd, (struct sockaddr *)&address, &len);
	key->family = address.ss_family;
	if (key->family == AF_INET6) {
		key->address = ((struct sockaddr_in6 *)&address)->sin6_addr;
		key->v6only = option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	} else {
		memcpy(&key->address, &((struct sockaddr_in *)&address)->sin_addr, sizeof(struct in_addr));
	}
	key->protocol = option(fd, SOL_SOCKET, SO_PROTOCOL);
	key->device = option(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
}

/* Return: the group of a socket; NULL (errno). */
static struct group *group_of(int fd)
{
	struct group_key key;
	struct group *g;

	key_of(&key, fd);
	for (g = groups; g < groups + n_groups; g++)
		if (!memcmp(&g->key, &key, sizeof(key)))
			return g;
	if (n_groups == MAX_GROUPS) {
		errno = E2BIG;
		return NULL;
	}
	memset(g, 0, sizeof(*g));
	g->key = key;
	g->skel = load(&key);
	if (!g->skel)
		return NULL;
	n_groups++;
	return g;
}

/* The one at its slot stays, if this process still has it among several. */
enum put { PUT, PUT_ANOTHER, PUT_FAILED };

static enum put put(size_t slot, int fd)
{
	uint32_t key = (uint32_t)slot;
	uint64_t value = (uint64_t)fd;
	struct group *g = group_of(fd);
	int program;

	if (!g)
		return PUT_FAILED;
	if (bpf_service_cookie(sockets_of(g), key) == bpf_service_cookie_of(fd)) {
		g->found_in = finds;
		return PUT;
	}
	if (g->found_in == finds)
		return PUT_ANOTHER;
	/* A new group as well as an old one: to say it again changes nothing. */
	program = bpf_program__fd(g->skel->progs.flowpar_reuse);
	if (bpf_map_update_elem(sockets_of(g), &key, &value, BPF_ANY) ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)))
		return PUT_FAILED;
	g->found_in = finds;
	return PUT;
}

/* Groups in which an instance has a socket now. */
static unsigned int count_sockets(size_t slot)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < n_groups; i++)
		n += bpf_service_cookie(sockets_of(&groups[i]), (uint32_t)slot) != 0;
	return n;
}

/* Once for a process group. */
#define say_once(slot, group, port, ...)				\
	do {								\
		char object_[48];					\
									\
		if (seen[slot].reported == (group))			\
			break;						\
		seen[slot].reported = (group);				\
		snprintf(object_, sizeof(object_), "port %u (pid %d)", port, (int)(group)); \
		report(object_, __VA_ARGS__);				\
	} while (0)

static bool reuseport_find(size_t slot, pid_t group, unsigned int port, bool again)
{
	unsigned int now = count_sockets(slot);
	struct listeners l;
	bool done;
	size_t i;

	/* As many as there were: a socket that closes is out of its map. */
	if (now && now >= seen[slot].sockets && !again)
		return true;
	finds++;
	done = listeners_get_group(&l, group, port, LISTENERS_TCP | LISTENERS_UDP);
	if (!done)
		say_once(slot, group, port, "its sockets cannot be given flows: %s; %s", strerror(errno),
			 errno == EPERM || errno == EACCES ? "flowparctl needs CAP_SYS_PTRACE: run it as root" :
			 "see ls -l /proc/PID/fd");
	for (i = 0; done && i < l.n; i++) {
		if (!option(l.fd[i], SOL_SOCKET, SO_REUSEPORT)) {
			say_once(slot, group, port, "it listens without SO_REUSEPORT, so no other instance can; a statically linked or privileged program has to set it itself, or use --listen bpf or nat");
			continue;
		}
		switch (put(slot, l.fd[i])) {
		case PUT:
			break;
		case PUT_ANOTHER:
			say_once(slot, group, port, "it has several sockets at one address, of which one gets all flows; configure one worker an instance, and more by --per-core");
			break;
		case PUT_FAILED:
			say_once(slot, group, port, "its socket cannot be given flows: %s; a plain TCP or UDP socket is wanted",
				 strerror(errno));
			break;
		}
	}
	listeners_put(&l);
	seen[slot].sockets = count_sockets(slot);
	return seen[slot].sockets;
}

static void reuseport_forget(size_t slot)
{
	uint32_t key = (uint32_t)slot;
	size_t i;

	for (i = 0; i < n_groups; i++)
		bpf_map_delete_elem(sockets_of(&groups[i]), &key);
	seen[slot].sockets = 0;
}

const struct steering reuseport_steering = {
	.begin = reuseport_begin,
	.find = reuseport_find,
	.forget = reuseport_forget,
	.end = reuseport_end,
};
