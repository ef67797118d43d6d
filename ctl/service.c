// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl service: add, delete and list services.
 *
 * The kernel module is the one authority on what a service may be: nothing but
 * syntax is checked here, and its refusals are printed as they come.
 */
#include "service.h"

#include <arpa/inet.h>
#include <linux/flowpar.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static unsigned int port, base_port, stride = 8, per_core = 1, spill;
static const char *address, *family, *protocol = "tcp";
static struct cpulist cpus;
static bool json;

#define OPTION_PORT							\
	{ "port", "P", "public port, the one that clients use",	\
	  .required = true, .number = &port, .min = 1, .max = 65535 }
#define OPTION_ADDRESS							\
	{ "address", "A", "local address (default: any, loopback excepted)", .string = &address }
#define OPTION_FAMILY							\
	{ "family", "F", "inet or inet6 (default: the address's, else inet)", .string = &family }
#define OPTION_PROTOCOL							\
	{ "protocol", "PROTO", "tcp or udp (default tcp)", .string = &protocol }

static const struct option_spec add_options[] = {
	OPTION_PORT,
	{ "base-port", "B", "port of the first CPU's first listener",
	  .required = true, .number = &base_port, .min = 1, .max = 65535 },
	{ "cpus", "LIST", "CPUs with a listener each, as 0,8-11", .required = true, .cpus = &cpus },
	{ "stride", "S", "ports from one CPU to the next (default 8)",
	  .number = &stride, .min = 1, .max = 65535 },
	{ "per-core", "K", "listeners per CPU, at most the stride (default 1)",
	  .number = &per_core, .min = 1, .max = 65535 },
	{ "spill", "PCT", "accept queue, in percent of the backlog, from which on new flows go\n"
	  "                           to the CPU with the shortest (default 0: never)",
	  .number = &spill, .min = 0, .max = 100 },
	OPTION_ADDRESS,
	OPTION_FAMILY,
	OPTION_PROTOCOL,
	{ 0 }
};

static const struct option_spec del_options[] = {
	OPTION_PORT,
	OPTION_ADDRESS,
	OPTION_FAMILY,
	OPTION_PROTOCOL,
	{ 0 }
};

static const struct option_spec list_options[] = {
	{ "json", NULL, "print JSON", .flag = &json },
	{ 0 }
};

/* By attribute: the option to name when the kernel points at it. */
static const char *const attr_options[] = {
	[FLOWPAR_A_SERVICE_FAMILY] = "family",
	[FLOWPAR_A_SERVICE_PROTOCOL] = "protocol",
	[FLOWPAR_A_SERVICE_ADDRESS] = "address",
	[FLOWPAR_A_SERVICE_PORT] = "port",
	[FLOWPAR_A_SERVICE_BASE_PORT] = "base-port",
	[FLOWPAR_A_SERVICE_STRIDE] = "stride",
	[FLOWPAR_A_SERVICE_PER_CORE] = "per-core",
	[FLOWPAR_A_SERVICE_CPUS] = "cpus",
	[FLOWPAR_A_SERVICE_SPILL] = "spill",
};

static const char *protocol_name(uint8_t number)
{
	return number == IPPROTO_TCP ? "tcp" : number == IPPROTO_UDP ? "udp" : "?";
}

/* The options that name a service; exits if they make no sense. */
static struct service *service_from_options(const struct command *cmd)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->port = port;
	s->family = AF_INET;
	if (!strcmp(protocol, "tcp"))
		s->protocol = IPPROTO_TCP;
	else if (!strcmp(protocol, "udp"))
		s->protocol = IPPROTO_UDP;
	else
		usage_error(cmd, "--protocol", "'%s' is neither tcp nor udp", protocol);
	if (family && !strcmp(family, "inet6"))
		s->family = AF_INET6;
	else if (family && strcmp(family, "inet"))
		usage_error(cmd, "--family", "'%s' is neither inet nor inet6", family);
	if (!address)
		return s;
	if (inet_pton(AF_INET, address, s->address) == 1)
		s->address_len = 4;
	else if (inet_pton(AF_INET6, address, s->address) == 1)
		s->address_len = 16;
	else
		usage_error(cmd, "--address", "'%s' is neither an IPv4 nor an IPv6 address", address);
	if (family && (s->family == AF_INET6) != (s->address_len == 16))
		usage_error(cmd, "--family", "%s is not that of %s", family, address);
	s->family = s->address_len == 16 ? AF_INET6 : AF_INET;
	return s;
}

