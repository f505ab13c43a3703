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

#include <Zydis/Zydis.h>

#include "machine_code_test.h"
#include "probe_plan.h"

/*
 * --- a second opinion: decoding that shares no code with the planner's -------------------------------------
 */

/* What decoding from the function's start finds at an address; false: the middle of an instruction. */
static bool instruction_at(struct elf_image *image, const struct elf_function *function, uint64_t address,
			   ZydisDecodedInstruction *ret_insn)
{
	ZydisDecoder decoder;
	const uint8_t *code;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_int_equal(elf_image__code(image, function, &code), 0);
	for (uint64_t at = function->start; at <= address; at += ret_insn->length) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + (at - function->start),
								function->end - at, ret_insn)))
			return false;
		if (at == address)
			return true;
	}
	return false;
}

/* The callee of the call nearest before an address, 0 if there is none within 8 instructions. */
static uint64_t call_before(struct elf_image *image, const struct elf_function *function, uint64_t address)
{
	uint64_t callee = 0;
	ZydisDecodedInstruction insn;
	ZydisDecoder decoder;
	const uint8_t *code;
	int age = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_int_equal(elf_image__code(image, function, &code), 0);
	for (uint64_t at = function->start; at < address; at += insn.length) {
		int32_t distance;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + (at - function->start),
								function->end - at, &insn)))
			return 0;

		if (++age > 8)
			callee = 0;
		if (code[at - function->start] != 0xe8)
			continue;
		memcpy(&distance, code + (at - function->start) + 1, sizeof(distance));
		callee = at + 5 + distance;
		age = 0;
	}
	return callee;
}

/* In the first few instructions of a function that ends the interpreter. */
static void check_finalizer(struct elf_image *image, const struct probe_site *site)
{
	static const char *const names[] = {"Py_FinalizeEx", "Py_Exit"};
	uint64_t address;

	for (int i = 0; i < 2; i++)
		if (!elf_image__symbol(image, names[i], &address, NULL) && site->address - address < 32)
			return;
	fail_with("%#lx ends no interpreter", site->address);
}

static void check_site(struct elf_image *image, const struct probe_site *site, uint64_t *slow_path)
{
	struct elf_function function;
	ZydisDecodedInstruction insn;
	uint64_t callee;

	if (elf_image__function_at(image, site->address, &function))
		fail_with("%#lx is in no function", site->address);
	if (!instruction_at(image, &function, site->address, &insn))
		fail_with("%#lx is no instruction", site->address);
	assert_true(site->cookie.reg < 16);
	assert_true(site->cookie.place == SITE_IN_MEMORY || site->cookie.disp == 0);
	if (site->cookie.kind == SITE_POP || site->cookie.kind == SITE_PUSH) {
		if (insn.mnemonic != ZYDIS_MNEMONIC_JZ && insn.mnemonic != ZYDIS_MNEMONIC_JNZ)
			fail_with("%#lx is no je or jne", site->address);
		return;
	}
	if (site->cookie.kind == SITE_FINALIZE) {
		check_finalizer(image, site);
		return;
	}
	/* All results come from one function. */
	assert_int_equal(site->cookie.kind, SITE_SLOW_RESULT);
	assert_int_equal(site->cookie.place, SITE_IN_REGISTER);
	callee = call_before(image, &function, site->address);
	if (!callee)
		fail_with("%#lx is not behind a call", site->address);
	if (*slow_path && callee != *slow_path)
		fail_with("%#lx is behind a call of %#lx, not %#lx", site->address, callee, *slow_path);
	*slow_path = callee;
}

static void check_plan(struct elf_image *image, const struct probe_plan *plan)
{
	size_t n_of[SITE_FINALIZE + 1] = {};
	struct elf_function slow, function;
	uint64_t slow_path = 0;

	for (size_t i = 0; i < plan->n_sites; i++) {
		check_site(image, &plan->sites[i], &slow_path);
		n_of[plan->sites[i].cookie.kind]++;
		assert_true(i == 0 || plan->sites[i - 1].address < plan->sites[i].address);
	}
	assert_int_equal(plan->n_pops, n_of[SITE_POP]);
	assert_int_equal(plan->n_pushes, n_of[SITE_PUSH]);
	assert_int_equal(plan->n_slow, n_of[SITE_SLOW_RESULT]);
	assert_int_equal(n_of[SITE_FINALIZE], elf_image__has_symbol_prefix(image, "Py_FinalizeEx") ? 2 : 0);
	assert_true(plan->n_slow > 0);

	/* The slow path is one function and has no sites inside. */
	assert_int_equal(elf_image__function_at(image, slow_path, &slow), 0);
	assert_int_equal(slow.start, slow_path);
	for (size_t i = 0; i < plan->n_sites; i++) {
		assert_int_equal(elf_image__function_at(image, plan->sites[i].address, &function), 0);
		assert_int_not_equal(function.start, slow.start);
	}
}

