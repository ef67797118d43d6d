// SPDX-License-Identifier: GPL-2.0
/*
 * steer queue-id: a bond's slaves, chosen by the sending CPU through queue_id.
 *
 * Where the program runs: at the bond's egress (tcx), before its queue is
 * picked. bond_select_queue() takes one off the mapping that it finds, and
 * bond_slave_override() then wants the slave whose queue_id is the rest, zero
 * meaning none: so queue_id CPU + 1, mapping CPU + 2, and a bond with more
 * transmit queues than slaves (ip link add ... numtxqueues).
 */
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

#include "insn.h"
#include "steer.h"

/* Linux 6.6; the headers of Debian 12 are older. */
#define TCX_EGRESS	47
#define NEXT		(-1)

void queue_id(int argc, char **argv)
{
	unsigned int slaves = number(argv[1], "how many slaves", 1, 1024);
	const struct bpf_insn insns[] = {
		MOV(BPF_REG_6, BPF_REG_1),
		CALL(BPF_FUNC_get_smp_processor_id),
		MOD_K(BPF_REG_0, (int)slaves),
		ADD_K(BPF_REG_0, 2),
		STORE(BPF_REG_6, offsetof(struct __sk_buff, queue_mapping), BPF_REG_0),
		MOV_K(BPF_REG_0, NEXT),
		EXIT(),
	};
	int device = if_nametoindex(argv[0]);
	int program;

	(void)argc;
	if (!device)
		die(argv[0], "%s", strerror(errno));
	program = program_load(BPF_PROG_TYPE_SCHED_CLS, TCX_EGRESS, insns,
			       sizeof(insns) / sizeof(insns[0]), "queue-id");
	hold(link_create(program, device, TCX_EGRESS, argv[0]));
}
