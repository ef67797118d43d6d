/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets and maps of nftables, that a rule looks up what it asks for in.
 */
#ifndef FLOWPARCTL_FIREWALL_SET_H
#define FLOWPARCTL_FIREWALL_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewall.h"

struct nlattr;

struct fw_element {
	unsigned int key;	/* of one or two bytes; else 0 */
	bool ends;		/* it is the first that an interval does not have */
	bool others;		/* it is for all that is in no other */
	bool conditional;	/* it takes more than the key, as a limit */
	/* Of a verdict map. */
	enum fw_verdict verdict;
	char *to;		/* the chain of a jump or goto, without its table; else NULL */
};

struct fw_set {
	uint32_t flags;		/* NFT_SET_* */
	uint32_t key_len;
	struct fw_element *element;
	size_t n;
};

/**
 * fw_set_read() - read a set or map, as it is now
 * @set: filled in, also on failure; to be given to fw_set_free()
 * @family: its table's, NFPROTO_*
 *
 * Return: 0, or a positive errno.
 */
int fw_set_read(struct fw_set *set, uint8_t family, const char *table, const char *name);
void fw_set_free(struct fw_set *set);

/* The element that a key of one or two bytes is in, or NULL. */
const struct fw_element *fw_set_find(const struct fw_set *set, unsigned int key);

/* What NFTA_DATA_VERDICT has in it; @to: the chain, if it names one, else NULL. */
enum fw_verdict fw_verdict_of(const struct nlattr *verdict, const char **to);

/* One or two bytes of NFTA_DATA_VALUE as a number; 0 for more. */
unsigned int fw_number_of(const struct nlattr *value);

#endif
