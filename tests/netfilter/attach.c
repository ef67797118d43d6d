// SPDX-License-Identifier: GPL-2.0
/*
 * attach: a small BPF program on a device, of those that a service may meet.
 *
 *   attach xdp DEVICE                     XDP that passes every frame
 *   attach assign DEVICE FROM TO PID      tc: SYNs over IPv4 to port TO are given the listener
 *                                         that process PID has on port FROM
 *
 * Prints the pid of the process that holds it; with that it goes. By system call, with
 * bench/steer's few instructions: no compiler for BPF is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "insn.h"
#include "steer.h"

/* Newer than Debian 12's header. */
#define TCX_INGRESS 46

_Noreturn void die(const char *object, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "attach: %s: ", object);
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

static void xdp(int device)
{
	const struct bpf_insn insns[] = {
		MOV_K(BPF_REG_0, XDP_PASS),
		EXIT(),
	};

	hold(link_create(program_load(BPF_PROG_TYPE_XDP, BPF_XDP, insns, 2, "xdp"),
			 device, BPF_XDP, "xdp"));
}

#define LOAD_ABS(size, at)	INSN(BPF_LD | BPF_ABS | (size), 0, 0, 0, at)

static void assign(int device, char **args)
{
	unsigned int to = number(args[1], "a port", 1, 65535);
	int *fds, map;
	size_t count;

	fds = listeners(number(args[0], "a port", 1, 65535), &args[2], 1, &count);
	map = sockmap_create(fds, 1);
	close_all(fds, count);

	const struct bpf_insn insns[] = {
		MOV(BPF_REG_6, BPF_REG_1),
		/* Ethernet, IPv4 without options, TCP, the destination port, SYN without ACK:
		 * the kernel finds the others' socket by itself.
		 */
		LOAD_ABS(BPF_H, 12),
		JUMP_NE_K(BPF_REG_0, 0x0800, 24),
		LOAD_ABS(BPF_B, 14),
		JUMP_NE_K(BPF_REG_0, 0x45, 22),
		LOAD_ABS(BPF_B, 23),
		JUMP_NE_K(BPF_REG_0, IPPROTO_TCP, 20),
		LOAD_ABS(BPF_H, 36),
		JUMP_NE_K(BPF_REG_0, (int)to, 18),
		LOAD_ABS(BPF_B, 47),
		INSN(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, 0x12),
		JUMP_NE_K(BPF_REG_0, 0x02, 15),
		MOV_K(BPF_REG_0, 0),
		STORE(BPF_REG_10, -4, BPF_REG_0),
		LOAD_MAP(BPF_REG_1, map),
		MOV(BPF_REG_2, BPF_REG_10),
		ADD_K(BPF_REG_2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_EQ_K(BPF_REG_0, 0, 7),
		MOV(BPF_REG_7, BPF_REG_0),
		MOV(BPF_REG_1, BPF_REG_6),
		MOV(BPF_REG_2, BPF_REG_7),
		MOV_K(BPF_REG_3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOV(BPF_REG_1, BPF_REG_7),
		CALL(BPF_FUNC_sk_release),
		MOV_K(BPF_REG_0, -1),	/* TCX_NEXT */
		EXIT(),
	};

	hold(link_create(program_load(BPF_PROG_TYPE_SCHED_CLS, TCX_INGRESS, insns,
				      sizeof(insns) / sizeof(*insns), "assign"),
			 device, TCX_INGRESS, "assign"));
}

int main(int argc, char **argv)
{
	int device;

	if (argc < 3)
		die("usage", "attach xdp DEVICE, or attach assign DEVICE FROM TO PID");
	device = if_nametoindex(argv[2]);
	if (!device)
		die(argv[2], "is no device");
	if (!strcmp(argv[1], "xdp"))
		xdp(device);
	if (argc != 6 || strcmp(argv[1], "assign"))
		die("usage", "attach assign DEVICE FROM TO PID");
	assign(device, argv + 3);
}
