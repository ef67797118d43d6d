// SPDX-License-Identifier: GPL-2.0
/*
 * What a NIC's driver says of its offloads, rings, channels and shares: ethtool netlink, and an ioctl.
 */
#include "ethtool.h"

#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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
	unsigned int could = 0, active = 0, wanted = 0, fixed = 0;
	const struct nlattr *attr;
	struct nic *nic = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_FEATURES_HW:
			could = bitset(attr);
			break;
		case ETHTOOL_A_FEATURES_WANTED:
			wanted = bitset(attr);
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
	nic->active = active;
	nic->unwanted = could & ~wanted & ~fixed;
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

/* The table by which a hash chooses a queue, or NULL. Netlink has it from 6.2 on only. */
static struct ethtool_rxfh_indir *rxfh_indir(const char *name)
{
	struct ethtool_rxfh_indir head = { .cmd = ETHTOOL_GRXFHINDIR }, *table = NULL;
	struct ifreq ifr = { .ifr_data = (void *)&head };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (!ioctl(fd, SIOCETHTOOL, &ifr) && head.size) {
		table = calloc(1, sizeof(*table) + head.size * sizeof(table->ring_index[0]));
		if (!table)
			abort();
		table->cmd = ETHTOOL_GRXFHINDIR;
		table->size = head.size;
		ifr.ifr_data = (void *)table;
		if (ioctl(fd, SIOCETHTOOL, &ifr)) {
			free(table);
			table = NULL;
		}
	}
	close(fd);
	return table;
}

bool ethtool_shares_equal(const uint32_t *ring, size_t size, unsigned int queues)
{
	size_t *n = calloc(queues + 1, sizeof(*n)), i, most = 0, least = SIZE_MAX;

	if (!n)
		abort();
	for (i = 0; i < size; i++)
		n[ring[i] < queues ? ring[i] : queues]++;
	for (i = 0; i < queues; i++) {
		most = n[i] > most ? n[i] : most;
		least = n[i] < least ? n[i] : least;
	}
	free(n);
	return most - least <= 1;
}

static void shares_read(struct nic *nic)
{
	struct ethtool_rxfh_indir *table = rxfh_indir(nic->name);

	if (!table)
		return;
	nic->shares_known = true;
	nic->shares_equal = ethtool_shares_equal(table->ring_index, table->size, nic->rx_queues);
	free(table);
}

bool ethtool_read_bond(struct lag *b)
{
	uint16_t family = netlink_family(ETHTOOL_GENL_NAME);
	struct nic *nic = calloc(1, sizeof(*nic));
	unsigned int slaves = 0;
	bool known;
	size_t i;

	if (!nic)
		abort();
	memcpy(nic->name, b->name, sizeof(nic->name));
	known = family && !ask(family, ETHTOOL_MSG_FEATURES_GET, ETHTOOL_A_FEATURES_HEADER, nic, features_message) &&
		nic->features_known;
	/* A bond sends; what it receives its slaves have been through. It has what one of them has. */
	for (i = 0; i < b->n; i++)
		slaves |= b->nic[i].active;
	b->off = nic->unwanted & slaves & (1U << FEATURE_TSO | 1U << FEATURE_TX);
	free(nic);
	return known;
}

bool ethtool_read(struct nic *nic)
{
	uint16_t family = netlink_family(ETHTOOL_GENL_NAME);

	if (!family || ask(family, ETHTOOL_MSG_FEATURES_GET, ETHTOOL_A_FEATURES_HEADER, nic, features_message))
		return false;
	/* Not every driver has rings or channels to tell of. */
	ask(family, ETHTOOL_MSG_RINGS_GET, ETHTOOL_A_RINGS_HEADER, nic, rings_message);
	ask(family, ETHTOOL_MSG_CHANNELS_GET, ETHTOOL_A_CHANNELS_HEADER, nic, channels_message);
	shares_read(nic);
	return nic->features_known;
}
