/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few BPF instructions that our programs are made of.
 *
 * The kernel's own macros (include/linux/filter.h) are no part of its user API.
 */
#ifndef STEER_INSN_H
#define STEER_INSN_H

#include <linux/bpf.h>

#define INSN(op, dst, src, offset, value) \
	((struct bpf_insn){ .code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value) })

#define MOV(dst, src)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_K(dst, k)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, k)
#define ADD_K(dst, k)		INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, k)
#define MOD_K(dst, k)		INSN(BPF_ALU64 | BPF_MOD | BPF_K, dst, 0, 0, k)
#define LOAD(dst, src, off)	INSN(BPF_LDX | BPF_MEM | BPF_W, dst, src, off, 0)
#define STORE(dst, off, src)	INSN(BPF_STX | BPF_MEM | BPF_W, dst, src, off, 0)
#define JUMP_EQ_K(reg, k, by)	INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, by, k)
#define JUMP_NE_K(reg, k, by)	INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, by, k)
#define CALL(helper)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT()			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* two instructions long */
#define LOAD_MAP(dst, fd)	INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), \
				INSN(0, 0, 0, 0, 0)

#endif
