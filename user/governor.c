/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "governor.h"

#define MS UINT64_C(1000000)
#define TEN_SECONDS (10000 * MS)

/* The recorder looks once a millisecond, so no window can be held to less. */
#define COST_MIN MS

/* The tracer's time is 3-5 ms; the rest is for the traps that go on until they are detached. */
#define OVERSHOOT_UNKNOWN (8 * MS)
#define OVERSHOOT_LESSONS 8 /* until it counts as known */
/* More is an accident (a tracer that was not scheduled), nothing to plan with. */
#define OVERSHOOT_MAX (20 * MS)

#define WINDOWS_WANTED 3       /* in ten seconds; with jittered pauses no ten seconds see fewer than two */
#define PAUSE_MAX (48000 * MS) /* a minute with the jitter */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Not below 0. */
static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void governor__init(struct governor *governor, const struct governor_options *options)
{
	memset(governor, 0, sizeof(*governor));
	governor->options = *options;
}

/* A clock that has gone back takes the past with it: it counts as long as it would have. */
static void hear_time(struct governor *governor, uint64_t now_ns)
{
	if (now_ns < governor->last_seen_ns) {
		uint64_t by_ns = governor->last_seen_ns - now_ns;

		for (size_t i = 0; i < GOVERNOR_MEMORY; i++)
			governor->past[i].end_ns = minus(governor->past[i].end_ns, by_ns);
		governor->last_begin_ns = minus(governor->last_begin_ns, by_ns);
	}
	governor->last_seen_ns = now_ns;
}

static size_t oldest_remembered(const struct governor *governor)
{
	return governor->windows > GOVERNOR_MEMORY ? governor->windows - GOVERNOR_MEMORY : 0;
}

static uint64_t end_of(const struct governor *governor, size_t window)
{
	return governor->past[window % GOVERNOR_MEMORY].end_ns;
}

static uint64_t cost_of(const struct governor *governor, size_t window)
{
	return governor->past[window % GOVERNOR_MEMORY].cost_ns;
}

static uint64_t last_cost(const struct governor *governor)
{
	return governor->windows > 0 ? cost_of(governor, governor->windows - 1) : 0;
}

static uint64_t budget_of(const struct governor *governor, double cpu_share)
{
	double share = cpu_share >= 1 ? 1 : cpu_share > 0.2 ? cpu_share : 0.2;

	return governor->options.overhead * share * TEN_SECONDS;
}

static uint64_t expected_overshoot(const struct governor *governor)
{
	size_t n = min_u64(governor->lessons, GOVERNOR_OVERSHOOTS);
	uint64_t least_ns = OVERSHOOT_MAX, most_ns = 0;

	for (size_t i = 0; i < n; i++) {
		least_ns = min_u64(least_ns, governor->overshoots_ns[i]);
		most_ns = max_u64(most_ns, governor->overshoots_ns[i]);
	}
	/* The more they differ, the more the next one may exceed them all. */
	most_ns += minus(most_ns, least_ns) / 4;
	if (n < OVERSHOOT_LESSONS)
		most_ns = max_u64(most_ns, OVERSHOOT_UNKNOWN);
	return min_u64(most_ns, OVERSHOOT_MAX);
}

/* What a window should be granted if nothing else had been spent. */
static uint64_t wanted_cost(const struct governor *governor, uint64_t budget_ns, uint64_t overshoot_ns)
{
	uint64_t useful_ns = max_u64(COST_MIN, overshoot_ns / 2);
	uint64_t windows = WINDOWS_WANTED;

	/* One is better than none, however little of it is useful. */
	while (windows > 1 && budget_ns / windows < overshoot_ns + useful_ns)
		windows--;
	return min_u64(max_u64(COST_MIN, minus(budget_ns / windows, overshoot_ns)),
		       governor->options.window_max_ns);
}

