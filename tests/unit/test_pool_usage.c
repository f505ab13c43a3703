/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pool_usage.h"

#define POOL_BYTES 4096
#define ARENA_BYTES (256 << 10)
#define ARENA UINT64_C(0x7f0000040000)
#define BLOCK_BYTES 512
#define CAPACITY 7 /* blocks of 512 bytes in a pool */

static struct pool_usage usage;

static int setup(void **state)
{
	pool_usage__start(&usage, POOL_BYTES);
	return 0;
}

static void add(uint64_t address, uint32_t arena, uint32_t count)
{
	const struct pool_header pool = {
		.count = count,
		.arenaindex = arena,
		.szidx = BLOCK_BYTES / POOL_CLASS_BYTES - 1,
	};

	pool_usage__add(&usage, address, &pool);
}

static void test_nothing(void **state)
{
	pool_usage__finish(&usage);
	assert_int_equal(usage.count.pools, 0);
	assert_int_equal(pool_usage__bytes(&usage).arenas, 0);
}

static void test_bytes_add_up(void **state)
{
	struct heap_bytes bytes;

	add(ARENA, 0, CAPACITY);
	add(ARENA + POOL_BYTES, 0, 2);
	pool_usage__finish(&usage);
	bytes = pool_usage__bytes(&usage);
	assert_int_equal(bytes.arenas, ARENA_BYTES);
	assert_int_equal(bytes.used, 9 * BLOCK_BYTES);
	assert_int_equal(bytes.free_blocks, 5 * BLOCK_BYTES);
	assert_int_equal(bytes.unused_pools, ARENA_BYTES - 2 * POOL_BYTES);
	assert_int_equal(bytes.overhead, 2 * (POOL_BYTES - CAPACITY * BLOCK_BYTES));
	assert_int_equal(pool_usage__free_blocks(&usage, BLOCK_BYTES / POOL_CLASS_BYTES - 1), 5);
	assert_int_equal(pool_usage__free_blocks(&usage, 0), 0);
}

static void test_arenas_by_quarter(void **state)
{
	for (uint32_t i = 0; i < ARENA_POOLS; i++)
		add(ARENA + i * POOL_BYTES, 0, CAPACITY);
	add(ARENA + ARENA_BYTES, 1, 1);
	add(ARENA + 2 * ARENA_BYTES, 2, 3);
	pool_usage__finish(&usage);
	assert_int_equal(usage.quarters[3].arenas, 1);
	assert_int_equal(usage.quarters[3].blocks, ARENA_POOLS * CAPACITY);
	assert_int_equal(usage.quarters[0].arenas, 2);
	assert_int_equal(usage.quarters[0].blocks, 4);
	assert_int_equal(usage.quarters[0].used_bytes, 4 * BLOCK_BYTES);
}

/* Interpreters of one process number their arenas alike. */
static void test_arenas_of_the_same_number(void **state)
{
	add(ARENA, 0, 1);
	add(ARENA + ARENA_BYTES, 0, 1);
	pool_usage__finish(&usage);
	assert_int_equal(usage.quarters[0].arenas, 2);
}

static void test_an_arena_that_is_not_aligned(void **state)
{
	add(ARENA + 3 * POOL_BYTES, 0, 1);
	add(ARENA + ARENA_BYTES + 2 * POOL_BYTES, 0, 1);
	pool_usage__finish(&usage);
	assert_int_equal(usage.quarters[0].arenas, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_bytes_add_up, setup),
		cmocka_unit_test_setup(test_arenas_by_quarter, setup),
		cmocka_unit_test_setup(test_arenas_of_the_same_number, setup),
		cmocka_unit_test_setup(test_an_arena_that_is_not_aligned, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
