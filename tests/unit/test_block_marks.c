/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block_marks.h"

#define POOL_BYTES 16384
#define MANY 5000

static struct block_marks *marks;

static int setup(void **state)
{
	const struct pool_map pools = {.pool_bytes = POOL_BYTES, .n_pools = MANY};

	return block_marks__new(&pools, &marks);
}

static int teardown(void **state)
{
	block_marks__free(marks);
	return 0;
}

static void test_nothing_was_seen(void **state)
{
	const uint8_t *of_pool = block_marks__of_pool(marks, 7);

	for (uint32_t offset = 0; offset < POOL_BYTES; offset += BLOCK_MARK_STEP)
		assert_int_equal(block_marks__get(of_pool, offset), BLOCK_NOT_SEEN);
}

static void test_marks(void **state)
{
	uint8_t *of_pool = block_marks__of_pool(marks, 7);

	block_marks__set(of_pool, 48, BLOCK_OBJECT);
	block_marks__set(of_pool, 64, BLOCK_UNKNOWN);
	block_marks__set(of_pool, 80, BLOCK_OWNED);
	block_marks__set(of_pool, POOL_BYTES - BLOCK_MARK_STEP, BLOCK_UNKNOWN);
	block_marks__set(of_pool, 64, BLOCK_OWNED);
	assert_int_equal(block_marks__get(of_pool, 48), BLOCK_OBJECT);
	assert_int_equal(block_marks__get(of_pool, 64), BLOCK_OWNED);
	assert_int_equal(block_marks__get(of_pool, 80), BLOCK_OWNED);
	assert_int_equal(block_marks__get(of_pool, 96), BLOCK_NOT_SEEN);
	assert_int_equal(block_marks__get(of_pool, POOL_BYTES - BLOCK_MARK_STEP), BLOCK_UNKNOWN);
}

static void test_many_pools(void **state)
{
	for (uint32_t i = 0; i < MANY; i++)
		block_marks__set(block_marks__of_pool(marks, i), i % 1000 * BLOCK_MARK_STEP, BLOCK_OBJECT);
	for (uint32_t i = 0; i < MANY; i++) {
		const uint8_t *of_pool = block_marks__of_pool(marks, i);

		for (uint32_t block = 0; block < 1000; block++)
			assert_int_equal(block_marks__get(of_pool, block * BLOCK_MARK_STEP),
					 block == i % 1000 ? BLOCK_OBJECT : BLOCK_NOT_SEEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_was_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_pools, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
