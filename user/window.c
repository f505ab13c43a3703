// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "window.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "pool.h"

#define POLL_NS 1000000
#define SETTLE_NS 300000 /* the last block that the window saw is initialised by then */
#define MAX_BLOCKS 16384 /* of each domain */

struct window {
	struct session *session;
	struct inspector *inspector;
	clockid_t target_clock;
	struct sample objects[MAX_BLOCKS];
	const __u64 *slots[MAX_BLOCKS]; /* of the objects: an address that goes from its slot was freed */
	struct inspected *blocks[MAX_BLOCKS];
	size_t n_objects;
	struct {
		struct sample *sample;
		struct block_slot slot;
	} followed[MAX_BLOCKS]; /* of earlier windows */
	size_t n_followed;
	struct block_value raw_blocks[MAX_BLOCKS];
	size_t n_raw_blocks;
};

int window__new(struct session *session, struct inspector *inspector, clockid_t target_clock,
		struct window **ret_window)
{
	struct window *window = calloc(1, sizeof(*window));

	if (!window)
		return -ENOMEM;
	window->session = session;
	window->inspector = inspector;
	window->target_clock = target_clock;
	*ret_window = window;
	return 0;
}

void window__free(struct window *window)
{
	free(window);
}

/* --- clocks ------------------------------------------------------------------------------------------ */

struct window_reading window__read_clocks(const struct window *window)
{
	const struct trace_state *state = session__pools(window->session).state;

	return (struct window_reading){
		.now_ns = now_ns(),
		.target_ns = clock_ns(window->target_clock),
		.hits = __atomic_load_n(&state->hits, __ATOMIC_RELAXED),
		.timed_ns = __atomic_load_n(&state->timed_ns, __ATOMIC_RELAXED),
	};
}

static void sleep_ns(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Lets the window run until it has been long enough, the target is gone, or it has had enough hits: true. */
static bool watch(const struct window *window, uint64_t end_ns)
{
	while (now_ns() < end_ns && clock_ns(window->target_clock) && !session__holds_window(window->session))
		sleep_ns(POLL_NS);
	return session__holds_window(window->session);
}

/* --- blocks ------------------------------------------------------------------------------------------ */

static void take_object(struct window *window, const struct block_value *block, const __u64 *slot,
			uint64_t address)
{
	/* A program that was interrupted between taking the slot and filling it: nothing is known of it. */
	if (window->n_objects == MAX_BLOCKS || !pool__is_block_size(block->bytes))
		return;
	window->slots[window->n_objects] = slot;
	window->objects[window->n_objects++] = (struct sample){
		.block = {.address = address, .bytes = block->bytes},
		.stack_id = block->stack_id,
	};
}

static void take_raw(struct window *window, const struct block_value *block)
{
	if (window->n_raw_blocks < MAX_BLOCKS)
		window->raw_blocks[window->n_raw_blocks++] = *block;
}

static void list_blocks(struct window *window)
{
	struct session_pools pools = session__pools(window->session);
	const struct block_bucket *buckets;
	size_t n;

	buckets = session__window_blocks(window->session, &n);
	for (size_t i = 0; i < n * LINGER_BUCKET_SLOTS; i++) {
		const struct block_bucket *bucket = &buckets[i / LINGER_BUCKET_SLOTS];
		const struct block_value *block = &bucket->blocks[i % LINGER_BUCKET_SLOTS];
		const __u64 *slot = &bucket->addresses[i % LINGER_BUCKET_SLOTS];
		uint64_t address = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!address || block->bytes == LINGER_UNKNOWN_BYTES)
			continue;
		if (session_pools__domain(&pools, block->stack_id) == LINGER_DOMAIN_OBJECT)
			take_object(window, block, slot, address);
		else
			take_raw(window, block);
	}
}

/* Keeps what could be read and was not freed while the fingerprints were taken. */
static void drop_freed(struct window *window)
{
	size_t kept = 0;

	for (size_t i = 0; i < window->n_objects; i++)
		if (!verdict__is_dead(window->objects[i].block.verdict) &&
		    __atomic_load_n(window->slots[i], __ATOMIC_ACQUIRE) == window->objects[i].block.address)
			window->objects[kept++] = window->objects[i];
	window->n_objects = kept;
}

/* Where there is no room for a sample, this window tells nothing of it. */
static void follow(struct window *window, struct sample *samples, size_t n)
{
	window->n_followed = 0;
	for (size_t i = 0; i < n && window->n_followed < MAX_BLOCKS; i++) {
		window->followed[window->n_followed].sample = &samples[i];
		if (session__follow(window->session, samples[i].block.address,
				    &window->followed[window->n_followed].slot))
			window->n_followed++;
	}
}

static void judge_followed(struct window *window)
{
	for (size_t i = 0; i < window->n_followed; i++) {
		struct inspected *block = &window->followed[i].sample->block;

		if (!block_slot__is_followed(&window->followed[i].slot, block->address))
			block->verdict = VERDICT_FREED;
	}
}

static int take_blocks(struct window *window)
{
	int err;

	list_blocks(window);
	for (size_t i = 0; i < window->n_objects; i++)
		window->blocks[i] = &window->objects[i].block;
	err = inspector__take(window->inspector, window->blocks, window->n_objects);
	drop_freed(window);
	return err;
}

struct sample *window__objects(struct window *window, size_t *ret_n)
{
	*ret_n = window->n_objects;
	return window->objects;
}

const struct block_value *window__raw_blocks(const struct window *window, size_t *ret_n)
{
	*ret_n = window->n_raw_blocks;
	return window->raw_blocks;
}

/* --- running ----------------------------------------------------------------------------------------- */

int window__run(struct window *window, const struct window_limits *limits, struct sample *samples, size_t n,
		struct window_times *ret_times, struct error *error)
{
	struct window_times times;
	int err, closing;

	window->n_objects = window->n_raw_blocks = 0;
	session__clear_window(window->session);
	follow(window, samples, n);
	times = (struct window_times){.opened = window__read_clocks(window)};
	err = session__open_window(window->session, error);
	times.begun = times.held = window__read_clocks(window);
	if (!err) {
		session__begin_window(window->session, limits->hits);
		times.cut_short = watch(window, times.begun.now_ns + limits->length_ns);
		session__hold_window(window->session);
		times.held = window__read_clocks(window);
		sleep_ns(SETTLE_NS);
		err = take_blocks(window);
		if (err)
			error__set(error, err, "failed to read the process's memory");
	}
	closing = session__close_window(window->session);
	if (!err && closing)
		err = error__set(error, closing, "the process that kept the probes was killed");
	judge_followed(window);
	times.closed = window__read_clocks(window);
	*ret_times = times;
	return err;
}
