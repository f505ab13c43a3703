/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_DECODE_H
#define LINGER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * x86-64 machine code, reduced to what the planner reasons about. Decoding itself is Zydis's work. Pure: no
 * I/O.
 *
 * Registers are numbered as the encoding numbers them (rax 0 ... r15 15), as in enum site_reg.
 */

#define NO_REG 0xff

enum insn_op {
	INSN_OTHER,
	INSN_MOVE,         /* reg = src (64 bits) */
	INSN_LOAD,         /* reg = [base + disp] */
	INSN_STORE,        /* [base + disp] = src; src NO_REG: a constant in imm */
	INSN_ADD_MEMORY,   /* [base + disp] += imm */
	INSN_TEST,         /* flags of reg against itself, or against zero */
	INSN_TEST_MEMORY,  /* flags of [base + disp] against zero */
	INSN_COMPARE,      /* any other comparison; imm is the constant, if there is one */
	INSN_LEA,          /* reg = base + disp */
	INSN_LEA_ABSOLUTE, /* reg = imm, an address (rip-relative lea, or a constant) */
	INSN_JCC,          /* imm: target address, as of JMP and CALL */
	INSN_JMP,
	INSN_CALL,
	INSN_JMP_INDIRECT, /* through reg, or [base + disp] */
	INSN_CALL_INDIRECT,
	INSN_RET,
};

struct insn {
	uint64_t address;
	int64_t imm;
	int32_t disp;
	uint16_t writes; /* general registers it changes, one bit each */
	uint8_t len;
	uint8_t op;    /* enum insn_op */
	uint8_t width; /* of the access or comparison, in bytes */
	uint8_t reg;   /* see enum insn_op */
	uint8_t src;
	uint8_t base;      /* of the memory operand; NO_REG: none, one with an index, or thread-local */
	bool rip_relative; /* the memory operand is at address imm */
	bool if_zero;      /* of a JCC: decides on the zero flag alone */
	bool writes_flags;
	bool emulated; /* the kernel emulates a uprobe on it: one trap, no single-step */
};

struct decoder;

struct decoder *decoder__new(void);
void decoder__free(struct decoder *decoder);

/*
 * Decodes bytes[0, len), which lie at address, one instruction after the other. Returns the number of
 * instructions (valid until the next call), or -EILSEQ when something is not an instruction or does not end
 * inside, -ENOMEM.
 */
long decoder__run(struct decoder *decoder, const uint8_t *bytes, size_t len, uint64_t address,
		  const struct insn **ret_insns);

/* The same, but a failure ends the row there instead of discarding it. */
long decoder__run_prefix(struct decoder *decoder, const uint8_t *bytes, size_t len, uint64_t address,
			 const struct insn **ret_insns);

#endif /* LINGER_DECODE_H */
