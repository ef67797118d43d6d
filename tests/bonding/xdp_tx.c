// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_tx DEVICE PORT: an XDP program that sends each datagram to this UDP port back to the MAC address
 * that it came from, and passes the rest. DEVICE is a bond; its slaves run the program.
 *
 * Prints the pid of the process that holds it; with that it goes.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "insn.h"
#include "steer.h"

_Noreturn void die(const char *object, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "xdp_tx: %s: ", object);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

unsigned int number(const char *text, const char *what, unsigned int least, unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < least || value > most)
		die(text, "want %s", what);
	return value;
}

#define GET(size, dst, at)	INSN(BPF_LDX | BPF_MEM | (size), dst, BPF_REG_6, at, 0)
#define PUT(size, at, src)	INSN(BPF_STX | BPF_MEM | (size), BPF_REG_6, src, at, 0)

int main(int argc, char **argv)
{
	int device;

	if (argc != 3)
		die("usage", "xdp_tx DEVICE PORT");
	device = if_nametoindex(argv[1]);
	if (!device)
		die(argv[1], "no such device");

	/* Frames are IPv4 without options. */
	const struct bpf_insn insns[] = {
		LOAD(BPF_REG_6, BPF_REG_1, 0),
		LOAD(BPF_REG_2, BPF_REG_1, 4),
		MOV(BPF_REG_3, BPF_REG_6),
		ADD_K(BPF_REG_3, 42),
		INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_3, BPF_REG_2, 16, 0),
		GET(BPF_H, BPF_REG_0, 12),
		JUMP_NE_K(BPF_REG_0, htons(0x0800), 14),
		GET(BPF_B, BPF_REG_0, 23),
		JUMP_NE_K(BPF_REG_0, IPPROTO_UDP, 12),
		GET(BPF_H, BPF_REG_0, 36),
		JUMP_NE_K(BPF_REG_0, htons(number(argv[2], "a port", 1, 65535)), 10),
		/* the two addresses change places, by halves of six bytes */
		GET(BPF_W, BPF_REG_2, 0),
		GET(BPF_H, BPF_REG_3, 4),
		GET(BPF_W, BPF_REG_4, 6),
		GET(BPF_H, BPF_REG_5, 10),
		PUT(BPF_W, 0, BPF_REG_4),
		PUT(BPF_H, 4, BPF_REG_5),
		PUT(BPF_W, 6, BPF_REG_2),
		PUT(BPF_H, 10, BPF_REG_3),
		MOV_K(BPF_REG_0, XDP_TX),
		EXIT(),
		MOV_K(BPF_REG_0, XDP_PASS),
		EXIT(),
	};

	hold(link_create(program_load(BPF_PROG_TYPE_XDP, BPF_XDP, insns, sizeof(insns) / sizeof(*insns), "xdp"),
			 device, BPF_XDP, "xdp"));
}
