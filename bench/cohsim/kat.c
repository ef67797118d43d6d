// SPDX-License-Identifier: GPL-2.0
/*
 * kat.c - known-answer tests of the cost model: the only process of a guest.
 *
 * As PID 1 it runs the case that the kernel command line names (case=NAME cores=N
 * ops=N, which the kernel hands to us as environment), one pinned thread per core,
 * between the model's markers, and powers the machine off. What each case must count
 * stands above it; tests/bench/cohsim.sh checks that. An "op" is one turn of a loop.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <unistd.h>

#define MARK(code) __asm__ volatile(".byte 0x0f,0x1f,0x84,0x00," #code ",0x57,0x51,0x00" ::: "memory")
#define LINE __attribute__((aligned(64)))

struct cell {
	volatile uint32_t word[16];
} LINE;

static struct cell turn, shared, other, own[64], go, ready, done;
static int cores, ops;

static void relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static uint32_t atomic_add(volatile uint32_t *p, uint32_t n)
{
	__asm__ volatile("lock xaddl %0, %1" : "+r"(n), "+m"(*p) :: "memory");
	return n;
}

static void wait_for(volatile uint32_t *p, uint32_t value)
{
	while (*p != value)
		relax();
}

/* One line handed round: 1 transfer and 1 upgrade an op (the reader makes it clean). */
static void pingpong(int me)
{
	for (int i = 0; i < ops; i++) {
		wait_for(&turn.word[0], me);
		turn.word[0] = (me + 1) % cores;
	}
}

/* One atomic counter: 1 transfer an op, and no upgrade: an atomic asks once. */
static void counter(int me)
{
	(void)me;
	for (int i = 0; i < ops; i++)
		atomic_add(&shared.word[0], 1);
}

/* A counter each: nothing. */
static void private(int me)
{
	for (int i = 0; i < ops; i++)
		atomic_add(&own[me].word[0], 1);
}

/* One line where each has its own word, one where all use the same: half is false. */
static void false_sharing(int me)
{
	for (int i = 0; i < ops; i++) {
		atomic_add(&other.word[me], 1);
		atomic_add(&shared.word[0], 1);
	}
}

/*
 * A ticket lock that two cores always contend for, so they take it in turn: 3 transfers
 * an op (ticket, owner, what it protects) and 1 upgrade (the owner word, at release).
 */
static void lock(int me)
{
	(void)me;
	for (int i = 0; i < ops; i++) {
		wait_for(&other.word[0], atomic_add(&turn.word[0], 1));
		atomic_add(&shared.word[0], 1);
		other.word[0]++;
	}
}

/*
 * One writer, R readers: the first reader gets the line from the writer, the others
 * find it clean; each reader answers in a line of its own. R+1 transfers, R+1 upgrades
 * and R-1 hits of the shared cache a write.
 */
static void read_mostly(int me)
{
	for (int i = 1; i <= ops; i++) {
		if (me) {
			wait_for(&shared.word[0], i);
			own[me].word[0] = i;
		} else {
			shared.word[0] = i;
			for (int k = 1; k < cores; k++)
				wait_for(&own[k].word[0], i);
		}
	}
}

/* 128 KiB of code, four times the first level: 2048 lines miss it each op. */
static void code(int me)
{
	(void)me;
	for (int i = 0; i < ops; i++)
		__asm__ volatile(".balign 64\n.rept 16384\n.byte 0x0f,0x1f,0x84,0,0,0,0,0\n.endr" ::: "memory");
}

/* 256 KiB of data read line by line: 4096 lines miss the first level each op, none the second. */
static void data(int me)
{
	static struct cell sweep[4096];

	(void)me;
	for (int i = 0; i < ops; i++)
		for (int k = 0; k < 4096; k++)
			(void)sweep[k].word[0];
}

/* 64 MiB of data, twice the shared cache: 1,048,576 lines come from memory each op. */
static void memory(int me)
{
	static struct cell sweep[1 << 20];

	(void)me;
	for (int i = 0; i < ops; i++)
		for (int k = 0; k < 1 << 20; k++)
			(void)sweep[k].word[0];
}

