/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl top: what every core does, per second.
 */
#ifndef FLOWPARCTL_TOP_H
#define FLOWPARCTL_TOP_H

#include "command.h"

extern const struct command top;

#endif
