/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "py_layouts.h"

/* _Py_DebugOffsets as an array of words: the cookie, the version, free_threaded, then the structures. */
enum { COOKIE, VERSION, FREE_THREADED, WORDS_313 = 584 / 8, WORDS_314 = 760 / 8 };
#define COOKIE_VALUE UINT64_C(0x7970677562656478) /* "xdebugpy" */

/* The start of _PyRuntime in the .data of Debian 13's python3.13 (3.13.5-2). */
static const uint64_t debian_313[WORDS_313] = {
	COOKIE_VALUE, 0x30d05f0, 0,    283376, 608,  632,  194976, 7272, 7264, 7344, 7400, 7656, 7640,
	7648,         16,        7752, 0,      7768, 7760, 304,    0,    8,    16,   72,   152,  160,
	232,          32,        80,   8,      0,    56,   72,     70,   208,  112,  120,  128,  136,
	68,           52,        96,   104,    200,  16,   8,      416,  24,   88,   168,  32,   24,
	16,           40,        24,   16,     48,   32,   40,     24,   16,   32,   16,   24,   40,
	16,           32,        64,   32,     16,   40,   240,    200,
};

/* The same of pyenv's libpython3.13.so.1.0 (3.13.0): other sizes, the same layout. */
static const uint64_t pyenv_313[WORDS_313] = {
	COOKIE_VALUE, 0x30d00f0, 0,    283320, 608,  632,  194968, 7272, 7264, 7344, 7400, 7656, 7640,
	7648,         16,        7752, 0,      7768, 7760, 304,    0,    8,    16,   72,   152,  160,
	232,          32,        80,   8,      0,    56,   72,     70,   208,  112,  120,  128,  136,
	68,           52,        96,   104,    200,  16,   8,      416,  24,   88,   168,  32,   24,
	16,           40,        24,   16,     48,   32,   40,     24,   16,   32,   16,   24,   40,
	16,           32,        64,   32,     16,   40,   240,    200,
};

/* The same of Debian testing's python3.14 (3.14.8-1). */
static const uint64_t debian_314[WORDS_314] = {
	COOKIE_VALUE, 0x30e08f0, 0,    316616, 784,  808,  225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672,
	7680,         16,        7784, 0,      7800, 7792, 7992,   0,    832,  0,    8,    16,   72,   152,
	160,          232,       32,   88,     8,    0,    56,     80,   74,   64,   0,    216,  112,  120,
	128,          136,       68,   52,     96,   104,  208,    0,    16,   8,    416,  24,   88,   168,
	40,           32,        16,   40,     24,   16,   200,    24,   40,   32,   48,   32,   40,   24,
	16,           32,        16,   24,     40,   16,   32,     64,   32,   16,   40,   264,  192,  160,
	24,           72,        67,   0,      8,    24,   304,    8076, 0,    4,    512,
};

/* What tests/layouts/print_layouts.sh says of the headers of 3.13.0 and 3.13.5. */
static const struct py_layout expected_313 = {
	.tstate_frame = 72,
	.cframe_current = PY_NO_FIELD,
	.frame_code = 0,
	.frame_previous = 8,
	.frame_instr = 56,
	.frame_owner = 70,
	.owner_c_stack = 3,
	.instr_kind = PY_INSTR_POINTER,
	.line_table_kind = PY_LINES_LOCATIONS,
	.code_first_line = 68,
	.code_name = 128,
	.code_filename = 112,
	.code_line_table = 136,
	.code_first_traceable = 184,
	.code_instrs = 200,
	.unicode_length = 16,
	.unicode_state = 32,
	.unicode_ascii = 40,
	.unicode_compact = 56,
	.unicode_kind_shift = 2,
	.unicode_ascii_shift = 6,
	.bytes_size = 16,
	.bytes_data = 32,
	.type_dealloc = 48,
};

/* Runs on a copy of the exact size, so that the address sanitizer sees a read past its end. */
static int get(int minor, const uint64_t *words, size_t len, struct py_layout *layout)
{
	struct py_runtime_layout runtime;
	uint8_t *bytes = malloc(len);
	int err;

	memcpy(bytes, words, len);
	err = py_layouts__get(minor, bytes, len, layout, &runtime);
	free(bytes);
	if (!err) {
		assert_int_equal(runtime.auto_tss_key, PY_NO_FIELD);
		assert_int_equal(runtime.current_tstate, PY_NO_FIELD);
		assert_int_equal(runtime.pool_bytes, 16384);
		assert_int_equal(runtime.alignment, 16);
	}
	return err;
}

