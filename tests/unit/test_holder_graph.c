/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "holder_graph.h"

enum { DICT = 0x1000, LIST, MODULE, THING, CLASS, FUNCTION, NODE };

static const struct holder_limits limits = {.new_objects = 100, .holds = 50, .chains = 3, .more_passes = 10};

static struct holder_graph *graph;

static int setup(void **state)
{
	return holder_graph__new(&limits, &graph);
}

static int teardown(void **state)
{
	holder_graph__free(graph);
	return 0;
}

static void add_target(uint64_t address)
{
	assert_int_equal(holder_graph__add_target(graph, address, THING), 0);
}

/* As a pass finds it: only what is sought gets holders. */
static void see(uint64_t from, uint64_t type, uint64_t to, enum referent_label label, uint64_t key)
{
	const struct holder holder = {from, type, type == MODULE ? HOLDER_MODULE : HOLDER_NO_ROOT};
	uint32_t held = holder_graph__sought(graph, to);

	if (held != HOLDER_NONE)
		assert_int_equal(
			holder_graph__add_hold(graph, &holder,
					       &(struct hold){.held = held, .label = label, .key = key}),
			0);
}

static size_t advance(void)
{
	size_t n;

	assert_int_equal(holder_graph__advance(graph, &n), 0);
	return n;
}

static uint32_t number_of(uint64_t address)
{
	for (uint32_t i = 0; i < holder_graph__n_objects(graph); i++)
		if (holder_graph__address(graph, i) == address)
			return i;
	return HOLDER_NONE;
}

#define CHECK_CHAIN(target, number, root, ...)                                                               \
	check_chain(target, number, root, (const uint64_t[]){__VA_ARGS__, 0})

/* The addresses of what holds, from the root on. */
static void check_chain(uint32_t target, uint32_t number, enum holder_root root, const uint64_t *addresses)
{
	struct holder_chain chain;
	struct hold holds[16];

	assert_true(holder_graph__chain(graph, target, number, &chain));
	assert_int_equal(chain.root, root);
	assert_int_equal(chain.target, target);
	holder_graph__holds(graph, &chain, holds);
	for (uint32_t i = 0; i < chain.n_holds; i++)
		assert_int_equal(holder_graph__address(graph, holds[i].holder), addresses[i]);
	assert_int_equal(addresses[chain.n_holds], 0);
	if (chain.n_holds)
		assert_int_equal(holds[chain.n_holds - 1].held, target);
}

static size_t count_chains(uint32_t target)
{
	struct holder_chain chain;
	uint32_t n = 0;

	while (holder_graph__chain(graph, target, n, &chain))
		n++;
	return n;
}

/* --- the search -------------------------------------------------------------------------------------- */

static void test_one_chain(void **state)
{
	add_target(10);
	for (int pass = 0; pass < 3; pass++) {
		see(20, LIST, 10, REFERENT_ITEM, 3);
		see(30, DICT, 20, REFERENT_DICT_VALUE, 31);
		see(40, MODULE, 30, REFERENT_FIELD, 16);
		assert_int_equal(advance(), pass < 2);
	}
	assert_int_equal(holder_graph__n_rooted(graph), 1);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40, 30, 20);
	assert_int_equal(count_chains(0), 1);
}

static void test_what_is_not_sought(void **state)
{
	add_target(10);
	see(20, LIST, 10, REFERENT_ITEM, 3);
	assert_int_equal(holder_graph__sought(graph, 20), HOLDER_NONE);
	assert_int_equal(holder_graph__sought(graph, 99), HOLDER_NONE);
	assert_int_equal(advance(), 1);
	assert_int_equal(holder_graph__sought(graph, 10), HOLDER_NONE);
	assert_int_not_equal(holder_graph__sought(graph, 20), HOLDER_NONE);
}

static void test_a_cycle_ends(void **state)
{
	struct holder_chain chain;

	add_target(10);
	see(20, DICT, 10, REFERENT_DICT_VALUE, 1);
	assert_int_equal(advance(), 1);
	see(10, THING, 20, REFERENT_DICT, 0);
	see(20, DICT, 20, REFERENT_DICT_VALUE, 2);
	assert_int_equal(advance(), 0);
	assert_false(holder_graph__chain(graph, 0, 0, &chain));
}

static void test_what_holds_itself(void **state)
{
	add_target(10);
	see(10, THING, 10, REFERENT_ATTRIBUTE, 0);
	assert_int_equal(advance(), 0);
	assert_int_equal(count_chains(0), 0);
}

static void test_nobody_refers_to_it(void **state)
{
	add_target(10);
	see(20, LIST, 10, REFERENT_ITEM, 0);
	assert_int_equal(advance(), 1);
	assert_int_equal(advance(), 0);
	assert_int_equal(holder_graph__n_rooted(graph), 0);
	CHECK_CHAIN(0, 0, HOLDER_UNKNOWN, 20);
}