static struct elf_image *open_image(const char *path)
{
	struct elf_image *image = NULL;

	assert_int_equal(elf_image__open(open(path, O_RDONLY | O_CLOEXEC), &image), 0);
	return image;
}

static void test_no_pymalloc(void **state)
{
	struct elf_image *image = open_image("/proc/self/exe");
	struct probe_plan plan = {.n_slow = 7};

	assert_int_equal(probe_plan__make(image, true, 0, &plan), -ENOENT);
	assert_null(plan.sites);
	assert_int_equal(plan.n_slow, 7);
	probe_plan__free(&plan);
	elf_image__free(image);
}

static void test_file_without_code(void **state)
{
	/* A header and one data segment of nothing. */
	uint8_t bytes[120] = {0x7f,      'E',      'L',       'F',      2,         1,
			      1,         [16] = 2, [18] = 62, [20] = 1, [32] = 64, [52] = 64,
			      [54] = 56, [56] = 1, [64] = 1,  [68] = 4};
	struct elf_image *image = NULL;
	struct probe_plan plan;

	assert_int_equal(elf_image__open(file_of(bytes, sizeof(bytes)), &image), 0);
	assert_true(probe_plan__make(image, true, 0, &plan) < 0);
	elf_image__free(image);
}

static void check_interpreter(const char *path, size_t least_pops, size_t least_pushes)
{
	struct elf_image *image;
	struct probe_plan plan;

	if (access(path, R_OK))
		skip();
	image = open_image(path);
	assert_int_equal(probe_plan__make(image, true, 0, &plan), 0);
	check_plan(image, &plan);
	assert_true(plan.n_pops >= least_pops);
	assert_true(plan.n_pushes >= least_pushes);
	assert_int_equal(plan.n_unlocated, 0);
	probe_plan__free(&plan);
	elf_image__free(image);
}

/* Far fewer than a crude scan for the plain shapes finds, so that the next update of a package does not
 * matter. */
static void test_debian_12(void **state)
{
	check_interpreter("/usr/bin/python3.11", 100, 30);
}

static void test_debian_11(void **state)
{
	check_interpreter("/var/cache/linger-tests/bullseye/usr/bin/python3.9", 100, 30);
}

static void test_debian_13(void **state)
{
	check_interpreter("/var/cache/linger-tests/trixie/usr/bin/python3.13", 100, 30);
}

static void test_debian_testing(void **state)
{
	check_interpreter("/var/cache/linger-tests/forky/usr/bin/python3.14", 100, 30);
}

/* The code object's deallocator is probed at its entry, if the address is where a function begins. */
static void test_code_dealloc(void **state)
{
	static const char path[] = "/usr/bin/python3.11";
	struct probe_plan plain, plan;
	struct elf_image *image;
	size_t n_code = 0;
	uint64_t address;

	if (access(path, R_OK))
		skip();
	image = open_image(path);
	assert_int_equal(elf_image__symbol(image, "PyObject_Malloc", &address, NULL), 0);
	assert_int_equal(probe_plan__make(image, true, 0, &plain), 0);
	assert_int_equal(probe_plan__make(image, true, address, &plan), 0);
	assert_int_equal(plan.n_sites, plain.n_sites + 1);
	for (size_t i = 0; i < plan.n_sites; i++) {
		assert_true(i == 0 || plan.sites[i - 1].address <= plan.sites[i].address);
		if (plan.sites[i].cookie.kind != SITE_CODE_DEALLOC)
			continue;
		n_code++;
		assert_int_equal(plan.sites[i].address,
				 address); /* begins with push %rbx, which is emulated */
		assert_int_equal(plan.sites[i].cookie.place, SITE_IN_REGISTER);
		assert_int_equal(plan.sites[i].cookie.reg, SITE_RDI);
	}
	assert_int_equal(n_code, 1);
	probe_plan__free(&plan);

	assert_int_equal(probe_plan__make(image, true, address + 1, &plan), 0);
	assert_int_equal(plan.n_sites, plain.n_sites);
	probe_plan__free(&plan);
	probe_plan__free(&plain);
	elf_image__free(image);
}

