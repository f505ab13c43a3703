/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "governor.h"

/*
 * The governor drives the windows of a simulated target in simulated time. A window is polled every
 * millisecond; it has cost what the target was slowed by then, plus the tracer's time, plus the traps that go
 * on after it was stopped.
 */

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define TEN_SECONDS (10 * SECOND)
#define ATTACH (15 * MS)
#define DETACH (35 * MS)
#define SIM_SECONDS 300
#define SIM_MS (SIM_SECONDS * 1000)
#define WINDOWS_MAX 20000

struct simulation {
	struct governor governor;
	struct governor_options options;
	double (*heat)(uint64_t time_ns, uint64_t since_begin_ns); /* slowing, ns per ns of a window */
	double cpu_share;
	uint64_t ramp_ns;      /* attach + detach, of time */
	uint64_t tracer_ns;    /* of CPU, per window */
	uint64_t overshoot_ns; /* of CPU, at most, per window that was stopped for its cost */
	uint64_t start_ns;
	uint64_t random;
	uint64_t now_ns;
	size_t n_windows;
	uint64_t begin_ns[WINDOWS_MAX];
	uint64_t end_ns[WINDOWS_MAX];
	uint64_t cost_ns[WINDOWS_MAX];
	double bins_ns[SIM_MS + 1]; /* cost by millisecond */
};

static struct simulation sim;

/* Marsaglia's xorshift: the same numbers in every run. */
static double next_random(void)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return (sim.random >> 11) * 0x1p-53;
}

static double heat_hot(uint64_t time_ns, uint64_t since_begin_ns)
{
	return 1;
}

static double heat_idle(uint64_t time_ns, uint64_t since_begin_ns)
{
	return 0;
}

/* Seven seconds hot, eleven idle. */
static double heat_bursts(uint64_t time_ns, uint64_t since_begin_ns)
{
	return time_ns / SECOND % 18 < 7 ? 1 : 0;
}

/* 100 times faster from the fifth millisecond of a window on. */
static double heat_faster(uint64_t time_ns, uint64_t since_begin_ns)
{
	return since_begin_ns < 5 * MS ? 0.01 : 1;
}

static void begin_simulation(double overhead, double (*heat)(uint64_t, uint64_t))
{
	memset(&sim, 0, sizeof(sim));
	sim.options = (struct governor_options){.overhead = overhead, .window_max_ns = 20 * MS};
	sim.heat = heat;
	sim.cpu_share = 1;
	sim.ramp_ns = ATTACH + DETACH;
	sim.tracer_ns = 4 * MS;
	sim.overshoot_ns = 2 * MS;
	sim.start_ns = sim.now_ns = 1000 * HOUR;
	sim.random = 88172645463325252;
	governor__init(&sim.governor, &sim.options);
}

static void remember(const struct governor_spending *spending)
{
	size_t first = (spending->begin_ns - sim.start_ns) / MS;
	size_t last = (spending->end_ns - sim.start_ns) / MS;

	assert_true(sim.n_windows < WINDOWS_MAX);
	sim.begin_ns[sim.n_windows] = spending->begin_ns;
	sim.end_ns[sim.n_windows] = spending->end_ns;
	sim.cost_ns[sim.n_windows++] = spending->cost_ns;
	for (size_t i = first; i <= last && i <= SIM_MS; i++)
		sim.bins_ns[i] += (double)spending->cost_ns / (last - first + 1);
}

/* One window as it was granted. */
static void run_window(const struct governor_window *granted)
{
	struct governor_spending spending = {.begin_ns = sim.now_ns};
	uint64_t open_ns = sim.now_ns + sim.ramp_ns * 3 / 10, cost_ns = 0;

	for (sim.now_ns = open_ns; sim.now_ns - open_ns < granted->length_ns; sim.now_ns += MS) {
		if (cost_ns >= granted->cost_ns) {
			spending.cut_short = true;
			break;
		}
		cost_ns += sim.heat(sim.now_ns, sim.now_ns - open_ns) * MS;
	}
	if (spending.cut_short)
		cost_ns += sim.overshoot_ns * next_random();
	sim.now_ns += sim.ramp_ns * 7 / 10;
	spending.end_ns = sim.now_ns;
	spending.cost_ns = cost_ns + sim.tracer_ns;
	governor__spent(&sim.governor, granted, &spending);
	remember(&spending);
}

/* What has been counts no more for the test; for the governor it does. */
static void forget_windows(void)
{
	sim.start_ns = sim.now_ns;
	sim.n_windows = 0;
	memset(sim.bins_ns, 0, sizeof(sim.bins_ns));
}

