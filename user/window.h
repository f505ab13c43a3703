/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_WINDOW_H
#define LINGER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "error.h"
#include "inspector.h"
#include "sample_set.h"
#include "session.h"

/*
 * One window of sampled mode. The probes are put in; for some milliseconds each allocation and each free is
 * seen; then the window is held: allocations count no more, frees still do. What was allocated in the window
 * and is not freed has its fingerprint taken, and what was freed meanwhile is dropped, while frees are still
 * seen: so a fingerprint is certainly that of the block whose allocation was seen. Taken a moment later it
 * would be that of whatever has the address by then, and nearly all would seem to live for ever. Then the
 * probes are taken out.
 *
 * Samples of earlier windows are followed meanwhile: one that is freed, or handed out again, is dead for
 * certain. No look at the heap finds out about an object that is made again and again at one address, with
 * one content, and lives most of the time: what a program keeps for a request, or for a round of its main
 * loop.
 */
struct window;

/* What the clocks and the kernel's counters say at one moment. */
struct window_reading {
	uint64_t now_ns;    /* CLOCK_MONOTONIC */
	uint64_t target_ns; /* CPU time of the target; 0 once it is gone */
	uint64_t hits;      /* of probes */
	uint64_t timed_ns;  /* the programs' own, in one run of LINGER_TIMED_RUNS */
};

struct window_times {
	struct window_reading opened; /* before the first probe was put in */
	struct window_reading begun, held;
	struct window_reading closed; /* after the last was taken out */
	bool cut_short;               /* by its hits */
};

/* target_clock: of its CPU time. */
int window__new(struct session *session, struct inspector *inspector, clockid_t target_clock,
		struct window **ret_window);
void window__free(struct window *window);

struct window_reading window__read_clocks(const struct window *window);

struct window_limits {
	uint64_t length_ns;
	uint64_t hits;
};

/*
 * Follows the samples, whose verdicts it changes where it sees them freed. The times are filled in even if it
 * fails. 0 or a negative errno.
 */
int window__run(struct window *window, const struct window_limits *limits, struct sample *samples, size_t n,
		struct window_times *ret_times, struct error *error);

/* What outlived the last window: objects, of each its block, fingerprint and stack; and raw blocks. */
struct sample *window__objects(struct window *window, size_t *ret_n);
const struct block_value *window__raw_blocks(const struct window *window, size_t *ret_n);

#endif /* LINGER_WINDOW_H */
