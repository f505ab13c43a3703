/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "object_buffers.h"

#define POOL_BYTES 16384
#define POOL UINT64_C(0x7f0000004000)
#define KEYS_POOL (POOL + POOL_BYTES)
#define OUTSIDE UINT64_C(0x7f0000100000)
#define LIST(items, allocated) 1, 2, 3, items, allocated
#define SET(mask, table) 1, 2, 3, 3, mask, table
#define DICT(keys, values) 1, 2, 3, 4, keys, values
#define OBJECT UINT64_C(0x7f0000200000)

static struct pool_map pools;
static struct object_buffer buffer;

/* A pool of blocks of 64 bytes, and one of 128. */
static int setup(void **state)
{
	pools = pool_map__of(POOL_BYTES);
	return pool_map__add(&pools, POOL, 3) || pool_map__add(&pools, KEYS_POOL, 7);
}

static int teardown(void **state)
{
	pool_map__free(&pools);
	return 0;
}

static enum buffer_answer find(int minor, enum object_buffers buffers, const uint64_t words[8])
{
	buffer = (struct object_buffer){0};
	return object_buffers__find(object_layout__get(minor), buffers, &pools,
				    &(struct object_words){OBJECT, words, 8, 0}, &buffer);
}

#define FIND(minor, buffers, ...) find(minor, buffers, (const uint64_t[8]){__VA_ARGS__})

static void check_buffer(uint64_t address, uint64_t bytes)
{
	assert_int_equal(buffer.address, address);
	assert_int_equal(buffer.bytes, bytes);
}

static void test_list(void **state)
{
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(POOL + 48, 8)), BUFFER_IS_ONE);
	check_buffer(POOL + 48, 64);
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(OUTSIDE, 1000)), BUFFER_IS_ONE);
	check_buffer(OUTSIDE, 8000);
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(0, 0)), BUFFER_IS_NONE);
}

static void test_torn(void **state)
{
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(POOL + 48, 9)), BUFFER_IS_TORN);
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(OUTSIDE, UINT64_MAX)), BUFFER_IS_TORN);
	assert_int_equal(FIND(11, BUFFERS_LIST, LIST(3, 1)), BUFFER_IS_TORN);
	assert_int_equal(FIND(11, BUFFERS_SET, SET(31, POOL + 48)), BUFFER_IS_TORN);
	assert_int_equal(FIND(11, BUFFERS_SET, SET(UINT64_MAX - 1, OUTSIDE)), BUFFER_IS_TORN);
}

static void test_set(void **state)
{
	assert_int_equal(FIND(11, BUFFERS_SET, SET(31, OUTSIDE)), BUFFER_IS_ONE);
	check_buffer(OUTSIDE, 32 * 16);
	assert_int_equal(FIND(11, BUFFERS_SET, SET(7, OBJECT + 64)), BUFFER_IS_NONE); /* in the object */
}

static void test_dict(void **state)
{
	assert_int_equal(FIND(11, BUFFERS_DICT, DICT(KEYS_POOL + 48, 0)), BUFFER_IS_ONE);
	check_buffer(KEYS_POOL + 48, 32 + 8 + 5 * 16);
	assert_int_equal(FIND(11, BUFFERS_DICT, DICT(OUTSIDE, 0)), BUFFER_ASK);
	assert_int_equal(FIND(11, BUFFERS_DICT, DICT(KEYS_POOL + 48, OUTSIDE)), BUFFER_ASK); /* split */
	assert_int_equal(FIND(11, BUFFERS_DICT, DICT(POOL + 48, 0)), BUFFER_ASK); /* no keys are so small */
	assert_int_equal(FIND(10, BUFFERS_DICT, DICT(KEYS_POOL + 48, 0)), BUFFER_ASK);
}

