/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "decode.h"
#include "machine_code_test.h"
#include "trace.h"

#define ADDRESS UINT64_C(0x401000)

static struct decoder *decoder;

static int setup(void **state)
{
	decoder = decoder__new();
	return decoder ? 0 : -1;
}

static int teardown(void **state)
{
	decoder__free(decoder);
	return 0;
}

static long decode(const char *hex, const struct insn **ret_insns)
{
	size_t len;
	uint8_t *bytes = bytes_of_hex(hex, &len);
	long n = decoder__run(decoder, bytes, len, ADDRESS, ret_insns);

	free(bytes);
	return n;
}

static struct insn decode_one(const char *hex)
{
	const struct insn *insns;

	if (decode(hex, &insns) != 1)
		fail_with("%s: not one instruction", hex);
	assert_int_equal(insns->address, ADDRESS);
	assert_int_equal(insns->len, strlen(hex) / 2);
	return *insns;
}

#define R(name) (1u << SITE_##name)
#define NONE NO_REG

static const struct classified {
	const char *what, *hex; /* gas 2.40 */
	enum insn_op op;
	uint8_t width, reg, src, base;
	int32_t disp;
	int64_t imm;
	uint16_t writes;
} classified[] = {
	{"mov %rsi,%r15", "4989f7", INSN_MOVE, 0, SITE_R15, SITE_RSI, NONE, 0, 0, R(R15)},
	{"mov %eax,%ecx", "89c1", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RCX)},
	{"mov 8(%rdx),%rax", "488b4208", INSN_LOAD, 8, SITE_RAX, NONE, SITE_RDX, 8, 0, R(RAX)},
	{"mov 8(%rdx),%eax", "8b4208", INSN_LOAD, 4, SITE_RAX, NONE, SITE_RDX, 8, 0, R(RAX)},
	{"mov 8(%rdx),%ah", "8a6208", INSN_LOAD, 1, SITE_RAX, NONE, SITE_RDX, 8, 0, R(RAX)},
	{"mov -0x10(%r12),%r13", "4d8b6c24f0", INSN_LOAD, 8, SITE_R13, NONE, SITE_R12, -0x10, 0, R(R13)},
	{"mov 0(%rbp),%rdi", "488b7d00", INSN_LOAD, 8, SITE_RDI, NONE, SITE_RBP, 0, 0, R(RDI)},
	{"mov 8(%rdx,%rcx,8),%rax", "488b44ca08", INSN_LOAD, 8, SITE_RAX, NONE, NONE, 8, 0, R(RAX)},
	{"mov %fs:-0x18,%rax", "64488b0425e8ffffff", INSN_LOAD, 8, SITE_RAX, NONE, NONE, -0x18, 0, R(RAX)},
	{"mov %fs:8(%rdx),%rax", "64488b4208", INSN_LOAD, 8, SITE_RAX, NONE, NONE, 8, 0, R(RAX)},
	{"movzbl 8(%rdx),%eax", "0fb64208", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RAX)},
	{"mov %rcx,8(%rdx)", "48894a08", INSN_STORE, 8, NONE, SITE_RCX, SITE_RDX, 8, 0, 0},
	{"mov %ecx,(%rsp)", "890c24", INSN_STORE, 4, NONE, SITE_RCX, SITE_RSP, 0, 0, 0},
	{"movl $0xffff,0x24(%rax)", "c74024ffff0000", INSN_STORE, 4, NONE, NONE, SITE_RAX, 0x24, 0xffff, 0},
	{"movq $-1,8(%rdx)", "48c74208ffffffff", INSN_STORE, 8, NONE, NONE, SITE_RDX, 8, -1, 0},
	{"movups 8(%rax),%xmm0", "0f104008", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, 0},
	{"movq %xmm0,%r12", "66490f7ec4", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(R12)},
	{"addl $1,(%rdx)", "830201", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, 1, 0},
	{"addl $-1,(%rdx)", "8302ff", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, -1, 0},
	{"subl $1,(%rdx)", "832a01", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, -1, 0},
	{"subl $-1,(%rdx)", "832aff", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, 1, 0},
	{"incl (%rdx)", "ff02", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, 1, 0},
	{"decq 8(%r9)", "49ff4908", INSN_ADD_MEMORY, 8, NONE, NONE, SITE_R9, 8, -1, 0},
	{"lock addl $1,(%rdx)", "f0830201", INSN_ADD_MEMORY, 4, NONE, NONE, SITE_RDX, 0, 1, 0},
	{"add %eax,(%rdx)", "0102", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, 0},
	{"add $1,%rdx", "4883c201", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RDX)},
	{"test %rcx,%rcx", "4885c9", INSN_TEST, 8, SITE_RCX, NONE, NONE, 0, 0, 0},
	{"test %ecx,%ecx", "85c9", INSN_TEST, 4, SITE_RCX, NONE, NONE, 0, 0, 0},
	{"cmp $0,%r9", "4983f900", INSN_TEST, 8, SITE_R9, NONE, NONE, 0, 0, 0},
	{"test %rax,%rcx", "4885c1", INSN_COMPARE, 8, SITE_RCX, NONE, NONE, 0, 0, 0},
	{"test $0,%al", "a800", INSN_COMPARE, 1, SITE_RAX, NONE, NONE, 0, 0, 0},
	{"cmp $0x4fb450,%rax", "483d50b44f00", INSN_COMPARE, 8, SITE_RAX, NONE, NONE, 0, 0x4fb450, 0},
	{"cmpq $0,8(%rdx)", "48837a0800", INSN_TEST_MEMORY, 8, NONE, NONE, SITE_RDX, 8, 0, 0},
	{"cmpl $7,8(%rdx)", "837a0807", INSN_COMPARE, 4, NONE, NONE, SITE_RDX, 8, 7, 0},
	{"testb $0,8(%rdx)", "f6420800", INSN_COMPARE, 1, NONE, NONE, SITE_RDX, 8, 0, 0},
	{"lea -0x10(%rdi),%r8", "4c8d47f0", INSN_LEA, 8, SITE_R8, NONE, SITE_RDI, -0x10, 0, R(R8)},
	{"lea (%rax,%rax,2),%rcx", "488d0c40", INSN_OTHER, 8, SITE_RCX, NONE, NONE, 0, 0, R(RCX)},
	{"mov $0x4f7350,%edx", "ba50734f00", INSN_LEA_ABSOLUTE, 0, SITE_RDX, NONE, NONE, 0, 0x4f7350, R(RDX)},
	{"je .+0x47b", "0f8474040000", INSN_JCC, 0, NONE, NONE, NONE, 0, ADDRESS + 0x47a, 0},
	{"jne .-0x10", "75ee", INSN_JCC, 0, NONE, NONE, NONE, 0, ADDRESS - 0x10, 0},
	{"jmp .-0x2a0", "e95bfdffff", INSN_JMP, 0, NONE, NONE, NONE, 0, ADDRESS - 0x2a0, 0},
	{"jmp .+2", "eb00", INSN_JMP, 0, NONE, NONE, NONE, 0, ADDRESS + 2, 0},
	{"jmp *%rax", "ffe0", INSN_JMP_INDIRECT, 0, SITE_RAX, NONE, NONE, 0, 0, 0},
	{"jmp *8(%rax)", "ff6008", INSN_JMP_INDIRECT, 8, NONE, NONE, SITE_RAX, 8, 0, 0},
	{"ret", "c3", INSN_RET, 0, NONE, NONE, NONE, 0, 0, R(RSP)},
	{"push %rbx", "53", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RSP)},
	{"pop %r15", "415f", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RSP) | R(R15)},
	{"mul %r14", "49f7e6", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RAX) | R(RDX)},
	{"cmove %rax,%rcx", "480f44c8", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RCX)},
	{"xchg %rax,%rcx", "4891", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RAX) | R(RCX)},
	{"rep stosq", "f348ab", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RCX) | R(RDI)},
	{"sete %bh", "0f94c7", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RBX)},
	{"cpuid", "0fa2", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RAX) | R(RBX) | R(RCX) | R(RDX)},
	{"syscall", "0f05", INSN_OTHER, 0, NONE, NONE, NONE, 0, 0, R(RCX) | R(R11)},
};

