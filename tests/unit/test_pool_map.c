/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pool_map.h"

#define POOL_BYTES 16384
#define POOL UINT64_C(0x7f0000004000)
#define FAR UINT64_C(0x7f8000000000)

static struct pool_map map;

static int teardown(void **state)
{
	pool_map__free(&map);
	return 0;
}

static void add_pools(void)
{
	map = pool_map__of(POOL_BYTES);
	assert_int_equal(pool_map__add(&map, POOL, 31), 0);
	assert_int_equal(pool_map__add(&map, POOL + POOL_BYTES, 0), 0);
	assert_int_equal(pool_map__add(&map, FAR, 7), 0);
}

static void test_empty(void **state)
{
	map = pool_map__of(POOL_BYTES);
	assert_false(pool_map__has(&map, POOL));
	assert_false(pool_map__has(&map, 0));
}

static void test_addresses_in_pools(void **state)
{
	add_pools();
	assert_true(pool_map__has(&map, POOL));
	assert_true(pool_map__has(&map, POOL + POOL_BYTES - 1));
	assert_int_equal(pool_map__find(&map, POOL + 100).szidx, 31);
	assert_int_equal(pool_map__find(&map, POOL + 100).number, 0);
	assert_int_equal(pool_map__find(&map, POOL + POOL_BYTES + 100).number, 1);
	assert_int_equal(pool_map__find(&map, FAR + 100).number, 2);
	assert_int_equal(pool_map__find(&map, FAR + 100).szidx, 7);
	assert_int_equal(pool_map__find(&map, POOL + 100).number, 0);
}

static void test_addresses_elsewhere(void **state)
{
	add_pools();
	assert_false(pool_map__has(&map, POOL - 1));
	assert_false(pool_map__has(&map, POOL + 2 * POOL_BYTES));
	assert_false(pool_map__has(&map, FAR - POOL_BYTES));
	assert_false(pool_map__has(&map, FAR + POOL_BYTES));
	assert_false(pool_map__has(&map, 0));
	assert_false(pool_map__has(&map, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_empty, teardown),
		cmocka_unit_test_teardown(test_addresses_in_pools, teardown),
		cmocka_unit_test_teardown(test_addresses_elsewhere, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
