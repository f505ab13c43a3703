/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_SUMS_H
#define LINGER_STACK_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "estimate.h"
#include "session_pools.h"

/*
 * What each stack allocated, by the windows' account: what a window saw counts by its weight. Zeroed it is
 * empty.
 */
struct stack_sums {
	struct stack_sum *list; /* by stack id */
	uint32_t n;
};

struct stack_sum {
	uint64_t seen_blocks, seen_bytes; /* the kernel's counters at the end of the last window */
	struct estimate_amount allocated;
	struct estimate_amount outlived; /* of the raw domain: what was alive when its window ended */
	uint64_t n_outlived;             /* as many blocks were seen */
};

void stack_sums__free(struct stack_sums *sums);

/* Makes room for the stacks that the kernel has by now. 0 or -ENOMEM. */
int stack_sums__grow(struct stack_sums *sums, const struct session_pools *pools);

/* Adds what each stack has allocated since the last window. True if any has. */
bool stack_sums__add_allocated(struct stack_sums *sums, const struct session_pools *pools, double weight);

/* Adds a raw block that outlived its window. */
void stack_sums__add_outlived(struct stack_sums *sums, const struct block_value *block, double weight);

/* All zero for a stack that no window has seen. */
struct stack_sum stack_sums__of(const struct stack_sums *sums, uint32_t stack_id);

#endif /* LINGER_STACK_SUMS_H */