static void test_static_versions(void **state)
{
	static const uint16_t auto_tss_keys[] = {1508, 1396, 588, 588, 596, PY_NO_FIELD};
	static const uint16_t finalizings[] = {8, 16, 16, 16, 24, 24};
	static const uint16_t interpreters[] = {24, 32, 32, 32, 40, 40};
	static const uint16_t current_tstates[] = {1480, 1368, 568, 568, 576, PY_NO_FIELD};
	static const uint16_t modules[] = {40, 56, 856, 856, 888, 944};

	for (int minor = 7; minor <= 12; minor++) {
		struct py_runtime_layout runtime;
		struct py_layout layout;

		assert_int_equal(py_layouts__get(minor, NULL, 0, &layout, &runtime), 0);
		assert_int_equal(runtime.auto_tss_key, auto_tss_keys[minor - 7]);
		assert_int_equal(runtime.current_tstate, current_tstates[minor - 7]);
		assert_int_equal(runtime.finalizing, finalizings[minor - 7]);
		assert_int_equal(runtime.interpreters, interpreters[minor - 7]);
		assert_int_equal(runtime.interp_next, 0);
		assert_int_equal(runtime.interp_modules, modules[minor - 7]);
		assert_int_equal(runtime.interp_threads, minor <= 10 ? 8 : minor == 11 ? 16 : 72);
		assert_int_equal(runtime.interp_gil_locked, minor <= 11 ? PY_NO_FIELD : 1056);
		assert_int_equal(runtime.interp_gil_holder, minor <= 11 ? PY_NO_FIELD : 1048);
		assert_int_equal(runtime.tstate_next, 8);
		assert_int_equal(runtime.thread_id, minor <= 10 ? 176 : minor == 11 ? 152 : 136);
		assert_int_equal(runtime.native_thread_id, minor <= 10   ? PY_NO_FIELD
							   : minor == 11 ? 160
									 : 144);
		assert_int_equal(runtime.pool_bytes, minor <= 9 ? 4096 : 16384);
		assert_int_equal(runtime.alignment, 16);
		assert_int_equal(layout.tstate_frame, minor <= 10 ? 24 : 56);
		assert_int_equal(layout.cframe_current == PY_NO_FIELD, minor <= 10);
		assert_int_equal(layout.code_instrs == PY_NO_FIELD, minor <= 10);
		assert_int_equal(layout.frame_owner == PY_NO_FIELD, minor <= 11);
		assert_int_equal(layout.unicode_ascii, minor <= 11 ? 48 : 40);
		assert_int_equal(layout.line_table_kind, minor <= 9    ? PY_LINES_LNOTAB
							 : minor == 10 ? PY_LINES_310
								       : PY_LINES_LOCATIONS);
		assert_int_equal(layout.instr_kind, minor <= 9    ? PY_INSTR_BYTE_INDEX
						    : minor == 10 ? PY_INSTR_UNIT_INDEX
								  : PY_INSTR_POINTER);
	}
}

static void test_unknown_versions(void **state)
{
	static const int unknown[] = {-1, 0, 6, 15, 1000};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct py_layout layout;

		assert_int_equal(get(unknown[i], debian_314, sizeof(debian_314), &layout), -ENOENT);
	}
}

static void test_real_debug_offsets(void **state)
{
	struct py_layout expected_314 = expected_313;
	struct py_layout layout;

	assert_int_equal(get(13, debian_313, sizeof(debian_313), &layout), 0);
	assert_memory_equal(&layout, &expected_313, sizeof(layout));
	assert_int_equal(get(13, pyenv_313, sizeof(pyenv_313), &layout), 0);
	assert_memory_equal(&layout, &expected_313, sizeof(layout));

	expected_314.frame_owner = 74;
	expected_314.code_first_traceable = 192;
	expected_314.code_instrs = 208;
	expected_314.code_tag_mask = 1;
	assert_int_equal(get(14, debian_314, sizeof(debian_314), &layout), 0);
	assert_memory_equal(&layout, &expected_314, sizeof(layout));
}

static void expect_head(int minor, uint64_t cookie, uint64_t version, uint64_t free_threaded, int expected)
{
	uint64_t words[WORDS_313];
	struct py_layout layout;

	memcpy(words, debian_313, sizeof(words));
	words[COOKIE] = cookie;
	words[VERSION] = version;
	words[FREE_THREADED] = free_threaded;
	assert_int_equal(get(minor, words, sizeof(words), &layout), expected);
}

static void test_debug_thread_lists(void **state)
{
	struct py_runtime_layout runtime;
	struct py_layout layout;

	assert_int_equal(
		py_layouts__get(13, (const uint8_t *)debian_313, sizeof(debian_313), &layout, &runtime), 0);
	assert_int_equal(runtime.interpreters, 632);
	assert_int_equal(runtime.interp_next, 7264);
	assert_int_equal(runtime.interp_threads, 7344);
	assert_int_equal(runtime.interp_modules, 7656);
	assert_int_equal(runtime.interp_gil_locked, 7768);
	assert_int_equal(runtime.interp_gil_holder, 7760);
	assert_int_equal(
		py_layouts__get(14, (const uint8_t *)debian_314, sizeof(debian_314), &layout, &runtime), 0);
	assert_int_equal(runtime.interpreters, 808);
	assert_int_equal(runtime.interp_next, 7272);
	assert_int_equal(runtime.interp_threads, 7344);
	assert_int_equal(runtime.interp_modules, 7688);
	assert_int_equal(runtime.interp_gil_locked, 7800);
	assert_int_equal(runtime.interp_gil_holder, 7792);
	assert_int_equal(runtime.tstate_next, 8);
	assert_int_equal(runtime.thread_id, 152);
	assert_int_equal(runtime.native_thread_id, 160);
}

