/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One question to a kernel subsystem by netlink, and its answer. It reports nothing:
 * for those who can do without one.
 */
#ifndef FLOWPARCTL_NETLINK_H
#define FLOWPARCTL_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * netlink_ask() - send a request and read all of the answer
 * @protocol: NETLINK_GENERIC, NETLINK_NETFILTER, ...
 * @request: with its type, flags and attributes; its sequence number is set here
 * @fn: called for each message; MNL_CB_STOP: that is enough
 * @data: for @fn
 *
 * Return: 0, or a positive errno of the kernel.
 */
int netlink_ask(int protocol, struct nlmsghdr *request, mnl_cb_t fn, void *data);

/* A dump of a netfilter subsystem, for netlink_ask(); without NLM_F_DUMP among its flags one object that is named. */
struct nlmsghdr *netlink_nf_request(char *buf, unsigned int subsystem, unsigned int msg, uint8_t family);

/* An attribute of a netfilter message, or NULL. */
const struct nlattr *netlink_nf_attr(const struct nlmsghdr *nlh, int type);

/* Is a subsystem in the kernel, as a module or built in, with this symbol? Asking it would load it. */
bool netlink_there(const char *module, const char *symbol);

/* The attribute of a type among those of a nest, or NULL; @nest may be NULL. */
const struct nlattr *netlink_nested(const struct nlattr *nest, int type);

/* Id of a generic netlink family; 0: not there. Asking loads no module. */
uint16_t netlink_family(const char *name);

#endif
