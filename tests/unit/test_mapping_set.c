/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "failing_calloc.h"

#define calloc scripted_calloc
#include "mapping_set.c"
#undef calloc

#define PAGE UINT64_C(4096)

static struct mapping_set *set;

static int setup(void **state)
{
	allocations_until_failure = -1;
	set = mapping_set__new();
	return set ? 0 : -1;
}

static int teardown(void **state)
{
	mapping_set__free(set);
	return 0;
}

static void add(uint64_t start, uint64_t len, uint32_t stack_id)
{
	assert_int_equal(mapping_set__add(set, start, len, stack_id, NULL), 0);
}

static void check_removal(uint64_t start, uint64_t len, uint64_t known_bytes, uint64_t unknown_bytes)
{
	struct mapping_removal removal = {0};

	assert_int_equal(mapping_set__remove(set, start, len, &removal), 0);
	assert_int_equal(removal.known_bytes, known_bytes);
	assert_int_equal(removal.unknown_bytes, unknown_bytes);
}

static void check_totals(struct mapping_totals totals, uint64_t alloc_blocks, uint64_t alloc_bytes,
			 uint64_t live_blocks, uint64_t live_bytes)
{
	assert_int_equal(totals.alloc_blocks, alloc_blocks);
	assert_int_equal(totals.alloc_bytes, alloc_bytes);
	assert_int_equal(totals.live_blocks, live_blocks);
	assert_int_equal(totals.live_bytes, live_bytes);
}

static void check_live(uint32_t stack_id, uint64_t live_blocks, uint64_t live_bytes)
{
	struct mapping_totals totals = mapping_set__stack_totals(set, stack_id);

	assert_int_equal(totals.live_blocks, live_blocks);
	assert_int_equal(totals.live_bytes, live_bytes);
}

static void test_empty(void **state)
{
	check_totals(mapping_set__totals(set), 0, 0, 0, 0);
	check_totals(mapping_set__stack_totals(set, 7), 0, 0, 0, 0);
	check_removal(0, 10 * PAGE, 0, 10 * PAGE);
	mapping_set__free(NULL);
}

static void test_whole(void **state)
{
	add(10 * PAGE, 4 * PAGE, 1);
	check_totals(mapping_set__stack_totals(set, 1), 1, 4 * PAGE, 1, 4 * PAGE);
	check_removal(10 * PAGE, 4 * PAGE, 4 * PAGE, 0);
	check_totals(mapping_set__stack_totals(set, 1), 1, 4 * PAGE, 0, 0);
	check_totals(mapping_set__totals(set), 1, 4 * PAGE, 0, 0);
	check_removal(10 * PAGE, 4 * PAGE, 0, 4 * PAGE);
}

static void test_middle(void **state)
{
	add(10 * PAGE, 10 * PAGE, 1);
	check_removal(13 * PAGE, 2 * PAGE, 2 * PAGE, 0);
	check_totals(mapping_set__stack_totals(set, 1), 1, 10 * PAGE, 2, 8 * PAGE);
	check_removal(10 * PAGE, 3 * PAGE, 3 * PAGE, 0);
	check_live(1, 1, 5 * PAGE);
	check_removal(0, 100 * PAGE, 5 * PAGE, 95 * PAGE);
	check_live(1, 0, 0);
}

static void test_ends(void **state)
{
	add(10 * PAGE, 10 * PAGE, 1);
	check_removal(8 * PAGE, 4 * PAGE, 2 * PAGE, 2 * PAGE);
	check_live(1, 1, 8 * PAGE);
	check_removal(18 * PAGE, 4 * PAGE, 2 * PAGE, 2 * PAGE);
	check_live(1, 1, 6 * PAGE);
	check_removal(12 * PAGE, PAGE, PAGE, 0);
	check_removal(17 * PAGE, PAGE, PAGE, 0);
	check_live(1, 1, 4 * PAGE);
}

static void test_neighbours_stay(void **state)
{
	add(10 * PAGE, PAGE, 1);
	add(11 * PAGE, PAGE, 2);
	add(12 * PAGE, PAGE, 3);
	check_removal(11 * PAGE, PAGE, PAGE, 0);
	check_live(1, 1, PAGE);
	check_live(2, 0, 0);
	check_live(3, 1, PAGE);
}

static void test_several_with_gaps(void **state)
{
	add(10 * PAGE, 4 * PAGE, 1);
	add(20 * PAGE, 4 * PAGE, 2);
	add(30 * PAGE, 4 * PAGE, 3);
	add(40 * PAGE, 4 * PAGE, 1);
	/* The upper half of the first, two whole, the lower half of the last. */
	check_removal(12 * PAGE, 30 * PAGE, 12 * PAGE, 18 * PAGE);
	check_live(1, 2, 4 * PAGE);
	check_live(2, 0, 0);
	check_live(3, 0, 0);
	check_totals(mapping_set__totals(set), 4, 16 * PAGE, 2, 4 * PAGE);
}

