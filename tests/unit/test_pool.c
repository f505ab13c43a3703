/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pool.h"

#define POOL_BYTES 4096
#define BLOCK_BYTES 512
#define ADDRESS UINT64_C(0x7f0000001000)

/* A pool of seven blocks, of which five were handed out once. */
static union {
	struct pool_header header;
	uint64_t words[POOL_BYTES / 8];
} pool;

static uint32_t offset_of(uint32_t index)
{
	return POOL_HEADER_BYTES + index * BLOCK_BYTES;
}

static uint64_t *first_word(uint32_t index)
{
	return &pool.words[offset_of(index) / 8];
}

static int setup(void **state)
{
	memset(&pool, 0xa5, sizeof(pool));
	pool.header = (struct pool_header){
		.count = 5,
		.szidx = BLOCK_BYTES / POOL_CLASS_BYTES - 1,
		.nextoffset = offset_of(5),
		.maxnextoffset = POOL_BYTES - BLOCK_BYTES,
	};
	return 0;
}

/* Frees blocks 1 and 3, in this order. */
static void free_two(void)
{
	*first_word(1) = 0;
	*first_word(3) = ADDRESS + offset_of(1);
	pool.header.freeblock = ADDRESS + offset_of(3);
	pool.header.count = 3;
}

static void check_free_blocks(int expected)
{
	struct pool_blocks blocks;

	assert_int_equal(pool__free_blocks(&pool, ADDRESS, POOL_BYTES, &blocks), expected);
}

static void test_used_pool(void **state)
{
	assert_true(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_MAX_BYTES));
	pool.header.freeblock = ADDRESS + POOL_BYTES;
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
	pool.header.freeblock = 0;
	pool.header.count = 0;
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
	pool.header.count = 8;
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
}

static void test_size_class_out_of_range(void **state)
{
	pool.header.szidx = UINT32_MAX;
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
	pool.header.maxnextoffset = POOL_BYTES;
	assert_false(pool__is_used(&pool.header, ADDRESS, POOL_BYTES));
}

static void test_no_free_blocks(void **state)
{
	struct pool_blocks blocks;

	assert_int_equal(pool__free_blocks(&pool, ADDRESS, POOL_BYTES, &blocks), 0);
	for (uint32_t i = 0; i < 7; i++)
		assert_false(pool_blocks__has(&blocks, i));
}

static void test_free_blocks(void **state)
{
	struct pool_blocks blocks;

	free_two();
	assert_int_equal(pool__free_blocks(&pool, ADDRESS, POOL_BYTES, &blocks), 0);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(pool_blocks__has(&blocks, i), i == 1 || i == 3);
}

static void test_list_does_not_match_count(void **state)
{
	free_two();
	pool.header.count = 4;
	check_free_blocks(-EAGAIN);
}

/* Block 5 would be neither handed out nor not. */
static void test_end_inside_a_block(void **state)
{
	pool.header.nextoffset += 16;
	*first_word(5) = 0;
	pool.header.freeblock = ADDRESS + offset_of(5);
	pool.header.count = 4;
	check_free_blocks(-EAGAIN);
}

static void test_broken_links(void **state)
{
	const uint64_t links[] = {
		ADDRESS + offset_of(3),     /* a circle */
		ADDRESS + offset_of(2) + 8, /* into a block */
		ADDRESS + offset_of(5),     /* a block that was never handed out */
		ADDRESS + 8,                /* the header */
		ADDRESS + POOL_BYTES,
		ADDRESS - 16,
		0xa5a5a5a5a5a5a5a5,
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		free_two();
		*first_word(3) = links[i];
		check_free_blocks(-EAGAIN);
	}
}

static void test_pool_that_changed_its_class(void **state)
{
	pool.header.maxnextoffset = POOL_BYTES - 16;
	check_free_blocks(-EAGAIN);
}

static void test_block_sizes(void **state)
{
	assert_true(pool__is_block_size(16) && pool__is_block_size(512));
	assert_false(pool__is_block_size(0) || pool__is_block_size(8) || pool__is_block_size(528) ||
		     pool__is_block_size(UINT64_MAX) || pool__is_block_size(0x10010));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_sizes),
		cmocka_unit_test_setup(test_used_pool, setup),
		cmocka_unit_test_setup(test_size_class_out_of_range, setup),
		cmocka_unit_test_setup(test_no_free_blocks, setup),
		cmocka_unit_test_setup(test_free_blocks, setup),
		cmocka_unit_test_setup(test_list_does_not_match_count, setup),
		cmocka_unit_test_setup(test_end_inside_a_block, setup),
		cmocka_unit_test_setup(test_broken_links, setup),
		cmocka_unit_test_setup(test_pool_that_changed_its_class, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
