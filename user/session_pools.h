/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SESSION_POOLS_H
#define LINGER_SESSION_POOLS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "trace.h"

/*
 * What user space reads of the kernel's pools, all mapped read-only. What is in them came about in a hostile
 * target: an index is followed only inside its pool. Pure.
 */
struct session_pools {
	const struct trace_state *state;
	const struct linger_stack *stacks;
	const uint64_t *frames;
	const struct linger_code *codes;
	const char *text; /* chunks of LINGER_TEXT_CHUNK bytes */
	uint32_t max_stacks, max_frames, max_codes, max_chunks;
};

/* How many stacks and code objects the pools hold; the kernel's counters may run past the end. */
uint32_t session_pools__n_stacks(const struct session_pools *pools);
uint32_t session_pools__n_codes(const struct session_pools *pools);

/* LINGER_DOMAINS: there is no such stack. */
enum linger_domain session_pools__domain(const struct session_pools *pools, uint32_t stack_id);

/* The frames of a stack that there is, innermost first, up to LINGER_MAX_FRAMES. */
const uint64_t *session_pools__frames(const struct session_pools *pools, uint32_t stack_id, size_t *ret_n);

/* The first of a text's bytes; NULL: it is not all in the pool. */
const char *session_pools__text(const struct session_pools *pools, const struct text_ref *ref);

#endif /* LINGER_SESSION_POOLS_H */
