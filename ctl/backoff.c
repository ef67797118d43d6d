// SPDX-License-Identifier: GPL-2.0
/*
 * When a server that died is started again.
 */
#include "backoff.h"

unsigned int backoff_fails(unsigned int fails, uint64_t lived_ms)
{
	return lived_ms >= BACKOFF_HEALTHY_MS ? 1 : fails + 1;
}

unsigned int backoff_delay_ms(unsigned int fails)
{
	unsigned int delay = BACKOFF_FIRST_MS;

	while (--fails && delay < BACKOFF_MOST_MS)
		delay *= 2;
	return delay < BACKOFF_MOST_MS ? delay : BACKOFF_MOST_MS;
}