static void test_fixed_over_several(void **state)
{
	struct mapping_removal replaced;

	add(10 * PAGE, 4 * PAGE, 1);
	add(20 * PAGE, 4 * PAGE, 2);
	add(30 * PAGE, 4 * PAGE, 3);
	assert_int_equal(mapping_set__add(set, 12 * PAGE, 20 * PAGE, 2, &replaced), 0);
	assert_int_equal(replaced.known_bytes, 8 * PAGE);
	assert_int_equal(replaced.unknown_bytes, 12 * PAGE);
	check_live(1, 1, 2 * PAGE);
	check_totals(mapping_set__stack_totals(set, 2), 2, 24 * PAGE, 1, 20 * PAGE);
	check_live(3, 1, 2 * PAGE);
}

static void test_fixed_inside_one(void **state)
{
	struct mapping_removal replaced;

	add(10 * PAGE, 10 * PAGE, 1);
	assert_int_equal(mapping_set__add(set, 12 * PAGE, PAGE, 1, &replaced), 0);
	assert_int_equal(replaced.known_bytes, PAGE);
	assert_int_equal(replaced.unknown_bytes, 0);
	check_totals(mapping_set__stack_totals(set, 1), 2, 11 * PAGE, 3, 10 * PAGE);
}

static void test_invalid_ranges(void **state)
{
	struct mapping_removal removal = {11, 22};

	assert_int_equal(mapping_set__add(set, PAGE, 0, 1, &removal), -EINVAL);
	assert_int_equal(mapping_set__add(set, UINT64_MAX - 1, 2, 1, &removal), -EINVAL);
	assert_int_equal(mapping_set__add(set, PAGE, UINT64_MAX, 1, &removal), -EINVAL);
	assert_int_equal(mapping_set__remove(set, PAGE, 0, &removal), -EINVAL);
	assert_int_equal(mapping_set__remove(set, UINT64_MAX, UINT64_MAX, &removal), -EINVAL);
	assert_int_equal(removal.known_bytes, 11);
	assert_int_equal(removal.unknown_bytes, 22);
	check_totals(mapping_set__totals(set), 0, 0, 0, 0);
}

static void test_ends_of_the_address_space(void **state)
{
	add(0, PAGE, UINT32_MAX);
	add(UINT64_MAX - 2, 2, UINT32_MAX);
	check_live(UINT32_MAX, 2, PAGE + 2);
	check_removal(0, UINT64_MAX, PAGE + 2, UINT64_MAX - PAGE - 2);
	check_live(UINT32_MAX, 0, 0);
}

static void test_no_memory(void **state)
{
	allocations_until_failure = 0;
	assert_int_equal(mapping_set__add(set, PAGE, PAGE, 1, NULL), -ENOMEM);
	check_totals(mapping_set__totals(set), 0, 0, 0, 0);
	add(10 * PAGE, 10 * PAGE, 1);
	allocations_until_failure = 0;
	assert_int_equal(mapping_set__remove(set, 12 * PAGE, PAGE, NULL), -ENOMEM);
	check_totals(mapping_set__totals(set), 1, 10 * PAGE, 1, 10 * PAGE);
	for (int i = 0; i < 2; i++) {
		allocations_until_failure = i;
		assert_int_equal(mapping_set__add(set, 12 * PAGE, PAGE, 2, NULL), -ENOMEM);
		check_totals(mapping_set__totals(set), 1, 10 * PAGE, 1, 10 * PAGE);
		check_totals(mapping_set__stack_totals(set, 2), 0, 0, 0, 0);
	}
	allocations_until_failure = 0;
	check_removal(10 * PAGE, 10 * PAGE, 10 * PAGE, 0); /* nothing to split: no memory needed */
}

/* Ordered, disjoint and balanced; returns the height. */
static int check_tree(const struct range *node, uint64_t *floor)
{
	int left, right;

	if (!node)
		return 0;
	left = check_tree(node->left, floor);
	assert_true(node->start >= *floor);
	assert_true(node->end > node->start);
	*floor = node->end;
	right = check_tree(node->right, floor);
	assert_in_range(left - right + 1, 0, 2);
	assert_int_equal(node->height, 1 + (left > right ? left : right));
	return node->height;
}

static void check_invariants(void)
{
	uint64_t floor = 0;

	check_tree(set->root, &floor);
}

