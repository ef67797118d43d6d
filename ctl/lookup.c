// SPDX-License-Identifier: GPL-2.0
/*
 * --listen bpf: loads and attaches lookup.bpf.c and keeps its map of listeners.
 *
 * Listeners are found in the servers' processes (listeners.c) and put into the map
 * by their keys. The map holds no reference: a socket that its server closes is
 * out at once. So all that is to be done is to look again, which run.c does.
 *
 * TCP only. A UDP socket is asked for its answer's port by the kernel, so an instance's
 * would come from its per-core port, and no hook between changes that but rewriting,
 * which is nf_flowpar's; and sockets that all have the public port are reuseport's.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf_service.h"
#include "listen.h"
#include "listeners.h"
#include "report.h"
#include "lookup.skel.h"

static struct lookup_bpf *skel;
static pid_t *reported;		/* by slot: group whose sockets could not be had */

static bool lookup_begin(const struct listen_service *service)
{
	static struct lookup_config config;	/* large */
	unsigned int slots = (unsigned int)service->cpus->n * service->per_core;
	int netns, err;

	if (!bpf_service_begin(LISTEN_BPF, service, &config))
		return false;
	config.protocol = IPPROTO_TCP;
	reported = calloc(slots, sizeof(*reported));
	skel = lookup_bpf__open();
	if (!reported || !skel)
		abort();
	memcpy((void *)&skel->rodata_config->config, &config, sizeof(config));
	bpf_map__set_max_entries(skel->maps.flowpar_sockets, LOOKUP_KEY(slots, 0));
	err = lookup_bpf__load(skel);
	if (err)
		return bpf_service_cannot(LISTEN_BPF, "the kernel refuses the program", -err);
	netns = bpf_service_netns();
	if (netns < 0)
		return false;
	skel->links.flowpar_listen = bpf_program__attach_netns(skel->progs.flowpar_listen, netns);
	err = errno;
	close(netns);
	if (!skel->links.flowpar_listen)
		return bpf_service_cannot(LISTEN_BPF, "the program cannot be attached", err);
	return true;
}

static void lookup_end(void)
{
	lookup_bpf__destroy(skel);
	skel = NULL;
	free(reported);
	reported = NULL;
	bpf_service_end();
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
	uint64_t value;
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
		if (bpf_service_cookie(map, key) == bpf_service_cookie_of(l->fd[i]))
			continue;
		value = (uint64_t)l->fd[i];
		if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
			return errno;
	}
	return 0;
}

static bool lookup_find(size_t slot, pid_t group, unsigned int port, bool again)
{
	int map = bpf_map__fd(skel->maps.flowpar_sockets);
	struct listeners l, udp;
	char object[32];
	bool there;
	int err;

	there = bpf_service_cookie(map, LOOKUP_KEY((uint32_t)slot, 0)) ||
		bpf_service_cookie(map, LOOKUP_KEY((uint32_t)slot, 1));
	if (there && !again)
		return true;
	err = listeners_get_group(&l, group, port, LISTENERS_TCP) ? 0 : errno;
	if (!err)
		err = put(map, slot, &l);
	there |= l.n && !err;
	snprintf(object, sizeof(object), "port %u", port);
	if (err && reported[slot] != group) {
		reported[slot] = group;
		report(object, "its listener cannot be given flows: %s; %s", strerror(err),
		       err == EPERM || err == EACCES ? "flowparctl needs CAP_SYS_PTRACE: run it as root" :
		       "a plain TCP socket is wanted");
	}
	listeners_put(&l);
	if (there || reported[slot] == group)
		return there;
	if (listeners_get_group(&udp, group, port, LISTENERS_UDP) && udp.n) {
		reported[slot] = group;
		report(object, "a UDP socket has it, and --listen bpf serves TCP only: an answer would come from port %u; use --listen reuseport, or nat with a service of --protocol udp",
		       port);
	}
	listeners_put(&udp);
	return false;
}

static void lookup_forget(size_t slot)
{
	int map = bpf_map__fd(skel->maps.flowpar_sockets);
	uint32_t key;

	key = LOOKUP_KEY((uint32_t)slot, 0);
	bpf_map_delete_elem(map, &key);
	key = LOOKUP_KEY((uint32_t)slot, 1);
	bpf_map_delete_elem(map, &key);
}

const struct steering lookup_steering = {
	.begin = lookup_begin,
	.find = lookup_find,
	.forget = lookup_forget,
	.end = lookup_end,
};
