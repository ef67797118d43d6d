// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of backoff.c: delays double up to the limit, and are forgotten after
 * a healthy time.
 */
#include <stdio.h>

#include "backoff.h"

static int failed;

static void same(const char *what, unsigned int expected, unsigned int found)
{
	printf("%sok - backoff: %s: %u, expected %u\n", expected == found ? "" : "not ", what, found,
	       expected);
	failed |= expected != found;
}

int main(void)
{
	same("first delay", 100, backoff_delay_ms(1));
	same("second delay", 200, backoff_delay_ms(2));
	same("seventh delay", 6400, backoff_delay_ms(7));
	same("eighth delay is the limit", 10000, backoff_delay_ms(8));
	same("later delays stay there", 10000, backoff_delay_ms(1000000));
	same("delay after 2^32 - 1 deaths", 10000, backoff_delay_ms(4294967295U));
	same("one death", 1, backoff_fails(0, 0));
	same("deaths at once add up", 6, backoff_fails(5, 9999));
	same("a healthy time resets", 1, backoff_fails(5, 10000));
	return failed;
}
