// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drops.h"
#include "utf8.h"

/* --- values of one stack ----------------------------------------------------------------------------- */

static uint64_t load(const __u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Frees are read before allocations: under a running target a stack then never seems to have freed more. */
static void block_values(const struct linger_stack *stack, uint64_t values[PROFILE_VALUES])
{
	uint64_t free_blocks = load(&stack->free_blocks), free_bytes = load(&stack->free_bytes);

	values[PROFILE_ALLOC_OBJECTS] = load(&stack->alloc_blocks);
	values[PROFILE_ALLOC_SPACE] = load(&stack->alloc_bytes);
	values[PROFILE_INUSE_OBJECTS] = values[PROFILE_ALLOC_OBJECTS] - free_blocks;
	values[PROFILE_INUSE_SPACE] = values[PROFILE_ALLOC_SPACE] - free_bytes;
}

static void mapping_values(const struct mappings *mappings, uint32_t id, uint64_t values[PROFILE_VALUES])
{
	struct mapping_totals totals = mapping_set__stack_totals(mappings__set(mappings), id);

	values[PROFILE_ALLOC_OBJECTS] = totals.alloc_blocks;
	values[PROFILE_ALLOC_SPACE] = totals.alloc_bytes;
	values[PROFILE_INUSE_OBJECTS] = totals.live_blocks;
	values[PROFILE_INUSE_SPACE] = totals.live_bytes;
}

/* --- totals ------------------------------------------------------------------------------------------ */

static void block_totals(const struct session_pools *pools, enum linger_domain domain,
			 struct domain_totals *totals)
{
	for (uint32_t id = 0; id < session_pools__n_stacks(pools); id++) {
		uint64_t values[PROFILE_VALUES];

		if (session_pools__domain(pools, id) != domain)
			continue;
		block_values(&pools->stacks[id], values);
		totals->live_blocks += values[PROFILE_INUSE_OBJECTS];
		totals->live_bytes += values[PROFILE_INUSE_SPACE];
		totals->alloc_blocks += values[PROFILE_ALLOC_OBJECTS];
		totals->alloc_bytes += values[PROFILE_ALLOC_SPACE];
	}
}

static void mapping_totals(const struct mappings *mappings, struct domain_totals *totals)
{
	struct mapping_totals sum = mapping_set__totals(mappings__set(mappings));

	totals->live_blocks = sum.live_blocks;
	totals->live_bytes = sum.live_bytes;
	totals->alloc_blocks = sum.alloc_blocks;
	totals->alloc_bytes = sum.alloc_bytes;
	/* Ranges are matched here and not in the kernel. */
	totals->counters.recorded_allocs = sum.alloc_blocks;
	totals->counters.unmatched_frees = mappings__unmatched(mappings);
	totals->counters.matched_frees = totals->counters.seen_frees - totals->counters.unmatched_frees -
					 totals->counters.dropped_frees;
}

int snapshot__totals(const struct session *session, const struct mappings *mappings,
		     enum linger_domain domain, struct domain_totals *ret_totals)
{
	struct session_pools pools = session__pools(session);
	struct domain_totals totals = {};
	int err = session__counters(session, domain, &totals.counters);

	if (err)
		return err;
	if (domain != LINGER_DOMAIN_MAPPING)
		block_totals(&pools, domain, &totals);
	else if (mappings)
		mapping_totals(mappings, &totals);
	*ret_totals = totals;
	return 0;
}

/* --- profile ----------------------------------------------------------------------------------------- */

static bool is_empty(const uint64_t values[PROFILE_VALUES])
{
	return !values[PROFILE_ALLOC_OBJECTS] && !values[PROFILE_INUSE_OBJECTS];
}

static size_t resolve_frames(const struct session_pools *pools, const struct code_names *names, uint32_t id,
			     const char *native, struct profile_frame frames[LINGER_MAX_FRAMES + 1])
{
	const struct linger_stack *stack = &pools->stacks[id];
	const uint64_t *stack_frames;
	size_t n = 0, n_stack_frames;

	if (id < LINGER_FIRST_STACK) {
		frames[n++] = (struct profile_frame){.function = "[stack table full]"};
		return n;
	}
	if (stack->truncated)
		frames[n++] = (struct profile_frame){.function = "[truncated]"};
	stack_frames = session_pools__frames(pools, id, &n_stack_frames);
	for (size_t i = n_stack_frames; i-- > 0;)
		if (code_names__has_started(names, stack_frames[i]))
			frames[n++] = code_names__frame(names, stack_frames[i]);
	if (!n)
		frames[n++] =
			(struct profile_frame){.function = stack->native ? native : "[no Python frame]"};
	return n;
}

int snapshot__add_stack(const struct session *session, const struct code_names *names, uint32_t id,
			const char *root, const uint64_t values[PROFILE_VALUES],
			const struct profile_estimate *estimate, struct profile *profile)
{
	struct session_pools pools = session__pools(session);
	char thread[LINGER_THREAD_NAME_BYTES + 1] = {};
	char native[LINGER_THREAD_NAME_BYTES + 32]; /* for the frames of a thread without Python */
	struct profile_frame frames[LINGER_MAX_FRAMES + 2];
	size_t n = 0;

	memcpy(thread, pools.stacks[id].thread, LINGER_THREAD_NAME_BYTES);
	utf8__repair(thread);
	snprintf(native, sizeof(native), "[native thread %s]", thread);
	if (root)
		frames[n++] = (struct profile_frame){.function = root};
	n += resolve_frames(&pools, names, id, native, frames + n);
	return profile__add_estimate(profile, session_pools__domain(&pools, id), thread[0] ? thread : NULL,
				     frames, n, values, estimate);
}

static int add_stacks(const struct session *session, const struct mappings *mappings,
		      const struct code_names *names, uint32_t domains, struct profile *profile)
{
	struct session_pools pools = session__pools(session);
	int err = 0;

	for (uint32_t id = 0; id < session_pools__n_stacks(&pools) && !err; id++) {
		enum linger_domain domain = session_pools__domain(&pools, id);
		uint64_t values[PROFILE_VALUES];

		if (!(domains >> domain & 1))
			continue;
		if (domain != LINGER_DOMAIN_MAPPING)
			block_values(&pools.stacks[id], values);
		else
			mapping_values(mappings, id, values);
		if (!is_empty(values))
			err = snapshot__add_stack(session, names, id, NULL, values, NULL, profile);
	}
	return err;
}

/* What was dropped stands in the profile as a stack of its own: its blocks were allocated, and may still
 * live. */
static int add_drops(const struct linger_counters *c, enum linger_domain domain, struct profile *profile)
{
	int err = 0;

	for (int reason = 0; reason < LINGER_DROP_REASONS && !err; reason++) {
		char name[64];
		struct profile_frame frame = {.function = name};
		uint64_t values[PROFILE_VALUES] = {
			[PROFILE_INUSE_SPACE] = c->dropped_bytes[reason],
			[PROFILE_INUSE_OBJECTS] = c->dropped[reason],
			[PROFILE_ALLOC_SPACE] = c->dropped_bytes[reason],
			[PROFILE_ALLOC_OBJECTS] = c->dropped[reason],
		};

		if (!c->dropped[reason])
			continue;
		snprintf(name, sizeof(name), "[dropped: %s]", drop__name(reason));
		err = profile__add(profile, domain, NULL, &frame, 1, values);
	}
	return err;
}

int snapshot__profile(const struct session *session, const struct mappings *mappings,
		      const struct code_names *names, uint32_t domains, struct profile *profile)
{
	int err = add_stacks(session, mappings, names, domains, profile);

	for (int domain = 0; domain < LINGER_DOMAINS && !err; domain++) {
		struct linger_counters c;

		if (!(domains >> domain & 1))
			continue;
		err = session__counters(session, domain, &c);
		if (!err)
			err = add_drops(&c, domain, profile);
	}
	return err;
}
