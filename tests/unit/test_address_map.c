/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "address_map.h"

#define COUNT 100000

static uint64_t address_of(uint32_t i)
{
	return UINT64_C(0x7f0000000000) + UINT64_C(4096) * i;
}

static void test_empty(void **state)
{
	struct address_map map = {0};

	assert_int_equal(address_map__find(&map, 16), ADDRESS_MAP_NONE);
	address_map__free(&map);
}

static void test_many(void **state)
{
	struct address_map map = {0};

	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(address_map__put(&map, address_of(i), i), 0);
	assert_int_equal(map.n, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(address_map__find(&map, address_of(i)), i);
	assert_int_equal(address_map__find(&map, address_of(COUNT)), ADDRESS_MAP_NONE);
	assert_int_equal(address_map__find(&map, address_of(0) + 8), ADDRESS_MAP_NONE);
	address_map__free(&map);
	assert_int_equal(address_map__find(&map, address_of(0)), ADDRESS_MAP_NONE);
}

static void test_another_value(void **state)
{
	struct address_map map = {0};

	assert_int_equal(address_map__put(&map, 16, 1), 0);
	assert_int_equal(address_map__put(&map, 16, 2), 0);
	assert_int_equal(address_map__find(&map, 16), 2);
	assert_int_equal(map.n, 1);
	address_map__free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_another_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
