// SPDX-License-Identifier: GPL-2.0
/*
 * mark.c - tells bench/cohsim where the guest is in its run: mark start|stop|on.
 *
 * Executes one no-operation whose operand cohsim looks for. On a processor, and
 * under a QEMU without the plugin, it does nothing at all.
 */
#include <stdio.h>
#include <string.h>

/* nopl 0x515700 + code(%rax,%rax,1) */
#define MARK(code) __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, " #code ", 0x57, 0x51, 0x00")

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "start")) {		/* the measured region begins */
		MARK(1);
	} else if (!strcmp(what, "stop")) {
		MARK(2);
	} else if (!strcmp(what, "on")) {	/* caches and clocks are modelled from here on */
		MARK(3);
	} else {
		fprintf(stderr, "usage: mark start|stop|on\n");
		return 2;
	}
	return 0;
}
