// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - owns the caches, the directory and what each event costs.
 *
 * A server core has a first-level instruction and data cache and a second level
 * that includes both; all share one last level. The directory knows for each line
 * of memory which server cores hold it and whether one of them has written it
 * (MESI; a clean line that one core holds is exclusive, writing it is free).
 *
 * A client vCPU has no caches here. It stands for the device at the end of the wire:
 * what it writes is in the last level and nowhere else, as with DMA into the cache;
 * what it reads changes nothing, as a device's read leaves the line where it is.
 *
 * Not modelled: out-of-order execution, data prefetch, TLBs, bandwidth, distance.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cohsim.h"

/*
 * Costs of a named CPU. A cost replaces nothing: it is added to the instruction's.
 *
 *   caches   L1 32 KiB 8-way both, L2 1 MiB 8-way, L3 32 MiB 16-way for 8 cores:
 *            AMD, Software Optimization Guide for the Zen 4 Microarchitecture (57647)
 *   l2       14 cycles load to use, the same guide
 *   llc      50 cycles on average, the same guide
 *   c2c      110: published core-to-core times inside one L3 are 20 to 30 ns, 80 to 120
 *            cycles; across dies several times that. Runs are judged at 50, 110 and 250.
 *   dram     400: about 110 ns at 3.7 GHz; AnandTech measured 113 to 134 ns on EPYC 7742,
 *            and Velten et al. (arXiv 2204.03290) the like on Rome and Cascade Lake
 *   upgrade  7/11 of c2c, at least llc: a round trip to the directory, which is beside the
 *            last level, and to the sharers, with or without data; no published figure, so
 *            it moves with c2c
 *   cpi      0.5: a constant, so that only what moves between cores makes a difference
 *   client_cpi  0.02: the clients are no part of the machine; they are made fast enough to
 *            keep the server's cores busy, as a load generator must be
 */
static const struct preset presets[] = {
	{
		.name = "zen4",
		.is = {
			[CPI] = 0.5, [CLIENT_CPI] = 0.02,
			[COST_L2] = 14, [COST_LLC] = 50, [COST_C2C] = 110, [COST_DRAM] = 400, [COST_UPGRADE] = 70,
			[L1I_KIB] = 32, [L1I_WAYS] = 8, [L1D_KIB] = 32, [L1D_WAYS] = 8,
			[L2_KIB] = 1024, [L2_WAYS] = 8, [LLC_KIB] = 32768, [LLC_WAYS] = 16,
		},
	},
};

/* Any of them can be given instead of the preset's. */
const struct parameter parameters[PARAMETERS] = {
	[CPI] = { "cpi", 0.01, 100, false },
	[CLIENT_CPI] = { "client_cpi", 0.01, 100, false },
	[COST_L2] = { "l2", 1, 100000, true },
	[COST_LLC] = { "llc", 1, 100000, true },
	[COST_C2C] = { "c2c", 1, 100000, true },
	[COST_DRAM] = { "dram", 1, 100000, true },
	[COST_UPGRADE] = { "upgrade", 1, 100000, true },
	[L1I_KIB] = { "l1i_kib", 1, 1048576, true },
	[L1I_WAYS] = { "l1i_ways", 1, 64, true },
	[L1D_KIB] = { "l1d_kib", 1, 1048576, true },
	[L1D_WAYS] = { "l1d_ways", 1, 64, true },
	[L2_KIB] = { "l2_kib", 1, 1048576, true },
	[L2_WAYS] = { "l2_ways", 1, 64, true },
	[LLC_KIB] = { "llc_kib", 1, 1048576, true },
	[LLC_WAYS] = { "llc_ways", 1, 64, true },
};

const struct preset *preset_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (!strcmp(presets[i].name, name))
			return &presets[i];
	return NULL;
}

/* --- a set-associative cache of line numbers, least recently used goes ------------ */

struct cache {
	uint32_t *tag;			/* [sets][ways], most recent first, 0 is empty */
	uint32_t sets, ways;
};

/* Code and data of one address are kept apart: nobody writes code in a region. */
#define CODE	0x80000000u

/* The set is a part of the address, so there is a power of two of them. */
static const char *cache_init(struct cache *c, int kib, int ways)
{
	uint32_t lines = opt.preset.is[kib] * 1024 / (1 << LINE_SHIFT);

	c->ways = opt.preset.is[ways];
	c->sets = lines / c->ways;
	if (!c->sets || c->sets * c->ways != lines || c->sets & (c->sets - 1))
		return parameters[kib].name;
	c->tag = calloc((size_t)c->sets * c->ways, sizeof(*c->tag));
	return c->tag ? NULL : "memory";
}

static uint32_t *cache_set(struct cache *c, uint32_t tag)
{
	return c->tag + (size_t)((tag & ~CODE) & (c->sets - 1)) * c->ways;
}

