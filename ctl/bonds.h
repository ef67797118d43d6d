/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How local the transmitting is of bonds with policy cpu-bound.
 */
#ifndef FLOWPARCTL_BONDS_H
#define FLOWPARCTL_BONDS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bond {
	char name[IF_NAMESIZE];
	uint64_t own;		/* packets that left by a slave of their CPU's own */
	uint64_t other;		/* by another: its CPU has none that is usable */
};

struct bonds {
	struct bond *bond;
	size_t n;
};

/**
 * bonds_get() - all bonds of this network namespace that count this
 *
 * Without the policy, or with a kernel that does not know it, there is none.
 *
 * Return: false on failure (reported). Free with bonds_free() in any case.
 */
bool bonds_get(struct bonds *all);
void bonds_free(struct bonds *all);

#endif
