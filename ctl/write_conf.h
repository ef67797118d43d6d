/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl conf: the configuration of one instance, for a supervisor that is not
 * flowparctl run.
 */
#ifndef FLOWPARCTL_WRITE_CONF_H
#define FLOWPARCTL_WRITE_CONF_H

#include "command.h"

extern const struct command write_conf;

#endif
