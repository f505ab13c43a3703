/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_GOVERNOR_H
#define LINGER_GOVERNOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * When the next window of sampled mode may begin and what it may cost. Pure: no clock, no I/O, no allocation.
 *
 * The budget of ten seconds is
 *
 *	overhead x 10 s x CPUs that the target keeps busy, taken as at least 0.2 and at most 1
 *
 * so that a process that runs a quarter of a CPU is slowed by a quarter only (many on one machine add up),
 * while an idle one is still sampled. Three rules pace the windows:
 *
 * 1. Each window pays for itself: the next one begins its cost / (budget / 10 s) after it began, give or take
 *    a quarter at random, so that windows do not beat with a periodic target. That spreads them, and what a
 *    quiet time leaves unspent is not saved up.
 * 2. The requests in flight feel a window even where the target as a whole has little to do. So a window of
 *    its full length is paid for in time as well: that mean pause is at least length / overhead, but not more
 *    than 10 s for this reason.
 * 3. Whatever ten seconds one looks at, the windows that touch them cost no more than the budget. What the
 *    windows of the last ten seconds (and of up to a quarter of a pause before, at random again) have cost is
 *    remembered; the next one has to fit in beside them, or it waits until enough of them are past.
 *
 * A window costs more than it was granted: the tracer's own time is in it, and the traps stay until they are
 * detached. How much more is learned from the last windows that were stopped for their cost (the largest, and
 * a margin where they differ) and set aside. So the budget is exceeded only by what one window overshoots
 * beyond all before it, and that counts against the following ones.
 *
 * Few long windows disturb less than many short ones: a window is as long as window_max_ns if three such fit
 * into ten seconds, and shorter otherwise. Where the overshoot would be most of three, or two, there are two,
 * or one. Where a window exceeds the ten seconds' budget by its overshoot alone rule 3 cannot hold; then
 * windows are the shortest useful, rule 1 keeps the mean within the budget, and the pause ends after a minute
 * in any case: only then is the mean exceeded too.
 *
 * So a pause is at most 12.5 s, or a minute after a window that cost more than the budget of ten seconds.
 */

#define GOVERNOR_MEMORY 512    /* windows remembered; there are never more in the time they count */
#define GOVERNOR_OVERSHOOTS 32 /* windows stopped for their cost that the overshoot is learned from */

struct governor_options {
	double overhead;        /* share of the target's time, 0.001 to 1 */
	uint64_t window_max_ns; /* at least 1 ms */
};

/* What the next window may be. */
struct governor_window {
	uint64_t start_ns;  /* not before */
	uint64_t length_ns; /* at most so long */
	uint64_t cost_ns;   /* and it ends early once it has cost so much */
};

/* What a window was. */
struct governor_spending {
	uint64_t begin_ns; /* probes were attached from here */
	uint64_t end_ns;   /* to here */
	uint64_t cost_ns;  /* of CPU, the target's and the tracer's */
	bool cut_short;    /* ended for its cost */
};

struct governor {
	struct governor_options options;
	struct {
		uint64_t end_ns;
		uint64_t cost_ns;
	} past[GOVERNOR_MEMORY]; /* a ring: window i at i % GOVERNOR_MEMORY */
	size_t windows;          /* so many have been */
	uint64_t last_begin_ns;
	uint64_t last_full_ns; /* its length, if it was not cut short */
	uint64_t last_seen_ns; /* the latest time heard of */
	uint64_t overshoots_ns[GOVERNOR_OVERSHOOTS];
	size_t lessons; /* overshoots seen */
};

void governor__init(struct governor *governor, const struct governor_options *options);

/*
 * cpu_share: CPUs that the target keeps busy of late. random: uniform in [0, 1), drawn once per window: while
 * waiting one may ask again, and should where the clock can jump, with the same number.
 */
struct governor_window governor__next(struct governor *governor, uint64_t now_ns, double cpu_share,
				      double random);

/* A window has been; `granted` as governor__next gave it. */
void governor__spent(struct governor *governor, const struct governor_window *granted,
		     const struct governor_spending *spending);

/* What the windows of the last ten seconds cost, as a share of one CPU's time. */
double governor__cost(const struct governor *governor, uint64_t now_ns);

#endif /* LINGER_GOVERNOR_H */
