/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl irqbalance: which interrupts irqbalance leaves alone.
 */
#ifndef FLOWPARCTL_IRQBALANCE_H
#define FLOWPARCTL_IRQBALANCE_H

#include "command.h"
#include "cpulist.h"

/* Where irqbalance makes its socket, irqbalance<PID>.sock. */
#define IRQBALANCE_DIR	"/run/irqbalance"

enum irqbalance_answer {
	IRQBALANCE_NO_SOCKET,	/* none runs, or it has no socket */
	IRQBALANCE_SILENT,	/* it answers root alone, and only between two looks at the machine */
	IRQBALANCE_ANSWERED,
};

/* What the running one leaves alone; it is not waited for. */
enum irqbalance_answer irqbalance_leaves(struct cpulist *list);

/* Is there room in one request for these besides? */
bool irqbalance_can_ban(const struct cpulist *have, const struct cpulist *more);

extern const struct command irqbalance;

#endif
