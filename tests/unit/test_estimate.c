/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "failing_calloc.h"

#define calloc scripted_calloc
#include "estimate.c"
#undef calloc

#define MAX_SAMPLES 30000

enum { LEAK_A = 1, LEAK_B, CHURN };

static struct estimate_sample samples[MAX_SAMPLES];
static size_t n_samples;
static int64_t growth[ESTIMATE_CLASSES];
static struct estimate_options options;
static struct estimate *estimate;

static int setup(void **state)
{
	allocations_until_failure = -1;
	n_samples = 0;
	memset(growth, 0, sizeof(growth));
	options = (struct estimate_options){.min_age_ns = 10 * NS_PER_S};
	estimate = NULL;
	return 0;
}

static int teardown(void **state)
{
	estimate__free(estimate);
	return 0;
}

static void add(uint32_t stack_id, uint32_t window, double age_s, double weight, uint8_t size_class)
{
	assert_true(n_samples < MAX_SAMPLES);
	samples[n_samples++] = (struct estimate_sample){
		.stack_id = stack_id,
		.window = window,
		.age_ns = age_s * NS_PER_S,
		.weight = weight,
		.size_class = size_class,
	};
}

static void make_estimate(void)
{
	estimate__free(estimate);
	estimate = NULL;
	assert_int_equal(estimate__make(samples, n_samples, growth, &options, &estimate), 0);
}

static void check_near(double value, double expected)
{
	if (fabs(value - expected) > 1e-6 * fmax(fabs(expected), 1))
		fail_msg("%g instead of %g", value, expected);
}

static void check_row(size_t i, uint32_t stack_id, enum estimate_age age, bool young, double blocks,
		      double bytes)
{
	const struct estimate_row *row = estimate__row(estimate, i);

	assert_int_equal(row->stack_id, stack_id);
	assert_int_equal(row->age, age);
	assert_int_equal(row->young, young);
	check_near(row->blocks, blocks);
	check_near(row->bytes, bytes);
}

/* All rows of a stack, merged. */
static struct estimate_row merged(uint32_t stack_id)
{
	struct estimate_row sum = {.stack_id = stack_id};

	for (size_t i = 0; i < estimate__n_rows(estimate); i++) {
		const struct estimate_row *row = estimate__row(estimate, i);

		if (row->stack_id != stack_id)
			continue;
		sum.survivors += row->survivors;
		sum.blocks += row->blocks;
		sum.bytes += row->bytes;
		sum.below_sq += row->below_sq;
		sum.above_sq += row->above_sq;
	}
	return sum;
}

static double low_bytes(struct estimate_row row)
{
	return fmax(row.bytes - sqrt(row.below_sq), 0);
}

static double high_bytes(struct estimate_row row)
{
	return row.bytes + sqrt(row.above_sq);
}

/* What is estimated and what is unattributed is what grew. */
static void check_sums(void)
{
	double blocks = 0, bytes = 0;

	for (size_t i = 0; i < estimate__n_rows(estimate); i++) {
		const struct estimate_row *row = estimate__row(estimate, i);

		assert_true(row->blocks >= 0 && row->bytes >= 0);
		assert_true(row->below_sq >= 0 && isfinite(row->below_sq));
		assert_true(row->above_sq >= 0 && isfinite(row->above_sq));
		blocks += row->blocks;
		bytes += row->bytes;
	}
	for (unsigned int c = 0; c < ESTIMATE_CLASSES; c++) {
		blocks += estimate__unattributed(estimate, c).blocks;
		bytes += estimate__unattributed(estimate, c).bytes;
	}
	check_near(blocks, estimate__growth(estimate).blocks);
	check_near(bytes, estimate__growth(estimate).bytes);
}

/*
 * --- who shares the growth -------------------------------------------------------------------------------
 */

static void test_no_samples(void **state)
{
	growth[0] = 100;
	growth[3] = -7;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), 0);
	check_near(estimate__growth(estimate).blocks, 100);
	check_near(estimate__unattributed(estimate, 0).bytes, 1600);
	check_near(estimate__unattributed(estimate, 3).blocks, 0);
	check_near(estimate__shrunk(estimate).blocks, 7);
	check_near(estimate__shrunk(estimate).bytes, 7 * 64);
	check_sums();
}