/*
 * --- functions of our own making ---------------------------------------------------------------------------
 */

/* Debian 12 python3.11 3.11.2-6+deb12u6, 0x4fb39d and 0x5009df: PyObject_Malloc, PyObject_Free. */
static const uint8_t pop[] = {0x48, 0x8b, 0x42, 0x08, 0x83, 0x02, 0x01, 0x48, 0x8b, 0x08,
			      0x48, 0x89, 0x4a, 0x08, 0x48, 0x85, 0xc9, 0x74, 0x00};
static const uint8_t push[] = {0x48, 0x8b, 0x56, 0x08, 0x48, 0x89, 0x17, 0x8b, 0x06, 0x48, 0x89, 0x7e,
			       0x08, 0x83, 0xe8, 0x01, 0x89, 0x06, 0x48, 0x85, 0xd2, 0x74, 0x00};
static const uint8_t pool_init[] = {0xc7, 0x40, 0x24, 0xff, 0xff, 0x00, 0x00}; /* movl $0xffff,0x24(%rax) */
#define JUMP_IN_POP 17
#define JUMP_IN_PUSH 21
static const uint8_t test_result[] = {0x48, 0x85, 0xc0, 0x74, 0x00}; /* test %rax,%rax; je */
#define CALL_BYTES 5
#define JUMP_IN_TEST 3

/* A copy of this executable whose functions can be written over. */
struct forgery {
	uint8_t *bytes;
	size_t len;
	struct elf_function *functions;
	uint64_t *offsets; /* of the functions in the file */
	size_t n;
};

static void forgery_free(struct forgery *forgery)
{
	free(forgery->bytes);
	free(forgery->functions);
	free(forgery->offsets);
}

static struct forgery forgery_new(void)
{
	struct elf_image *image = open_image("/proc/self/exe");
	const struct elf_function *functions;
	struct forgery forgery = {};

	forgery.bytes = read_own_executable(&forgery.len);
	assert_int_equal(elf_image__functions(image, &functions, &forgery.n), 0);
	assert_true(forgery.n > 20);
	forgery.functions = malloc(forgery.n * sizeof(*functions));
	forgery.offsets = malloc(forgery.n * sizeof(*forgery.offsets));
	memcpy(forgery.functions, functions, forgery.n * sizeof(*functions));
	for (size_t i = 0; i < forgery.n; i++)
		assert_int_equal(elf_image__offset(image, functions[i].start, &forgery.offsets[i]), 0);
	elf_image__free(image);
	return forgery;
}

static uint8_t *code_of(struct forgery *forgery, size_t i, size_t *ret_len)
{
	*ret_len = forgery->functions[i].end - forgery->functions[i].start;
	return forgery->bytes + forgery->offsets[i];
}

static void fill_with_nops(struct forgery *forgery)
{
	for (size_t i = 0; i < forgery->n; i++) {
		size_t len;
		uint8_t *code = code_of(forgery, i, &len);

		memset(code, 0x90, len);
	}
}

static int make_plan(const struct forgery *forgery, struct elf_image **ret_image, struct probe_plan *ret_plan)
{
	assert_int_equal(elf_image__open(file_of(forgery->bytes, forgery->len), ret_image), 0);
	return probe_plan__make(*ret_image, true, 0, ret_plan);
}

/* The index of a function of at least so many bytes, after another one; tests use a few. */
static size_t function_of(const struct forgery *forgery, size_t after, size_t len)
{
	for (size_t i = after + 1; i < forgery->n; i++)
		if (forgery->functions[i].end - forgery->functions[i].start >= len)
			return i;
	fail();
	return 0;
}

/* A slow path, a function that pops, one that pushes, one that calls the slow path; the others are empty. */
struct scene {
	struct forgery forgery;
	size_t slow, alloc, dealloc, caller;
	uint8_t *slow_code, *alloc_code, *dealloc_code, *caller_code;
};

