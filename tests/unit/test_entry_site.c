// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/types.h>

#include "entry_site.h"
#include "machine_code_test.h"
#include "trace.h"

#define FIRST 1u
#define SECOND 2u
#define THIRD 4u

static struct entry_site find(const char *hex, unsigned arguments, bool returns)
{
	struct decoder *decoder = decoder__new();
	const struct insn *insns;
	struct entry_site site;
	size_t len;
	uint8_t *bytes = bytes_of_hex(hex, &len);
	long n = decoder__run_prefix(decoder, bytes, len, 0, &insns);

	assert_true(n > 0);
	site = entry_site__find(insns, n, arguments, returns);
	decoder__free(decoder);
	free(bytes);
	return site;
}

static void check(const char *hex, unsigned arguments, bool returns, uint64_t address, bool stepped)
{
	struct entry_site site = find(hex, arguments, returns);

	if (site.address != address || site.stepped != stepped)
		fail_with("%s: at %lu, %sstepped", hex, (unsigned long)site.address,
			  site.stepped ? "" : "not ");
}

static void test_first_emulated(void **state)
{
	check("4154", FIRST, true, 0, false);         /* push %r12 (malloc, glibc 2.36) */
	check("f30f1efa4154", FIRST, true, 4, false); /* endbr64; push %r12 */
	check("4885ff7870", FIRST, true, 3, false);   /* test %rdi,%rdi; js (malloc, glibc 2.42) */
	check("488b1424e900000000", FIRST | SECOND, true, 4,
	      false); /* mov (%rsp),%rdx; jmp (memalign, 2.31) */
	check("4889f848f7e60f8000010000", FIRST | SECOND, true, 6, false); /* mov; mul; jo (calloc, 2.42) */
}

static void test_stack_pointer(void **state)
{
	/* sub $0x18,%rsp; test %rdi,%rdi; je (free, glibc 2.31): right without a return probe, deadly with */
	check("4883ec184885ff7400", FIRST, false, 7, false);
	check("4883ec184885ff7400", FIRST, true, 0, true);
}

static void test_arguments(void **state)
{
	/* mov %rsi,%rdx; mov %rdi,%rsi; mov %rax,%rdi; jmp (realloc, mimalloc): both have moved on */
	struct entry_site site = find("4889f24889fe4889c7e900000000", FIRST | SECOND, true);

	assert_int_equal(site.address, 9);
	assert_int_equal(site.registers[0], SITE_RSI);
	assert_int_equal(site.registers[1], SITE_RDX);
	assert_int_equal(site.registers[2], SITE_NO_REG);
	/* mov %rsi,%rax; mul %rdx; mov %rax,%rsi; jo (reallocarray, glibc): the factors are gone */
	check("4889f048f7e24889c67000", FIRST | SECOND | THIRD, true, 0, true);
	check("4889f790", FIRST, false, 0, true); /* mov %rsi,%rdi; nop */
	check("4889f790", SECOND, false, 3, false);
}

static void test_other_ways(void **state)
{
	check("c390", FIRST, false, 0, true);           /* ret; nop: not every call passes */
	check("31c09031c0ebfb", FIRST, false, 0, true); /* xor; 1: nop; xor; jmp 1b: passed more than once */
	check("31c0", FIRST, false, 0, true);           /* nothing but that */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_emulated),
		cmocka_unit_test(test_stack_pointer),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_other_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
