// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack_sums.h"

/* The kernel's pools, with three stacks by now. */
struct kernel {
	struct trace_state state;
	struct linger_stack stacks[4];
};

static struct session_pools pools_of(const struct kernel *kernel)
{
	return (struct session_pools){.state = &kernel->state, .stacks = kernel->stacks, .max_stacks = 4};
}

static void test_what_a_window_saw_counts_by_its_weight(void **state)
{
	struct kernel kernel = {.state.next_stack = 3};
	struct session_pools pools = pools_of(&kernel);
	struct stack_sums sums = {};

	assert_int_equal(stack_sums__grow(&sums, &pools), 0);
	assert_false(stack_sums__add_allocated(&sums, &pools, 2));
	kernel.stacks[1].alloc_blocks = 10;
	kernel.stacks[1].alloc_bytes = 640;
	assert_true(stack_sums__add_allocated(&sums, &pools, 2));
	kernel.stacks[1].alloc_blocks = 11;
	kernel.stacks[1].alloc_bytes = 704;
	assert_true(stack_sums__add_allocated(&sums, &pools, 100));
	assert_false(stack_sums__add_allocated(&sums, &pools, 100));
	assert_true(stack_sums__of(&sums, 1).allocated.blocks == 10 * 2 + 100);
	assert_true(stack_sums__of(&sums, 1).allocated.bytes == 640 * 2 + 64 * 100);
	assert_true(stack_sums__of(&sums, 2).allocated.blocks == 0);
	stack_sums__free(&sums);
}

static void test_stacks_that_come_later(void **state)
{
	struct kernel kernel = {.state.next_stack = 2};
	struct session_pools pools = pools_of(&kernel);
	struct stack_sums sums = {};

	kernel.stacks[1].alloc_blocks = 1;
	assert_int_equal(stack_sums__grow(&sums, &pools), 0);
	assert_true(stack_sums__add_allocated(&sums, &pools, 1));
	kernel.state.next_stack = 4;
	kernel.stacks[3].alloc_blocks = 5;
	assert_int_equal(stack_sums__grow(&sums, &pools), 0);
	assert_true(stack_sums__add_allocated(&sums, &pools, 3));
	assert_true(stack_sums__of(&sums, 1).allocated.blocks == 1);
	assert_true(stack_sums__of(&sums, 3).allocated.blocks == 15);
	assert_true(stack_sums__of(&sums, 4).allocated.blocks == 0);
	stack_sums__free(&sums);
}

static void test_blocks_that_outlived_their_window(void **state)
{
	struct kernel kernel = {.state.next_stack = 3};
	struct session_pools pools = pools_of(&kernel);
	struct stack_sums sums = {};

	assert_int_equal(stack_sums__grow(&sums, &pools), 0);
	stack_sums__add_outlived(&sums, &(struct block_value){.bytes = 1000, .stack_id = 2}, 4);
	stack_sums__add_outlived(&sums, &(struct block_value){.bytes = 24, .stack_id = 2}, 5);
	stack_sums__add_outlived(&sums, &(struct block_value){.bytes = 24, .stack_id = 3}, 5);
	assert_true(stack_sums__of(&sums, 2).outlived.bytes == 4 * 1000 + 5 * 24);
	assert_true(stack_sums__of(&sums, 2).outlived.blocks == 9);
	assert_int_equal(stack_sums__of(&sums, 2).n_outlived, 2);
	assert_int_equal(stack_sums__of(&sums, 3).n_outlived, 0);
	stack_sums__free(&sums);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_window_saw_counts_by_its_weight),
		cmocka_unit_test(test_stacks_that_come_later),
		cmocka_unit_test(test_blocks_that_outlived_their_window),
	};

	return cmocka_run_group_tests_name("stack_sums", tests, NULL, NULL);
}
