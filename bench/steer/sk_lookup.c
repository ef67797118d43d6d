// SPDX-License-Identifier: GPL-2.0
/*
 * steer sk-lookup: a new flow to a port goes to the listener of the CPU that
 * its SYN is on, whatever address and port that listener is bound to.
 *
 * Where the program runs: in softirq, when a TCP segment has found no
 * established socket (net/ipv4/inet_hashtables.c, inet_lookup_run_sk_lookup()), so
 * once a connection. Listeners in the map are not counted, nothing is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "insn.h"
#include "steer.h"

void sk_lookup(int argc, char **argv)
{
	unsigned int port = number(argv[0], "a port", 1, 65535);
	size_t count;
	int *fds = listeners(port, argv + 1, argc - 1, &count);
	int netns, map, program;

	if (count != (size_t)argc - 1)
		die(argv[0], "%zu listeners in %d processes; each is to have one, so that the k-th is CPU k's",
		    count, argc - 1);
	map = sockmap_create(fds, count);
	close_all(fds, count);

	const struct bpf_insn insns[] = {
		LOAD(BPF_REG_2, BPF_REG_1, offsetof(struct bpf_sk_lookup, protocol)),
		JUMP_NE_K(BPF_REG_2, IPPROTO_TCP, 19),
		LOAD(BPF_REG_2, BPF_REG_1, offsetof(struct bpf_sk_lookup, local_port)),
		JUMP_NE_K(BPF_REG_2, (int)port, 17),
		MOV(BPF_REG_6, BPF_REG_1),
		CALL(BPF_FUNC_get_smp_processor_id),
		MOD_K(BPF_REG_0, (int)count),
		STORE(BPF_REG_10, -4, BPF_REG_0),
		LOAD_MAP(BPF_REG_1, map),
		MOV(BPF_REG_2, BPF_REG_10),
		ADD_K(BPF_REG_2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		/* A listener that has gone: to whoever the port is bound by. */
		JUMP_EQ_K(BPF_REG_0, 0, 7),
		MOV(BPF_REG_7, BPF_REG_0),
		MOV(BPF_REG_1, BPF_REG_6),
		MOV(BPF_REG_2, BPF_REG_7),
		MOV_K(BPF_REG_3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOV(BPF_REG_1, BPF_REG_7),
		CALL(BPF_FUNC_sk_release),
		MOV_K(BPF_REG_0, SK_PASS),
		EXIT(),
	};

	program = program_load(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, insns,
			       sizeof(insns) / sizeof(insns[0]), "sk_lookup");
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		die("/proc/self/ns/net", "%s", strerror(errno));
	hold(link_create(program, netns, BPF_SK_LOOKUP, "sk_lookup"));
}