/*
 * Core 0 writes 4 MiB, four times its second level; core 1 then reads the first and the
 * last 64 KiB. What core 0 wrote first has left its caches: 1,024 lines from the shared
 * one. What it wrote last is still its own: 1,024 transfers. When core 0 writes these
 * 2,048 again they are core 1's only: an upgrade each, with the data. The 63,488 others
 * it finds in the shared cache. The two lines by which they wait add one of each.
 */
enum { LINES = 65536, EDGE = 1024 };
static struct cell written[LINES];

static void evict(int me)
{
	for (int i = 0; i < ops; i++) {
		if (!me) {
			for (int k = 0; k < LINES; k++)
				written[k].word[0] = i;
			turn.word[0] = i + 1;
			wait_for(&other.word[0], i + 1);
		} else {
			wait_for(&turn.word[0], i + 1);
			for (int k = 0; k < EDGE; k++)
				(void)written[k].word[0];
			for (int k = LINES - EDGE; k < LINES; k++)
				(void)written[k].word[0];
			other.word[0] = i + 1;
		}
	}
}

static void work(void)
{
	for (int i = 0; i < ops; i++)
		__asm__ volatile(".rept 100\nnop\n.endr");
}

/* Core 1 works, core 0 spins with PAUSE until it has: both are busy for as long. */
static void spin(int me)
{
	if (me) {
		work();
		turn.word[0] = 1;
	} else {
		wait_for(&turn.word[0], 1);
	}
}

/* Core 1 works, core 0 sleeps until it has: idle for as long as the other is busy. */
static void sleeper(int me)
{
	if (me) {
		work();
		turn.word[0] = 1;
		syscall(SYS_futex, &turn.word[0], FUTEX_WAKE, 1, NULL, NULL, 0);
	} else {
		while (!turn.word[0])
			syscall(SYS_futex, &turn.word[0], FUTEX_WAIT, 0, NULL, NULL, 0);
	}
}

static const struct {
	const char *name;
	void (*run)(int me);
} cases[] = {
	{ "pingpong", pingpong }, { "counter", counter }, { "private", private }, { "false", false_sharing },
	{ "lock", lock }, { "readmostly", read_mostly }, { "code", code }, { "data", data },
	{ "memory", memory }, { "evict", evict }, { "spin", spin }, { "sleep", sleeper },
};
static void (*run)(int me);

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("kat: sched_setaffinity");
		reboot(RB_POWER_OFF);
	}
}

static void *thread(void *arg)
{
	int me = (intptr_t)arg;

	pin(me);
	atomic_add(&ready.word[0], 1);
	wait_for(&go.word[0], 1);
	run(me);
	atomic_add(&done.word[0], 1);
	wait_for(&go.word[0], 2);	/* its end is not part of the region */
	return NULL;
}

int main(void)
{
	const char *name = getenv("case");
	pthread_t t;

	cores = atoi(getenv("cores") ?: "0");
	ops = atoi(getenv("ops") ?: "0");
	for (size_t i = 0; name && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(name, cases[i].name))
			run = cases[i].run;
	if (!run || cores < 1 || cores > 64 || ops < 1) {
		fprintf(stderr, "kat: want case=NAME cores=N ops=N\n");
		reboot(RB_POWER_OFF);
	}
	pin(0);
	for (intptr_t k = 1; k < cores; k++)
		if (pthread_create(&t, NULL, thread, (void *)k))
			reboot(RB_POWER_OFF);
	MARK(3);
	wait_for(&ready.word[0], cores - 1);
	/* The first pass fills the caches. */
	if (run == data || run == code || run == memory)
		run(0);
	else if (run == evict)
		for (int k = 0; k < LINES; k++)
			written[k].word[0] = -1;
	MARK(1);
	go.word[0] = 1;
	run(0);
	wait_for(&done.word[0], cores - 1);
	MARK(2);
	reboot(RB_POWER_OFF);
	return 0;
}
