/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl watch: what happens to interfaces, queues, CPUs and irqbalance.
 */
#ifndef FLOWPARCTL_WATCH_H
#define FLOWPARCTL_WATCH_H

#include "command.h"

extern const struct command watch;

#endif