/* call or jmp from offset `at` of a function to the start of another one. */
static void put_branch(struct forgery *forgery, size_t from, size_t at, uint8_t opcode, size_t to)
{
	size_t len;
	uint8_t *code = code_of(forgery, from, &len) + at;
	int32_t distance = forgery->functions[to].start - (forgery->functions[from].start + at + CALL_BYTES);

	code[0] = opcode;
	memcpy(code + 1, &distance, sizeof(distance));
}

#define CALL_AT 12 /* in the caller */

static struct scene scene_new(void)
{
	struct scene scene = {.forgery = forgery_new()};
	size_t len;

	fill_with_nops(&scene.forgery);
	scene.slow = function_of(&scene.forgery, 0, 100);
	scene.alloc = function_of(&scene.forgery, scene.slow, 100);
	scene.dealloc = function_of(&scene.forgery, scene.alloc, 100);
	scene.caller = function_of(&scene.forgery, scene.dealloc, 100);
	scene.caller_code = code_of(&scene.forgery, scene.caller, &len);
	scene.slow_code = code_of(&scene.forgery, scene.slow, &len);
	scene.alloc_code = code_of(&scene.forgery, scene.alloc, &len);
	scene.dealloc_code = code_of(&scene.forgery, scene.dealloc, &len);
	memcpy(scene.slow_code, pool_init, sizeof(pool_init));
	memcpy(scene.alloc_code + 5, pop, sizeof(pop));
	memcpy(scene.dealloc_code + 9, push, sizeof(push));
	put_branch(&scene.forgery, scene.caller, CALL_AT, 0xe8, scene.slow);
	memcpy(scene.caller_code + CALL_AT + CALL_BYTES, test_result, sizeof(test_result));
	return scene;
}

static void check_scene(struct scene *scene, int err, size_t n_pops, size_t n_pushes)
{
	struct elf_image *image;
	struct probe_plan plan = {};

	assert_int_equal(make_plan(&scene->forgery, &image, &plan), err);
	if (!err)
		check_plan(image, &plan);
	assert_int_equal(plan.n_pops, n_pops);
	assert_int_equal(plan.n_pushes, n_pushes);
	probe_plan__free(&plan);
	elf_image__free(image);
}

static void test_forged(void **state)
{
	struct scene scene = scene_new();
	struct elf_image *image;
	struct probe_plan plan;
	const struct elf_function *functions = scene.forgery.functions;

	assert_int_equal(make_plan(&scene.forgery, &image, &plan), 0);
	check_plan(image, &plan);
	assert_int_equal(plan.n_sites, 3);
	assert_int_equal(plan.sites[0].address, functions[scene.alloc].start + 5 + JUMP_IN_POP);
	assert_int_equal(plan.sites[0].cookie.kind, SITE_POP);
	assert_int_equal(plan.sites[1].address, functions[scene.dealloc].start + 9 + JUMP_IN_PUSH);
	assert_int_equal(plan.sites[1].cookie.kind, SITE_PUSH);
	assert_int_equal(plan.sites[2].address,
			 functions[scene.caller].start + CALL_AT + CALL_BYTES + JUMP_IN_TEST);
	assert_int_equal(plan.sites[2].cookie.kind, SITE_SLOW_RESULT);
	assert_int_equal(plan.sites[2].cookie.reg, SITE_RAX);
	probe_plan__free(&plan);
	elf_image__free(image);
	forgery_free(&scene.forgery);
}

/* Where the slow path's result is seen, in bytes behind the call: SIZE_MAX: nowhere. */
static void check_result(const char *hex, size_t expected, uint8_t reg)
{
	struct scene scene = scene_new();
	struct elf_image *image;
	struct probe_plan plan;
	size_t len;
	uint8_t *bytes = bytes_of_hex(hex, &len);
	int err;

	memcpy(scene.caller_code + CALL_AT + CALL_BYTES, bytes, len);
	err = make_plan(&scene.forgery, &image, &plan);
	if (err != (expected == SIZE_MAX ? -ENOENT : 0))
		fail_with("%s: %s", hex, strerror(-err));
	for (size_t i = 0; !err && i < plan.n_sites; i++) {
		uint64_t start = scene.forgery.functions[scene.caller].start + CALL_AT + CALL_BYTES;

		if (plan.sites[i].cookie.kind != SITE_SLOW_RESULT)
			continue;
		if (plan.sites[i].address - start != expected || plan.sites[i].cookie.reg != reg)
			fail_with("%s: at %lu in %u", hex, plan.sites[i].address - start,
				  plan.sites[i].cookie.reg);
	}
	if (!err) {
		assert_int_equal(plan.n_slow, 1);
		probe_plan__free(&plan);
	}
	elf_image__free(image);
	forgery_free(&scene.forgery);
	free(bytes);
}