static void run_for(uint64_t seconds)
{
	uint64_t stop_ns = sim.now_ns + seconds * SECOND;

	for (;;) {
		struct governor_window window =
			governor__next(&sim.governor, sim.now_ns, sim.cpu_share, next_random());

		assert_true(window.start_ns >= sim.now_ns);
		assert_true(window.cost_ns >= MS && window.cost_ns <= sim.options.window_max_ns);
		assert_true(window.length_ns >= MS && window.length_ns <= sim.options.window_max_ns);
		if (window.start_ns >= stop_ns)
			break;
		sim.now_ns = window.start_ns;
		run_window(&window);
	}
	sim.now_ns = stop_ns;
}

/* With nothing out of the ordinary. */
static void simulate(double overhead, double (*heat)(uint64_t, uint64_t))
{
	begin_simulation(overhead, heat);
	run_for(SIM_SECONDS);
}

/* The most that any span_ms of the simulation cost. */
static double most_spent(size_t span_ms)
{
	double sum_ns = 0, most_ns = 0;

	for (size_t i = 0; i < SIM_MS; i++) {
		sum_ns += sim.bins_ns[i];
		if (i >= span_ms)
			sum_ns -= sim.bins_ns[i - span_ms];
		if (sum_ns > most_ns)
			most_ns = sum_ns;
	}
	return most_ns;
}

static double total_spent(void)
{
	double sum_ns = 0;

	for (size_t i = 0; i < sim.n_windows; i++)
		sum_ns += sim.cost_ns[i];
	return sum_ns;
}

static uint64_t longest_pause(void)
{
	uint64_t longest_ns = 0;

	for (size_t i = 1; i < sim.n_windows; i++)
		if (sim.begin_ns[i] - sim.end_ns[i - 1] > longest_ns)
			longest_ns = sim.begin_ns[i] - sim.end_ns[i - 1];
	return longest_ns;
}

static size_t fewest_in_ten_seconds(void)
{
	size_t fewest = SIZE_MAX, last = 0;

	/* The fewest are right after a beginning. */
	for (size_t i = 0; i < sim.n_windows && sim.begin_ns[i] + TEN_SECONDS < sim.now_ns; i++) {
		while (last < sim.n_windows && sim.begin_ns[last] <= sim.begin_ns[i] + TEN_SECONDS)
			last++;
		if (last - i - 1 < fewest)
			fewest = last - i - 1;
	}
	return fewest;
}

static const double overheads[] = {0.001, 0.01, 0.05, 1};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_budget_of_any_ten_seconds(void **state)
{
	double (*const heats[])(uint64_t, uint64_t) = {heat_hot, heat_idle, heat_bursts, heat_faster};

	for (size_t i = 0; i < COUNT(overheads); i++)
		for (size_t j = 0; j < COUNT(heats); j++)
			for (int seed = 1; seed <= 5; seed++) {
				begin_simulation(overheads[i], heats[j]);
				sim.random *= seed;
				run_for(SIM_SECONDS);
				assert_true(most_spent(10000) <= 1.1 * overheads[i] * TEN_SECONDS);
			}
}

/* The windows of several milliseconds more than usual come one after the other. */
static void test_budget_when_windows_overshoot(void **state)
{
	for (size_t i = 1; i < COUNT(overheads); i++) {
		begin_simulation(overheads[i], heat_hot);
		run_for(100);
		sim.overshoot_ns = 8 * MS;
		run_for(SIM_SECONDS - 100);
		assert_true(most_spent(10000) <= 1.1 * overheads[i] * TEN_SECONDS);
	}
}

/* An idle time teaches nothing about what a hot one costs beyond its grant. */
static void test_budget_after_idle_times(void **state)
{
	for (size_t i = 0; i < COUNT(overheads); i++) {
		uint64_t cost_ns;

		begin_simulation(overheads[i], heat_idle);
		cost_ns = governor__next(&sim.governor, sim.now_ns, 1, 0).cost_ns;
		run_for(200);
		sim.now_ns += TEN_SECONDS;
		assert_int_equal(governor__next(&sim.governor, sim.now_ns, 1, 0).cost_ns, cost_ns);
		forget_windows();
		sim.heat = heat_hot;
		run_for(SIM_SECONDS);
		assert_true(most_spent(10000) <= 1.1 * overheads[i] * TEN_SECONDS);
	}
}

