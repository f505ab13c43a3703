/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "heap_test.h"

static int setup(void **state)
{
	return set_up_heap();
}

static int teardown(void **state)
{
	tear_down_heap();
	return 0;
}

static void add_types(void)
{
	const struct object_type *const types[] = {&int_type, &str_type, &list_type, &class_type, &metatype};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_int_equal(heap_objects__add_type(objects, types[i]), 0);
}

/* --- what is asked ----------------------------------------------------------------------------------- */

static void test_asks_for_what_may_be_a_type_once(void **state)
{
	const uint64_t *asked;
	size_t n;

	ADD_BLOCK(1, INT_TYPE, 3, 17, 0, 0x900001);
	ADD_BLOCK(1, INT_TYPE, 1, LIST_TYPE);
	assert_int_equal(heap_objects__ask(objects, &pool, 1, &asked, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(asked[0], INT_TYPE);
	assert_int_equal(asked[1], LIST_TYPE);
	assert_int_equal(heap_objects__ask(objects, &pool, 1, &asked, &n), 0);
	assert_int_equal(n, 0);
}

static void test_asks_for_nothing_in_a_pool_or_a_free_block(void **state)
{
	const uint64_t *asked;
	size_t n;

	ADD_BLOCK(1, OTHER, 0, OTHER + 64, 0, POOL);
	ADD_BLOCK(1, INT_TYPE);
	pool.free.bits[0] = 2;
	assert_int_equal(heap_objects__ask(objects, &pool, 1, &asked, &n), 0);
	assert_int_equal(n, 0);
}

static void test_asks_for_types_outside(void **state)
{
	const struct gc_node nodes[] = {
		{OTHER, {OTHER, OTHER, 1, TYPE_TYPE}},
		{OTHER, {OTHER, OTHER, 1, TYPE_TYPE}},
		{OTHER, {OTHER, OTHER, 1, OTHER}},
		{OTHER, {OTHER, OTHER, 1, 3}},
	};
	const uint64_t *asked;
	size_t n;

	assert_int_equal(heap_objects__ask_outside(objects, nodes, 4, &asked, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(asked[0], TYPE_TYPE);
}

/* --- objects ----------------------------------------------------------------------------------------- */

static struct object_ref visited[8];
static size_t n_visited;

static int keep_object(void *context, const struct object_ref *object)
{
	visited[n_visited++] = *object;
	return context ? -EINTR : 0;
}

static void test_visits_living_objects(void **state)
{
	n_visited = 0;
	add_types();
	ADD_BLOCK(1, INT_TYPE, 4);
	ADD_BLOCK(0, INT_TYPE, 4); /* dead */
	ADD_BLOCK(OTHER, OTHER | 1, 1, LIST_TYPE);
	ADD_BLOCK(1, 2, 3, 4);
	assert_int_equal(heap_objects__visit(objects, &pool, 1, keep_object, NULL), 0);
	assert_int_equal(n_visited, 2);
	assert_int_equal(visited[0].address, POOL + POOL_HEADER_BYTES);
	assert_int_equal(visited[0].type, INT_TYPE);
	assert_int_equal(visited[1].address, POOL + POOL_HEADER_BYTES + 2 * 64 + 16);
	assert_int_equal(visited[1].type, LIST_TYPE);
	assert_int_equal(visited[1].n_before, 16);
	assert_int_equal(visited[1].n_bytes, 64);
	assert_ptr_equal(visited[1].bytes, &bytes.words[(POOL_HEADER_BYTES + 2 * 64) / 8]);
}

static void test_visits_objects_outside(void **state)
{
	const struct gc_node nodes[] = {
		{OTHER, {OTHER, OTHER, 1, LIST_TYPE}}, /* small: in a pool that is new */
		{OTHER, {OTHER, OTHER, 0, TYPE_TYPE}}, /* dead */
		{OTHER, {OTHER, OTHER, 1, TYPE_TYPE}},
	};

	n_visited = 0;
	add_types();
	assert_int_equal(heap_objects__visit_outside(objects, nodes, 3, keep_object, NULL), 0);
	assert_int_equal(n_visited, 1);
	assert_int_equal(visited[0].address, OTHER + 16);
	assert_int_equal(visited[0].type, TYPE_TYPE);
	assert_int_equal(visited[0].n_before, 16);
	assert_ptr_equal(visited[0].bytes, nodes[2].words);
}

static void test_a_visitor_ends_the_visit(void **state)
{
	n_visited = 0;
	add_types();
	ADD_BLOCK(1, INT_TYPE, 4);
	ADD_BLOCK(1, INT_TYPE, 4);
	assert_int_equal(heap_objects__visit(objects, &pool, 1, keep_object, &n_visited), -EINTR);
	assert_int_equal(n_visited, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asks_for_what_may_be_a_type_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asks_for_nothing_in_a_pool_or_a_free_block, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_asks_for_types_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_visits_living_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_visits_objects_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_visitor_ends_the_visit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