static void test_ages(void **state)
{
	assert_int_equal(estimate_age__of(0), ESTIMATE_UNDER_10S);
	assert_int_equal(estimate_age__of(10 * NS_PER_S - 1), ESTIMATE_UNDER_10S);
	assert_int_equal(estimate_age__of(10 * NS_PER_S), ESTIMATE_UNDER_1MIN);
	assert_int_equal(estimate_age__of(60 * NS_PER_S), ESTIMATE_UNDER_10MIN);
	assert_int_equal(estimate_age__of(600 * NS_PER_S), ESTIMATE_OLDER);
	assert_int_equal(estimate_age__of(UINT64_MAX), ESTIMATE_OLDER);
}

/* Each row counts its own; the most frequent come first, and what is no object is left out. */
static void test_types(void **state)
{
	const struct estimate_row *row;

	for (uint32_t i = 0; i < 60; i++) {
		add(1, i, i < 40 ? 30 : 5, 1, 1);
		samples[n_samples - 1].type = i % 4 == 3 ? 0 : i % 4 == 2 ? 7 : 9;
	}
	for (uint32_t i = 0; i < 2 * ESTIMATE_TYPES; i++) {
		add(2, i, 30, 1, 1);
		samples[n_samples - 1].type = i + 1;
	}
	growth[1] = 1000;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), 3);
	row = estimate__row(estimate, 0);
	assert_int_equal(row->types[0].type, 9);
	assert_int_equal(row->types[0].survivors, 20);
	assert_int_equal(row->types[1].type, 7);
	assert_int_equal(row->types[1].survivors, 10);
	assert_int_equal(row->types[2].survivors, 0);
	assert_int_equal(estimate__row(estimate, 1)->types[0].survivors, 10);
	for (size_t i = 0; i < ESTIMATE_TYPES; i++)
		assert_int_equal(estimate__row(estimate, 2)->types[i].survivors, 1);
}

/* Old 30 + 10, young 20: the growth decides who gets how much. */
static void add_old_and_young(void)
{
	add(1, 0, 30, 30, 1);
	add(2, 1, 30, 10, 1);
	add(2, 2, 5, 5, 1);
	add(3, 2, 5, 15, 1);
}

static void test_all_are_scaled_up(void **state)
{
	add_old_and_young();
	growth[1] = 120;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), 4);
	check_row(0, 1, ESTIMATE_UNDER_1MIN, false, 60, 60 * 32);
	check_row(1, 2, ESTIMATE_UNDER_1MIN, false, 20, 20 * 32);
	check_row(2, 2, ESTIMATE_UNDER_10S, true, 10, 10 * 32);
	check_row(3, 3, ESTIMATE_UNDER_10S, true, 30, 30 * 32);
	check_sums();
}

static void test_young_share_what_is_left(void **state)
{
	add_old_and_young();
	growth[1] = 50;
	make_estimate();
	check_row(0, 1, ESTIMATE_UNDER_1MIN, false, 30, 30 * 32);
	check_row(1, 2, ESTIMATE_UNDER_1MIN, false, 10, 10 * 32);
	check_row(2, 2, ESTIMATE_UNDER_10S, true, 2.5, 2.5 * 32);
	check_row(3, 3, ESTIMATE_UNDER_10S, true, 7.5, 7.5 * 32);
	/* All ten blocks could be theirs, or none. */
	assert_true(low_bytes(merged(3)) == 0);
	assert_true(high_bytes(merged(3)) >= 10 * 32);
	check_sums();
}

static void test_old_are_scaled_down(void **state)
{
	add_old_and_young();
	growth[1] = 20;
	make_estimate();
	check_row(0, 1, ESTIMATE_UNDER_1MIN, false, 15, 15 * 32);
	check_row(1, 2, ESTIMATE_UNDER_1MIN, false, 5, 5 * 32);
	check_row(2, 2, ESTIMATE_UNDER_10S, true, 0, 0);
	check_row(3, 3, ESTIMATE_UNDER_10S, true, 0, 0);
	check_sums();
}

static void test_all_young(void **state)
{
	add(1, 0, 1, 30, 0);
	add(2, 1, 2, 10, 0);
	growth[0] = 4;
	make_estimate();
	check_row(0, 1, ESTIMATE_UNDER_10S, true, 3, 48);
	check_row(1, 2, ESTIMATE_UNDER_10S, true, 1, 16);
	check_sums();
	growth[0] = 400;
	make_estimate();
	check_row(0, 1, ESTIMATE_UNDER_10S, true, 300, 4800);
	check_sums();
}