static void test_results(void **state)
{
	check_result("4885c07400", 3, SITE_RAX);       /* test %rax,%rax; je */
	check_result("4889c34885db7400", 6, SITE_RAX); /* mov %rax,%rbx; test %rbx,%rbx; je: still in rax */
	check_result("4889c331c07400", 5, SITE_RBX);   /* mov %rax,%rbx; xor %eax,%eax; je */
	check_result("4989c44c89e331c04531e490", 11, SITE_RBX); /* rax -> r12 -> rbx; rax and r12 go; nop */
	check_result("4889c353", 3, SITE_RAX);                  /* mov %rax,%rbx; push %rbx */
	check_result("31c07400", 0, SITE_RAX); /* xor %eax,%eax; je: only before it is lost */
	check_result("c39090", 0, SITE_RAX);   /* ret */
	check_result("31dbc390", 0, SITE_RAX); /* xor %ebx,%ebx; ret; nop: not reached */
	/* Nine instructions that are all stepped: the first of them. */
	check_result("31db31db31db31db31db31db31db31db31db", 0, SITE_RAX);
	/* 1: test %rax,%rax; je; jmp 1b: others come here too. */
	check_result("4885c07400ebf9", SIZE_MAX, 0);
	/* xor %ebx,%ebx; 1: je; jmp 1b: before others join */
	check_result("31db7400ebfc", 0, SITE_RAX);
}

/* A call in tail position comes back to who knows where. */
static void test_tail_call(void **state)
{
	struct scene scene = scene_new();
	struct elf_image *image;
	struct probe_plan plan;

	put_branch(&scene.forgery, scene.alloc, 60, 0xe9, scene.slow);
	assert_int_equal(make_plan(&scene.forgery, &image, &plan), -ENOENT);
	elf_image__free(image);
	forgery_free(&scene.forgery);
}

static void test_not_called(void **state)
{
	struct scene scene = scene_new();
	struct elf_image *image;
	struct probe_plan plan;

	memset(scene.caller_code + CALL_AT, 0x90, CALL_BYTES);
	assert_int_equal(make_plan(&scene.forgery, &image, &plan), -ENOENT);
	elf_image__free(image);
	forgery_free(&scene.forgery);
}

/* Without pymalloc the plan has the end of code objects, which every domain needs; also where there is no
 * pymalloc. */
static void test_without_objects(void **state)
{
	struct elf_image *image = open_image("/proc/self/exe");
	const struct elf_function *functions;
	struct probe_plan plan;
	size_t n;

	assert_int_equal(probe_plan__make(image, false, 0, &plan), 0);
	assert_int_equal(plan.n_sites, 0);
	probe_plan__free(&plan);
	assert_int_equal(elf_image__functions(image, &functions, &n), 0);
	assert_int_equal(probe_plan__make(image, false, functions[n / 2].start, &plan), 0);
	assert_int_equal(plan.n_sites, 1);
	assert_int_equal(plan.sites[0].cookie.kind, SITE_CODE_DEALLOC);
	assert_true(plan.sites[0].address >= functions[n / 2].start &&
		    plan.sites[0].address < functions[n / 2].end);
	assert_int_equal(plan.n_pops + plan.n_pushes + plan.n_slow, 0);
	probe_plan__free(&plan);
	elf_image__free(image);
}

/* How the entry of the code object's deallocator is probed: its argument must still be that of the call. */
static void check_entry(const char *hex, size_t expected)
{
	struct scene scene = scene_new();
	uint64_t start = scene.forgery.functions[scene.caller].start;
	struct elf_image *image;
	struct probe_plan plan;
	size_t len, n = 0;
	uint8_t *bytes = bytes_of_hex(hex, &len);

	memcpy(scene.caller_code, bytes, len);
	put_branch(&scene.forgery, scene.caller, 40, 0xe8, scene.slow);
	assert_int_equal(elf_image__open(file_of(scene.forgery.bytes, scene.forgery.len), &image), 0);
	assert_int_equal(probe_plan__make(image, true, start, &plan), 0);
	for (size_t i = 0; i < plan.n_sites; i++) {
		if (plan.sites[i].cookie.kind != SITE_CODE_DEALLOC)
			continue;
		if (plan.sites[i].address - start != expected)
			fail_with("%s: at %lu", hex, plan.sites[i].address - start);
		n++;
	}
	assert_int_equal(n, 1);
	probe_plan__free(&plan);
	elf_image__free(image);
	forgery_free(&scene.forgery);
	free(bytes);
}

