// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session_pools.h"

static uint32_t filled(const __u32 *next, uint32_t max)
{
	uint32_t n = __atomic_load_n(next, __ATOMIC_ACQUIRE);

	return n < max ? n : max;
}

uint32_t session_pools__n_stacks(const struct session_pools *pools)
{
	return filled(&pools->state->next_stack, pools->max_stacks);
}

uint32_t session_pools__n_codes(const struct session_pools *pools)
{
	return filled(&pools->state->next_code, pools->max_codes);
}

enum linger_domain session_pools__domain(const struct session_pools *pools, uint32_t stack_id)
{
	uint32_t domain = stack_id;

	if (stack_id >= LINGER_FIRST_STACK)
		domain = stack_id < pools->max_stacks ? pools->stacks[stack_id].domain : LINGER_DOMAINS;
	return domain < LINGER_DOMAINS ? domain : LINGER_DOMAINS;
}

const uint64_t *session_pools__frames(const struct session_pools *pools, uint32_t stack_id, size_t *ret_n)
{
	const struct linger_stack *stack = &pools->stacks[stack_id];
	uint32_t first = stack->first_frame, n = stack->n_frames;

	*ret_n = n <= LINGER_MAX_FRAMES && first <= pools->max_frames && n <= pools->max_frames - first ? n
													: 0;
	return *ret_n ? &pools->frames[first] : NULL;
}

const char *session_pools__text(const struct session_pools *pools, const struct text_ref *ref)
{
	uint64_t end = (uint64_t)ref->chunk * LINGER_TEXT_CHUNK + ref->bytes;

	if (end > (uint64_t)pools->max_chunks * LINGER_TEXT_CHUNK)
		return NULL;
	return pools->text + (size_t)ref->chunk * LINGER_TEXT_CHUNK;
}
