// SPDX-License-Identifier: GPL-2.0
/*
 * The names of the ways in which a new flow finds the listener of its core.
 */
#include "listen.h"

#include <string.h>

static const char *const names[] = {
	[LISTEN_NAT] = "nat",
	[LISTEN_BPF] = "bpf",
	[LISTEN_REUSEPORT] = "reuseport",
};

bool listen_mode_parse(enum listen_mode *mode, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]))
			continue;
		*mode = (enum listen_mode)i;
		return true;
	}
	return false;
}

const char *listen_mode_name(enum listen_mode mode)
{
	return names[mode];
}