static void test_shrunk_class(void **state)
{
	add(1, 0, 30, 30, 0);
	add(1, 0, 30, 30, 31);
	growth[0] = -5;
	growth[31] = 2;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), 1);
	check_row(0, 1, ESTIMATE_UNDER_1MIN, false, 2, 1024);
	assert_int_equal(estimate__row(estimate, 0)->survivors, 2);
	check_near(estimate__shrunk(estimate).bytes, 80);
	check_sums();
}

static void test_min_age_divides_a_band(void **state)
{
	options.min_age_ns = 30 * NS_PER_S;
	add(1, 0, 40, 1, 0);
	add(1, 1, 20, 1, 0);
	add(1, 2, 5, 1, 0);
	add(1, 3, 700, 1, 0);
	growth[0] = 4;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), 4);
	check_row(0, 1, ESTIMATE_UNDER_1MIN, false, 1, 16);
	check_row(1, 1, ESTIMATE_OLDER, false, 1, 16);
	check_row(2, 1, ESTIMATE_UNDER_10S, true, 1, 16);
	check_row(3, 1, ESTIMATE_UNDER_1MIN, true, 1, 16);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(estimate__row(estimate, i)->newest_age_ns, 5 * NS_PER_S);
	check_sums();
}

/*
 * --- intervals -------------------------------------------------------------------------------------------
 */

static void test_lonely_stack(void **state)
{
	struct estimate_row alone, spread;

	growth[4] = 1000;
	for (int i = 0; i < 3; i++)
		add(1, 7, 30, 300, 4);
	make_estimate();
	alone = merged(1);
	check_near(alone.bytes, 80000);
	for (int i = 0; i < 3; i++)
		samples[i].window = i;
	make_estimate();
	spread = merged(1);
	check_near(spread.bytes, 80000);
	/* One window is less than three, and three windows are not much. */
	assert_true(low_bytes(alone) < low_bytes(spread));
	assert_true(low_bytes(spread) < 0.6 * 80000);
	assert_true(high_bytes(spread) > 80000);
}

static void test_windows_count_not_blocks(void **state)
{
	double width;

	growth[2] = 20000;
	for (int i = 0; i < 1000; i++)
		add(1 + i % 2, i % 20, 30, 20, 2);
	for (int i = 0; i < 1000; i++)
		samples[i].stack_id = 1 + (i % 20 < 10);
	make_estimate();
	width = sqrt(merged(1).below_sq);
	for (int i = 0; i < 1000; i++)
		samples[i].stack_id = 1 + i / 20 % 2;
	make_estimate();
	check_near(merged(1).bytes, 480000);
	assert_true(sqrt(merged(1).below_sq) < width / 3);
}

/* Some windows of 100 survivors, so many of them of stack 1. */
static struct estimate_row with_survivors(const int *n_first, int n_windows)
{
	n_samples = 0;
	growth[2] = 0;
	for (int i = 0; i < n_windows; i++) {
		for (int j = 0; j < 100; j++)
			add(j < n_first[i] ? 1 : 2, i, 50 - 3 * i, 20, 2);
		growth[2] += 100 * 20;
	}
	make_estimate();
	return merged(1);
}

static void check_width(struct estimate_row row, double at_least, double at_most)
{
	double half = (high_bytes(row) - low_bytes(row)) / 2 / row.bytes;

	if (half < at_least || half > at_most)
		fail_msg("+-%g %%", half * 100);
}

static void test_few_windows_that_agree(void **state)
{
	static const int all[] = {100, 100, 100, 100}, most[] = {55, 65, 60, 60}, mixed[] = {20, 100, 30, 90};

	check_width(with_survivors(all, 4), 0.01, 0.1);
	check_width(with_survivors(all, 3), 0.01, 0.15);
	check_width(with_survivors(all, 1), 0.1, 0.5);
	check_width(with_survivors(most, 4), 0.1, 0.25);
	check_width(with_survivors(mixed, 4), 0.4, 2);
}

