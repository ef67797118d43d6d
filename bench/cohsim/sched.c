// SPDX-License-Identifier: GPL-2.0
/*
 * sched.c - modelled time: owns every vCPU's clock and who runs until when.
 *
 * QEMU runs the vCPUs one after the other on one thread, in ascending order. A vCPU
 * runs until its clock reaches the round's end or it has taken a line from another
 * core, then asks QEMU to go on to the next (cpu_exit). Once all have reached the
 * end the next round begins. Nobody ever waits for another, so nothing can deadlock.
 *
 * Ending a turn at each taken line is what makes contention visible: a core that
 * lags would else use the line it just got over and over before the others may ask.
 *
 * A block of code is not interrupted, and each turn executes at least one, so a vCPU
 * may be past the end of its round; the next round lasts until the others are there.
 *
 * Why a vCPU's clock may lie behind the round's beginning:
 *   it was halted     it slept; that is idle time
 *   it executed PAUSE QEMU ended its turn at once; a core would have spun that long
 *   else              its turn ended early, for a line or for QEMU's timers: it catches up
 */
#include "cohsim.h"
#include "qemu_api.h"

struct vcpu vcpus[MAX_VCPUS];

static uint64_t round_begin, round_end, latest;
static unsigned int current = MAX_VCPUS;
static bool exit_wanted, behind;		/* behind: somebody has not reached the end yet */
static uint64_t random_state;

/* xorshift64*, Marsaglia 2003 / Vigna 2016 */
static uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

/* All had a turn. The seed varies the interleaving: a round is half a quantum to one. */
static void next_round(void)
{
	uint64_t q = opt.quantum * UNIT;

	if (behind) {
		behind = false;
		return;
	}
	round_begin = round_end;
	round_end += q - next_random() % (q / 2 + 1);
	if (round_end < latest)
		round_end = latest;
}

void sched_init(void)
{
	unsigned int v;

	random_state = opt.seed * 0x9e3779b97f4a7c15ull | 1;
	for (v = 0; v < opt.vcpus; v++)
		vcpus[v].halted = true;	/* whatever it did before is not our time */
	next_round();
}

/* Called before each block that vCPU @v executes. */
void sched_enter(unsigned int v)
{
	struct vcpu *vc = &vcpus[v];

	if (v == current && !exit_wanted && !vc->halted && !vc->paused)
		return;
	if (current < MAX_VCPUS) {
		struct vcpu *last = &vcpus[current];

		behind |= last->clock < round_end && !last->halted && !last->paused;
	}
	if (v <= current)	/* wrapped, or nobody else can run */
		next_round();
	current = v;
	exit_wanted = false;
	if (vc->clock < round_begin && (vc->halted || vc->paused)) {
		uint64_t gap = round_begin - vc->clock;

		if (vc->halted) {
			vc->idle += gap;
		} else {
			vc->wait += gap;
			vc->n.cycles += gap;
			if (vc->server && vc->block)
				vc->block->n.cycles += gap;
		}
		vc->clock = round_begin;
	}
	vc->halted = false;
	vc->paused = false;
}

void sched_end_turn(struct vcpu *vc)
{
	if (!exit_wanted) {
		exit_wanted = true;
		cpu_exit(vc->cpu);
	}
}

void sched_charge(struct vcpu *vc, uint64_t units)
{
	vc->n.cycles += units;
	if (vc->server)
		vc->block->n.cycles += units;
	vc->clock += units;
	if (vc->clock >= round_end)
		sched_end_turn(vc);
	if (vc->clock > latest)
		latest = vc->clock;
}

uint64_t sched_now(void)
{
	return round_begin;
}