/* 8 and 16 slots, with and without hashes. */
static void test_sizes_of_keys(void **state)
{
	static const struct {
		int minor;
		uint32_t bytes;
	} cases[] = {{9, 168}, {9, 296}, {13, 120}, {13, 160}, {13, 208}, {13, 288}, {13, 400}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const uint64_t words[8] = {DICT(POOL + 48, 0)};
		struct pool_map one = pool_map__of(POOL_BYTES);

		assert_int_equal(pool_map__add(&one, POOL, (cases[i].bytes + 15) / 16 - 1), 0);
		assert_int_equal(object_buffers__find(object_layout__get(cases[i].minor), BUFFERS_DICT, &one,
						      &(struct object_words){OBJECT, words, 8, 0}, &buffer),
				 BUFFER_IS_ONE);
		check_buffer(POOL + 48, cases[i].bytes);
		pool_map__free(&one);
	}
}

/* Two words in front of the collector's. */
static enum buffer_answer find_values(int minor, uint64_t first, uint64_t second)
{
	const uint64_t words[8] = {first, second, 0, 0, 1, 2};

	buffer = (struct object_buffer){0};
	return object_buffers__find(object_layout__get(minor), BUFFERS_VALUES, &pools,
				    &(struct object_words){OBJECT, words, 8, 4}, &buffer);
}

static void test_values(void **state)
{
	assert_int_equal(find_values(11, POOL + 64, 0), BUFFER_IS_ONE);
	check_buffer(POOL + 64, 64);
	assert_int_equal(find_values(11, 0, OUTSIDE), BUFFER_IS_NONE);
	assert_int_equal(find_values(11, OUTSIDE, 0), BUFFER_ASK);
	assert_int_equal(find_values(12, 0, (POOL + 64) - 1), BUFFER_IS_ONE);
	check_buffer(POOL + 64, 64);
	assert_int_equal(find_values(12, 0, POOL + 64), BUFFER_IS_NONE); /* a dict */
}

static enum buffer_answer find_in(enum object_buffers buffers, uint32_t n_words, uint32_t n_before)
{
	const uint64_t words[] = {LIST(POOL + 48, 8)};

	return object_buffers__find(object_layout__get(11), buffers, &pools,
				    &(struct object_words){OBJECT, words, n_words, n_before}, &buffer);
}

static void test_what_is_not_known_of_it(void **state)
{
	assert_int_equal(find_in(BUFFERS_LIST, 3, 0), BUFFER_ASK);
	assert_int_equal(find_in(BUFFERS_VALUES, 5, 2), BUFFER_ASK);
	assert_int_equal(find_in(BUFFERS_OTHER, 5, 0), BUFFER_ASK);
	assert_int_equal(find_in(BUFFERS_NONE, 3, 0), BUFFER_IS_NONE);
}

static enum object_buffers of(int minor, enum object_kind kind, bool has_managed_dict)
{
	const struct object_shape shape = {.kind = kind, .has_managed_dict = has_managed_dict};

	return object_buffers__of(object_layout__get(minor), &shape);
}

static void test_types(void **state)
{
	assert_int_equal(of(11, OBJECT_LIST, false), BUFFERS_LIST);
	assert_int_equal(of(11, OBJECT_DICT, false), BUFFERS_DICT);
	assert_int_equal(of(11, OBJECT_SET, false), BUFFERS_SET);
	assert_int_equal(of(11, OBJECT_DEQUE, false), BUFFERS_OTHER);
	assert_int_equal(of(11, OBJECT_TUPLE, false), BUFFERS_NONE);
	assert_int_equal(of(11, OBJECT_FRAME, false), BUFFERS_NONE);
	assert_int_equal(of(11, OBJECT_PLAIN, true), BUFFERS_VALUES);
	assert_int_equal(of(11, OBJECT_DICT, true), BUFFERS_OTHER);
	assert_int_equal(of(13, OBJECT_PLAIN, true), BUFFERS_NONE);
	assert_int_equal(of(13, OBJECT_DICT, true), BUFFERS_DICT);
	assert_int_equal(object_buffers__of(object_layout__get(13), NULL), BUFFERS_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes_of_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_known_of_it, setup, teardown),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