static void test_many_ranges_and_stacks(void **state)
{
	enum { N = 100000, IDS = 5000 };

	for (uint32_t i = 0; i < N; i++)
		add((N - i) * 2 * PAGE, PAGE, i % IDS * 1024);
	check_invariants();
	for (uint32_t id = 0; id < IDS; id++)
		check_totals(mapping_set__stack_totals(set, id * 1024), N / IDS, N / IDS * PAGE, N / IDS,
			     N / IDS * PAGE);
	check_totals(mapping_set__totals(set), N, N * PAGE, N, N * PAGE);
	for (uint32_t i = 0; i < N / 2; i++)
		check_removal((2 * i + 1) * 2 * PAGE, PAGE, PAGE, 0);
	check_invariants();
	check_removal(0, 4 * N * PAGE, N / 2 * PAGE, (4 * N - N / 2) * PAGE);
	assert_null(set->root);
}

/*
 * The oracle: one entry per page, with the number of the addition that put it there. A piece is a run of
 * pages with the same number.
 */
#define PAGES 192
#define STACKS 9

static struct {
	uint32_t addition[PAGES]; /* 0: unmapped */
	uint32_t stack[PAGES];
	struct mapping_totals alloc[STACKS];
	uint32_t additions;
} oracle;

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 32) % limit;
}

static uint64_t oracle_known(uint32_t first, uint32_t n)
{
	uint64_t pages = 0;

	for (uint32_t i = first; i < first + n; i++)
		pages += oracle.addition[i] != 0;
	return pages * PAGE;
}

static void oracle_set(uint32_t first, uint32_t n, uint32_t addition, uint32_t stack)
{
	for (uint32_t i = first; i < first + n; i++) {
		oracle.addition[i] = addition;
		oracle.stack[i] = stack;
	}
}

static void check_against_oracle(void)
{
	struct mapping_totals expected[STACKS], sum = {0};

	memcpy(expected, oracle.alloc, sizeof(expected));
	for (uint32_t i = 0; i < PAGES; i++) {
		struct mapping_totals *totals = &expected[oracle.stack[i]];

		if (!oracle.addition[i])
			continue;
		totals->live_bytes += PAGE;
		totals->live_blocks += i == 0 || oracle.addition[i - 1] != oracle.addition[i];
	}
	for (uint32_t id = 0; id < STACKS; id++) {
		struct mapping_totals actual = mapping_set__stack_totals(set, id);

		assert_memory_equal(&actual, &expected[id], sizeof(actual));
		sum.alloc_blocks += actual.alloc_blocks;
		sum.alloc_bytes += actual.alloc_bytes;
		sum.live_blocks += actual.live_blocks;
		sum.live_bytes += actual.live_bytes;
	}
	assert_memory_equal(&(struct mapping_totals[]){mapping_set__totals(set)}, &sum, sizeof(sum));
}

/* One step in the set and, unless the set ran out of memory, in the oracle. */
static void random_step(uint32_t longest)
{
	uint32_t n = 1 + random_below(longest), first = random_below(PAGES - n + 1),
		 id = random_below(STACKS);
	bool adding = random_below(2), starved = random_below(8) == 0;
	struct mapping_removal removal = {0};
	int err;

	allocations_until_failure = starved ? (int)random_below(3) : -1;
	if (adding)
		err = mapping_set__add(set, first * PAGE, n * PAGE, id, &removal);
	else
		err = mapping_set__remove(set, first * PAGE, n * PAGE, &removal);
	if (err) {
		assert_int_equal(err, -ENOMEM);
		assert_true(starved);
		return;
	}
	assert_int_equal(removal.known_bytes, oracle_known(first, n));
	assert_int_equal(removal.known_bytes + removal.unknown_bytes, n * PAGE);
	oracle_set(first, n, adding ? ++oracle.additions : 0, id);
	if (adding) {
		oracle.alloc[id].alloc_blocks++;
		oracle.alloc[id].alloc_bytes += n * PAGE;
	}
}

static void test_random_against_oracle(void **state)
{
	static const uint32_t longest[] = {1, 3, 12, 60, PAGES};

	random_state = UINT64_C(0x2545f4914f6cdd1d);
	memset(&oracle, 0, sizeof(oracle));
	for (uint32_t step = 0; step < 60000; step++) {
		random_step(longest[step / 500 % 5]);
		check_against_oracle();
		check_invariants();
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_whole),
		TEST(test_middle),
		TEST(test_ends),
		TEST(test_neighbours_stay),
		TEST(test_several_with_gaps),
		TEST(test_fixed_over_several),
		TEST(test_fixed_inside_one),
		TEST(test_invalid_ranges),
		TEST(test_ends_of_the_address_space),
		TEST(test_no_memory),
		TEST(test_many_ranges_and_stacks),
		TEST(test_random_against_oracle),
	};

	return cmocka_run_group_tests_name("mapping_set", tests, NULL, NULL);
}