static bool cache_hit(struct cache *c, uint32_t tag)
{
	uint32_t *set = cache_set(c, tag), i;

	if (set[0] == tag)
		return true;
	for (i = 1; i < c->ways; i++) {
		if (set[i] == tag) {
			memmove(set + 1, set, i * sizeof(*set));
			set[0] = tag;
			return true;
		}
	}
	return false;
}

/* Returns the tag that had to leave, 0 if none. */
static uint32_t cache_insert(struct cache *c, uint32_t tag)
{
	uint32_t *set = cache_set(c, tag), out = set[c->ways - 1];

	memmove(set + 1, set, (c->ways - 1) * sizeof(*set));
	set[0] = tag;
	return out;
}

static void cache_drop(struct cache *c, uint32_t tag)
{
	uint32_t *set = cache_set(c, tag), i;

	for (i = 0; i < c->ways; i++) {
		if (set[i] == tag) {
			memmove(set + i, set + i + 1, (c->ways - 1 - i) * sizeof(*set));
			set[c->ways - 1] = 0;
			return;
		}
	}
}

/* --- state ------------------------------------------------------------------------- */

static struct core {
	struct cache l1i, l1d, l2;
} cores[MAX_VCPUS];
static struct cache llc;

enum { CLEAN, MODIFIED, DEVICE };

struct line {
	uint64_t sharers;		/* server cores that hold it */
	uint64_t written;		/* bytes that its writer wrote since it took it */
	uint8_t state;
};

#define MAX_PHYS	(8ull << 30)
static struct line *directory;		/* [MAX_PHYS >> LINE_SHIFT], zero pages until used */

uint64_t model_max_phys(void)
{
	return MAX_PHYS;
}

