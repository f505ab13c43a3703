/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RAW_SET_BPF_H
#define LINGER_RAW_SET_BPF_H

/*
 * The live blocks of the raw domain: sparse, and of any size. They are in a table of buckets, to one of which
 * an address leads, and those that find their bucket full are in a plain hash. Most blocks die young and
 * never get that far: taking one into a bucket or out of it is a look-up in an array and one atomic
 * operation, where the hash allocates an element and frees it.
 *
 * Nobody else handles an address between its allocation's return and its free's entry, so a slot belongs to
 * whoever has claimed its address.
 */

#include "maps.bpf.h"

#define UNKNOWN_BYTES (~0ULL)

static __always_inline struct raw_key raw_key_of(__u64 address)
{
	return (struct raw_key){.address = address, .target = linger_config.tgid};
}

static __always_inline struct raw_bucket *raw_bucket_of(__u64 address)
{
	__u32 index = (address >> 4) * 0x9e3779b97f4a7c15ULL >> 32 & (linger_config.raw_buckets - 1);

	return bpf_map_lookup_elem(&raw_buckets, &index);
}

/* What was known of a block; bytes is UNKNOWN_BYTES if nothing was. It is known no more. */
static __always_inline struct raw_block raw_set__take(__u64 address)
{
	struct raw_bucket *bucket = raw_bucket_of(address);
	struct raw_block block = {.bytes = UNKNOWN_BYTES}, *spilled;
	struct raw_key key = raw_key_of(address);
	struct trace_state *state = get_state();

#pragma unroll
	for (int i = 0; bucket && i < LINGER_RAW_SLOTS; i++) {
		if (bucket->addresses[i] != address)
			continue;
		block = bucket->blocks[i];
		/* Of two threads that free one block at once, which is the target's error, one gets it. */
		if (__sync_val_compare_and_swap(&bucket->addresses[i], address, 0) != address)
			block.bytes = UNKNOWN_BYTES;
		return block;
	}
	spilled = state && state->raw_spilled ? bpf_map_lookup_elem(&raw_set, &key) : NULL;
	if (!spilled)
		return block;
	block = *spilled;
	if (bpf_map_delete_elem(&raw_set, &key))
		block.bytes = UNKNOWN_BYTES;
	return block;
}

static __always_inline int raw_set__spill(__u64 address, const struct raw_block *block)
{
	struct trace_state *state = get_state();
	struct raw_key key = raw_key_of(address);

	if (state)
		state->raw_spilled = 1;
	return add_element(&raw_set, &key, block);
}

/* Takes in a block that is not in the set. 0 or a negative errno: there is no room. */
static __always_inline int raw_set__put(__u64 address, const struct raw_block *block)
{
	struct raw_bucket *bucket = raw_bucket_of(address);

#pragma unroll
	for (int i = 0; bucket && i < LINGER_RAW_SLOTS; i++) {
		if (bucket->addresses[i] || __sync_val_compare_and_swap(&bucket->addresses[i], 0, address))
			continue;
		bucket->blocks[i] = *block;
		return 0;
	}
	return raw_set__spill(address, block);
}

#endif /* LINGER_RAW_SET_BPF_H */