/* What is granted takes the usual overshoot into account, so that the budget is used up and kept. */
static void test_overshoot_is_learned(void **state)
{
	begin_simulation(0.002, heat_hot);
	sim.overshoot_ns = 0;
	sim.tracer_ns = 1 * MS;
	run_for(100);
	forget_windows();
	run_for(SIM_SECONDS);
	assert_true(total_spent() > 0.85 * 0.002 * SIM_SECONDS * SECOND);
	assert_true(sim.cost_ns[sim.n_windows - 1] < 7 * MS);

	begin_simulation(0.002, heat_hot);
	sim.overshoot_ns = 0;
	sim.tracer_ns = 9 * MS;
	run_for(SIM_SECONDS);
	assert_true(most_spent(10000) <= 1.1 * 0.002 * TEN_SECONDS);
	assert_true(total_spent() > 0.7 * 0.002 * SIM_SECONDS * SECOND);
}

/* A window is no good that is overshoot for the most part: rather one than two. */
static void test_no_window_is_mostly_overshoot(void **state)
{
	begin_simulation(0.002, heat_hot);
	sim.tracer_ns = 7 * MS;
	sim.overshoot_ns = 0;
	run_for(SIM_SECONDS);
	for (size_t i = 0; i < sim.n_windows; i++)
		assert_true(sim.cost_ns[i] >= 11 * MS);
}

/* A busy target gets no leftovers of the budget. */
static void test_busy_windows_are_long(void **state)
{
	for (double overhead = 0.009; overhead < 0.03; overhead += 0.001) {
		simulate(overhead, heat_hot);
		for (size_t i = 0; i < sim.n_windows; i++)
			assert_true(sim.cost_ns[i] >= 10 * MS);
	}
}

/* One window that cost much too much is paid for, and does not make all others short. */
static void test_accident(void **state)
{
	struct governor_window window;

	begin_simulation(0.01, heat_hot);
	run_for(20);
	window = governor__next(&sim.governor, sim.now_ns, 1, 0);
	sim.now_ns = window.start_ns;
	sim.tracer_ns = 300 * MS;
	window.cost_ns = 2 * MS; /* the target was hot */
	run_window(&window);
	window = governor__next(&sim.governor, sim.now_ns, 1, 0);
	assert_true(window.start_ns - sim.now_ns > 20 * SECOND);
	sim.tracer_ns = 4 * MS;
	forget_windows();
	run_for(SIM_SECONDS);
	assert_true(sim.n_windows > 0.3 * SIM_SECONDS);
	assert_true(total_spent() > 20.0 * MS * sim.n_windows);
}

/* The budget is for the target, not to be saved. */
static void test_budget_is_used(void **state)
{
	simulate(0.01, heat_hot);
	assert_true(total_spent() > 0.85 * 0.01 * SIM_SECONDS * SECOND);
	assert_true(governor__cost(&sim.governor, sim.now_ns) <= 0.0101);
	assert_true(governor__cost(&sim.governor, sim.now_ns) > 0.007);
	assert_true(governor__cost(&sim.governor, sim.now_ns + 11 * SECOND) == 0);
	/* Few and long. */
	assert_true(sim.n_windows < 0.5 * SIM_SECONDS);
}

static void test_too_hot_for_a_full_window(void **state)
{
	begin_simulation(0.001, heat_hot);
	sim.tracer_ns = MS / 2;
	sim.overshoot_ns = MS / 2;
	run_for(100); /* to learn that so little is overshot */
	forget_windows();
	run_for(SIM_SECONDS);
	assert_true(fewest_in_ten_seconds() >= 2);

	/* Three of ten milliseconds are lost with every window: still two, jittered. */
	begin_simulation(0.001, heat_hot);
	sim.tracer_ns = 2 * MS;
	sim.overshoot_ns = 0;
	run_for(100);
	forget_windows();
	run_for(SIM_SECONDS);
	assert_true(sim.n_windows >= 0.18 * SIM_SECONDS);
}

/* A window costs more than the budget of ten seconds, whatever is granted. */
static void test_too_costly_at_all(void **state)
{
	begin_simulation(0.001, heat_hot);
	sim.tracer_ns = 20 * MS;
	run_for(SIM_SECONDS);
	assert_true(total_spent() <= 1.1 * 0.001 * SIM_SECONDS * SECOND + 25 * MS);
	assert_true(total_spent() >= 0.8 * 0.001 * SIM_SECONDS * SECOND);

	begin_simulation(0.001, heat_hot);
	sim.tracer_ns = 400 * MS;
	run_for(SIM_SECONDS);
	assert_true(sim.n_windows >= SIM_SECONDS / 60);
	assert_true(longest_pause() <= 60 * SECOND);
}

