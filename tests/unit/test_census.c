/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "census.h"
#include "heap_test.h"

static struct census *census;

static int setup(void **state)
{
	return set_up_heap() || census__new(&memory, objects, &census);
}

static int teardown(void **state)
{
	census__free(census);
	tear_down_heap();
	return 0;
}

static int add_type(const struct object_type *type, uint8_t length_word, enum object_buffers buffers)
{
	const struct census_type row = {.type = *type, .length_word = length_word, .buffers = buffers};

	return census__add_type(census, &row);
}

static void add_types(void)
{
	assert_int_equal(add_type(&int_type, 0, BUFFERS_NONE), 0);
	assert_int_equal(add_type(&str_type, 0, BUFFERS_NONE), 0);
	assert_int_equal(add_type(&list_type, 0, BUFFERS_NONE), 0);
	assert_int_equal(add_type(&class_type, 0, BUFFERS_NONE), 0);
}

static void count(void)
{
	assert_int_equal(census__count(census, &pool, 1), 0);
	census__finish_holders(census);
	census__finish(census, &(struct heap_torn){0});
}

static const struct census_type *only_type(void)
{
	size_t n;
	const struct census_type *types = census__types(census, &n);

	assert_int_equal(n, 1);
	return types;
}

static void check_rest(enum census_rest rest, uint64_t blocks)
{
	size_t n;

	census__types(census, &n);
	assert_int_equal(n, 0);
	assert_int_equal(census__rest(census, rest).blocks, blocks);
	assert_int_equal(census__rest(census, rest).bytes, blocks * 64);
	assert_int_equal(census__total(census).blocks, blocks);
}

/* --- objects ----------------------------------------------------------------------------------------- */

static void test_objects(void **state)
{
	size_t n;
	const struct census_type *types;

	add_types();
	ADD_BLOCK(1, INT_TYPE, 4);
	ADD_BLOCK(0xffffffff, INT_TYPE, 4); /* immortal */
	ADD_BLOCK(0, 0, 1, LIST_TYPE);
	ADD_BLOCK(OTHER, OTHER | 1, 1, LIST_TYPE);
	ADD_BLOCK(OTHER, OTHER, 2, LIST_TYPE);
	ADD_BLOCK(0, OTHER, OTHER, OTHER, 1, CLASS_TYPE);
	count();
	types = census__types(census, &n);
	assert_int_equal(n, 3);
	assert_int_equal(types[0].type.address, LIST_TYPE);
	assert_int_equal(types[0].objects, 3);
	assert_int_equal(types[0].tracked, 2);
	assert_int_equal(types[0].block_bytes, 3 * 64);
	assert_int_equal(types[1].type.address, INT_TYPE);
	assert_int_equal(types[1].tracked, 0);
	assert_int_equal(types[2].type.address, CLASS_TYPE);
	assert_int_equal(types[2].tracked, 1);
	assert_int_equal(census__total(census).blocks, 6);
}

static void test_a_short_str_is_smaller_than_its_type_says(void **state)
{
	add_types();
	ADD_BLOCK(1, STR_TYPE, 3, UINT64_MAX, 0xe5);
	count();
	assert_int_equal(only_type()->objects, 1);
}

static void test_free_blocks_are_not_counted(void **state)
{
	add_types();
	ADD_BLOCK(1, INT_TYPE, 4);
	ADD_BLOCK(1, INT_TYPE, 4);
	pool.free.bits[0] = 1;
	count();
	assert_int_equal(only_type()->objects, 1);
	assert_int_equal(census__total(census).blocks, 1);
}

/* --- outside the pools ------------------------------------------------------------------------------- */

static void count_node(uint64_t count, uint64_t type, uint64_t n_items)
{
	const struct gc_node node = {OTHER, {OTHER, OTHER, count, type, n_items}};

	assert_int_equal(census__count_outside(census, &node, 1), 0);
	census__finish_holders(census);
}

