/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_MAPPING_SET_H
#define LINGER_MAPPING_SET_H

#include <stddef.h>
#include <stdint.h>

/*
 * The mappings of a target that are seen made and not yet gone: disjoint address ranges, each with the stack
 * that made it. A pure data structure: no I/O, no clock.
 *
 * A range that is removed takes with it whatever known parts it covers: the whole of one, the middle of one,
 * the ends of two. Every step takes O(log n) and the parts that it removes.
 */
struct mapping_set;

struct mapping_totals {
	uint64_t alloc_blocks; /* ranges added */
	uint64_t alloc_bytes;
	uint64_t live_bytes;
	uint64_t live_blocks; /* pieces that remain: a range cut in the middle counts as two */
};

/* What one removal met. */
struct mapping_removal {
	uint64_t known_bytes;   /* removed from the set */
	uint64_t unknown_bytes; /* in the range but never seen made */
};

struct mapping_set *mapping_set__new(void);
void mapping_set__free(struct mapping_set *set);

/* Adds [start, start + len) for stack_id, after removing what it lies over (MAP_FIXED). 0, -EINVAL (len 0 or
 * the range wraps), -ENOMEM (the set is then unchanged). ret_replaced may be NULL. */
int mapping_set__add(struct mapping_set *set, uint64_t start, uint64_t len, uint32_t stack_id,
		     struct mapping_removal *ret_replaced);

/* Removes whatever is known of [start, start + len). 0, -EINVAL, -ENOMEM (a split needs a new range; the set
 * is then unchanged). ret_removed may be NULL. */
int mapping_set__remove(struct mapping_set *set, uint64_t start, uint64_t len,
			struct mapping_removal *ret_removed);

/* Totals of one stack (all zero for an unknown id) and of the whole set. */
struct mapping_totals mapping_set__stack_totals(const struct mapping_set *set, uint32_t stack_id);
struct mapping_totals mapping_set__totals(const struct mapping_set *set);

#endif /* LINGER_MAPPING_SET_H */