static void test_classification(void **state)
{
	for (size_t i = 0; i < sizeof(classified) / sizeof(classified[0]); i++) {
		const struct classified *c = &classified[i];
		struct insn insn = decode_one(c->hex);

		if (insn.op != c->op || insn.reg != c->reg || insn.src != c->src || insn.base != c->base)
			fail_with("%s: op %u reg %u src %u base %u", c->what, insn.op, insn.reg, insn.src,
				  insn.base);
		if (insn.disp != c->disp || insn.imm != c->imm || insn.writes != c->writes)
			fail_with("%s: disp %d imm %ld writes %#x", c->what, insn.disp, insn.imm,
				  insn.writes);
		if (insn.width != c->width)
			fail_with("%s: width %u", c->what, insn.width);
		if (insn.rip_relative != (c->base == NONE && strstr(c->what, "%rip")))
			fail_with("%s: rip-relative", c->what);
	}
}

static void test_calls(void **state)
{
	struct insn insn = decode_one("e800010000");

	assert_int_equal(insn.op, INSN_CALL);
	assert_int_equal(insn.imm, ADDRESS + 0x105);
	assert_true(insn.writes & R(RSP));
	insn = decode_one("ffd0");
	assert_int_equal(insn.op, INSN_CALL_INDIRECT);
	assert_int_equal(insn.reg, SITE_RAX);
	insn = decode_one("ff15f80f0000");
	assert_int_equal(insn.op, INSN_CALL_INDIRECT);
	assert_true(insn.rip_relative);
	assert_int_equal(insn.imm, ADDRESS + 6 + 0xff8);
}

