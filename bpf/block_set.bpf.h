/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_BLOCK_SET_BPF_H
#define LINGER_BLOCK_SET_BPF_H

/*
 * Blocks that are alive: those of the raw domain, which are sparse and of any size, and in sampled mode those
 * that a window saw allocated. They are in a table of buckets, to one of which an address leads, and those
 * that find their bucket full are in a plain hash. Most blocks die young and never get that far: taking one
 * into a bucket or out of it is a look-up in an array and one atomic operation, where the hash allocates an
 * element and frees it. In sampled mode there is no hash: user space reads the buckets through a mapping.
 *
 * Nobody else handles an address between its allocation's return and its free's entry, so a slot belongs to
 * whoever has claimed its address.
 */

#include "stack_table.bpf.h"
#include "stack_totals.bpf.h"

static __always_inline struct block_key block_key_of(__u64 address)
{
	return (struct block_key){.address = address, .target = linger_config.tgid};
}

static __always_inline struct block_bucket *bucket_of(__u64 address)
{
	__u32 index = block_bucket__index(address, linger_config.block_buckets);

	return bpf_map_lookup_elem(&block_buckets, &index);
}

/* What was known of a block; bytes is LINGER_UNKNOWN_BYTES if nothing was. It is known no more. */
static __always_inline struct block_value block_set__take(__u64 address)
{
	struct block_bucket *bucket = bucket_of(address);
	struct block_value block = {.bytes = LINGER_UNKNOWN_BYTES}, *spilled;
	struct block_key key = block_key_of(address);
	struct trace_state *state = get_state();

#pragma unroll
	for (int i = 0; bucket && i < LINGER_BUCKET_SLOTS; i++) {
		if (bucket->addresses[i] != address)
			continue;
		block = bucket->blocks[i];
		/* Of two threads that free one block at once, which is the target's error, one gets it. */
		if (__sync_val_compare_and_swap(&bucket->addresses[i], address, 0) != address)
			block.bytes = LINGER_UNKNOWN_BYTES;
		return block;
	}
	spilled = state && state->spilled ? bpf_map_lookup_elem(&spilled_blocks, &key) : NULL;
	if (!spilled)
		return block;
	block = *spilled;
	if (bpf_map_delete_elem(&spilled_blocks, &key))
		block.bytes = LINGER_UNKNOWN_BYTES;
	return block;
}

static __always_inline int block_set__spill(__u64 address, const struct block_value *block)
{
	struct trace_state *state = get_state();
	struct block_key key = block_key_of(address);

	if (linger_config.sampled || !state)
		return -E_2BIG;
	state->spilled = 1;
	return add_element(&spilled_blocks, &key, block);
}

/* Takes in a block that is not in the set. 0 or a negative errno: there is no room. */
static __always_inline int block_set__put(__u64 address, const struct block_value *block)
{
	struct block_bucket *bucket = bucket_of(address);

#pragma unroll
	for (int i = 0; bucket && i < LINGER_BUCKET_SLOTS; i++) {
		if (bucket->addresses[i] || __sync_val_compare_and_swap(&bucket->addresses[i], 0, address))
			continue;
		bucket->blocks[i] = *block;
		return 0;
	}
	return block_set__spill(address, block);
}

static __always_inline void block_set__account_free(const struct block_value *was, struct linger_counters *c)
{
	count(&c->seen_frees, 1);
	count(was->bytes == LINGER_UNKNOWN_BYTES ? &c->unmatched_frees : &c->matched_frees, 1);
	if (was->bytes != LINGER_UNKNOWN_BYTES)
		stack_totals__free(was->stack_id, was->bytes);
}

static __always_inline void block_set__free(__u64 address, struct linger_counters *c)
{
	struct block_value was = block_set__take(address);

	block_set__account_free(&was, c);
}

static __always_inline void block_set__alloc(__u64 address, __u64 bytes, __u32 domain,
					     struct linger_counters *c)
{
	struct block_value block = {.bytes = bytes}, before = block_set__take(address);
	int err;

	count(&c->seen_allocs, 1);
	/* Handed out again without a free: the free was missed, and the old block is gone for certain. */
	if (before.bytes != LINGER_UNKNOWN_BYTES) {
		count(&c->missed_frees, 1);
		stack_totals__free(before.stack_id, before.bytes);
	}
	block.stack_id = stack_table__current(domain);
	err = block_set__put(address, &block);
	if (err) {
		count_drop(c, drop_reason(err), bytes);
		return;
	}
	count(&c->recorded_allocs, 1);
	stack_totals__alloc(block.stack_id, bytes);
}

#endif /* LINGER_BLOCK_SET_BPF_H */
