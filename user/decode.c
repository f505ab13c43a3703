// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "decode.h"

#include <errno.h>
#include <stdlib.h>

#include <Zydis/Zydis.h>

#include "array.h"

struct decoder {
	ZydisDecoder zydis;
	struct insn *insns;
	size_t capacity;
};

/* One instruction as Zydis gives it. */
struct decoded {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

struct decoder *decoder__new(void)
{
	struct decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return NULL;
	ZydisDecoderInit(&decoder->zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return decoder;
}

void decoder__free(struct decoder *decoder)
{
	if (!decoder)
		return;
	free(decoder->insns);
	free(decoder);
}

/* The number of a general register, whatever its width. */
static uint8_t reg_number(ZydisRegister reg)
{
	ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (wide < ZYDIS_REGISTER_RAX || wide > ZYDIS_REGISTER_R15)
		return NO_REG;
	return ZydisRegisterGetId(wide);
}

static bool is_register(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && reg_number(op->reg.value) != NO_REG;
}

static bool is_memory(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static bool is_immediate(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static uint16_t written_registers(const struct decoded *d)
{
	uint16_t mask = 0;

	for (int i = 0; i < d->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &d->operands[i];
		bool is_written = op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
				  op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
		uint8_t number = is_written ? reg_number(op->reg.value) : NO_REG;

		if (number != NO_REG)
			mask |= 1u << number;
	}
	return mask;
}

static void take_memory(struct insn *insn, const ZydisDecodedOperand *op)
{
	insn->disp = op->mem.disp.value;
	insn->width = op->size / 8;
	if (op->mem.index != ZYDIS_REGISTER_NONE || op->mem.segment == ZYDIS_REGISTER_FS)
		return;
	if (op->mem.base == ZYDIS_REGISTER_RIP) {
		insn->rip_relative = true;
		insn->imm = insn->address + insn->len + op->mem.disp.value;
	} else if (op->mem.base == ZYDIS_REGISTER_NONE) {
		insn->rip_relative = true;
		insn->imm = op->mem.disp.value;
	} else {
		insn->base = reg_number(op->mem.base);
	}
}

static void take_move(struct insn *insn, const struct decoded *d)
{
	const ZydisDecodedOperand *to = &d->operands[0], *from = &d->operands[1];

	if (is_register(to) && is_register(from) && to->size == 64) {
		insn->op = INSN_MOVE;
		insn->reg = reg_number(to->reg.value);
		insn->src = reg_number(from->reg.value);
	} else if (is_register(to) && is_memory(from)) {
		insn->op = INSN_LOAD;
		insn->reg = reg_number(to->reg.value);
		take_memory(insn, from);
	} else if (is_memory(to) && is_register(from)) {
		insn->op = INSN_STORE;
		insn->src = reg_number(from->reg.value);
		take_memory(insn, to);
	} else if (is_memory(to) && is_immediate(from)) {
		insn->op = INSN_STORE;
		take_memory(insn, to);
		insn->imm = from->imm.value.s;
	} else if (is_register(to) && is_immediate(from)) {
		insn->op = INSN_LEA_ABSOLUTE;
		insn->reg = reg_number(to->reg.value);
		insn->imm = from->imm.value.s;
	}
}

static void take_lea(struct insn *insn, const struct decoded *d)
{
	take_memory(insn, &d->operands[1]);
	insn->reg = reg_number(d->operands[0].reg.value);
	if (insn->rip_relative)
		insn->op = INSN_LEA_ABSOLUTE;
	else if (insn->base != NO_REG)
		insn->op = INSN_LEA;
	insn->rip_relative = false;
}

static void take_add(struct insn *insn, const struct decoded *d)
{
	const ZydisDecodedOperand *to = &d->operands[0], *by = &d->operands[1];
	ZydisMnemonic mnemonic = d->insn.mnemonic;
	bool one = mnemonic == ZYDIS_MNEMONIC_INC || mnemonic == ZYDIS_MNEMONIC_DEC;
	bool down = mnemonic == ZYDIS_MNEMONIC_SUB || mnemonic == ZYDIS_MNEMONIC_DEC;

	if (!is_memory(to) || !(one || is_immediate(by)))
		return;
	insn->op = INSN_ADD_MEMORY;
	take_memory(insn, to);
	insn->imm = one ? 1 : by->imm.value.s;
	if (down)
		insn->imm = -insn->imm;
}

static void take_compare(struct insn *insn, const struct decoded *d)
{
	const ZydisDecodedOperand *a = &d->operands[0], *b = &d->operands[1];
	bool zero = is_immediate(b) && b->imm.value.s == 0;

	insn->op = INSN_COMPARE;
	insn->width = a->size / 8;
	if (d->insn.mnemonic == ZYDIS_MNEMONIC_TEST)
		zero = is_register(a) && is_register(b) && a->reg.value == b->reg.value;
	if (is_register(a)) {
		insn->reg = reg_number(a->reg.value);
		if (zero)
			insn->op = INSN_TEST;
	} else if (is_memory(a)) {
		take_memory(insn, a);
		if (zero && d->insn.mnemonic == ZYDIS_MNEMONIC_CMP)
			insn->op = INSN_TEST_MEMORY;
	}
	if (is_immediate(b) && !insn->rip_relative)
		insn->imm = b->imm.value.s;
}

static void take_branch(struct insn *insn, const struct decoded *d, enum insn_op direct,
			enum insn_op indirect)
{
	const ZydisDecodedOperand *op = &d->operands[0];

	insn->op = indirect;
	if (is_memory(op))
		take_memory(insn, op);
	else if (is_register(op))
		insn->reg = reg_number(op->reg.value);
	if (!is_immediate(op) || !op->imm.is_relative)
		return;
	insn->op = direct;
	insn->imm = insn->address + insn->len + op->imm.value.s;
}

static bool is_rex_b(const ZydisDecodedInstruction *raw)
{
	return raw->raw.rex.B && !raw->raw.rex.W && !raw->raw.rex.R && !raw->raw.rex.X;
}

/*
 * What the kernel emulates: arch/x86/kernel/uprobes.c, push_setup_xol_ops and branch_setup_xol_ops, which go
 * by opcode. Other encodings of the same instruction are stepped, and branches with an operand size are
 * refused.
 */
static bool is_emulated(const struct insn *insn, const struct decoded *d)
{
	const ZydisDecodedInstruction *raw = &d->insn;

	if (raw->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		return false;
	switch (raw->mnemonic) {
	case ZYDIS_MNEMONIC_NOP:
		return raw->length == 1;
	case ZYDIS_MNEMONIC_PUSH:
		return (raw->opcode & 0xf8) == 0x50 && raw->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
		       (raw->length == 1 || (raw->length == 2 && is_rex_b(raw)));
	case ZYDIS_MNEMONIC_JCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_XBEGIN:
		return false;
	default:
		return insn->op == INSN_JCC || insn->op == INSN_JMP || insn->op == INSN_CALL;
	}
}

static void classify(struct insn *insn, const struct decoded *d)
{
	switch (d->insn.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		take_move(insn, d);
		break;
	case ZYDIS_MNEMONIC_LEA:
		take_lea(insn, d);
		break;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
		take_add(insn, d);
		break;
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
		take_compare(insn, d);
		break;
	case ZYDIS_MNEMONIC_RET:
		insn->op = INSN_RET;
		break;
	case ZYDIS_MNEMONIC_JMP:
		take_branch(insn, d, INSN_JMP, INSN_JMP_INDIRECT);
		break;
	case ZYDIS_MNEMONIC_CALL:
		take_branch(insn, d, INSN_CALL, INSN_CALL_INDIRECT);
		break;
	default:
		if (d->insn.meta.category == ZYDIS_CATEGORY_COND_BR)
			take_branch(insn, d, INSN_JCC, INSN_OTHER);
		insn->if_zero =
			d->insn.mnemonic == ZYDIS_MNEMONIC_JZ || d->insn.mnemonic == ZYDIS_MNEMONIC_JNZ;
		break;
	}
}

static void reduce(struct insn *insn, const struct decoded *d, uint64_t address)
{
	const ZydisAccessedFlags *flags = d->insn.cpu_flags;

	*insn = (struct insn){
		.address = address,
		.len = d->insn.length,
		.reg = NO_REG,
		.src = NO_REG,
		.base = NO_REG,
		.writes = written_registers(d),
		.writes_flags = flags && (flags->modified | flags->set_0 | flags->set_1 | flags->undefined),
	};
	classify(insn, d);
	insn->emulated = is_emulated(insn, d);
}

static int grow(struct decoder *decoder, size_t n)
{
	struct insn *insns = array__grow(decoder->insns, n, &decoder->capacity, sizeof(*insns));

	if (!insns)
		return -ENOMEM;
	decoder->insns = insns;
	return 0;
}

long decoder__run_prefix(struct decoder *decoder, const uint8_t *bytes, size_t len, uint64_t address,
			 const struct insn **ret_insns)
{
	struct decoded d;
	size_t at = 0;
	long n = 0;

	while (at < len) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder->zydis, bytes + at, len - at, &d.insn,
							 d.operands)))
			break;
		if (grow(decoder, n))
			return -ENOMEM;
		reduce(&decoder->insns[n++], &d, address + at);
		at += d.insn.length;
	}
	*ret_insns = decoder->insns;
	return n;
}

long decoder__run(struct decoder *decoder, const uint8_t *bytes, size_t len, uint64_t address,
		  const struct insn **ret_insns)
{
	const struct insn *insns;
	long n = decoder__run_prefix(decoder, bytes, len, address, &insns);

	if (n < 0 || !len)
		return n;
	if (!n || insns[n - 1].address + insns[n - 1].len != address + len)
		return -EILSEQ;
	*ret_insns = insns;
	return n;
}
