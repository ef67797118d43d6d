/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl stats --listen bpf: what the programs of --listen bpf counted.
 */
#ifndef FLOWPARCTL_LOOKUP_STATS_H
#define FLOWPARCTL_LOOKUP_STATS_H

#include <stdbool.h>

/**
 * lookup_stats() - print the counters of this network namespace's services
 * @port: only of the service with this public port; 0: of all
 * @json: as JSON
 *
 * Return: the exit status.
 */
int lookup_stats(unsigned int port, bool json);

#endif