static int request(struct service *s, uint8_t cmd)
{
	char object[SERVICE_NAME_MAX + 8], name[SERVICE_NAME_MAX];
	struct nlmsghdr *nlh;
	struct genl g;
	bool done;
	char *list;

	if (!genl_open(&g)) {
		free(s);
		return EXIT_REFUSED;
	}
	nlh = genl_request(&g, cmd);
	mnl_attr_put_u8(nlh, FLOWPAR_A_SERVICE_FAMILY, s->family);
	mnl_attr_put_u8(nlh, FLOWPAR_A_SERVICE_PROTOCOL, s->protocol);
	if (s->address_len)
		mnl_attr_put(nlh, FLOWPAR_A_SERVICE_ADDRESS, s->address_len, s->address);
	mnl_attr_put_u16(nlh, FLOWPAR_A_SERVICE_PORT, (uint16_t)s->port);
	if (cmd == FLOWPAR_CMD_SERVICE_ADD) {
		mnl_attr_put_u16(nlh, FLOWPAR_A_SERVICE_BASE_PORT, (uint16_t)base_port);
		mnl_attr_put_u16(nlh, FLOWPAR_A_SERVICE_STRIDE, (uint16_t)stride);
		mnl_attr_put_u16(nlh, FLOWPAR_A_SERVICE_PER_CORE, (uint16_t)per_core);
		list = cpulist_format(&cpus);
		mnl_attr_put_strz(nlh, FLOWPAR_A_SERVICE_CPUS, list);
		free(list);
		if (spill)
			mnl_attr_put_u8(nlh, FLOWPAR_A_SERVICE_SPILL, (uint8_t)spill);
	}
	snprintf(object, sizeof(object), "service %s", service_name(s, name));
	done = genl_do(&g, nlh, object, attr_options, sizeof(attr_options) / sizeof(attr_options[0]));
	genl_close(&g);
	free(s);
	return done ? EXIT_DONE : EXIT_REFUSED;
}

static int add(char **operands)
{
	(void)operands;
	return request(service_from_options(&service_add), FLOWPAR_CMD_SERVICE_ADD);
}

static int del(char **operands)
{
	(void)operands;
	return request(service_from_options(&service_del), FLOWPAR_CMD_SERVICE_DEL);
}

void service_attr(struct service *s, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case FLOWPAR_A_SERVICE_FAMILY:
		s->family = (uint8_t)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_PROTOCOL:
		s->protocol = (uint8_t)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_ADDRESS:
		if (len <= sizeof(s->address)) {
			memcpy(s->address, mnl_attr_get_payload(attr), len);
			s->address_len = (uint8_t)len;
		}
		break;
	case FLOWPAR_A_SERVICE_PORT:
		s->port = (unsigned int)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_BASE_PORT:
		s->base_port = (unsigned int)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_STRIDE:
		s->stride = (unsigned int)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_PER_CORE:
		s->per_core = (unsigned int)genl_uint(attr);
		break;
	case FLOWPAR_A_SERVICE_CPUS:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
		    cpulist_parse(&s->cpus, mnl_attr_get_str(attr)))
			s->cpus.n = 0;
		break;
	case FLOWPAR_A_SERVICE_SPILL:
		s->spill = (unsigned int)genl_uint(attr);
		break;
	}
}

bool service_same(const struct service *a, const struct service *b)
{
	return a->family == b->family && a->protocol == b->protocol && a->port == b->port &&
	       a->address_len == b->address_len && !memcmp(a->address, b->address, a->address_len);
}

static void collect(const struct nlattr *attr, bool first, void *data)
{
	struct services *all = data;

	if (first) {
		all->service = realloc(all->service, (all->n + 1) * sizeof(*all->service));
		if (!all->service)
			abort();
		memset(&all->service[all->n++], 0, sizeof(*all->service));
	}
	service_attr(&all->service[all->n - 1], attr);
}

bool services_get(struct genl *g, struct services *all)
{
	all->service = NULL;
	return genl_dump(g, FLOWPAR_CMD_SERVICE_GET, "services", collect, all, &all->n);
}

void services_free(struct services *all)
{
	free(all->service);
}