static void test_idle(void **state)
{
	const double shares[] = {0, NAN};

	for (size_t i = 0; i < COUNT(shares); i++) {
		begin_simulation(0.01, heat_idle);
		sim.cpu_share = shares[i];
		run_for(SIM_SECONDS);
		assert_true(longest_pause() <= 10 * SECOND);
		assert_true(sim.n_windows >= 0.28 * SIM_SECONDS);
		assert_true(most_spent(10000) <= 1.1 * 0.2 * 0.01 * TEN_SECONDS);
	}
}

/* A window that costs little still delays who is in it: not more of the time than the overhead. */
static void test_cheap_windows_are_rare(void **state)
{
	simulate(0.01, heat_idle);
	assert_true(sim.n_windows * 20 * MS <= 1.1 * 0.01 * SIM_SECONDS * SECOND);
	assert_true(sim.n_windows * 20 * MS >= 0.9 * 0.01 * SIM_SECONDS * SECOND);

	simulate(0.001, heat_idle);
	assert_true(longest_pause() <= 12500 * MS);
}

static void test_share_of_a_cpu(void **state)
{
	begin_simulation(0.01, heat_hot);
	sim.cpu_share = 0.5;
	run_for(SIM_SECONDS);
	assert_true(most_spent(10000) <= 1.1 * 0.5 * 0.01 * TEN_SECONDS);
	assert_true(total_spent() > 0.4 * 0.01 * SIM_SECONDS * SECOND);

	begin_simulation(0.01, heat_bursts);
	sim.cpu_share = 0.2;
	run_for(SIM_SECONDS);
	assert_true(most_spent(10000) <= 1.1 * 0.2 * 0.01 * TEN_SECONDS);

	begin_simulation(0.01, heat_hot);
	sim.cpu_share = 8;
	run_for(SIM_SECONDS);
	assert_true(most_spent(10000) <= 1.1 * 0.01 * TEN_SECONDS);
}

/* After the clock has jumped, windows go on soon, and within the budget. */
static void check_jump(int64_t jump_ns)
{
	struct governor_window window;

	begin_simulation(0.01, heat_hot);
	run_for(60);
	sim.now_ns += jump_ns;
	window = governor__next(&sim.governor, sim.now_ns, 1, 0.999);
	assert_true(window.start_ns >= sim.now_ns);
	assert_true(window.start_ns - sim.now_ns <= 12500 * MS);
	forget_windows();
	run_for(SIM_SECONDS);
	assert_true(sim.n_windows > 0.3 * SIM_SECONDS);
	assert_true(longest_pause() <= 12500 * MS);
	assert_true(most_spent(10000) <= 1.1 * 0.01 * TEN_SECONDS);
}

static void test_clock_jumps(void **state)
{
	check_jump(-(int64_t)HOUR);
	check_jump(24 * HOUR);
	check_jump(-(int64_t)(1000 * HOUR + 55 * SECOND)); /* to where the past would be before 0 */
}

/* What has been spent still counts. */
static void test_jump_back_keeps_the_past(void **state)
{
	begin_simulation(0.01, heat_hot);
	run_for(60);
	governor__next(&sim.governor, sim.now_ns - HOUR, 1, 0);
	assert_true(governor__cost(&sim.governor, sim.now_ns - HOUR) > 0.007);
}

/* In the middle of a window. */
static void test_jump_in_a_window(void **state)
{
	const int64_t jumps[] = {-(int64_t)HOUR, 24 * HOUR};

	for (size_t i = 0; i < COUNT(jumps); i++) {
		struct governor_window window;

		begin_simulation(0.01, heat_hot);
		run_for(60);
		window = governor__next(&sim.governor, sim.now_ns, 1, 0.5);
		governor__spent(&sim.governor, &window,
				&(struct governor_spending){.begin_ns = window.start_ns,
							    .end_ns = window.start_ns + jumps[i],
							    .cost_ns = 24 * MS});
		sim.now_ns = window.start_ns + jumps[i];
		window = governor__next(&sim.governor, sim.now_ns, 1, 0.5);
		assert_true(window.start_ns >= sim.now_ns);
		assert_true(window.start_ns - sim.now_ns <= 12500 * MS);
	}
}

static void test_whole_overhead(void **state)
{
	simulate(1, heat_hot);
	/* 20 ms and the ramps, and again. */
	assert_true(sim.n_windows >= 0.95 * SIM_SECONDS * SECOND / (20 * MS + ATTACH + DETACH));
	assert_true(longest_pause() <= 20 * MS);

	/* Shorter than what can be remembered: no more of them than that. */
	begin_simulation(1, heat_idle);
	sim.ramp_ns = 0;
	sim.tracer_ns = 0;
	sim.options.window_max_ns = MS;
	governor__init(&sim.governor, &sim.options);
	run_for(SIM_SECONDS);
	assert_true(sim.n_windows <= GOVERNOR_MEMORY * (SIM_SECONDS / 10 + 1));
	assert_true(sim.n_windows >= GOVERNOR_MEMORY * (SIM_SECONDS / 10 - 1));
}