static void test_objects_outside(void **state)
{
	size_t n;
	const struct census_type *types;

	add_types();
	assert_int_equal(add_type(&metatype, 0, BUFFERS_NONE), 0);
	count_node(1, TYPE_TYPE, 0);
	count_node(2, TYPE_TYPE, 3);
	ADD_BLOCK(1, INT_TYPE, 4);
	count();
	types = census__types(census, &n);
	assert_int_equal(n, 2);
	assert_int_equal(types[0].type.address, TYPE_TYPE);
	assert_int_equal(types[0].objects, 2);
	assert_int_equal(types[0].tracked, 2);
	assert_int_equal(types[0].block_bytes, 0);
	assert_int_equal(types[0].outside.bytes, 2 * (16 + 880) + 3 * 40);
	assert_int_equal(census__outside(census).blocks, 2);
	assert_int_equal(census__total(census).blocks, 1);
}

static void test_no_objects_outside(void **state)
{
	size_t n;

	add_types();
	assert_int_equal(add_type(&metatype, 0, BUFFERS_NONE), 0);
	count_node(700, OTHER, 0);            /* a head of the collector's lists */
	count_node(0, TYPE_TYPE, 0);          /* dead */
	count_node(OTHER, TYPE_TYPE, 0);      /* no count */
	count_node(1, TYPE_TYPE, UINT64_MAX); /* torn */
	count_node(1, TYPE_TYPE, INT64_MAX);
	count_node(1, LIST_TYPE, 0); /* small: in a pool that is new */
	count_node(1, INT_TYPE, 0);  /* not the collector's */
	count();
	census__types(census, &n);
	assert_int_equal(n, 0);
	assert_int_equal(census__outside(census).blocks, 0);
}

/* --- what objects own -------------------------------------------------------------------------------- */

#define BLOCK(i) (POOL + POOL_HEADER_BYTES + (i)*64)
#define LIST(count) OTHER, OTHER, count, LIST_TYPE

static void own(uint64_t address, uint64_t owned_bytes)
{
	census__add_buffer(census, 0, address, owned_bytes);
}

static void add_list_type(void)
{
	assert_int_equal(add_type(&list_type, 2, BUFFERS_LIST), 0);
}

static void test_a_buffer_after_its_block(void **state)
{
	size_t n;

	add_list_type();
	ADD_BLOCK(OTHER, OTHER, OTHER);
	ADD_BLOCK(LIST(1), 7);
	assert_int_equal(census__count(census, &pool, 1), 0);
	assert_int_equal(census__holders(census, &n)[0].address, BLOCK(1) + 16);
	assert_int_equal(n, 1);
	assert_int_equal(census__rest(census, CENSUS_NO_OBJECT).blocks, 1);
	own(BLOCK(0), 50);
	own(BLOCK(0), 50); /* it is there once */
	census__finish_holders(census);
	census__finish(census, &(struct heap_torn){0});
	assert_int_equal(census__rest(census, CENSUS_NO_OBJECT).blocks, 0);
	assert_int_equal(only_type()->owned.blocks, 1);
	assert_int_equal(only_type()->owned.bytes, 64);
	assert_int_equal(census_type__sum(only_type()).bytes, 128);
	assert_int_equal(census__total(census).bytes, 128);
	assert_int_equal(only_type()->longest.amount, 7);
	assert_int_equal(only_type()->longest.address, BLOCK(1) + 16);
}

static void test_a_buffer_before_its_block(void **state)
{
	add_list_type();
	ADD_BLOCK(LIST(1));
	assert_int_equal(census__count(census, &pool, 1), 0);
	own(BLOCK(1), 50);
	assert_int_equal(census__total(census).blocks, 2);
	ADD_BLOCK(LIST(1)); /* what its owner says stands */
	pool.free.bits[0] = 1;
	count();
	assert_int_equal(census__rest(census, CENSUS_NO_OBJECT).blocks, 0);
	assert_int_equal(only_type()->objects, 1);
	assert_int_equal(only_type()->owned.bytes, 64);
	assert_int_equal(census__total(census).blocks, 2);
}