static void test_few_survivors(void **state)
{
	static const int three[] = {3, 0, 0, 0}, two[] = {1, 0, 1, 0};

	check_width(with_survivors(three, 4), 1, 20);
	assert_true(low_bytes(merged(1)) < 0.2 * merged(1).bytes);
	assert_true(high_bytes(merged(1)) > 3 * merged(1).bytes);
	check_width(with_survivors(two, 4), 1, 20);
}

/* The weights say that all of it is old, and that is so if it has ended; else some of it is young. */
static void test_growth_that_goes_on(void **state)
{
	double width;

	growth[2] = 20000;
	for (int i = 0; i < 1000; i++)
		add(1, i % 20, 12 + i % 20, 20, 2);
	make_estimate();
	width = sqrt(merged(1).below_sq);
	assert_true(width < 0.1 * merged(1).bytes);
	for (int i = 0; i < 500; i++)
		add(1, 20 + i % 10, 1 + i % 10, 2, 2);
	make_estimate();
	assert_true(sqrt(merged(1).below_sq) > 0.2 * 20000 * 48);
	check_sums();
}

/* A class that grew ten times as much as the windows saw: nobody knows when. */
static void test_growth_that_no_window_saw(void **state)
{
	growth[2] = 50000;
	for (int i = 0; i < 1000; i++)
		add(1, i % 20, 30, 5, 2);
	make_estimate();
	check_near(merged(1).blocks, 50000);
	assert_true(low_bytes(merged(1)) <= 5000 * 48);
}

/* Old survivors in a class that shrank by other blocks. */
static void test_blocks_that_no_window_saw_go(void **state)
{
	growth[2] = -1;
	for (int i = 0; i < 1000; i++)
		add(1, i % 20, 30, 5, 2);
	make_estimate();
	check_near(merged(1).blocks, 0);
	assert_true(high_bytes(merged(1)) >= 5000 * 48);
	check_sums();
}

/*
 * --- simulation: how often the interval holds the truth ---------------------------------------------------
 */

#define RUNS 200
#define MAX_WINDOWS 25

struct scenario {
	const char *name;
	int n_windows;
	double duration_s;
	double requests_per_s; /* a window takes 20 ms, on average */
	int max_objects;       /* that a request leaks */
	double leaks[CHURN];   /* by how many of the requests */
	double churn;
	int max_churn_blocks;
	double churn_life_s;
	double max_width; /* of the first leak's interval, all rows merged, in parts of the truth */
};

static uint64_t random_state;

static double uniform(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) * 0x1p-53;
}

static double exponential(double mean)
{
	return -mean * log(1 - uniform());
}

struct window {
	double begin_s, end_s, weight;
};

struct simulation {
	const struct scenario *scenario;
	struct window windows[MAX_WINDOWS];
	double true_bytes[CHURN], true_old_bytes[CHURN]; /* by leak */
};

struct score {
	unsigned int met, held;            /* runs: all rows merged */
	unsigned int met_old, held_old;    /* the row of the old survivors alone */
	double bytes, truth, below, above; /* sums over the runs; the last two in parts of the truth */
};

/* Each stands for the time since the one before, known to a few per cent. */
static void place_windows(struct simulation *simulation)
{
	const double pause_s = simulation->scenario->duration_s / simulation->scenario->n_windows;
	double last_s = 0;

	for (int i = 0; i < simulation->scenario->n_windows; i++) {
		struct window *window = &simulation->windows[i];

		window->begin_s = (i + 0.2 + 0.7 * uniform()) * pause_s;
		window->end_s = window->begin_s + 0.01 + 0.02 * uniform();
		window->weight = (window->end_s - last_s) / (window->end_s - window->begin_s);
		window->weight *= 0.8 + 0.4 * uniform();
		last_s = window->end_s;
	}
}

static void allocate(struct simulation *simulation, uint32_t stack_id, double time_s, uint8_t size_class,
		     int n)
{
	const struct scenario *scenario = simulation->scenario;
	int i = fmax(time_s, 0) * scenario->n_windows / scenario->duration_s;
	const struct window *window = &simulation->windows[i];

	if (time_s < window->begin_s || time_s >= window->end_s)
		return;
	for (; n; n--)
		add(stack_id, i, scenario->duration_s - time_s, window->weight, size_class);
}

