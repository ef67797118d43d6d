// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/flowpar.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "nf_flowpar_nl.h"

#include <uapi/linux/flowpar.h>

/* FLOWPAR_CMD_SERVICE_ADD - do */
static const struct nla_policy flowpar_service_add_nl_policy[FLOWPAR_A_SERVICE_SPILL + 1] = {
	[FLOWPAR_A_SERVICE_FAMILY] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_ADDRESS] = { .type = NLA_BINARY, },
	[FLOWPAR_A_SERVICE_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
	[FLOWPAR_A_SERVICE_BASE_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
	[FLOWPAR_A_SERVICE_STRIDE] = NLA_POLICY_MIN(NLA_U16, 1),
	[FLOWPAR_A_SERVICE_PER_CORE] = NLA_POLICY_MIN(NLA_U16, 1),
	[FLOWPAR_A_SERVICE_CPUS] = { .type = NLA_NUL_STRING, },
	[FLOWPAR_A_SERVICE_SPILL] = NLA_POLICY_MAX(NLA_U8, 100),
};

/* FLOWPAR_CMD_SERVICE_DEL - do */
static const struct nla_policy flowpar_service_del_nl_policy[FLOWPAR_A_SERVICE_PORT + 1] = {
	[FLOWPAR_A_SERVICE_FAMILY] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_ADDRESS] = { .type = NLA_BINARY, },
	[FLOWPAR_A_SERVICE_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
};

/* FLOWPAR_CMD_SERVICE_GET - do */
static const struct nla_policy flowpar_service_get_nl_policy[FLOWPAR_A_SERVICE_PORT + 1] = {
	[FLOWPAR_A_SERVICE_FAMILY] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[FLOWPAR_A_SERVICE_ADDRESS] = { .type = NLA_BINARY, },
	[FLOWPAR_A_SERVICE_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
};

/* Ops table for flowpar */
static const struct genl_split_ops flowpar_nl_ops[] = {
	{
		.cmd		= FLOWPAR_CMD_SERVICE_ADD,
		.doit		= flowpar_nl_service_add_doit,
		.policy		= flowpar_service_add_nl_policy,
		.maxattr	= FLOWPAR_A_SERVICE_SPILL,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= FLOWPAR_CMD_SERVICE_DEL,
		.doit		= flowpar_nl_service_del_doit,
		.policy		= flowpar_service_del_nl_policy,
		.maxattr	= FLOWPAR_A_SERVICE_PORT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= FLOWPAR_CMD_SERVICE_GET,
		.doit		= flowpar_nl_service_get_doit,
		.policy		= flowpar_service_get_nl_policy,
		.maxattr	= FLOWPAR_A_SERVICE_PORT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= FLOWPAR_CMD_SERVICE_GET,
		.dumpit	= flowpar_nl_service_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= FLOWPAR_CMD_STATS_GET,
		.dumpit	= flowpar_nl_stats_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group flowpar_nl_mcgrps[] = {
	[FLOWPAR_NLGRP_SERVICES] = { "services", },
};

struct genl_family flowpar_nl_family __ro_after_init = {
	.name		= FLOWPAR_FAMILY_NAME,
	.version	= FLOWPAR_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= flowpar_nl_ops,
	.n_split_ops	= ARRAY_SIZE(flowpar_nl_ops),
	.mcgrps		= flowpar_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(flowpar_nl_mcgrps),
};
