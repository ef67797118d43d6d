/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cohsim.h - a deterministic cost model of many cores, as a QEMU TCG plugin.
 *
 *   plugin.c   QEMU's callbacks, options, the guest's markers
 *   model.c    caches of each server core, shared cache, directory, costs
 *   sched.c    modelled clocks; vCPUs take turns of one quantum
 *   symbols.c  which function an address is in, which structure a line belongs to
 *   report.c   JSON lines, written when QEMU exits
 *
 * All of it runs on the one thread that QEMU runs all vCPUs on (tcg,thread=single
 * with -icount), so nothing here is locked and equal input gives equal output.
 */
#ifndef COHSIM_H
#define COHSIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_VCPUS	64
#define LINE_SHIFT	6			/* 64-byte cache lines */
#define UNIT		100			/* clocks and cycles are kept in 1/100 cycle */

/*
 * What is counted, for a vCPU, a function, ... The report prints every field under
 * its own name; docs/bench.md says what each means.
 */
#define COUNTS(X) \
	X(insns)	/* instructions executed */ \
	X(accesses)	/* loads and stores to RAM */ \
	X(l1i_miss)	/* instruction lines not in the first-level cache */ \
	X(l1d_miss)	/* data lines not there */ \
	X(l2_miss)	/* lines of either kind not in the core's second level */ \
	X(llc)		/* of these, found clean in the shared cache or at another core */ \
	X(dram)		/* not in any cache */ \
	X(c2c)		/* lines that another server core had written */ \
	X(c2c_false)	/* of these, the bytes wanted were not those written */ \
	X(upgrade)	/* writes to a line of which other server cores had copies */ \
	X(dma)		/* lines last written by a client vCPU, which stands for a device */ \
	X(cycles)	/* modelled time, in UNITs */

struct counts {
#define X(field) uint64_t field;
	COUNTS(X)
#undef X
};

/* Code that starts at one address: counts of the server cores that ran it. */
struct block {
	uint64_t pc;
	uint32_t id;
	struct counts n;
	struct block *next;			/* in plugin.c's hash table */
};

struct vcpu {
	struct counts n;
	uint64_t clock;				/* UNITs: cycles, waiting and sleeping */
	uint64_t idle, wait;			/* UNITs, since the region began */
	uint64_t io;				/* device accesses */
	bool server;
	bool halted, paused;			/* why the last turn ended */
	struct block *block;			/* that it runs */
	void *cpu;				/* QEMU's */
};
extern struct vcpu vcpus[MAX_VCPUS];

/* Costs in cycles beyond a first-level hit; model.c has the table and its sources. */
enum {
	CPI,					/* of an instruction that hits the first level */
	CLIENT_CPI,				/* of a client vCPU's */
	COST_L2, COST_LLC, COST_C2C, COST_DRAM, COST_UPGRADE,
	L1I_KIB, L1I_WAYS, L1D_KIB, L1D_WAYS, L2_KIB, L2_WAYS, LLC_KIB, LLC_WAYS,
	PARAMETERS
};

struct parameter {
	const char *name;			/* of the option and in the run record */
	double min, max;
	bool whole;
};
extern const struct parameter parameters[PARAMETERS];

struct preset {
	const char *name;
	double is[PARAMETERS];
};

struct options {
	unsigned int vcpus, servers;
	uint64_t quantum, seed;
	const char *out, *kallsyms, *pages;
	struct preset preset;
};
extern struct options opt;

/* plugin.c */
struct block *block_next(struct block *prev);	/* all of them, NULL first and last */
struct region {
	bool seen;
	uint64_t begin, end;			/* modelled time, UNITs */
};
extern struct region region;

/* model.c */
const struct preset *preset_find(const char *name);
const char *model_init(void);		/* NULL, or what cannot be had */
void model_fetch(struct vcpu *vc, uint32_t line, bool sequential);
void model_access(struct vcpu *vc, uint64_t phys, uint64_t vaddr, unsigned int size, bool write);
void model_device_write(uint64_t phys);
void model_reset_counts(void);
uint64_t model_max_phys(void);

/* One line as one block of code saw it move. */
struct transfer {
	uint64_t line;				/* physical address >> LINE_SHIFT */
	uint64_t vaddr;				/* of the last access */
	const struct block *block;
	uint64_t c2c, c2c_false, upgrade, dma;
};
size_t model_transfers(const struct transfer **list);

/* sched.c */
void sched_init(void);
void sched_enter(unsigned int v);
void sched_charge(struct vcpu *vc, uint64_t units);
void sched_end_turn(struct vcpu *vc);
uint64_t sched_now(void);

/* symbols.c */
int symbols_load(const char *kallsyms, const char *pages);
void symbol_of(uint64_t pc, const char **name, const char **module);
/* Which structure @t's line is part of; @offset within it, -1 where that means nothing. */
const char *owner_of(const struct transfer *t, long *offset);

/* report.c */
void report_write(FILE *f);

#endif
