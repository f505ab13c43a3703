/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_POOL_USAGE_H
#define LINGER_POOL_USAGE_H

#include <stdint.h>

#include "pools.h"

/*
 * How much of what pymalloc took is in use. Memory goes back to the kernel by the arena: one block in use
 * keeps all of it. Pure.
 */
#define ARENA_POOLS 64   /* 256 KiB up to 3.9, 1 MiB from 3.10; one less where the arena is not aligned */
#define ARENA_QUARTERS 4 /* less than a quarter of it in use, less than a half, ... */

struct arena_count {
	uint64_t arenas;
	uint64_t blocks; /* in use */
	uint64_t used_bytes;
};

struct pool_usage {
	uint32_t pool_bytes;
	struct pool_count count;
	struct arena_count quarters[ARENA_QUARTERS];
	struct arena_count arena; /* the one that is being counted */
	uint64_t arena_address;   /* of its first pool */
	uint32_t arena_index;
};

/* The pools with blocks in use, in the order of their addresses; then the end. */
void pool_usage__start(struct pool_usage *usage, uint32_t pool_bytes);
void pool_usage__add(struct pool_usage *usage, uint64_t address, const struct pool_header *pool);
void pool_usage__finish(struct pool_usage *usage);

/* Of a size class: what its pools have room for and do not use. */
uint64_t pool_usage__free_blocks(const struct pool_usage *usage, uint32_t size_class);

static inline uint64_t pool_usage__arena_bytes(const struct pool_usage *usage)
{
	return (uint64_t)usage->pool_bytes * ARENA_POOLS;
}

/* Where a heap's bytes are; they add up to those of its arenas. */
struct heap_bytes {
	uint64_t arenas;
	uint64_t used;
	uint64_t free_blocks;  /* of pools that have others in use */
	uint64_t unused_pools; /* and what arenas lose to alignment */
	uint64_t overhead;     /* pool headers, and rests that are too small for a block */
};
struct heap_bytes pool_usage__bytes(const struct pool_usage *usage);

#endif /* LINGER_POOL_USAGE_H */
