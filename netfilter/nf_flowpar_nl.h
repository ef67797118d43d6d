/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/flowpar.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_FLOWPAR_GEN_H
#define _LINUX_FLOWPAR_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/flowpar.h>

int flowpar_nl_service_add_doit(struct sk_buff *skb, struct genl_info *info);
int flowpar_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info);
int flowpar_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info);
int flowpar_nl_service_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int flowpar_nl_stats_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);

enum {
	FLOWPAR_NLGRP_SERVICES,
};

extern struct genl_family flowpar_nl_family;

#endif /* _LINUX_FLOWPAR_GEN_H */
