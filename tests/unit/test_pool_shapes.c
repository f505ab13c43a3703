/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "machine_code_test.h"
#include "pool_shapes.h"

static struct decoder *decoder;
static struct pool_shapes *shapes;

static int setup(void **state)
{
	decoder = decoder__new();
	shapes = pool_shapes__new();
	return decoder && shapes ? 0 : -1;
}

static int teardown(void **state)
{
	decoder__free(decoder);
	pool_shapes__free(shapes);
	return 0;
}

#define MAX_PIECES 3
#define MAX_INSNS 256

/* A function in pieces: what lies between them is not decoded. */
struct piece {
	uint64_t address;
	const char *hex;
};

struct fixture {
	const char *what; /* and the build that the bytes come from */
	struct piece code[MAX_PIECES];
	struct shape_site site; /* address 0: none */
	size_t n_unlocated;
	bool initialises_pools;
};

static size_t decode_pieces(const struct piece *code, struct insn *ret_insns)
{
	size_t n = 0;

	for (size_t i = 0; i < MAX_PIECES && code[i].hex; i++) {
		const struct insn *insns;
		size_t len;
		uint8_t *bytes = bytes_of_hex(code[i].hex, &len);
		long count = decoder__run(decoder, bytes, len, code[i].address, &insns);

		assert_true(count > 0 && n + count <= MAX_INSNS);
		memcpy(ret_insns + n, insns, count * sizeof(*insns));
		n += count;
		free(bytes);
	}
	return n;
}

static const struct shape_result *scan_pieces(const struct piece *code)
{
	static struct insn insns[MAX_INSNS];
	const struct shape_result *result;

	assert_int_equal(pool_shapes__scan(shapes, insns, decode_pieces(code, insns), &result), 0);
	return result;
}

static void check_fixture(const struct fixture *f)
{
	const struct shape_result *result = scan_pieces(f->code);
	size_t n = f->site.address != 0;

	if (result->n_sites != n || result->n_unlocated != f->n_unlocated)
		fail_with("%s: %zu sites, %zu unlocated", f->what, result->n_sites, result->n_unlocated);
	if (result->initialises_pools != f->initialises_pools)
		fail_with("%s: slow path: %d", f->what, result->initialises_pools);
	if (n && (result->sites[0].address != f->site.address ||
		  result->sites[0].cookie.value != f->site.cookie.value))
		fail_with("%s: at %#lx kind %u place %u reg %u disp %d", f->what, result->sites[0].address,
			  result->sites[0].cookie.kind, result->sites[0].cookie.place,
			  result->sites[0].cookie.reg, result->sites[0].cookie.disp);
}

static void check_all(const struct fixture *fixtures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_fixture(&fixtures[i]);
}

#define CHECK_ALL(fixtures) check_all(fixtures, sizeof(fixtures) / sizeof((fixtures)[0]))

/* clang-format off */
#define SITE(at, site_kind, site_place, site_reg, site_disp) \
	{.address = at, .cookie = {.kind = site_kind, .place = site_place, .reg = site_reg, .disp = site_disp}}
/* clang-format on */

#define BULLSEYE "Debian 11 python3.9 3.9.2-1: "
#define BOOKWORM "Debian 12 python3.11 3.11.2-6+deb12u6: "
#define TRIXIE "Debian 13 python3.13 3.13.5-2+deb13u5: "
#define FORKY "Debian testing python3.14 3.14.8-1: "
#define CLANG "Google Cloud SDK's libpython3.12 3.12.10, clang 20.1: "

