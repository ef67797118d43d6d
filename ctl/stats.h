/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl stats: what nf_flowpar counted, per service and CPU.
 */
#ifndef FLOWPARCTL_STATS_H
#define FLOWPARCTL_STATS_H

#include "command.h"

extern const struct command stats;

#endif