/* Objects of two blocks each, every other one with a third. */
static void leak(struct simulation *simulation, uint32_t stack_id, double time_s)
{
	static const uint8_t classes[] = {3, 7, 12};
	int n_objects = 1 + uniform() * simulation->scenario->max_objects;

	for (int c = 0; c < 3; c++) {
		int n = c < 2 ? n_objects : n_objects / 2;

		growth[classes[c]] += n;
		simulation->true_bytes[stack_id] += n * (classes[c] + 1) * 16;
		if (simulation->scenario->duration_s - time_s >= 10)
			simulation->true_old_bytes[stack_id] += n * (classes[c] + 1) * 16;
		allocate(simulation, stack_id, time_s, classes[c], n);
	}
}

/* Blocks that live for a while, made before the recording, too. */
static void churn(struct simulation *simulation, double time_s)
{
	int n = 1 + uniform() * simulation->scenario->max_churn_blocks, which = uniform() * 10;
	double end_s = time_s + exponential(simulation->scenario->churn_life_s);
	uint8_t size_class = which % 2 ? 3 : 7;

	if (time_s <= 0 && end_s > 0)
		growth[size_class] -= n;
	if (end_s <= simulation->scenario->duration_s)
		return;
	growth[size_class] += n;
	allocate(simulation, CHURN + which, time_s, size_class, n);
}

static void simulate(const struct scenario *scenario, struct simulation *simulation, unsigned int run)
{
	setup(NULL);
	*simulation = (struct simulation){.scenario = scenario};
	random_state = UINT64_C(88172645463325252) + run * UINT64_C(0x9e3779b97f4a7c15);
	place_windows(simulation);
	for (double time_s = -8 * scenario->churn_life_s; time_s < scenario->duration_s;
	     time_s += exponential(1 / scenario->requests_per_s)) {
		for (uint32_t stack_id = LEAK_A; stack_id <= LEAK_B; stack_id++)
			if (time_s > 0 && uniform() < scenario->leaks[stack_id])
				leak(simulation, stack_id, time_s);
		if (uniform() < scenario->churn)
			churn(simulation, time_s);
	}
}

static bool holds(struct estimate_row row, double bytes)
{
	return low_bytes(row) <= bytes && bytes <= high_bytes(row);
}

static void judge(const struct simulation *simulation, uint32_t stack_id, struct score *score)
{
	struct estimate_row row = merged(stack_id);
	double truth = simulation->true_bytes[stack_id];

	score->bytes += row.bytes;
	score->truth += truth;
	if (!row.survivors)
		return;
	score->met++;
	score->held += holds(row, truth);
	score->below += (row.bytes - low_bytes(row)) / truth;
	score->above += sqrt(row.above_sq) / truth;
	for (size_t i = 0; i < estimate__n_rows(estimate); i++) {
		const struct estimate_row *old = estimate__row(estimate, i);

		if (old->stack_id == stack_id && !old->young) {
			score->met_old++;
			score->held_old += holds(*old, simulation->true_old_bytes[stack_id]);
		}
	}
}

static void check_score(const struct scenario *scenario, uint32_t stack_id, const struct score *score)
{
	double below = score->below / score->met, above = score->above / score->met;

	print_message(
		"%s, leak %u: %u of %u held, %u of %u by the old row, mean %.3f -%.2f +%.2f of the truth\n",
		scenario->name, stack_id, score->held, score->met, score->held_old, score->met_old,
		score->bytes / score->truth, below, above);
	assert_true(score->held >= 0.92 * score->met);
	assert_true(score->held_old >= 0.9 * score->met_old);
	if (stack_id == LEAK_A)
		assert_true(below + above < scenario->max_width);
}

static void run_scenario(const struct scenario *scenario)
{
	struct score scores[CHURN] = {0};
	struct simulation simulation;

	for (unsigned int run = 0; run < RUNS; run++) {
		simulate(scenario, &simulation, run);
		make_estimate();
		check_sums();
		for (uint32_t stack_id = LEAK_A; stack_id <= LEAK_B; stack_id++)
			if (scenario->leaks[stack_id] > 0)
				judge(&simulation, stack_id, &scores[stack_id]);
		teardown(NULL);
		estimate = NULL;
	}
	for (uint32_t stack_id = LEAK_A; stack_id <= LEAK_B; stack_id++)
		if (scenario->leaks[stack_id] > 0)
			check_score(scenario, stack_id, &scores[stack_id]);
}

