/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_COVERAGE_H
#define LINGER_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory_reader.h"
#include "session.h"
#include "target.h"

/*
 * Whether exact mode sees every allocation: pymalloc's own pool headers say how many blocks are in use, and
 * their growth must be what was seen allocated minus what was seen freed.
 */

/*
 * The heap by its own account at one moment, and by ours. Counting takes a while and the target runs on, so
 * our account is the mean of before and after, and half their distance off at most.
 */
struct heap_count {
	int64_t blocks;   /* pool headers */
	int64_t net_seen; /* allocations seen minus frees seen */
	int64_t slack;
};

struct coverage {
	const struct session *session;
	const struct target *target;
	struct memory_reader *reader;
	uint32_t pool_bytes;
	struct heap_count first, last;
	bool counted, counted_again;
	uint64_t next_ns; /* when to count again; CLOCK_MONOTONIC */
};

/* Counts as the recording begins. Before its start (at_start) a program holds nothing. Zero the rest. */
void coverage__begin(struct coverage *coverage, bool at_start);

/* Counts again, and says in next_ns when it is worth doing once more. */
void coverage__update(struct coverage *coverage);

/* The share of the allocations that was seen, 0-1, and by how many blocks the heap grew; negative: not known.
 */
double coverage__share(const struct coverage *coverage, uint64_t seen_allocs, int64_t *ret_growth_blocks);

#endif /* LINGER_COVERAGE_H */
