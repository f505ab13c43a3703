/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_LIVE_SET_BPF_H
#define LINGER_LIVE_SET_BPF_H

/*
 * The live set: every block seen allocated and not yet freed. A plain hash that refuses when it is full; an LRU
 * would throw out the oldest blocks, and those are the leaks.
 */

#include "maps.bpf.h"

static __always_inline void account_alloc(const struct live_block *block)
{
	__u32 id = block->stack_id;
	struct linger_stack *info = bpf_map_lookup_elem(&stack_info, &id);

	if (!info)
		return;
	count(&info->alloc_blocks, 1);
	count(&info->alloc_bytes, block->size_bytes);
}

static __always_inline void account_free(const struct live_block *block)
{
	__u32 id = block->stack_id;
	struct linger_stack *info = bpf_map_lookup_elem(&stack_info, &id);

	if (!info)
		return;
	count(&info->free_blocks, 1);
	count(&info->free_bytes, block->size_bytes);
}

/* Takes a block out. False if it was not there. */
static __always_inline bool live_set__remove(__u64 address)
{
	struct live_key key = {.address = address, .target = linger_config.tgid};
	struct live_block *found = bpf_map_lookup_elem(&live_set, &key), block;

	if (!found)
		return false;
	block = *found; /* before the delete: the element may be handed out again */
	if (bpf_map_delete_elem(&live_set, &key))
		return false;
	account_free(&block);
	return true;
}

static __always_inline void live_set__free(__u64 address, struct linger_counters *c)
{
	count(&c->seen_frees, 1);
	count(live_set__remove(address) ? &c->matched_frees : &c->unmatched_frees, 1);
}

static __always_inline void live_set__alloc(__u64 address, const struct live_block *block,
					    struct linger_counters *c)
{
	struct live_key key = {.address = address, .target = linger_config.tgid};
	long err = bpf_map_update_elem(&live_set, &key, block, BPF_NOEXIST);

	/* Handed out again without a free: the free was missed, and the old block is gone for certain. */
	if (err == -E_EXIST) {
		if (live_set__remove(address))
			count(&c->missed_frees, 1);
		err = bpf_map_update_elem(&live_set, &key, block, BPF_ANY);
	}
	if (err) {
		count_drop(c, err == -E_2BIG ? LINGER_DROP_LIVE_SET_FULL : LINGER_DROP_NO_MEMORY,
			   block->size_bytes);
		return;
	}
	count(&c->recorded_allocs, 1);
	account_alloc(block);
}

#endif /* LINGER_LIVE_SET_BPF_H */