/* The address counts from the end of the instruction, constants included. */
static void test_rip_relative(void **state)
{
	struct insn insn = decode_one("488b0507000000");

	assert_int_equal(insn.op, INSN_LOAD);
	assert_true(insn.rip_relative);
	assert_int_equal(insn.base, NO_REG);
	assert_int_equal(insn.imm, ADDRESS + 7 + 7);
	insn = decode_one("488905f9ffffff");
	assert_int_equal(insn.op, INSN_STORE);
	assert_true(insn.rip_relative);
	assert_int_equal(insn.imm, ADDRESS + 7 - 7);
	insn = decode_one("4c8d1500100000");
	assert_int_equal(insn.op, INSN_LEA_ABSOLUTE);
	assert_int_equal(insn.reg, SITE_R10);
	assert_false(insn.rip_relative);
	assert_int_equal(insn.imm, ADDRESS + 7 + 0x1000);
	insn = decode_one("833d0010000005");
	assert_int_equal(insn.op, INSN_COMPARE);
	assert_true(insn.rip_relative);
	assert_int_equal(insn.imm, ADDRESS + 7 + 0x1000);
	/* mov 0x959d30,%rax: an absolute address, as static executables have it */
	insn = decode_one("488b0425309d9500");
	assert_int_equal(insn.op, INSN_LOAD);
	assert_true(insn.rip_relative);
	assert_int_equal(insn.imm, 0x959d30);
	/* with an index it is not one address */
	insn = decode_one("488b14c5209d9500");
	assert_int_equal(insn.op, INSN_LOAD);
	assert_false(insn.rip_relative);
	assert_int_equal(insn.base, NO_REG);
}

static void test_flags(void **state)
{
	assert_true(decode_one("4885c9").writes_flags);    /* test */
	assert_true(decode_one("4883c601").writes_flags);  /* add $1,%rsi */
	assert_true(decode_one("31c0").writes_flags);      /* xor %eax,%eax */
	assert_true(decode_one("480fafd6").writes_flags);  /* imul: the zero flag is undefined */
	assert_true(decode_one("83e000").writes_flags);    /* and */
	assert_false(decode_one("4889f7").writes_flags);   /* mov */
	assert_false(decode_one("488d4701").writes_flags); /* lea */
	assert_false(decode_one("7400").writes_flags);     /* je */
	assert_false(decode_one("53").writes_flags);       /* push */
}

static void test_if_zero(void **state)
{
	for (int condition = 0; condition < 16; condition++) {
		char near[16], far[16];

		snprintf(near, sizeof(near), "7%x00", condition);
		snprintf(far, sizeof(far), "0f8%x00000000", condition);
		assert_int_equal(decode_one(near).op, INSN_JCC);
		assert_int_equal(decode_one(far).op, INSN_JCC);
		assert_int_equal(decode_one(near).if_zero, condition == 4 || condition == 5);
		assert_int_equal(decode_one(far).if_zero, condition == 4 || condition == 5);
	}
	assert_false(decode_one("e300").if_zero); /* jrcxz */
	assert_false(decode_one("e100").if_zero); /* loope */
}

/* What arch/x86/kernel/uprobes.c emulates: push_setup_xol_ops, branch_setup_xol_ops. */
static void test_emulated(void **state)
{
	static const char *const emulated[] = {
		"90",           /* nop */
		"53",           /* push %rbx */
		"4157",         /* push %r15 */
		"7400",         /* je */
		"0f8400000000", /* je */
		"78fe",         /* js */
		"eb00",         /* jmp */
		"e900000000",   /* jmp */
		"e800000000",   /* call */
		"2e7400",       /* je with a segment prefix, as aligned by -mbranches-within-32B-boundaries */
	};

	for (size_t i = 0; i < sizeof(emulated) / sizeof(emulated[0]); i++)
		if (!decode_one(emulated[i]).emulated)
			fail_with("%s is emulated", emulated[i]);
}

