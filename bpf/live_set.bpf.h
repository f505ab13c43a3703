/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_LIVE_SET_BPF_H
#define LINGER_LIVE_SET_BPF_H

/*
 * The live set: every block seen allocated and not yet freed, with its stack and size (layout in trace.h).
 * Its stretches are in a plain hash, which refuses when it is full; an LRU would throw out the oldest blocks,
 * and those are the leaks. A stretch stays once it is there, so taking a block in or out is a look-up and one
 * atomic exchange: half the time of inserting and deleting an element per block, and less memory for all but
 * the largest blocks.
 */

#include "stack_totals.bpf.h"

static __always_inline struct live_key live_key_of(__u64 address)
{
	return (struct live_key){.stretch = address / LINGER_STRETCH_BYTES, .target = linger_config.tgid};
}

/* Puts a value into an address's slot and returns what was there. */
static __always_inline __u64 exchange(struct live_stretch *stretch, const struct live_key *key, __u64 address,
				      __u64 value)
{
	__u64 slot = (address - key->stretch * LINGER_STRETCH_BYTES) / LINGER_SLOT_BYTES;

	barrier_var(slot); /* older verifiers lose the bound when the compiler narrows the comparison */
	if (slot >= LINGER_STRETCH_SLOTS)
		return 0;
	return __sync_lock_test_and_set(&stretch->slots[slot], value);
}

static __always_inline void live_set__free(__u64 address, struct linger_counters *c)
{
	struct live_key key = live_key_of(address);
	struct live_stretch *stretch = bpf_map_lookup_elem(&live_set, &key);
	__u64 block = stretch ? exchange(stretch, &key, address, 0) : 0;

	count(&c->seen_frees, 1);
	count(block ? &c->matched_frees : &c->unmatched_frees, 1);
	if (block)
		stack_totals__free(LINGER_LIVE_STACK(block), LINGER_LIVE_BYTES(block));
}

/* Makes room for a stretch. 0 or a negative errno. */
static __noinline int add_stretch(struct live_key *key)
{
	__u32 zero = 0;
	struct live_stretch *empty = bpf_map_lookup_elem(&empty_stretch, &zero);
	int err;

	if (!empty || !key)
		return -E_2BIG;
	err = add_element(&live_set, key, empty);
	return err == -E_EXIST ? 0 : err;
}

static __always_inline void live_set__alloc(__u64 address, __u32 bytes, __u32 stack_id,
					    struct linger_counters *c)
{
	struct live_key key = live_key_of(address);
	struct live_stretch *stretch = bpf_map_lookup_elem(&live_set, &key);
	__u64 block = LINGER_LIVE(stack_id, bytes), before;
	int err = 0;

	if (!stretch) {
		err = add_stretch(&key);
		stretch = bpf_map_lookup_elem(&live_set, &key);
	}
	if (!stretch) {
		count_drop(c, drop_reason(err), bytes);
		return;
	}
	before = exchange(stretch, &key, address, block);
	/* Handed out again without a free: the free was missed, and the old block is gone for certain. */
	if (before) {
		count(&c->missed_frees, 1);
		stack_totals__free(LINGER_LIVE_STACK(before), LINGER_LIVE_BYTES(before));
	}
	count(&c->recorded_allocs, 1);
	stack_totals__alloc(stack_id, bytes);
}

#endif /* LINGER_LIVE_SET_BPF_H */