static void test_what_is_an_object_is_no_buffer(void **state)
{
	add_list_type();
	ADD_BLOCK(LIST(1));
	ADD_BLOCK(LIST(1));
	assert_int_equal(census__count(census, &pool, 1), 0);
	own(BLOCK(1) + 16, 50);
	own(POOL + 8, 50);
	census__finish(census, &(struct heap_torn){0});
	assert_int_equal(only_type()->objects, 2);
	assert_int_equal(only_type()->owned.blocks, 0);
	assert_int_equal(census__total(census).blocks, 2);
}

static void test_a_buffer_outside(void **state)
{
	add_list_type();
	ADD_BLOCK(LIST(1));
	ADD_BLOCK(LIST(1));
	assert_int_equal(census__count(census, &pool, 1), 0);
	census__add_buffer(census, 1, 0x7f0000100000, 8000);
	own(0x7f0000200000, UINT64_MAX);
	census__finish_holders(census);
	census__finish(census, &(struct heap_torn){0});
	assert_int_equal(only_type()->owned.blocks, 0);
	assert_int_equal(only_type()->owned_outside.bytes, 8000);
	assert_int_equal(census__outside(census).bytes, 8000);
	assert_int_equal(only_type()->largest.amount, 56 + 8000);
	assert_int_equal(only_type()->largest.address, BLOCK(1) + 16);
	assert_int_equal(only_type()->own_bytes, 2 * 56);
	assert_int_equal(only_type()->owned_bytes, 8000);
}

/* --- no objects -------------------------------------------------------------------------------------- */

static void test_storage_is_no_object(void **state)
{
	add_types();
	ADD_BLOCK(OTHER, OTHER, OTHER);
	ADD_BLOCK(1, 0x900010, 4);         /* not a type */
	ADD_BLOCK(OTHER, INT_TYPE);        /* a list of an object and a type */
	ADD_BLOCK(0x958980, INT_TYPE);     /* the same, of an object in the program */
	ADD_BLOCK(0, OTHER, 1, LIST_TYPE); /* one link of the collector */
	ADD_BLOCK(5, 5, 1, LIST_TYPE);
	ADD_BLOCK(OTHER, 0, 0, LIST_TYPE); /* a dead list's block, used anew */
	ADD_BLOCK(1, CLASS_TYPE);          /* a type in another place than it says */
	count();
	check_rest(CENSUS_NO_OBJECT, 8);
}

static void test_an_object_has_to_fit(void **state)
{
	const struct object_type large = {.address = INT_TYPE, .basic_bytes = 72};

	assert_int_equal(add_type(&large, 0, BUFFERS_NONE), 0);
	ADD_BLOCK(1, INT_TYPE);
	count();
	check_rest(CENSUS_NO_OBJECT, 1);
}

static void test_dead_objects(void **state)
{
	add_types();
	ADD_BLOCK(0, INT_TYPE);
	ADD_BLOCK(0, 0, 0, LIST_TYPE);
	ADD_BLOCK(0, 1, OTHER, LIST_TYPE); /* linked through the first word (3.14) */
	count();
	check_rest(CENSUS_FREE_LIST, 3);
}

static void test_torn_pools_count_as_their_headers_say(void **state)
{
	census__finish(census, &(struct heap_torn){.pools = 1, .blocks = 10, .bytes = 640});
	check_rest(CENSUS_TORN, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_short_str_is_smaller_than_its_type_says, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_free_blocks_are_not_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_objects_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_objects_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_buffer_after_its_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_buffer_before_its_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_an_object_is_no_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_buffer_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storage_is_no_object, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_object_has_to_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_pools_count_as_their_headers_say, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
