/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A service of --listen bpf or reuseport: what both modes' programs are loaded with,
 * and what those of this and other flowparctls count.
 */
#ifndef FLOWPARCTL_BPF_SERVICE_H
#define FLOWPARCTL_BPF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listen.h"
#include "lookup_shared.h"

/**
 * bpf_service_begin() - claim the public port for this process
 * @mode: how it is served
 * @config: filled in but for protocol, family and address
 *
 * Two programs for one port would both be right. Until bpf_service_end() or the end of
 * the process.
 *
 * Return: false if another flowparctl has it (reported).
 */
bool bpf_service_begin(enum listen_mode mode, const struct listen_service *service,
		       struct lookup_config *config);
void bpf_service_end(void);

/* Report why the kernel would not do something. Return: false. */
bool bpf_service_cannot(enum listen_mode mode, const char *what, int err);

/* A descriptor of this network namespace, or -1 (reported). */
int bpf_service_netns(void);

/* Cookie of the socket at a key of a map of sockets; 0: none is there. */
uint64_t bpf_service_cookie(int map, uint32_t key);
/* The same of a socket of ours. */
uint64_t bpf_service_cookie_of(int fd);

/* A service of this network namespace, as its program has it. */
struct bpf_service {
	struct lookup_config config;
	struct lookup_counts *counts;	/* by CPU, bpf_service_cpus() of them */
	bool *listening;		/* by rank: has a listener there */
};

struct bpf_services {
	struct bpf_service *service;
	size_t n;
};

/**
 * bpf_services_get() - all services of this network namespace that @mode serves
 *
 * Needs CAP_SYS_ADMIN. Return: false on failure (reported). Free with
 * bpf_services_free() in any case.
 */
bool bpf_services_get(enum listen_mode mode, struct bpf_services *all);
void bpf_services_free(struct bpf_services *all);

/* CPUs that counts[] has: as many as this machine could have. */
unsigned int bpf_service_cpus(void);

#endif
