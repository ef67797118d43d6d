/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Services as nf_flowpar knows them: one public port, a listener per core.
 */
#ifndef FLOWPARCTL_SERVICE_H
#define FLOWPARCTL_SERVICE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "command.h"
#include "cpulist.h"
#include "genl.h"

struct service {
	uint8_t family;
	uint8_t protocol;
	uint8_t address_len;	/* 0: any local address */
	uint8_t address[16];
	unsigned int port;
	unsigned int base_port;
	unsigned int stride;
	unsigned int per_core;
	unsigned int spill;	/* percent; 0: never */
	struct cpulist cpus;
};

struct services {
	struct service *service;
	size_t n;
};

/**
 * services_get() - all services of this network namespace
 *
 * Return: false on failure (reported). Free with services_free() in any case.
 */
bool services_get(struct genl *g, struct services *all);
void services_free(struct services *all);

/* Fill in one attribute of a service. */
void service_attr(struct service *s, const struct nlattr *attr);

/* Do both have the same name (family, protocol, address, public port)? */
bool service_same(const struct service *a, const struct service *b);

/* "tcp *:80" */
#define SERVICE_NAME_MAX	64
const char *service_name(const struct service *s, char name[SERVICE_NAME_MAX]);

/* The members that name a service, of a JSON object, without braces. */
void service_json_key(FILE *to, const struct service *s);

/* All members of a JSON object of one, as `service list --json` prints, without braces. */
void service_json(const struct service *s);

extern const struct command service_add, service_del, service_list;

#endif
