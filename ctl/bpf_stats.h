/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flowparctl stats --listen bpf and reuseport: what their programs counted.
 */
#ifndef FLOWPARCTL_BPF_STATS_H
#define FLOWPARCTL_BPF_STATS_H

#include <stdbool.h>

#include "listen.h"
#include "rows.h"

/**
 * bpf_stats() - print the counters of this network namespace's services
 * @mode: LISTEN_BPF or LISTEN_REUSEPORT
 * @port: only of the service with this public port; 0: of all
 * @json: as JSON
 *
 * Return: the exit status.
 */
int bpf_stats(enum listen_mode mode, unsigned int port, bool json);

/**
 * bpf_rows_get() - the same as rows
 * @rows: zeroed
 *
 * Return: false on failure, or if there is no service with that port (reported). Free
 * with rows_free() in any case.
 */
bool bpf_rows_get(enum listen_mode mode, struct rows *rows, unsigned int port);

#endif
