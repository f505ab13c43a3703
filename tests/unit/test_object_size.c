/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "object_size.h"

#define HAVE_GC (1u << 14)
#define LONG_SUBCLASS (1u << 24)
#define UNICODE_SUBCLASS (1u << 28)
#define STATE(kind, is_ascii) ((kind) << 2 | 1 << 5 | (is_ascii) << 6) /* of 3.11 */

static const struct py_layout layout = {
	.unicode_length = 16,
	.unicode_state = 32,
	.unicode_ascii = 48,
	.unicode_compact = 72,
	.unicode_kind_shift = 2,
	.unicode_ascii_shift = 6,
};
static const struct object_sizes sizes_311 = {.layout = &layout};
static const struct object_sizes sizes_312 = {.layout = &layout, .int_size_shift = 3};

static const struct object_type plain = {.basic_bytes = 16};
static const struct object_type integer = {.flags = LONG_SUBCLASS, .basic_bytes = 24, .item_bytes = 4};
static const struct object_type text = {.flags = UNICODE_SUBCLASS, .basic_bytes = 80};
static const struct object_type tuple = {.flags = HAVE_GC, .basic_bytes = 24, .item_bytes = 8, .object = 2};
static const struct object_type instance = {
	.flags = HAVE_GC, .basic_bytes = 16, .object = 4, .is_managed = true};

static uint64_t of_311(const struct object_type *type, uint64_t third, uint64_t fifth, uint32_t block_bytes)
{
	const uint64_t object[64] = {1, 2, third, 0, fifth};

	return object_sizes__in_block(&sizes_311, type, object, block_bytes);
}

static void test_fields_alone(void **state)
{
	const uint64_t object[] = {1, 2};

	assert_int_equal(object_sizes__in_block(&sizes_311, &plain, object, 16), 16);
	assert_int_equal(of_311(&instance, 0, 0, 48), 48);
	assert_int_equal(of_311(&instance, 0, 0, 320), 48); /* attribute values follow (3.13) */
}

static void test_items(void **state)
{
	assert_int_equal(of_311(&tuple, 3, 0, 64), 16 + 24 + 3 * 8);
	assert_int_equal(of_311(&tuple, 2, 0, 64), 16 + 24 + 2 * 8);
	assert_int_equal(of_311(&tuple, 20, 0, 240), 16 + 24 + 20 * 8); /* made shorter */
}

static void test_what_does_not_go_with_the_block(void **state)
{
	assert_int_equal(of_311(&tuple, 40, 0, 64), 64);
	assert_int_equal(of_311(&tuple, UINT64_MAX, 0, 64), 64);
	assert_int_equal(of_311(&tuple, 0, 0, 208), 208); /* a generator */
	assert_int_equal(of_311(&tuple, 0x7f0000004000, 0, 208), 208);
}

static void test_int(void **state)
{
	const uint64_t object[] = {1, 2, 2 << 3 | 2, 5};

	assert_int_equal(of_311(&integer, 2, 0, 32), 32);
	assert_int_equal(of_311(&integer, -1, 0, 32), 28);
	assert_int_equal(of_311(&integer, INT64_MIN, 0, 32), 32);
	assert_int_equal(object_sizes__in_block(&sizes_312, &integer, object, 32), 32);
}

static void test_str(void **state)
{
	assert_int_equal(of_311(&text, 3, STATE(1, 1), 64), 52);
	assert_int_equal(of_311(&text, 3, STATE(2, 0), 80), 80);
	assert_int_equal(of_311(&text, 3, STATE(4, 0), 96), 88);
	assert_int_equal(of_311(&text, 300, STATE(1, 1), 64), 64); /* torn */
	assert_int_equal(of_311(&text, 3, STATE(0, 1), 64), 64);
	assert_int_equal(of_311(&text, UINT64_MAX, STATE(1, 1), 64), 64);
	assert_int_equal(of_311(&text, 3, STATE(1, 1), 512), 512);
}

static void test_outside(void **state)
{
	const uint64_t hundred[] = {1, 2, 100}, none[] = {1, 2, UINT64_MAX};

	assert_int_equal(object_sizes__outside(&sizes_311, &tuple, hundred), 16 + 24 + 100 * 8);
	assert_int_equal(object_sizes__outside(&sizes_311, &tuple, none), 0);
	assert_int_equal(object_sizes__outside(&sizes_311, &instance, none), 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_alone),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_what_does_not_go_with_the_block),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