static void test_entry(void **state)
{
	check_entry("4155", 0);           /* push %r13 */
	check_entry("f30f1efa4155", 4);   /* endbr64; push %r13 */
	check_entry("4885ff7800", 3);     /* test %rdi,%rdi; js */
	check_entry("4883ec0890", 4);     /* sub $8,%rsp; nop: there is no return probe */
	check_entry("4889f790", 0);       /* mov %rsi,%rdi; nop: the argument is gone */
	check_entry("c390", 0);           /* ret; nop: not every call passes */
	check_entry("31c09031c0ebfb", 0); /* xor; 1: nop; xor; jmp 1b: passed more than once */
}

static void test_no_slow_path(void **state)
{
	struct scene scene = scene_new();

	memset(scene.slow_code, 0x90, sizeof(pool_init));
	check_scene(&scene, -ENOENT, 0, 0);
	forgery_free(&scene.forgery);
}

static void test_two_slow_paths(void **state)
{
	struct scene scene = scene_new();

	memcpy(scene.alloc_code + 50, pool_init, sizeof(pool_init));
	put_branch(&scene.forgery, scene.caller, 40, 0xe8, scene.alloc);
	check_scene(&scene, -ENOENT, 0, 0);
	forgery_free(&scene.forgery);
}

static void test_no_push(void **state)
{
	struct scene scene = scene_new();

	memset(scene.dealloc_code + 9, 0x90, sizeof(push));
	check_scene(&scene, -ENOENT, 0, 0);
	forgery_free(&scene.forgery);
}

static void test_site_in_the_slow_path(void **state)
{
	struct scene scene = scene_new();

	memcpy(scene.slow_code + 20, pop, sizeof(pop));
	check_scene(&scene, 0, 1, 1);
	forgery_free(&scene.forgery);
}

/* One bad byte anywhere in a function, or a jump into the middle of an instruction: no site in it. */
static void test_doubtful_functions(void **state)
{
	struct scene scene = scene_new();

	scene.alloc_code[80] = 0x06;
	check_scene(&scene, 0, 0, 1);
	scene.alloc_code[80] = 0x90;
	check_scene(&scene, 0, 1, 1);
	scene.alloc_code[80] = 0xeb; /* back to the second byte of the pop's first instruction */
	scene.alloc_code[81] = (uint8_t)(6 - 82);
	check_scene(&scene, 0, 0, 1);
	scene.alloc_code[81] = (uint8_t)(5 - 82);
	check_scene(&scene, 0, 1, 1);
	forgery_free(&scene.forgery);
}

/* A copy whose block has no place that all paths agree on is counted. */
static void test_unlocated(void **state)
{
	struct scene scene = scene_new();
	struct elf_image *image;
	struct probe_plan plan;
	size_t len;
	/* mov 8(%rdx),%rax; addl $1,(%rdx); mov (%rax),%rax; mov %rax,8(%rdx); test %rax,%rax; je */
	uint8_t *lost = bytes_of_hex("488b4208830201488b00488942084885c07400", &len);

	memset(scene.alloc_code, 0x90, 60);
	memcpy(scene.alloc_code, lost, len);
	assert_int_equal(make_plan(&scene.forgery, &image, &plan), 0);
	assert_int_equal(plan.n_pops, 0);
	assert_int_equal(plan.n_unlocated, 1);
	probe_plan__free(&plan);
	elf_image__free(image);
	forgery_free(&scene.forgery);
	free(lost);
}

static void test_random_text(void **state)
{
	uint64_t random = 0xc0ffee1234567891;
	struct forgery forgery = forgery_new();

	for (int round = 0; round < 100; round++) {
		struct elf_image *image;
		struct probe_plan plan;

		for (size_t i = 0; i < forgery.n; i++) {
			size_t len;
			uint8_t *code = code_of(&forgery, i, &len);

			fill_random(&random, code, len);
		}
		if (!make_plan(&forgery, &image, &plan)) {
			check_plan(image, &plan);
			probe_plan__free(&plan);
		}
		elf_image__free(image);
	}
	forgery_free(&forgery);
}