/* From the last window's beginning to the next, so that the last one is paid for, in cost and in time. */
static uint64_t mean_pause(const struct governor *governor, uint64_t budget_ns)
{
	double cost_ns = (double)last_cost(governor) / budget_ns * TEN_SECONDS;
	double time_ns = governor->last_full_ns / governor->options.overhead;
	double pause_ns = time_ns < TEN_SECONDS ? time_ns : TEN_SECONDS;

	if (cost_ns > pause_ns)
		pause_ns = cost_ns;
	return pause_ns < PAUSE_MAX ? pause_ns : PAUSE_MAX;
}

/*
 * The first moment from from_ns on at which the windows of the memory_ns before it leave need_ns of the
 * budget; where that is more than all of it, at which there are none.
 */
static uint64_t first_fit(const struct governor *governor, uint64_t from_ns, uint64_t memory_ns,
			  uint64_t budget_ns, uint64_t need_ns, uint64_t *ret_room_ns)
{
	size_t window = governor->windows; /* that one and those after it stay beside the new one */
	size_t oldest = oldest_remembered(governor);
	uint64_t spent_ns = 0;

	/* The new window takes the place of the oldest, which is past by then. */
	while (window > oldest && governor->windows - window < GOVERNOR_MEMORY - 1) {
		if (end_of(governor, window - 1) + memory_ns <= from_ns ||
		    cost_of(governor, window - 1) > minus(budget_ns, spent_ns + need_ns))
			break;
		spent_ns += cost_of(governor, window - 1);
		window--;
	}
	*ret_room_ns = budget_ns - spent_ns;
	return window > oldest ? max_u64(from_ns, end_of(governor, window - 1) + memory_ns) : from_ns;
}

struct governor_window governor__next(struct governor *governor, uint64_t now_ns, double cpu_share,
				      double random)
{
	uint64_t budget_ns = budget_of(governor, cpu_share);
	uint64_t overshoot_ns = expected_overshoot(governor);
	uint64_t wanted_ns = wanted_cost(governor, budget_ns, overshoot_ns);
	uint64_t pause_ns = mean_pause(governor, budget_ns);
	uint64_t jittered_ns = pause_ns * (0.75 + random / 2), jitter_ns = pause_ns * (random / 4);
	uint64_t least_ns = COST_MIN, start_ns, room_ns;

	hear_time(governor, now_ns);
	/* A busy target waits for a window worth its overshoot; a quiet one does not use its grant up. */
	if (last_cost(governor) >= wanted_ns / 2)
		least_ns = max_u64(COST_MIN, wanted_ns / 2);
	start_ns = max_u64(now_ns, governor->last_begin_ns + jittered_ns);
	start_ns = first_fit(governor, start_ns, TEN_SECONDS + jitter_ns, budget_ns, overshoot_ns + least_ns,
			     &room_ns);
	return (struct governor_window){
		.start_ns = start_ns,
		.length_ns = governor->options.window_max_ns,
		.cost_ns = min_u64(wanted_ns, max_u64(least_ns, minus(room_ns, overshoot_ns))),
	};
}

void governor__spent(struct governor *governor, const struct governor_window *granted,
		     const struct governor_spending *spending)
{
	size_t slot;

	hear_time(governor, spending->end_ns);
	slot = governor->windows++ % GOVERNOR_MEMORY;
	governor->past[slot].end_ns = spending->end_ns;
	governor->past[slot].cost_ns = spending->cost_ns;
	governor->last_begin_ns = min_u64(spending->begin_ns, spending->end_ns);
	governor->last_full_ns = spending->cut_short ? 0 : granted->length_ns;
	/* What was not stopped does not tell what it would have overshot. */
	if (spending->cut_short)
		governor->overshoots_ns[governor->lessons++ % GOVERNOR_OVERSHOOTS] =
			minus(spending->cost_ns, granted->cost_ns);
}

double governor__cost(const struct governor *governor, uint64_t now_ns)
{
	double cost_ns = 0;

	for (size_t i = oldest_remembered(governor); i < governor->windows; i++)
		if (end_of(governor, i) + TEN_SECONDS > now_ns)
			cost_ns += cost_of(governor, i);
	return cost_ns / TEN_SECONDS;
}
