// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample_set.h"

#define MAX 64

static int setup(void **state)
{
	*state = sample_set__new(MAX);
	return !*state;
}

static int teardown(void **state)
{
	sample_set__free(*state);
	return 0;
}

/* Samples of stack `stack_id`, with the address counting up. Returns how many others had to go. */
static size_t add(struct sample_set *set, uint32_t stack_id, size_t n, uint64_t random)
{
	struct sample *samples = calloc(n, sizeof(*samples));
	size_t gone;

	for (size_t i = 0; i < n; i++)
		samples[i] = (struct sample){.block.address = i, .stack_id = stack_id, .weight = 1};
	gone = sample_set__add(set, samples, n, random);
	free(samples);
	return gone;
}

static double weight_of(struct sample_set *set, uint32_t stack_id)
{
	size_t n;
	const struct sample *samples = sample_set__samples(set, &n);
	double weight = 0;

	for (size_t i = 0; i < n; i++)
		weight += samples[i].stack_id == stack_id ? samples[i].weight : 0;
	return weight;
}

static size_t count(struct sample_set *set)
{
	size_t n;

	sample_set__samples(set, &n);
	return n;
}

static void test_keeps_what_there_is_room_for(void **state)
{
	assert_int_equal(add(*state, 1, MAX, 1), 0);
	assert_int_equal(count(*state), MAX);
	assert_true(weight_of(*state, 1) == MAX);
}

static void test_never_keeps_more(void **state)
{
	size_t gone = 0;

	for (int i = 0; i < 100; i++) {
		gone += add(*state, 1, MAX / 2, i);
		assert_in_range(count(*state), 1, MAX);
	}
	assert_int_equal(count(*state) + gone, 100 * MAX / 2);
}

/* Early and late samples alike: the mean over many draws is what was put in. One draw of the early ones is
 * off by as much again, the mean by 0.6. */
static void test_stands_for_what_it_let_go(void **state)
{
	double early = 0, late = 0;
	int draws = 10000;

	for (int i = 0; i < draws; i++) {
		struct sample_set *set = sample_set__new(MAX);

		add(set, 1, MAX, 3 * i);
		add(set, 2, 2 * MAX, 3 * i + 1);
		add(set, 3, MAX, 3 * i + 2);
		early += weight_of(set, 1) / draws;
		late += weight_of(set, 3) / draws;
		sample_set__free(set);
	}
	assert_in_range((int)early, MAX - 3, MAX + 3);
	assert_in_range((int)late, MAX - 3, MAX + 3);
}

static void test_buries_the_dead_by_verdict(void **state)
{
	static const enum verdict verdicts[] = {VERDICT_ALIVE,     VERDICT_FREED, VERDICT_FREED,
						VERDICT_UNDECIDED, VERDICT_GONE,  VERDICT_CHANGED,
						VERDICT_REUSED};
	uint64_t counts[VERDICTS] = {0};
	struct sample *samples;
	size_t n = sizeof(verdicts) / sizeof(verdicts[0]);

	add(*state, 1, n, 1);
	samples = sample_set__samples(*state, &n);
	for (size_t i = 0; i < n; i++)
		samples[i].block.verdict = verdicts[i];
	sample_set__bury(*state, counts);
	samples = sample_set__samples(*state, &n);
	assert_int_equal(n, 2);
	assert_int_equal(samples[0].block.address, 0);
	assert_int_equal(samples[1].block.address, 3);
	assert_int_equal(counts[VERDICT_FREED], 2);
	assert_int_equal(counts[VERDICT_GONE], 1);
	assert_int_equal(counts[VERDICT_CHANGED], 1);
	assert_int_equal(counts[VERDICT_REUSED], 1);
	assert_int_equal(counts[VERDICT_ALIVE], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keeps_what_there_is_room_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_keeps_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stands_for_what_it_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buries_the_dead_by_verdict, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
