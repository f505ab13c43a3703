// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stack_sums.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stack_sums__free(struct stack_sums *sums)
{
	free(sums->list);
	*sums = (struct stack_sums){};
}

int stack_sums__grow(struct stack_sums *sums, const struct session_pools *pools)
{
	uint32_t n = session_pools__n_stacks(pools);
	struct stack_sum *grown;

	if (n <= sums->n)
		return 0;
	grown = reallocarray(sums->list, n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(&grown[sums->n], 0, (n - sums->n) * sizeof(*grown));
	sums->list = grown;
	sums->n = n;
	return 0;
}

bool stack_sums__add_allocated(struct stack_sums *sums, const struct session_pools *pools, double weight)
{
	bool any = false;

	for (uint32_t id = 0; id < sums->n; id++) {
		const struct linger_stack *stack = &pools->stacks[id];
		struct stack_sum *sum = &sums->list[id];
		uint64_t blocks = __atomic_load_n(&stack->alloc_blocks, __ATOMIC_RELAXED);
		uint64_t bytes = __atomic_load_n(&stack->alloc_bytes, __ATOMIC_RELAXED);

		if (blocks == sum->seen_blocks)
			continue;
		sum->allocated.blocks += (blocks - sum->seen_blocks) * weight;
		sum->allocated.bytes += (bytes - sum->seen_bytes) * weight;
		sum->seen_blocks = blocks;
		sum->seen_bytes = bytes;
		any = true;
	}
	return any;
}

void stack_sums__add_outlived(struct stack_sums *sums, const struct block_value *block, double weight)
{
	struct stack_sum *sum;

	if (block->stack_id >= sums->n)
		return;
	sum = &sums->list[block->stack_id];
	sum->outlived.blocks += weight;
	sum->outlived.bytes += block->bytes * weight;
	sum->n_outlived++;
}

struct stack_sum stack_sums__of(const struct stack_sums *sums, uint32_t stack_id)
{
	return stack_id < sums->n ? sums->list[stack_id] : (struct stack_sum){};
}
