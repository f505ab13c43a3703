/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_TOTALS_BPF_H
#define LINGER_STACK_TOTALS_BPF_H

/* What each stack allocated and freed. */

#include "maps.bpf.h"

static __always_inline void stack_totals__alloc(__u32 stack_id, __u64 bytes)
{
	struct linger_stack *stack = bpf_map_lookup_elem(&stack_info, &stack_id);

	if (!stack)
		return;
	count(&stack->alloc_blocks, 1);
	count(&stack->alloc_bytes, bytes);
}

static __always_inline void stack_totals__free(__u32 stack_id, __u64 bytes)
{
	struct linger_stack *stack = bpf_map_lookup_elem(&stack_info, &stack_id);

	if (!stack)
		return;
	count(&stack->free_blocks, 1);
	count(&stack->free_bytes, bytes);
}

#endif /* LINGER_STACK_TOTALS_BPF_H */