static void test_a_target_without_a_holder(void **state)
{
	add_target(10);
	assert_int_equal(advance(), 0);
	CHECK_CHAIN(0, 0, HOLDER_UNKNOWN, 0);
}

/* A function refers to its module's dict, and much refers to a function. */
static void test_what_is_closed_has_no_other_holders(void **state)
{
	add_target(10);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 31);
	assert_int_equal(advance(), 1);
	see(50, FUNCTION, 30, REFERENT_FIELD, 8);
	see(40, MODULE, 30, REFERENT_FIELD, 16);
	holder_graph__set_namespace(graph, number_of(30));
	assert_true(holder_graph__is_held_by_closed(graph, number_of(30)));
	assert_false(holder_graph__is_held_by_closed(graph, number_of(10)));
	holder_graph__close(graph, number_of(30));
	assert_int_equal(advance(), 0);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40, 30);
	assert_int_equal(count_chains(0), 1);
}

/* A function that has a name in the module refers to the module's dict, and is no way to it for that. */
static void test_what_is_closed_holds_no_namespace(void **state)
{
	add_target(10);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 31);
	see(50, FUNCTION, 10, REFERENT_FIELD, 24);
	assert_int_equal(advance(), 2);
	see(50, FUNCTION, 30, REFERENT_FIELD, 8);
	see(30, DICT, 50, REFERENT_DICT_VALUE, 32);
	see(40, MODULE, 30, REFERENT_FIELD, 16);
	holder_graph__set_namespace(graph, number_of(30));
	holder_graph__close(graph, number_of(30));
	holder_graph__close(graph, number_of(50));
	assert_int_equal(advance(), 0);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40, 30);
	CHECK_CHAIN(0, 1, HOLDER_MODULE, 40, 30, 50);
	assert_int_equal(count_chains(0), 2);
}

/* Where something open is held by it too, it is looked for after all. */
static void test_what_was_left_aside_is_sought_later(void **state)
{
	add_target(10);
	add_target(11);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 31);
	see(60, LIST, 11, REFERENT_ITEM, 0);
	assert_int_equal(advance(), 2);
	see(50, FUNCTION, 30, REFERENT_FIELD, 8);
	see(40, MODULE, 30, REFERENT_FIELD, 16);
	see(70, DICT, 60, REFERENT_DICT_VALUE, 1);
	holder_graph__close(graph, number_of(30));
	assert_int_equal(advance(), 1);
	see(50, FUNCTION, 70, REFERENT_FIELD, 16);
	assert_int_equal(advance(), 1);
	assert_int_not_equal(holder_graph__sought(graph, 50), HOLDER_NONE);
}

/* --- chains ------------------------------------------------------------------------------------------ */

static void hold_by_module(uint64_t dict, uint64_t module)
{
	see(module, MODULE, dict, REFERENT_FIELD, 16);
}

static void test_the_shortest_first(void **state)
{
	add_target(10);
	see(20, LIST, 10, REFERENT_ITEM, 0);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 31);
	assert_int_equal(advance(), 2);
	see(31, DICT, 20, REFERENT_DICT_VALUE, 32);
	hold_by_module(30, 40);
	assert_int_equal(advance(), 1);
	hold_by_module(31, 40);
	assert_int_equal(advance(), 0);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40, 30);
	CHECK_CHAIN(0, 1, HOLDER_MODULE, 40, 31, 20);
	assert_int_equal(count_chains(0), 2);
}

/* The same object in a dict under two keys, and in two such dicts. */
static void test_one_chain_of_each_shape(void **state)
{
	add_target(10);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 1);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 2);
	see(31, DICT, 10, REFERENT_DICT_VALUE, 3);
	advance();
	see(50, LIST, 30, REFERENT_ITEM, 0);
	see(50, LIST, 31, REFERENT_ITEM, 1);
	advance();
	see(40, MODULE, 50, REFERENT_FIELD, 16);
	advance();
	assert_int_equal(count_chains(0), 1);
}

static void test_names_are_part_of_the_shape(void **state)
{
	add_target(10);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 1);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 2);
	holder_graph__set_namespace(graph, number_of(30));
	advance();
	hold_by_module(30, 40);
	advance();
	assert_int_equal(count_chains(0), 2);
}

