/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF programs of --listen bpf and --listen reuseport share: what flowparctl
 * tells them when it loads them, and what they count for it, per CPU.
 */
#ifndef FLOWPARCTL_STEER_BPF_H
#define FLOWPARCTL_STEER_BPF_H

#include "lookup_shared.h"

const volatile struct lookup_config config SEC(".rodata.config");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lookup_counts);
} flowpar_counts SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u32 zero = 0;
	struct lookup_counts *counts = bpf_map_lookup_elem(&flowpar_counts, &zero);

	if (counts && counter < LOOKUP_COUNTERS)
		counts->n[counter]++;
}

#endif