/* Random instructions and now and then a random byte; a jump may lead anywhere near. Returns the bytes
 * written. */
static size_t put_junk(uint64_t *random, uint8_t *to, size_t room, bool with_garbage)
{
	static const struct {
		uint8_t len, bytes[5];
	} junk[] = {{1, {0x90}},
		    {3, {0x48, 0x89, 0xd0}},
		    {2, {0x31, 0xc0}},
		    {1, {0x53}},
		    {2, {0x74, 0}},
		    {2, {0xeb, 0}},
		    {5, {0xb8, 0x48, 0x8b, 0x42, 0x08}},
		    {4, {0x48, 0x8b, 0x42, 0x08}},
		    {3, {0x48, 0x85, 0xc9}},
		    {3, {0x0f, 0x1f, 0x00}}};
	size_t i = random_below(random, sizeof(junk) / sizeof(junk[0]));

	if (with_garbage && random_below(random, 200) == 0) {
		*to = next_random(random);
		return 1;
	}
	if (junk[i].len > room) {
		*to = 0x90;
		return 1;
	}
	memcpy(to, junk[i].bytes, junk[i].len);
	if (junk[i].bytes[0] == 0x74 || (junk[i].bytes[0] == 0xeb && with_garbage))
		to[1] = random_below(random, 8) ? 0 : random_below(random, 40) - 20;
	return junk[i].len;
}

static void write_function(uint64_t *random, uint8_t *code, size_t len, bool with_garbage)
{
	for (size_t at = 0; at < len;) {
		size_t room = len - at, what = random_below(random, 12);

		if (what == 0 && room >= sizeof(pop)) {
			memcpy(code + at, pop, sizeof(pop));
			at += sizeof(pop);
		} else if (what == 1 && room >= sizeof(push)) {
			memcpy(code + at, push, sizeof(push));
			at += sizeof(push);
		} else {
			at += put_junk(random, code + at, room, with_garbage);
		}
	}
}

/* Functions full of fast paths, jumps that may miss, and bytes that may be no instruction. */
static void test_random_fast_paths(void **state)
{
	uint64_t random = 0x1badb002deadc0de;
	struct forgery forgery = forgery_new();
	size_t slow = function_of(&forgery, 0, 100), caller = function_of(&forgery, slow, 100);
	size_t n_sites = 0, n_plans = 0;

	for (int round = 0; round < 200; round++) {
		struct elf_image *image;
		struct probe_plan plan;
		size_t len;

		for (size_t i = 0; i < forgery.n; i++) {
			uint8_t *code = code_of(&forgery, i, &len);

			write_function(&random, code, len, round % 2);
		}
		memset(code_of(&forgery, slow, &len), 0x90,
		       forgery.functions[slow].end - forgery.functions[slow].start);
		memcpy(code_of(&forgery, slow, &len) + 10, pool_init, sizeof(pool_init));
		memset(code_of(&forgery, caller, &len), 0x90,
		       forgery.functions[caller].end - forgery.functions[caller].start);
		put_branch(&forgery, caller, 3, 0xe8, slow);
		if (!make_plan(&forgery, &image, &plan)) {
			check_plan(image, &plan);
			n_plans++;
			n_sites += plan.n_sites;
			probe_plan__free(&plan);
		}
		elf_image__free(image);
	}
	/* Sites were there to be checked. */
	assert_true(n_plans > 50);
	assert_true(n_sites > 1000);
	forgery_free(&forgery);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_pymalloc),
		cmocka_unit_test(test_file_without_code),
		cmocka_unit_test(test_debian_11),
		cmocka_unit_test(test_debian_12),
		cmocka_unit_test(test_debian_13),
		cmocka_unit_test(test_debian_testing),
		cmocka_unit_test(test_code_dealloc),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_tail_call),
		cmocka_unit_test(test_not_called),
		cmocka_unit_test(test_without_objects),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_no_slow_path),
		cmocka_unit_test(test_two_slow_paths),
		cmocka_unit_test(test_no_push),
		cmocka_unit_test(test_site_in_the_slow_path),
		cmocka_unit_test(test_doubtful_functions),
		cmocka_unit_test(test_unlocated),
		cmocka_unit_test(test_random_text),
		cmocka_unit_test(test_random_fast_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
