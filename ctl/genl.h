/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to nf_flowpar's generic netlink family, and the kernel's answers.
 *
 * The kernel decides what is right; its own words (extended acks) are what the
 * administrator reads.
 */
#ifndef FLOWPARCTL_GENL_H
#define FLOWPARCTL_GENL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct genl {
	struct mnl_socket *nl;
	uint16_t family;
	uint32_t group;		/* of notifications */
	uint32_t seq;
	char buf[64 * 1024];	/* the request that is being made */
};

/* Called for each attribute of each message; first is true for a message's first. */
typedef void (*genl_attr_fn)(const struct nlattr *attr, bool first, void *data);

/**
 * genl_open() - connect to the family "flowpar"
 *
 * Return: false if that is not possible (reported).
 */
bool genl_open(struct genl *g);
void genl_close(struct genl *g);

/**
 * genl_notified() - have the kernel tell of each change on this socket from now on
 *
 * Also of families that go, as this one does when the module is unloaded.
 *
 * Return: false if that is not possible (reported).
 */
bool genl_notified(struct genl *g);

/* Begin a request in g->buf; attributes are added with mnl_attr_put*(). */
struct nlmsghdr *genl_request(struct genl *g, uint8_t cmd);

/**
 * genl_do() - send a request and wait for its ack
 * @object: what it is about, for the report
 * @options: names of the options that its attributes came from, by attribute
 *	number; NULL where there is none
 * @n_options: entries of @options
 *
 * Return: false if the kernel refuses it (reported).
 */
bool genl_do(struct genl *g, struct nlmsghdr *request, const char *object,
	     const char *const *options, size_t n_options);

/**
 * genl_dump() - get all objects
 * @cmd: command that is dumped
 * @object: for the report
 * @fn: called for each attribute
 * @data: for @fn
 * @count: objects that @fn has stored: set to 0 before each attempt, since a
 *	dump that changed meanwhile is begun again
 *
 * Return: false on failure (reported).
 */
bool genl_dump(struct genl *g, uint8_t cmd, const char *object, genl_attr_fn fn, void *data,
	       size_t *count);

/* Unsigned integer of any width, as netlink's "uint" may have 4 or 8 bytes. */
uint64_t genl_uint(const struct nlattr *attr);

#endif