const char *model_init(void)
{
	const char *bad = cache_init(&llc, LLC_KIB, LLC_WAYS);
	unsigned int v;

	for (v = 0; v < opt.servers && !bad; v++) {
		bad = cache_init(&cores[v].l1i, L1I_KIB, L1I_WAYS);
		if (!bad)
			bad = cache_init(&cores[v].l1d, L1D_KIB, L1D_WAYS);
		if (!bad)
			bad = cache_init(&cores[v].l2, L2_KIB, L2_WAYS);
	}
	if (bad)
		return bad;
	directory = mmap(NULL, (MAX_PHYS >> LINE_SHIFT) * sizeof(*directory), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return directory == MAP_FAILED ? "memory" : NULL;
}

/* --- which line moved, seen from which code: a hash table that doubles -------------- */

static struct transfer *table, *dense;
static size_t table_size, table_used;

static struct transfer *slot(struct transfer *t, size_t size, uint64_t line, const struct block *b)
{
	size_t i = (line * 0x9e3779b97f4a7c15ull ^ b->id * 0xc2b2ae3d27d4eb4full) >> 20 & (size - 1);

	while (t[i].block && (t[i].line != line || t[i].block != b))
		i = (i + 1) & (size - 1);
	return &t[i];
}

static struct transfer *transfer_of(uint64_t line, const struct block *b, uint64_t vaddr)
{
	struct transfer *t;

	if (2 * table_used >= table_size) {
		size_t size = table_size ? 2 * table_size : 1 << 16, i;
		struct transfer *bigger = calloc(size, sizeof(*bigger));

		if (!bigger)
			abort();
		for (i = 0; i < table_size; i++)
			if (table[i].block)
				*slot(bigger, size, table[i].line, table[i].block) = table[i];
		free(table);
		table = bigger;
		table_size = size;
	}
	t = slot(table, table_size, line, b);
	if (!t->block) {
		t->line = line;
		t->block = b;
		table_used++;
	}
	t->vaddr = vaddr;
	return t;
}

void model_reset_counts(void)
{
	if (table)
		memset(table, 0, table_size * sizeof(*table));
	table_used = 0;
}

size_t model_transfers(const struct transfer **list)
{
	size_t i, n = 0;

	dense = calloc(table_used + 1, sizeof(*dense));
	if (!dense)
		abort();
	for (i = 0; i < table_size; i++)
		if (table[i].block)
			dense[n++] = table[i];
	*list = dense;
	return n;
}

/* --- events ------------------------------------------------------------------------ */

/* Both counts at once: the core's and its code's. */
#define count(vc, field) ((vc)->n.field++, (vc)->block->n.field++)

static unsigned int core_of(const struct vcpu *vc)
{
	return vc - vcpus;
}

/* A line enters core @v's second level; what leaves is in the last level afterwards. */
static void l2_insert(unsigned int v, uint32_t tag)
{
	uint32_t out = cache_insert(&cores[v].l2, tag);

	if (!out)
		return;
	if (out & CODE) {
		cache_drop(&cores[v].l1i, out);
	} else {
		struct line *l = &directory[out - 1];

		cache_drop(&cores[v].l1d, out);
		l->sharers &= ~(1ull << v);
		if (l->state == MODIFIED && !l->sharers)
			l->state = CLEAN;
	}
	if (!cache_hit(&llc, out))
		cache_insert(&llc, out);
}

/* Where no other core is concerned: the last level or memory. */
static unsigned int shared_level(struct vcpu *vc, uint32_t tag)
{
	if (cache_hit(&llc, tag)) {
		count(vc, llc);
		return opt.preset.is[COST_LLC];
	}
	cache_insert(&llc, tag);
	count(vc, dram);
	return opt.preset.is[COST_DRAM];
}

/*
 * Core @vc fetches code line @line. The line after the last one is free if it is in
 * the second level, as with any front end that fetches ahead.
 */
void model_fetch(struct vcpu *vc, uint32_t line, bool sequential)
{
	struct core *core = &cores[core_of(vc)];
	uint32_t tag = (line + 1) | CODE;
	unsigned int cost;

	if (cache_hit(&core->l1i, tag))
		return;
	count(vc, l1i_miss);
	if (cache_hit(&core->l2, tag)) {
		cost = sequential ? 0 : opt.preset.is[COST_L2];
	} else {
		count(vc, l2_miss);
		cost = shared_level(vc, tag);
		l2_insert(core_of(vc), tag);
	}
	cache_insert(&core->l1i, tag);
	if (cost)
		sched_charge(vc, (uint64_t)cost * UNIT);
}

static void invalidate(uint64_t sharers, uint32_t tag)
{
	for (; sharers; sharers &= sharers - 1) {
		unsigned int v = __builtin_ctzll(sharers);

		cache_drop(&cores[v].l1d, tag);
		cache_drop(&cores[v].l2, tag);
	}
}

/*
 * Server core @vc reads or writes @size bytes. An atomic instruction is one write.
 * An access across a line's end is charged for its first line only.
 */
void model_access(struct vcpu *vc, uint64_t phys, uint64_t vaddr, unsigned int size, bool write)
{
	unsigned int v = core_of(vc), cost = 0;
	struct core *core = &cores[v];
	uint64_t number = phys >> LINE_SHIFT, me = 1ull << v;
	struct line *l = &directory[number];
	uint64_t others = l->sharers & ~me;
	uint64_t bytes = (size < 64 ? (1ull << size) - 1 : ~0ull) << (phys & 63);
	uint32_t tag = number + 1;
	bool taken = false;
	struct transfer *t;

	count(vc, accesses);
	if (cache_hit(&core->l1d, tag)) {
		if (!write)
			return;
	} else {
		count(vc, l1d_miss);
		if (cache_hit(&core->l2, tag)) {
			cost = opt.preset.is[COST_L2];
		} else {
			count(vc, l2_miss);
			if (l->state == MODIFIED) {
				count(vc, c2c);
				t = transfer_of(number, vc->block, vaddr);
				t->c2c++;
				if (!(l->written & bytes)) {
					count(vc, c2c_false);
					t->c2c_false++;
				}
				cost = opt.preset.is[COST_C2C];
				taken = true;
				if (!write && !cache_hit(&llc, tag))
					cache_insert(&llc, tag);
			} else if (l->state == DEVICE) {
				count(vc, dma);
				transfer_of(number, vc->block, vaddr)->dma++;
				cost = opt.preset.is[COST_LLC];
			} else if (others && write) {
				count(vc, upgrade);
				transfer_of(number, vc->block, vaddr)->upgrade++;
				cost = opt.preset.is[COST_UPGRADE];
			} else if (others) {
				count(vc, llc);
				cost = opt.preset.is[COST_LLC];
			} else {
				cost = shared_level(vc, tag);
			}
			l2_insert(v, tag);
		}
		cache_insert(&core->l1d, tag);
	}
	if (write) {
		if (others) {
			if (l->sharers & me) {
				count(vc, upgrade);
				transfer_of(number, vc->block, vaddr)->upgrade++;
				cost += opt.preset.is[COST_UPGRADE];
			}
			invalidate(others, tag);
			taken = true;
		}
		l->written = l->state == MODIFIED && l->sharers == me ? l->written | bytes : bytes;
		l->state = MODIFIED;
		l->sharers = me;
	} else if (!(l->sharers & me)) {
		l->state = CLEAN;
		l->sharers |= me;
	}
	if (cost)
		sched_charge(vc, (uint64_t)cost * UNIT);
	if (taken)
		sched_end_turn(vc);
}

void model_device_write(uint64_t phys)
{
	struct line *l = &directory[phys >> LINE_SHIFT];

	if (l->state == DEVICE)
		return;
	invalidate(l->sharers, (phys >> LINE_SHIFT) + 1);
	l->sharers = 0;
	l->state = DEVICE;
}