static const struct fixture pops[] = {
	/* mov 8(%rdx),%rax; addl $1,(%rdx); mov (%rax),%rcx; mov %rcx,8(%rdx); test %rcx,%rcx; je */
	{BOOKWORM "PyObject_Malloc", .code = {{0x4fb39d, "488b4208830201488b0848894a084885c974085bc3"}},
	 .site = SITE(0x4fb3ae, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* mov %r15,%r10; addl $1,(%rdx); mov %rax,%r15; mov 8(%rdx),%rax; mov (%rax),%rcx; ... */
	{TRIXIE "counted before the head is loaded",
	 .code = {{0x54826b, "4d89fa8302014989c7488b4208488b0848894a084885c90f84d0020000"}},
	 .site = SITE(0x548282, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* incl (%rcx); mov 8(%rcx),%rax; mov (%rax),%rsi; mov %rsi,8(%rcx); test %rsi,%rsi; je; ... */
	{CLANG "PyObject_Malloc", .code = {{0x2ca094, "ff01488b4108488b30488971084885f6743f5b415e415fc3"}},
	 .site = SITE(0x2ca0a4, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* mov 8(%rax),%rdi; addl $1,(%rax); mov %rdi,(%rsp); mov (%rdi),%rdi; mov %rdi,8(%rax); test; je */
	{TRIXIE "the block's register is overwritten; a spill slot without displacement",
	 .code = {{0x5b8fdc, "488b780883000148893c24488b3f488978084885ff0f8443010000488b0424"}},
	 .site = SITE(0x5b8ff1, SITE_POP, SITE_IN_MEMORY, SITE_RSP, 0)},

	/*
	 * mov 8(%rax),%rdx; addl $1,(%rax); mov %rdx,0x10(%rsp); mov (%rdx),%rdx; mov %rdx,8(%rax); test; je
	 */
	{FORKY "the block's register is overwritten; a spill slot",
	 .code = {{0x62d4be, "488b50088300014889542410488b12488950084885d20f8451030000"}},
	 .site = SITE(0x62d4d4, SITE_POP, SITE_IN_MEMORY, SITE_RSP, 0x10)},
};

/* Shapes that no build at hand has, assembled by gas 2.40. */
static const struct fixture assembled_pops[] = {
	/* 8(%rdx) -> %rsi; addl $1,(%rdx); mov %rsi,8(%rsp); mov (%rsi),%rsi; test; je; both: mov
	   %rsi,8(%rdx); ret */
	{"the store is sunk below the branch; a spill slot (a build of 3.11 had this for dict keys)",
	 .code = {{0x1000, "488b72088302014889742408488b364885f6740548897208c348897208c3"}},
	 .site = SITE(0x1012, SITE_POP, SITE_IN_MEMORY, SITE_RSP, 8)},

	/* mov 8(%rdx),%rax; addl $1,(%rdx); mov (%rax),%rax; test; je; both: mov 8(%rdx),%rcx; mov
	   %rax,8(%rdx); ret */
	{"the store is sunk below the branch; the block is only in the pool's head",
	 .code = {{0x1000, "488b4208830201488b004885c07409488b4a0848894208c3488b4a0848894208c3"}},
	 .site = SITE(0x100d, SITE_POP, SITE_IN_MEMORY, SITE_RDX, 8)},

	/*
	 * mov 8(%rdx),%rax; mov (%rax),%rcx; mov %rcx,8(%rdx); test %rcx,%rcx; je; both: addl $1,(%rdx); ret
	 */
	{"the count is sunk below the branch",
	 .code = {{0x1000, "488b4208488b0848894a084885c97404830201c3830201c3"}},
	 .site = SITE(0x100e, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* mov 8(%rdx),%rax; mov (%rax),%rcx; mov %rcx,8(%rdx); test %rcx,%rcx; je 1f; ret; 1: addl $1,(%rdx);
	   ret */
	{"the count is seen only where the jump leads",
	 .code = {{0x1000, "488b4208488b0848894a084885c97401c3830201c3"}},
	 .site = SITE(0x100e, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* mov 8(%rdx),%rax; incl (%rdx); mov (%rax),%rcx; mov %rcx,8(%rdx); cmpq $0,8(%rdx); jne; ret */
	{"the test is a comparison of the new head in memory",
	 .code = {{0x1000, "488b4208ff02488b0848894a0848837a08007500c3"}},
	 .site = SITE(0x1012, SITE_POP, SITE_IN_REGISTER, SITE_RAX, 0)},

	/* mov 8(%rdx),%rax; addl $1,(%rdx); mov %rax,-0x18(%rbp); mov (%rax),%rax; mov %rax,8(%rdx); test;
	   je; ret */
	{"a spill slot relative to rbp",
	 .code = {{0x1000, "488b4208830201488945e8488b00488942084885c07400c3"}},
	 .site = SITE(0x1015, SITE_POP, SITE_IN_MEMORY, SITE_RBP, -0x18)},
};

static const struct fixture pushes[] = {
	/* mov 8(%rsi),%rdx; mov %rdx,(%rdi); mov (%rsi),%eax; mov %rdi,8(%rsi); sub $1,%eax; mov %eax,(%rsi);
	   test; je */
	{BOOKWORM "PyObject_Free",
	 .code = {{0x5009df, "488b56084889178b0648897e0883e80189064885d2740a85c074355bc3"}},
	 .site = SITE(0x5009f4, SITE_PUSH, SITE_IN_REGISTER, SITE_RDI, 0)},

	/* mov 8(%rsi),%rcx; mov %rcx,(%r14); mov %r14,8(%rsi); mov (%rsi),%eax; dec %eax; mov %eax,(%rsi);
	   test; je */
	{CLANG "PyObject_Free",
	 .code = {{0x2ca334, "488b4e0849890e4c8976088b06ffc889064885c9742885c074494883c4085b415ec3"}},
	 .site = SITE(0x2ca348, SITE_PUSH, SITE_IN_REGISTER, SITE_R14, 0)},

	/* ... mov %rsi,8(%rax); mov (%rax),%esi; lea -1(%rsi),%edx; mov %edx,(%rax); test %rcx,%rcx; je */
	{BOOKWORM "the block's register is used again; the pool's head holds it",
	 .code = {{0x50770f, "488b480848890e488970088b308d56ff89104885c90f84ce00000085d20f84f8000000"}},
	 .site = SITE(0x507724, SITE_PUSH, SITE_IN_MEMORY, SITE_RAX, 8)},

	/* mov 8(%r11),%r9; mov %r9,-0x10(%rdi); mov (%r11),%edi; mov %r8,8(%r11); ... */
	{BULLSEYE "PyObject_GC_Del: the object lies behind a header, the link is stored through the object",
	 .code = {{0x501089, "4d8b4b084c894ff0418b3b4d894308448d57ff4589134d85c9745c4585d20f84830000005bc3"}},
	 .site = SITE(0x5010a2, SITE_PUSH, SITE_IN_REGISTER, SITE_R8, 0)},

	/* mov 8(%rbp),%rsi; mov %rsi,(%rdi); mov %rdi,8(%rbp); mov 0(%rbp),%edi; ... */
	{BULLSEYE "rbp is the pool: its count and head are no spill slots",
	 .code = {{0x590329, "488b750848893748897d088b7d008d4fff894d004885f60f845304000085c90f84b9060000"}},
	 .site = SITE(0x590340, SITE_PUSH, SITE_IN_MEMORY, SITE_RBP, 8)},

	/* jg 5756e0; ...; 575440: link; 57544b: count, test, je; and at 5756e0: link; jmp 57544b */
	{BOOKWORM "two copies of the link lead to one jump",
	 .code = {{0x575423,
		   "8b3cc13974c1040f8fb002000039f70f8fa006000085ff0f8498060000488b4a0848890b48895a08"
		   "8b0283e80189024885c90f844b06000085c00f841b0800004d85ed0f856402000048837c2420000f85"
		   "1585edff488b442430488b5c241848891831c0e969070000"},
		  {0x5756e0, "488b4a0848890b48895a08e95bfdffff"}},
	 .site = SITE(0x575455, SITE_PUSH, SITE_IN_REGISTER, SITE_RBX, 0)},

	/* mov 8(%rdx),%rax; mov %rax,-0x10(%rdi); lea -0x10(%rdi),%r8; mov %r8,8(%rdx); subl $1,(%rdx); test;
	   je */
	{"the object's register is not the block's (gas 2.40)",
	 .code = {{0x1000, "488b4208488947f04c8d47f04c894208832a014885c07400c3"}},
	 .site = SITE(0x1016, SITE_PUSH, SITE_IN_REGISTER, SITE_R8, 0)},

	/* the same with only the copy that jumps back */
	{BOOKWORM "the link is in another part of the function",
	 .code = {{0x57544b, "8b0283e80189024885c90f844b060000"},
		  {0x5756e0, "488b4a0848890b48895a08e95bfdffff"}},
	 .site = SITE(0x575455, SITE_PUSH, SITE_IN_REGISTER, SITE_RBX, 0)},
};

/* Two paths that disagree about the block's register meet before the jump (gas 2.40). */
static const struct fixture joins[] = {
	/* test %edi,%edi; jne 1f; link %rbx; jmp 2f; 1: link %rcx; 2: subl $1,(%rdx); test %rax,%rax; je */
	{"the pool's head is the place that both paths agree on",
	 .code = {{0x1000, "85ff750d488b420848890348895a08eb0b488b420848890148894a08832a014885c07400c3"}},
	 .site = SITE(0x1022, SITE_PUSH, SITE_IN_MEMORY, SITE_RDX, 8)},

	/* test; jne 1f; 8(%rdx) -> %rax, (%rax) -> %rcx; jmp 2f; 1: the same with %rbx; 2: mov %rcx,8(%rdx);
	   ... */
	{"a block in rax or rbx has no place",
	 .code = {{0x1000, "85ff7509488b4208488b08eb07488b5a08488b0b48894a088302014885c97400c3"}},
	 .n_unlocated = 1},

	/* mov 8(%rdx),%rax; addl; mov %rax,0(%rbp); mov (%rax),%rax; mov %rax,8(%rdx); test %rax,%rax; je */
	{"where rbp points is no slot: with frame pointers the caller's rbp is there",
	 .code = {{0x1000, "488b420883020148894500488b00488942084885c07400c3"}}, .n_unlocated = 1},

	/* mov 8(%rdx),%rax; addl; mov %rax,(%rsp); mov (%rax),%rax; mov %rax,8(%rdx); push %rbx; test
	   %rax,%rax; je */
	{"the stack pointer moved away from the slot",
	 .code = {{0x1000, "488b420883020148890424488b0048894208534885c07400c3"}}, .n_unlocated = 1},
};

static const struct fixture slow_paths[] = {
	/* sar $4,%rdx; imul %rsi,%rdx; movl $0xffff,0x24(%rax); mov %edx,0x20(%rax) */
	{BOOKWORM "a pool is cut from an arena", .code = {{0x4fb638, "48c1fa04480fafd6c74024ffff0000895020"}},
	 .initialises_pools = true},
	{CLANG "a pool is cut from an arena", .code = {{0x2cb58a, "c74124ffff0000"}},
	 .initialises_pools = true},
	{"another size class: movl $0xfffe,0x24(%rax)", .code = {{0x1000, "c74024feff0000"}}},
	{"another field: movl $0xffff,0x20(%rax)", .code = {{0x1000, "c74020ffff0000"}}},
	{"another width: movq $0xffff,0x24(%rax)", .code = {{0x1000, "48c74024ffff0000"}}},
};

static const struct fixture no_sites[] = {
	/* at 54b846: mov 8(%rbx),%rax; lea 8(%rax),%rdx; mov %rdx,8(%rbx); jmp 54b37a: mov (%rax),%r9; test;
	   je */
	{TRIXIE "va_arg in convertitem: a va_list has a count at 0 and a pointer at 8, but no link goes back",
	 .code = {{0x54b364,
		   "8b1383fa2f0f87d704000089d083c2084803431089134c8b084d85c90f845137eeff410fb646013c730f84"
		   "3a37eeff31f63c740f851d37eeff8b1383fa2f0f878d04000089d083c208480343108913"},
		  {0x54b846, "488b4308488d500848895308e923fbffff"}}},

	/* mov 8(%rdi),%rax; addq $1,(%rdi); mov (%rax),%rcx; test %rcx,%rcx; je */
	{"Py_INCREF and a look at the type's count",
	 .code = {{0x1000, "488b470848830701488b084885c97400c3"}}},

	/* mov 8(%rdi),%rax; mov 0xa8(%rax),%rcx; addq $1,(%rdi); test %ecx,%ecx; js */
	{"Py_INCREF and a test of the type's flags",
	 .code = {{0x1000, "488b4708488b88a80000004883070185c97800c3"}}},

	/* mov 8(%rdi),%rax; mov %rax,(%rsi); mov %rsi,8(%rdi); test %rax,%rax; je */
	{"a list push without a count", .code = {{0x1000, "488b4708488906488977084885c07400c3"}}},

	/* the same with addl $1,(%rdi) */
	{"a list push that counts up", .code = {{0x1000, "488b4708488906488977088307014885c07400c3"}}},

	/* mov 8(%rdx),%rax; mov (%rax),%rcx; mov %rcx,8(%rdx); test %rcx,%rcx; je */
	{"a list pop without a count", .code = {{0x1000, "488b4208488b0848894a084885c97400c3"}}},

	/* the same with subl $1,(%rdx) */
	{"a list pop that counts down", .code = {{0x1000, "488b4208832a01488b0848894a084885c97400c3"}}},

	/* mov 8(%rdx),%rax; addl $1,(%rdx); test %rax,%rax; je; mov (%rax),%rcx; mov %rcx,8(%rdx) */
	{"a test of the head itself", .code = {{0x1000, "488b42088302014885c07407488b0848894a08c3"}}},

	/* mov 8(%rbx),%rbp; addl $1,(%rbx); call; mov (%rbp),%rcx; mov %rcx,8(%rbx); test; je */
	{"a call in between", .code = {{0x1000, "488b6b08830301e80d000000488b4d0048894b084885c97400c3"}}},

	/* a pop whose jump is js */
	{"a test of the sign", .code = {{0x1000, "488b4208830201488b0848894a084885c97800c3"}}},

	/* a pop with add $1,%rsi between the test and the jump */
	{"flags that speak of something else",
	 .code = {{0x1000, "488b4208830201488b0848894a084885c94883c6017400c3"}}},

	/* a pop with test %ecx,%ecx */
	{"a test of half of it", .code = {{0x1000, "488b4208830201488b0848894a0885c97400c3"}}},

	/* a pop with mov %rcx,8(%rsi) */
	{"the link goes elsewhere", .code = {{0x1000, "488b4208830201488b0848894e084885c97400c3"}}},

	/* a pop with addl $1,(%rsi) */
	{"the count is elsewhere", .code = {{0x1000, "488b4208830601488b0848894a084885c97400c3"}}},
};

static void test_pops(void **state)
{
	CHECK_ALL(pops);
	CHECK_ALL(assembled_pops);
}

static void test_pushes(void **state)
{
	CHECK_ALL(pushes);
}

static void test_joins(void **state)
{
	CHECK_ALL(joins);
}

static void test_slow_path(void **state)
{
	CHECK_ALL(slow_paths);
}

static void test_no_sites(void **state)
{
	CHECK_ALL(no_sites);
}

/* A row that ends before the jump, at every length: no site, and nothing beyond the row is looked at. */
static void test_cut_short(void **state)
{
	struct insn insns[MAX_INSNS];
	const struct shape_result *result;

	for (size_t i = 0; i < sizeof(pops) / sizeof(pops[0]); i++) {
		size_t n = decode_pieces(pops[i].code, insns);

		for (size_t m = 0; m < n && insns[m].address != pops[i].site.address; m++) {
			struct insn *row = malloc((m + 1) * sizeof(*row));

			memcpy(row, insns, m * sizeof(*row));
			assert_int_equal(pool_shapes__scan(shapes, row, m, &result), 0);
			assert_int_equal(result->n_sites, 0);
			free(row);
		}
	}
}

static void test_two_sites_in_one_row(void **state)
{
	struct piece code[MAX_PIECES] = {pops[0].code[0], pushes[0].code[0]};
	const struct shape_result *result = scan_pieces(code);

	assert_int_equal(result->n_sites, 2);
	assert_int_equal(result->sites[0].address, pops[0].site.address);
	assert_int_equal(result->sites[1].address, pushes[0].site.address);
	assert_int_equal(result->sites[1].cookie.kind, SITE_PUSH);
	/* The next scan begins anew. */
	assert_int_equal(scan_pieces(no_sites[1].code)->n_sites, 0);
}

/*
 * --- random instructions -----------------------------------------------------------------------------------
 */

struct writer {
	uint64_t random;
	uint8_t bytes[1024];
	size_t len;
};

static void put(struct writer *w, uint8_t byte)
{
	w->bytes[w->len++] = byte;
}

static uint8_t random_reg(struct writer *w)
{
	static const uint8_t few[] = {SITE_RAX, SITE_RDX, SITE_RDX, SITE_RSI,
				      SITE_RDI, SITE_RBP, SITE_R8,  SITE_RSP};

	return few[random_below(&w->random, sizeof(few))];
}

/* opcode reg,disp8(base), 64 bits wide or 32. */
static void put_memory(struct writer *w, uint8_t opcode, uint8_t reg, uint8_t base, uint8_t disp, bool wide)
{
	put(w, 0x40 | wide << 3 | (reg >> 3) << 2 | base >> 3);
	put(w, opcode);
	put(w, 0x40 | (reg & 7) << 3 | (base & 7));
	if ((base & 7) == SITE_RSP)
		put(w, 0x24);
	put(w, disp);
}

static void put_registers(struct writer *w, uint8_t opcode, uint8_t reg, uint8_t rm)
{
	put(w, 0x48 | (reg >> 3) << 2 | rm >> 3);
	put(w, opcode);
	put(w, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* The instructions that fast paths are made of, in any order. */
static void put_instruction(struct writer *w)
{
	uint8_t a = random_reg(w), b = random_reg(w);

	switch (random_below(&w->random, 14)) {
	case 0:
	case 1:
		put_memory(w, 0x8b, a, b, 8, true);
		break;
	case 2:
	case 3:
		put_memory(w, 0x8b, a, b, 0, true);
		break;
	case 4:
		put_memory(w, 0x89, a, b, 8, true);
		break;
	case 5:
		put_memory(w, 0x89, a, b, random_below(&w->random, 2) ? 0 : 0xf0, true);
		break;
	case 6:
		put_memory(w, 0x83, random_below(&w->random, 2) ? 0 : 5, b, 0, false); /* add, sub */
		put(w, 1);
		break;
	case 7:
		put_memory(w, 0x89, a, b, 0, false);
		break;
	case 8:
		put_registers(w, 0x89, a, b);
		break;
	case 9:
	case 10:
		put_registers(w, 0x85, a, a);
		break;
	case 11:
	case 12:
		put(w, 0x74 | random_below(&w->random, 2));
		put(w, random_below(&w->random, 64) - 32);
		break;
	default:
		put(w, random_below(&w->random, 8) ? 0x50 | (a & 7) : 0xeb);
		if (w->bytes[w->len - 1] == 0xeb)
			put(w, random_below(&w->random, 64) - 32);
	}
}

static const struct insn *insn_at(const struct insn *insns, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if (insns[i].address == address)
			return &insns[i];
	return NULL;
}

static void check_sites(const struct shape_result *result, const struct insn *insns, size_t n)
{
	for (size_t i = 0; i < result->n_sites; i++) {
		const struct shape_site *site = &result->sites[i];
		const struct insn *insn = insn_at(insns, n, site->address);

		assert_non_null(insn);
		assert_int_equal(insn->op, INSN_JCC);
		assert_true(insn->if_zero && insn->emulated);
		assert_true(site->cookie.kind == SITE_POP || site->cookie.kind == SITE_PUSH);
		assert_true(site->cookie.reg < 16);
		if (site->cookie.place == SITE_IN_REGISTER)
			assert_int_equal(site->cookie.disp, 0);
		assert_true(i == 0 || result->sites[i - 1].address < site->address);
	}
}

static size_t scan_random(struct writer *w)
{
	const struct shape_result *result;
	const struct insn *insns;
	long n = decoder__run_prefix(decoder, w->bytes, w->len, 0x400000, &insns);

	assert_true(n >= 0);
	assert_int_equal(pool_shapes__scan(shapes, insns, n, &result), 0);
	check_sites(result, insns, n);
	return result->n_sites;
}

static void test_random_bytes(void **state)
{
	struct writer w = {.random = 0x9e3779b97f4a7c15};

	for (int round = 0; round < 5000; round++) {
		w.len = random_below(&w.random, sizeof(w.bytes));
		fill_random(&w.random, w.bytes, w.len);
		scan_random(&w);
	}
}

static void test_random_instructions(void **state)
{
	struct writer w = {.random = 0x2545f4914f6cdd1d};
	size_t n_sites = 0;

	for (int round = 0; round < 20000; round++) {
		w.len = 0;
		for (int i = 0; i < 80; i++)
			put_instruction(&w);
		n_sites += scan_random(&w);
	}
	/* The rows are close enough to fast paths that some are. */
	assert_true(n_sites > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pushes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_joins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_sites, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_sites_in_one_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_instructions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
