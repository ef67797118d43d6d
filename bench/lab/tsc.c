// SPDX-License-Identifier: GPL-2.0
/*
 * tsc.c - prints the rate of this machine's time-stamp counter in kHz, which a
 * guest under TCG sees as its own; nothing where there is no such counter. On a
 * busy host the guest's own calibration is wrong by factors.
 */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)

struct sample {
	unsigned long long tsc;
	long long ns;
};

/* Both clocks at one moment: of several tries the one with the least between. */
static struct sample both(void)
{
	struct sample best = { 0 };
	unsigned long long least = ULLONG_MAX;
	int i;

	for (i = 0; i < 100; i++) {
		unsigned long long before = __builtin_ia32_rdtsc(), after;
		struct timespec ts;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		after = __builtin_ia32_rdtsc();
		if (after - before < least) {
			least = after - before;
			best.tsc = before + least / 2;
			best.ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	struct sample begin = both(), end;

	nanosleep(&pause, NULL);
	end = both();
	printf("%.0f\n", (end.tsc - begin.tsc) * 1e6 / (end.ns - begin.ns));
	return 0;
}

#else

int main(void)
{
	return 0;
}

#endif
