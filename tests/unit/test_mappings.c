/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "machine_code_test.h"
#include "mappings.h"

#define PAGE UINT64_C(4096)
#define AT (0x700000 * PAGE)

static struct mappings *mappings;

static int setup(void **state)
{
	mappings = mappings__new();
	return mappings ? 0 : -1;
}

static int teardown(void **state)
{
	mappings__free(mappings);
	return 0;
}

static struct mapping_event added(uint64_t begin, uint64_t end, uint64_t start, uint64_t bytes,
				  uint32_t stack_id)
{
	return (struct mapping_event){
		.begin_ns = begin,
		.end_ns = end,
		.add_start = start,
		.add_bytes = bytes,
		.stack_id = stack_id,
	};
}

static struct mapping_event removed(uint64_t begin, uint64_t end, uint64_t start, uint64_t bytes)
{
	return (struct mapping_event){
		.begin_ns = begin,
		.end_ns = end,
		.remove_start = start,
		.remove_bytes = bytes,
	};
}

static void take(struct mapping_event event)
{
	mappings__take(mappings, &event);
}

static void check_live(uint32_t stack_id, uint64_t live_bytes, uint64_t alloc_bytes)
{
	struct mapping_totals totals = mapping_set__stack_totals(mappings__set(mappings), stack_id);

	assert_int_equal(totals.live_bytes, live_bytes);
	assert_int_equal(totals.alloc_bytes, alloc_bytes);
}

static void apply(uint64_t until_ns)
{
	assert_int_equal(mappings__apply(mappings, until_ns), 0);
}

static void test_nothing(void **state)
{
	apply(0);
	apply(UINT64_MAX);
	take((struct mapping_event){.begin_ns = 1, .end_ns = 2, .stack_id = 7});
	apply(UINT64_MAX);
	assert_int_equal(mapping_set__totals(mappings__set(mappings)).alloc_blocks, 0);
	assert_int_equal(mappings__unmatched(mappings), 0);
	mappings__free(NULL);
}

/*
 * Thread A unmaps a range; inside the kernel it is free as soon as A has begun, and thread B gets it before
 * A's call has returned. A's event arrives last.
 */
static void test_unmap_returns_after_reuse(void **state)
{
	take(added(10, 20, AT, PAGE, 1));
	take(added(115, 120, AT, PAGE, 2));
	take(removed(110, 130, AT, PAGE));
	apply(UINT64_MAX);
	check_live(1, 0, PAGE);
	check_live(2, PAGE, PAGE);
	assert_int_equal(mappings__unmatched(mappings), 0);
}

/* A call that makes a mapping begins long before another thread's unmapping of the same range, and ends after
 * it. */
static void test_addition_counts_from_its_end(void **state)
{
	take(added(10, 20, AT, PAGE, 1));
	take(added(30, 200, AT, PAGE, 2));
	take(removed(110, 130, AT, PAGE));
	apply(UINT64_MAX);
	check_live(1, 0, PAGE);
	check_live(2, PAGE, PAGE);
}

static void test_out_of_order(void **state)
{
	take(removed(50, 60, AT, PAGE));
	take(added(70, 80, AT, PAGE, 3));
	take(added(10, 20, AT, PAGE, 1));
	take(removed(90, 95, AT, PAGE));
	apply(UINT64_MAX);
	check_live(1, 0, PAGE);
	check_live(3, 0, PAGE);
	assert_int_equal(mappings__unmatched(mappings), 0);
}

/* Every order of arrival ends the same. */
static void test_any_order(void **state)
{
	struct mapping_event events[] = {
		added(10, 20, AT, 4 * PAGE, 1),           added(25, 30, AT + 8 * PAGE, 4 * PAGE, 2),
		removed(40, 45, AT + PAGE, PAGE),         added(41, 44, AT + PAGE, PAGE, 3),
		removed(50, 90, AT + 8 * PAGE, 4 * PAGE), added(55, 60, AT + 9 * PAGE, PAGE, 4),
		removed(70, 75, AT + 3 * PAGE, 6 * PAGE),
	};
	size_t n = sizeof(events) / sizeof(events[0]);
	uint64_t random = 0x600df00d12345;

	for (int round = 0; round < 500; round++) {
		for (size_t i = n - 1; i > 0; i--) {
			size_t j = random_below(&random, i + 1);
			struct mapping_event swap = events[i];

			events[i] = events[j];
			events[j] = swap;
		}
		for (size_t i = 0; i < n; i++)
			take(events[i]);
		apply(UINT64_MAX);
		check_live(1, 2 * PAGE, 4 * PAGE);
		check_live(2, 0, 4 * PAGE);
		check_live(3, PAGE, PAGE);
		check_live(4, PAGE, PAGE);
		assert_int_equal(mappings__unmatched(mappings), 0);
		mappings__free(mappings);
		mappings = mappings__new();
		assert_non_null(mappings);
	}
}

