/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl run: a pinned server instance per core, supervised.
 */
#ifndef FLOWPARCTL_RUN_H
#define FLOWPARCTL_RUN_H

#include "command.h"

extern const struct command run;

#endif
