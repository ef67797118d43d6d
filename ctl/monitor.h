/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl monitor: services as they come and go.
 */
#ifndef FLOWPARCTL_MONITOR_H
#define FLOWPARCTL_MONITOR_H

#include "command.h"

extern const struct command monitor;

#endif
