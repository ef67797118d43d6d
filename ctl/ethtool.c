// SPDX-License-Identifier: GPL-2.0
/*
 * What a NIC's driver says of its offloads, rings and channels: ethtool netlink.
 */
#include "ethtool.h"

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "machine.h"
#include "netlink.h"

const struct feature_name feature_names[N_FEATURES] = {
	[FEATURE_GRO] = { "gro", "generic receive offload" },
	[FEATURE_TSO] = { "tso", "TCP segmentation offload" },
	[FEATURE_RX] = { "rx", "receive checksum offload" },
	[FEATURE_TX] = { "tx", "transmit checksum offload" },
};

/* By the kernel's names of the bits; a driver has one of those that sum. */
static const struct {
	const char *bit;
	enum feature feature;
} bits[] = {
	{ "rx-gro", FEATURE_GRO },
	{ "tx-tcp-segmentation", FEATURE_TSO },
	{ "rx-checksum", FEATURE_RX },
	{ "tx-checksum-ipv4", FEATURE_TX },
	{ "tx-checksum-ip-generic", FEATURE_TX },
};

/* Return: the features that are set in a bitset. */
static unsigned int bitset(const struct nlattr *set)
{
	bool nomask = netlink_nested(set, ETHTOOL_A_BITSET_NOMASK);
	const struct nlattr *list = netlink_nested(set, ETHTOOL_A_BITSET_BITS), *bit, *name;
	unsigned int features = 0;
	size_t i;

	if (!list)
		return 0;
	mnl_attr_for_each_nested(bit, list) {
		name = netlink_nested(bit, ETHTOOL_A_BITSET_BIT_NAME);
		if (!name || !(nomask || netlink_nested(bit, ETHTOOL_A_BITSET_BIT_VALUE)))
			continue;
		for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
			if (!strcmp(mnl_attr_get_str(name), bits[i].bit))
				features |= 1U << bits[i].feature;
	}
	return features;
}

static int features_message(const struct nlmsghdr *nlh, void *data)
{
	unsigned int could = 0, active = 0, fixed = 0;
	const struct nlattr *attr;
	struct nic *nic = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_FEATURES_HW:
			could = bitset(attr);
			break;
		case ETHTOOL_A_FEATURES_ACTIVE:
			active = bitset(attr);
			break;
		case ETHTOOL_A_FEATURES_NOCHANGE:
			fixed = bitset(attr);
			break;
		}
	}
	nic->features_known = true;
	nic->off = could & ~active & ~fixed;
	return MNL_CB_OK;
}

static int rings_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	struct nic *nic = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_RINGS_RX)
			nic->rx_ring = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == ETHTOOL_A_RINGS_RX_MAX)
			nic->rx_ring_max = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int channels_message(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	struct nic *nic = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == ETHTOOL_A_CHANNELS_COMBINED_COUNT)
			nic->combined = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == ETHTOOL_A_CHANNELS_COMBINED_MAX)
			nic->combined_max = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int ask(uint16_t family, uint8_t cmd, int header, struct nic *nic, mnl_cb_t fn)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	struct nlattr *nest;

	nlh->nlmsg_type = family;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = ETHTOOL_GENL_VERSION;
	nest = mnl_attr_nest_start(nlh, (uint16_t)header);
	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, nic->name);
	mnl_attr_nest_end(nlh, nest);
	return netlink_ask(NETLINK_GENERIC, nlh, fn, nic);
}

bool ethtool_read(struct nic *nic)
{
	uint16_t family = netlink_family(ETHTOOL_GENL_NAME);

	if (!family || ask(family, ETHTOOL_MSG_FEATURES_GET, ETHTOOL_A_FEATURES_HEADER, nic, features_message))
		return false;
	/* Not every driver has rings or channels to tell of. */
	ask(family, ETHTOOL_MSG_RINGS_GET, ETHTOOL_A_RINGS_HEADER, nic, rings_message);
	ask(family, ETHTOOL_MSG_CHANNELS_GET, ETHTOOL_A_CHANNELS_HEADER, nic, channels_message);
	return nic->features_known;
}