static void test_not_emulated(void **state)
{
	static const char *const stepped[] = {
		"4889f7",         /* mov */
		"4885c9",         /* test */
		"f30f1efa",       /* endbr64 */
		"c3",             /* ret */
		"5b",             /* pop */
		"ffd0",           /* call *%rax */
		"ffe0",           /* jmp *%rax */
		"ff30",           /* push (%rax) */
		"fff3",           /* push %rbx in its long form */
		"4053",           /* push %rbx with an empty REX prefix */
		"4957",           /* push %r15 with REX.W */
		"6a00",           /* push $0 */
		"6653",           /* push %bx */
		"0fa0",           /* push %fs */
		"e300",           /* jrcxz */
		"e200",           /* loop */
		"e100",           /* loope */
		"c7f800000000",   /* xbegin */
		"66e900000000",   /* jmp with an operand size: the kernel refuses it */
		"660f8400000000", /* je with an operand size */
	};

	for (size_t i = 0; i < sizeof(stepped) / sizeof(stepped[0]); i++) {
		const struct insn *insns;
		size_t len;
		uint8_t *bytes = bytes_of_hex(stepped[i], &len);

		/* Intel and AMD disagree about the length of a branch with an operand size. */
		assert_true(decoder__run_prefix(decoder, bytes, len, ADDRESS, &insns) > 0);
		if (insns->emulated)
			fail_with("%s is not emulated", stepped[i]);
		free(bytes);
	}
}

static void test_not_instructions(void **state)
{
	const struct insn *insns = NULL;

	assert_int_equal(decode("06", &insns), -EILSEQ);   /* push %es, not in 64-bit mode */
	assert_int_equal(decode("9006", &insns), -EILSEQ); /* after a nop */
	assert_int_equal(decode("0f", &insns), -EILSEQ);   /* the first half of an opcode */
	assert_null(insns);
	assert_int_equal(decode("", &insns), 0);
}

/* A row that is cut anywhere but between two instructions is no row; at a boundary it is a shorter one. */
static void test_truncated(void **state)
{
	/* mov 8(%rdx),%rax; addl $1,(%rdx); mov (%rax),%rcx; mov %rcx,8(%rdx); test %rcx,%rcx; je far */
	static const char row[] = "488b4208830201488b0848894a084885c90f84d0020000";
	static const size_t ends[] = {4, 7, 10, 14, 17, 23};
	const struct insn *insns;
	size_t n = 0, len;
	uint8_t *bytes = bytes_of_hex(row, &len);

	for (size_t cut = 4; cut <= len; cut++) {
		uint8_t *exact = malloc(cut);

		memcpy(exact, bytes, cut);
		while (n + 1 < sizeof(ends) / sizeof(ends[0]) && ends[n + 1] <= cut)
			n++;
		assert_int_equal(decoder__run(decoder, exact, cut, ADDRESS, &insns),
				 ends[n] == cut ? (long)n + 1 : -EILSEQ);
		assert_int_equal(decoder__run_prefix(decoder, exact, cut, ADDRESS, &insns), n + 1);
		assert_int_equal(insns[n].address + insns[n].len, ADDRESS + ends[n]);
		free(exact);
	}
	free(bytes);
}

static void test_many(void **state)
{
	const struct insn *insns;
	uint8_t *nops = malloc(5000);

	memset(nops, 0x90, 5000);
	assert_int_equal(decoder__run(decoder, nops, 5000, ADDRESS, &insns), 5000);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(insns[i].address, ADDRESS + i);
	free(nops);
}

static void test_random_bytes(void **state)
{
	uint64_t random = 0x1234567890abcdef;

	for (int round = 0; round < 20000; round++) {
		size_t len = random_below(&random, 64);
		uint8_t *bytes = malloc(len + 1);
		uint64_t at = ADDRESS;
		const struct insn *insns;
		long n;

		fill_random(&random, bytes, len);
		bytes = realloc(bytes, len ? len : 1);
		n = decoder__run_prefix(decoder, bytes, len, ADDRESS, &insns);
		assert_true(n >= 0);
		for (long i = 0; i < n; at += insns[i++].len) {
			assert_int_equal(insns[i].address, at);
			assert_true(insns[i].len > 0 && insns[i].len <= 15);
			assert_true(insns[i].reg < 16 || insns[i].reg == NO_REG);
			assert_true(insns[i].src < 16 || insns[i].src == NO_REG);
			assert_true(insns[i].base < 16 || insns[i].base == NO_REG);
			if (insns[i].op == INSN_MOVE || insns[i].op == INSN_LOAD || insns[i].op == INSN_TEST)
				assert_int_not_equal(insns[i].reg, NO_REG);
		}
		assert_true(at <= ADDRESS + len);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_classification, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rip_relative, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_if_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_emulated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_emulated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_instructions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