/* What lies after the moment waits; a late event from before it still gets its place. */
static void test_held_back(void **state)
{
	take(added(10, 100, AT, PAGE, 1));
	apply(99);
	check_live(1, 0, 0);
	take(removed(150, 300, AT, PAGE));
	apply(100);
	check_live(1, PAGE, PAGE);
	take(added(120, 140, AT + PAGE, PAGE, 2));
	apply(149);
	check_live(1, PAGE, PAGE);
	check_live(2, PAGE, PAGE);
	apply(150);
	check_live(1, 0, PAGE);
	check_live(2, PAGE, PAGE);
	apply(UINT64_MAX);
	check_live(1, 0, PAGE);
}

/* One call, two halves: the moment may lie between them. */
static void test_held_back_half(void **state)
{
	struct mapping_event moved = removed(50, 60, AT, PAGE);

	moved.add_start = AT + 10 * PAGE;
	moved.add_bytes = 2 * PAGE;
	moved.stack_id = 2;
	take(added(10, 20, AT, PAGE, 1));
	take(moved);
	apply(55);
	check_live(1, 0, PAGE);
	check_live(2, 0, 0);
	apply(60);
	check_live(2, 2 * PAGE, 2 * PAGE);
}

/* MAP_FIXED over the middle of another thread's mapping: nobody unmapped anything. */
static void test_fixed(void **state)
{
	struct mapping_event fixed = removed(30, 40, AT + PAGE, PAGE);

	fixed.add_start = AT + PAGE;
	fixed.add_bytes = PAGE;
	fixed.stack_id = 2;
	take(added(10, 20, AT, 3 * PAGE, 1));
	take(fixed);
	apply(UINT64_MAX);
	check_live(1, 2 * PAGE, 3 * PAGE);
	check_live(2, PAGE, PAGE);

	/* and one that is told as an addition only */
	take(added(50, 60, AT, 3 * PAGE, 3));
	apply(UINT64_MAX);
	check_live(1, 0, 3 * PAGE);
	check_live(2, 0, PAGE);
	check_live(3, 3 * PAGE, 3 * PAGE);
	assert_int_equal(mappings__unmatched(mappings), 0);
}

/*
 * With one clock reading for both ends, a call first removes and then adds; between calls, arrival decides.
 */
static void test_equal_times(void **state)
{
	struct mapping_event fixed = removed(20, 20, AT, PAGE);

	fixed.add_start = AT;
	fixed.add_bytes = PAGE;
	fixed.stack_id = 2;
	take(added(10, 10, AT, PAGE, 1));
	take(fixed);
	take(added(20, 20, AT, PAGE, 3));
	apply(UINT64_MAX);
	check_live(1, 0, PAGE);
	check_live(2, 0, PAGE);
	check_live(3, PAGE, PAGE);
}

static void test_unmatched(void **state)
{
	take(removed(10, 20, AT, 4 * PAGE));
	take(added(30, 40, AT, PAGE, 1));
	take(removed(50, 60, AT, 4 * PAGE)); /* meets one known page */
	take(removed(70, 80, AT, 4 * PAGE));
	apply(UINT64_MAX);
	assert_int_equal(mappings__unmatched(mappings), 2);
}

/* Ranges that wrap come from a hostile target and change nothing. */
static void test_wrapping(void **state)
{
	take(added(10, 20, AT, PAGE, 1));
	take(added(30, 40, UINT64_MAX - PAGE, 2 * PAGE, 2));
	take(removed(50, 60, UINT64_MAX - PAGE, UINT64_MAX));
	apply(UINT64_MAX);
	check_live(1, PAGE, PAGE);
	check_live(2, 0, 0);
}

/* More than fit the first allocation, given in reverse and applied in portions. */
static void test_many(void **state)
{
	const uint64_t n = 1000;

	for (uint64_t i = n; i-- > 0;) {
		take(added(i * 100, i * 100 + 10, AT + i * 2 * PAGE, PAGE, 1));
		if (i % 2)
			take(removed(i * 100 + 20, i * 100 + 30, AT + i * 2 * PAGE, PAGE));
	}
	for (uint64_t i = 0; i < n; i += 10) {
		apply(i * 100 + 99);
		check_live(1, (i / 2 + 1) * PAGE, (i + 1) * PAGE);
	}
	apply(UINT64_MAX);
	check_live(1, n / 2 * PAGE, n * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap_returns_after_reuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addition_counts_from_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_back_half, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmatched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrapping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
