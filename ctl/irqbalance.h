/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl irqbalance: which interrupts irqbalance leaves alone.
 */
#ifndef FLOWPARCTL_IRQBALANCE_H
#define FLOWPARCTL_IRQBALANCE_H

#include "command.h"

/* Where irqbalance makes its socket, irqbalance<PID>.sock. */
#define IRQBALANCE_DIR	"/run/irqbalance"

extern const struct command irqbalance;

#endif