static void test_targets_of_the_same_shape(void **state)
{
	struct holder_chain chains[4];

	for (uint64_t target = 10; target < 14; target++)
		add_target(target);
	for (uint64_t target = 10; target < 13; target++)
		see(20, LIST, target, REFERENT_ITEM, target);
	see(30, DICT, 13, REFERENT_DICT_VALUE, 1);
	advance();
	hold_by_module(20, 40);
	hold_by_module(30, 40);
	advance();
	assert_int_equal(holder_graph__n_rooted(graph), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(holder_graph__chain(graph, i, 0, &chains[i]));
	assert_true(chains[0].shape == chains[1].shape && chains[1].shape == chains[2].shape);
	assert_true(chains[0].shape != chains[3].shape);
}

/* A linked list, all of whose nodes are asked for. */
static void test_repeated_steps_have_one_shape(void **state)
{
	struct holder_chain chains[5];

	for (uint64_t node = 10; node < 15; node++)
		assert_int_equal(holder_graph__add_target(graph, node, NODE), 0);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 1);
	for (uint64_t node = 10; node < 14; node++) {
		see(node, NODE, node + 1, REFERENT_FIELD, 24);
		see(node + 1, NODE, node, REFERENT_FIELD, 32);
	}
	assert_int_equal(advance(), 1);
	hold_by_module(30, 40);
	assert_int_equal(advance(), 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(holder_graph__chain(graph, i, 0, &chains[i]));
	assert_true(chains[1].shape == chains[2].shape && chains[1].shape == chains[4].shape);
	assert_true(chains[0].shape != chains[1].shape);
	CHECK_CHAIN(4, 0, HOLDER_MODULE, 40, 30, 10, 11, 12, 13);
}

static void test_better_roots(void **state)
{
	add_target(10);
	add_target(11);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 1);
	see(31, DICT, 11, REFERENT_DICT_VALUE, 1);
	advance();
	see(50, CLASS, 30, REFERENT_FIELD, 264);
	see(51, CLASS, 31, REFERENT_FIELD, 264);
	holder_graph__set_root(graph, number_of(50), HOLDER_CLASS);
	holder_graph__set_root(graph, number_of(51), HOLDER_CLASS);
	assert_int_equal(advance(), 2);
	see(32, DICT, 50, REFERENT_DICT_VALUE, 2);
	assert_int_equal(advance(), 1);
	hold_by_module(32, 40);
	advance();
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40, 32, 50, 30);
	CHECK_CHAIN(1, 0, HOLDER_CLASS, 51, 31);
	assert_int_equal(count_chains(0), 1);
	assert_int_equal(holder_graph__n_rooted(graph), 1);
}

static void test_a_target_that_is_a_root(void **state)
{
	add_target(10);
	holder_graph__set_root(graph, 0, HOLDER_MODULE);
	assert_int_equal(advance(), 0);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 0);
}

/* What has its chain is not looked for for ever, however many hold it; what has none is. */
static void test_the_search_ends_after_some_more_passes(void **state)
{
	add_target(10);
	add_target(5000);
	see(30, DICT, 10, REFERENT_DICT_VALUE, 1);
	hold_by_module(10, 40);
	see(5001, LIST, 5000, REFERENT_ITEM, 0);
	for (uint64_t i = 0; i < 9; i++) {
		assert_int_equal(advance(), 2);
		see(31 + i, LIST, 30 + i, REFERENT_ITEM, 0);
		see(5002 + i, LIST, 5001 + i, REFERENT_ITEM, 0);
	}
	assert_int_equal(advance(), 2);
	see(40 + 5, LIST, 39, REFERENT_ITEM, 0);
	see(5011, LIST, 5010, REFERENT_ITEM, 0);
	assert_int_equal(advance(), 1);
}

static void test_chains_of_an_unfinished_pass(void **state)
{
	add_target(10);
	hold_by_module(10, 40);
	assert_int_equal(holder_graph__find_chains(graph), 0);
	CHECK_CHAIN(0, 0, HOLDER_MODULE, 40);
}

/* --- limits ------------------------------------------------------------------------------------------ */

static void test_too_many_holders(void **state)
{
	for (uint64_t target = 10; target < 14; target++)
		add_target(target);
	for (uint64_t i = 0; i < 60; i++)
		see(1000 + i, LIST, 10, REFERENT_ITEM, 0);
	assert_int_equal(holder_graph__n_objects(graph), 4 + limits.holds);
	assert_int_equal(holder_graph__n_left_out(graph), 60 - limits.holds);
	for (uint64_t i = 0; i < 180; i++)
		see(2000 + i, LIST, 11 + i / 100, REFERENT_ITEM, 0);
	assert_int_equal(holder_graph__n_objects(graph), 4 + limits.new_objects);
	hold_by_module(10, 40);
	assert_int_equal(holder_graph__n_objects(graph), 4 + limits.new_objects + 1);
	see(3000, LIST, 13, REFERENT_ITEM, 0);
	assert_int_equal(advance(), limits.new_objects);
	assert_int_equal(count_chains(3), 0); /* who holds it is not known, and not that nobody does */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_sought, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cycle_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_holds_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_refers_to_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_target_without_a_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_closed_has_no_other_holders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_closed_holds_no_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_left_aside_is_sought_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_shortest_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_chain_of_each_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_are_part_of_the_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets_of_the_same_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repeated_steps_have_one_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_better_roots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_target_that_is_a_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_search_ends_after_some_more_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chains_of_an_unfinished_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_holders, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