static void test_head(void **state)
{
	expect_head(13, COOKIE_VALUE, 0x30d02f0, 0, 0);
	expect_head(13, COOKIE_VALUE, 0x30d00c1, 0, 0); /* release candidate */
	expect_head(13, COOKIE_VALUE + 1, 0x30d02f0, 0, -EINVAL);
	expect_head(13, 0, 0, 0, -EINVAL);
	expect_head(13, COOKIE_VALUE, 0x30e02f0, 0, -EINVAL);
	expect_head(13, COOKIE_VALUE, 0x20d02f0, 0, -EINVAL);
	expect_head(13, COOKIE_VALUE, UINT64_C(0x1030d02f0), 0, -EINVAL);
	expect_head(13, COOKIE_VALUE, 0x30d00a6, 0, -EINVAL); /* alpha */
	expect_head(13, COOKIE_VALUE, 0x30d00b4, 0, -EINVAL); /* beta */
	expect_head(13, COOKIE_VALUE, 0x30d02f0, 1, -EOPNOTSUPP);
	expect_head(13, COOKIE_VALUE, 0x30d02f0, UINT64_MAX, -EOPNOTSUPP);
}

static void test_truncated(void **state)
{
	struct py_runtime_layout runtime;
	struct py_layout layout;

	assert_int_equal(py_layouts__get(13, NULL, 0, &layout, &runtime), -EINVAL);
	assert_int_equal(py_layouts__get(13, NULL, PY_DEBUG_OFFSETS_BYTES, &layout, &runtime), -EINVAL);
	/* The last field that is read ends at byte 568 (3.13) and 648 (3.14). */
	for (size_t len = 0; len <= sizeof(debian_313); len++)
		assert_int_equal(get(13, debian_313, len, &layout), len < 568 ? -EINVAL : 0);
	for (size_t len = 0; len <= sizeof(debian_314); len++)
		assert_int_equal(get(14, debian_314, len, &layout), len < 648 ? -EINVAL : 0);
}

/* Either the word is not one that is read, or it is refused and the output is not touched. */
static int expect_refused_or_unused(int minor, const uint64_t *words, size_t len,
				    const struct py_layout *good)
{
	struct py_layout layout, untouched;
	int err;

	memset(&layout, 0x5a, sizeof(layout));
	untouched = layout;
	err = get(minor, words, len, &layout);
	assert_true(err == 0 || err == -EINVAL);
	assert_memory_equal(&layout, err ? &untouched : good, sizeof(layout));
	return err;
}

static void check_hostile_words(int minor, const uint64_t *real, size_t count)
{
	static const uint64_t hostile[] = {0x8000,    0xffff, 0x10008, UINT64_C(1) << 32, UINT64_C(1) << 63,
					   UINT64_MAX};
	uint64_t words[WORDS_314];
	struct py_layout good;

	assert_int_equal(get(minor, real, count * 8, &good), 0);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		int refused = 0;

		for (size_t word = FREE_THREADED + 1; word < count; word++) {
			memcpy(words, real, count * 8);
			words[word] = hostile[i];
			refused += expect_refused_or_unused(minor, words, count * 8, &good) != 0;
		}
		/* 28 fields, twice two of which come from the same word. */
		assert_int_equal(refused, 26);
	}
}

static void test_hostile_words(void **state)
{
	check_hostile_words(13, debian_313, WORDS_313);
	check_hostile_words(14, debian_314, WORDS_314);
}

static void test_misaligned(void **state)
{
	uint64_t words[WORDS_313];
	struct py_layout layout;
	int refused = 0;

	for (size_t word = FREE_THREADED + 1; word < WORDS_313; word++) {
		memcpy(words, debian_313, sizeof(words));
		words[word] = 33;
		refused += get(13, words, sizeof(words), &layout) == -EINVAL;
	}
	/* All but the owner, which is a byte, and the characters of a bytes object. */
	assert_int_equal(refused, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_static_versions),
		cmocka_unit_test(test_unknown_versions),
		cmocka_unit_test(test_real_debug_offsets),
		cmocka_unit_test(test_debug_thread_lists),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_misaligned),
	};

	return cmocka_run_group_tests_name("py_layouts", tests, NULL, NULL);
}
