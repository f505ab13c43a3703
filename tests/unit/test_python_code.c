/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "python_code.h"

/* What the interpreter's function of this name returns: here one that means harm. */
const char *Py_GetVersion(void);

const char *__attribute__((noinline, no_sanitize("address", "undefined"))) Py_GetVersion(void)
{
	return "3.9\033[2J\377";
}

static void test_a_version_is_nothing_but_a_version(void **state)
{
	struct elf_image *image;
	struct python_code *code;
	char version[32], shortest[3];

	assert_string_equal(Py_GetVersion(), "3.9\033[2J\377");
	assert_int_equal(elf_image__open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &image), 0);
	code = python_code__new(image);
	assert_non_null(code);
	assert_int_equal(python_code__version(code, version, sizeof(version)), 0);
	assert_string_equal(version, "3.9");
	assert_int_equal(python_code__version(code, shortest, sizeof(shortest)), 0);
	assert_string_equal(shortest, "3.");
	python_code__free(code);
	elf_image__free(image);
}

static void test_what_is_not_there_is_not_found(void **state)
{
	struct elf_image *image;
	struct python_code *code;
	uint64_t address;

	assert_int_equal(elf_image__open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &image), 0);
	code = python_code__new(image);
	assert_non_null(code);
	assert_int_equal(python_code__allocator(code, "PyObject_Malloc", &address), -ENOENT);
	assert_int_equal(python_code__thread_key(code, 0x1000, &address), -ENOENT);
	python_code__free(code);
	elf_image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_version_is_nothing_but_a_version),
		cmocka_unit_test(test_what_is_not_there_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