const char *service_name(const struct service *s, char name[SERVICE_NAME_MAX])
{
	char ip[INET6_ADDRSTRLEN];

	strcpy(ip, s->family == AF_INET6 ? "::" : "*");
	if (s->address_len)
		inet_ntop(s->family, s->address, ip, sizeof(ip));
	snprintf(name, SERVICE_NAME_MAX, s->family == AF_INET6 ? "%s [%s]:%u" : "%s %s:%u",
		 protocol_name(s->protocol), ip, s->port);
	return name;
}

void service_json_key(FILE *to, const struct service *s)
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (s->address_len)
		inet_ntop(s->family, s->address, ip, sizeof(ip));
	fprintf(to, "\"family\":\"%s\",\"protocol\":\"%s\",", s->family == AF_INET6 ? "inet6" : "inet",
		protocol_name(s->protocol));
	fprintf(to, s->address_len ? "\"address\":\"%s\"," : "\"address\":null,", ip);
	fprintf(to, "\"port\":%u", s->port);
}

void service_json(const struct service *s)
{
	size_t i;

	service_json_key(stdout, s);
	printf(",\"base_port\":%u,\"stride\":%u,\"per_core\":%u,\"spill\":%u,\"cpus\":[",
	       s->base_port, s->stride, s->per_core, s->spill);
	for (i = 0; i < s->cpus.n; i++)
		printf("%s%u", i ? "," : "", s->cpus.cpu[i]);
	putchar(']');
}

static void print_json(const struct services *all)
{
	const struct service *s;

	putchar('[');
	for (s = all->service; s < all->service + all->n; s++) {
		fputs(s > all->service ? ",\n{" : "{", stdout);
		service_json(s);
		putchar('}');
	}
	puts("]");
}

static void print_table(const struct services *all)
{
	char name[SERVICE_NAME_MAX], threshold[16];
	const struct service *s;
	char *list;

	printf("%-24s %9s %6s %8s  %-11s %5s\n", "SERVICE", "BASE-PORT", "STRIDE", "PER-CORE", "CPUS",
	       "SPILL");
	for (s = all->service; s < all->service + all->n; s++) {
		list = cpulist_format(&s->cpus);
		snprintf(threshold, sizeof(threshold), s->spill ? "%u%%" : "-", s->spill);
		printf("%-24s %9u %6u %8u  %-11s %5s\n", service_name(s, name), s->base_port, s->stride,
		       s->per_core, list, threshold);
		free(list);
	}
}

static int list(char **operands)
{
	struct services all;
	struct genl g;
	bool done;

	(void)operands;
	if (!genl_open(&g))
		return EXIT_REFUSED;
	done = services_get(&g, &all);
	if (done)
		(json ? print_json : print_table)(&all);
	services_free(&all);
	genl_close(&g);
	return done ? EXIT_DONE : EXIT_REFUSED;
}

#define NOTES_STATUS "Exit status: 0 done, 1 refused by the kernel (one line says why), 2 usage error.\n"

const struct command service_add = {
	.name = "service add",
	.summary = "give each CPU of a list its own listener behind a public port",
	.options = add_options,
	.notes =
"Flows to the public port that arrive on CPU number k of the list in ascending order\n"
"(k = 0, 1, ...) go to port B + k*S, with K listeners per CPU to one of B + k*S to\n"
"B + k*S + K-1 by a hash of the flow. The service belongs to the network namespace that\n"
"it is added in. A server that takes IPv4 and IPv6 by one socket wants a service of each\n"
"family, with the same ports. Needs CAP_NET_ADMIN there.\n\n"
	NOTES_STATUS,
	.run = add,
};

const struct command service_del = {
	.name = "service del",
	.summary = "delete a service; its flows lose their listeners at once",
	.options = del_options,
	.notes =
"A service is named by port, address, family and protocol as they were added. Needs\n"
"CAP_NET_ADMIN.\n\n"
	NOTES_STATUS,
	.run = del,
};

const struct command service_list = {
	.name = "service list",
	.summary = "list the services of this network namespace",
	.options = list_options,
	.notes =
"JSON: an array of objects with family (\"inet\" or \"inet6\"), protocol (\"tcp\" or \"udp\"), address\n"
"(a string, null: any), port, base_port, stride, per_core, spill (percent, 0: never) and cpus (an\n"
"array of numbers, ascending).\n"
"Members may be added, none will change.\n\n"
"Exit status: 0 done, also if there is none; 1 failed; 2 usage error.\n",
	.run = list,
};