/* Pauses shorter and longer than the mean are common. */
static void check_jitter(double overhead)
{
	size_t shorter = 0, longer = 0;
	double mean_ns;

	simulate(overhead, heat_hot);
	mean_ns = (double)(sim.begin_ns[sim.n_windows - 1] - sim.begin_ns[0]) / (sim.n_windows - 1);
	for (size_t i = 1; i < sim.n_windows; i++) {
		double pause_ns = sim.begin_ns[i] - sim.begin_ns[i - 1];

		shorter += pause_ns < 0.97 * mean_ns;
		longer += pause_ns > 1.03 * mean_ns;
	}
	assert_true(shorter >= sim.n_windows / 5);
	assert_true(longer >= sim.n_windows / 5);
}

/* The windows of a target whose period is ten seconds, or any part of it, meet every phase of it. */
static void check_phases(double overhead, uint64_t period_ns)
{
	size_t phases[4] = {0};

	simulate(overhead, heat_hot);
	for (size_t i = 0; i < sim.n_windows; i++)
		phases[(sim.begin_ns[i] - sim.start_ns) % period_ns * 4 / period_ns]++;
	for (size_t i = 0; i < COUNT(phases); i++)
		assert_true(phases[i] >= sim.n_windows / 10);
}

static void test_jitter(void **state)
{
	check_jitter(0.001);
	check_jitter(0.01);
	check_jitter(0.05);
	check_phases(0.01, 10 * SECOND);
	check_phases(0.01, SECOND);
	check_phases(0.05, SECOND);
}

/* While waiting one may ask again: the answer does not move away. */
static void test_asked_again(void **state)
{
	struct governor_window window;

	for (size_t i = 0; i < COUNT(overheads); i++) {
		begin_simulation(overheads[i], heat_hot);
		for (int round = 0; round < 20; round++) {
			double random = next_random();
			struct governor_window first = governor__next(&sim.governor, sim.now_ns, 1, random);

			do {
				sim.now_ns += MS;
				window = governor__next(&sim.governor, sim.now_ns, 1, random);
				assert_true(window.start_ns <= first.start_ns ||
					    window.start_ns == sim.now_ns);
			} while (window.start_ns > sim.now_ns);
			assert_true(sim.now_ns - MS <= first.start_ns);
			run_window(&window);
		}
	}
}

static void test_spread(void **state)
{
	simulate(0.05, heat_hot);
	assert_true(most_spent(1000) <= 2 * 0.05 * SECOND);

	simulate(0.01, heat_hot);
	assert_true(most_spent(1000) <= 30 * MS);
}

/* An idle minute buys no burst. */
static void test_nothing_is_saved(void **state)
{
	size_t first;

	begin_simulation(0.05, heat_idle);
	sim.cpu_share = 0;
	run_for(60);
	first = sim.n_windows;
	sim.heat = heat_hot;
	sim.cpu_share = 1;
	run_for(SIM_SECONDS - 60);
	assert_true(most_spent(1000) <= 2 * 0.05 * SECOND);
	assert_true(most_spent(10000) <= 1.1 * 0.05 * TEN_SECONDS);
	assert_true(sim.n_windows - first > 0.8 * (SIM_SECONDS - 60) * 0.05 * SECOND / (26 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget_of_any_ten_seconds),
		cmocka_unit_test(test_budget_when_windows_overshoot),
		cmocka_unit_test(test_budget_after_idle_times),
		cmocka_unit_test(test_overshoot_is_learned),
		cmocka_unit_test(test_no_window_is_mostly_overshoot),
		cmocka_unit_test(test_busy_windows_are_long),
		cmocka_unit_test(test_accident),
		cmocka_unit_test(test_budget_is_used),
		cmocka_unit_test(test_too_hot_for_a_full_window),
		cmocka_unit_test(test_too_costly_at_all),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_cheap_windows_are_rare),
		cmocka_unit_test(test_share_of_a_cpu),
		cmocka_unit_test(test_clock_jumps),
		cmocka_unit_test(test_jump_back_keeps_the_past),
		cmocka_unit_test(test_jump_in_a_window),
		cmocka_unit_test(test_whole_overhead),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_nothing_is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