#define FEW_REQUESTS .requests_per_s = 100, .max_objects = 100
#define MANY_REQUESTS .requests_per_s = 1000, .max_objects = 10
#define SHORT_CHURN .churn = 0.5, .max_churn_blocks = 4, .churn_life_s = 1
#define LONG_CHURN .churn = 0.1, .max_churn_blocks = 4, .churn_life_s = 30
#define ONE_LEAK .leaks = {[LEAK_A] = 0.3}
#define TWO_LEAKS .leaks = {[LEAK_A] = 0.3, [LEAK_B] = 0.1}

static void test_simulations(void **state)
{
	static const struct scenario scenarios[] = {
		{"one leak, 25 windows", 25, 60, MANY_REQUESTS, ONE_LEAK, SHORT_CHURN, 0.2},
		{"one leak, 8 windows", 8, 30, MANY_REQUESTS, ONE_LEAK, SHORT_CHURN, 0.45},
		{"one leak, 5 windows", 5, 30, MANY_REQUESTS, ONE_LEAK, SHORT_CHURN, 0.65},
		{"one leak, 25 windows of two requests", 25, 60, FEW_REQUESTS, ONE_LEAK, SHORT_CHURN, 0.5},
		{"two leaks, 25 windows", 25, 60, MANY_REQUESTS, TWO_LEAKS, SHORT_CHURN, 0.35},
		{"two leaks, 8 windows", 8, 30, MANY_REQUESTS, TWO_LEAKS, SHORT_CHURN, 0.7},
		{"two leaks, 5 windows", 5, 30, MANY_REQUESTS, TWO_LEAKS, SHORT_CHURN, 0.95},
		{"two leaks, 25 windows of two requests", 25, 60, FEW_REQUESTS, TWO_LEAKS, SHORT_CHURN, 0.85},
		{"one leak, long churn, 8 windows", 8, 30, MANY_REQUESTS, ONE_LEAK, LONG_CHURN, 0.45},
		{"one leak, long churn, 5 windows", 5, 30, MANY_REQUESTS, ONE_LEAK, LONG_CHURN, 0.7},
		{"two leaks, long churn, 25 windows", 25, 60, MANY_REQUESTS, TWO_LEAKS, LONG_CHURN, 0.35},
	};

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		run_scenario(&scenarios[i]);
}

/*
 * --- errors ----------------------------------------------------------------------------------------------
 */

static void test_invalid_samples(void **state)
{
	const double weights[] = {0, -1, NAN, INFINITY};

	add(1, 0, 1, 1, ESTIMATE_CLASSES);
	assert_int_equal(estimate__make(samples, 1, growth, &options, &estimate), -EINVAL);
	samples[0].size_class = 0;
	for (int i = 0; i < 4; i++) {
		samples[0].weight = weights[i];
		assert_int_equal(estimate__make(samples, 1, growth, &options, &estimate), -EINVAL);
	}
	assert_null(estimate);
}

static void test_out_of_memory(void **state)
{
	int n;

	add_old_and_young();
	for (n = 0; n < 10; n++) {
		allocations_until_failure = n;
		if (!estimate__make(samples, n_samples, growth, &options, &estimate))
			break;
		assert_null(estimate);
	}
	assert_int_equal(n, 5);
}

static void test_many_stacks(void **state)
{
	for (int i = 0; i < MAX_SAMPLES; i++)
		add(i * UINT32_C(2654435761), i % 1000, i % 700, 1 + i % 3, i % ESTIMATE_CLASSES);
	for (unsigned int c = 0; c < ESTIMATE_CLASSES; c++)
		growth[c] = 500 + 100 * c;
	make_estimate();
	assert_int_equal(estimate__n_rows(estimate), MAX_SAMPLES);
	check_sums();
}

static void test_free_takes_null(void **state)
{
	estimate__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_are_scaled_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_young_share_what_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_are_scaled_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_young, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrunk_class, setup, teardown),
		cmocka_unit_test_setup_teardown(test_min_age_divides_a_band, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lonely_stack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_windows_count_not_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_windows_that_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_survivors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth_that_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth_that_no_window_saw, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks_that_no_window_saw_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_simulations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalid_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_stacks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_takes_null, setup, teardown),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
