// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "coverage.h"

#include <stdlib.h>

#include "clock.h"
#include "pools.h"

/* The heap is counted again when the last count was this many times its own duration ago, and not more often
 * than once a second. */
#define PAUSE_FACTOR 50
#define PAUSE_NS 1000000000ull
#define LIMIT_NS 1000000000ull /* a heap that takes longer is not counted */

static int net_seen(const struct coverage *coverage, int64_t *ret_net)
{
	struct linger_counters c;
	int err = session__counters(coverage->session, LINGER_DOMAIN_OBJECT, &c);

	if (!err)
		*ret_net = c.seen_allocs - c.seen_frees;
	return err;
}

static int count_heap(const struct coverage *coverage, struct heap_count *ret_count)
{
	struct pool_count pools;
	int64_t before, after;
	int err = net_seen(coverage, &before);

	if (!err)
		err = pools__count(coverage->target, coverage->reader, coverage->pool_bytes, LIMIT_NS,
				   &pools);
	if (!err)
		err = net_seen(coverage, &after);
	if (err)
		return err;
	*ret_count = (struct heap_count){
		.blocks = pools.blocks,
		.net_seen = (before + after) / 2,
		.slack = (llabs(after - before) + 1) / 2,
	};
	return 0;
}

void coverage__begin(struct coverage *coverage, bool at_start)
{
	coverage->counted = at_start || !count_heap(coverage, &coverage->first);
	/* Many programs are over within a second. */
	coverage->next_ns = at_start ? 0 : now_ns() + PAUSE_NS;
}

void coverage__update(struct coverage *coverage)
{
	uint64_t begin = now_ns(), end, pause;
	struct heap_count count;

	if (!coverage->counted)
		return;
	/* Events count no more when the interpreter takes itself down, and the heap shrinks. */
	if (!count_heap(coverage, &count) && !session__pools(coverage->session).state->finalized) {
		coverage->last = count;
		coverage->counted_again = true;
	}
	end = now_ns();
	pause = (end - begin) * PAUSE_FACTOR;
	coverage->next_ns = end + (pause > PAUSE_NS ? pause : PAUSE_NS);
}

/*
 * What was missed shows in the difference between how much the heap grew and how much we saw it grow, apart
 * from what happened while we counted; that is a lower bound of what was missed, and exact where nothing was
 * freed unseen.
 */
double coverage__share(const struct coverage *coverage, uint64_t seen_allocs, int64_t *ret_growth_blocks)
{
	int64_t growth, seen_growth, missed;

	if (!coverage->counted_again)
		return -1;
	growth = coverage->last.blocks - coverage->first.blocks;
	seen_growth = coverage->last.net_seen - coverage->first.net_seen;
	missed = llabs(growth - seen_growth) - coverage->first.slack - coverage->last.slack;
	if (missed < 0)
		missed = 0;
	*ret_growth_blocks = growth;
	return missed + seen_allocs ? (double)seen_allocs / (seen_allocs + missed) : 1;
}
