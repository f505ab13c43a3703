/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_POOL_H
#define LINGER_POOL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One pool of pymalloc, as CPython's Objects/obmalloc.c lays it out: a header, then blocks of one size class.
 * Pure; what is read from a target may be half changed or hostile.
 */
#define POOL_SIZE_CLASSES 32
#define POOL_CLASS_BYTES 16 /* step of the size classes */
#define POOL_HEADER_BYTES 48
#define POOL_MAX_BYTES 16384
#define POOL_MAX_BLOCKS ((POOL_MAX_BYTES - POOL_HEADER_BYTES) / POOL_CLASS_BYTES)

struct pool_header {
	uint32_t count; /* blocks in use */
	uint32_t pad;
	uint64_t freeblock; /* the first of a list of free blocks, linked through their first words */
	uint64_t nextpool, prevpool;
	uint32_t arenaindex;
	uint32_t szidx;
	uint32_t nextoffset; /* from here on no block was ever used */
	uint32_t maxnextoffset;
};

_Static_assert(sizeof(struct pool_header) == POOL_HEADER_BYTES, "blocks start behind the header");

/* One bit for each block of a pool. */
struct pool_blocks {
	uint64_t bits[(POOL_MAX_BLOCKS + 63) / 64];
};

static inline bool pool__is_block_size(uint64_t bytes)
{
	return bytes && bytes % POOL_CLASS_BYTES == 0 && bytes <= POOL_SIZE_CLASSES * POOL_CLASS_BYTES;
}

static inline uint32_t pool__block_bytes(const struct pool_header *pool)
{
	return (pool->szidx + 1) * POOL_CLASS_BYTES;
}

/*
 * Whether this is the header of a pool that has blocks in use: the same checks as at a pop, and more: not
 * more blocks than fit, and a free list that begins inside.
 */
static inline bool pool__is_used(const struct pool_header *pool, uint64_t address, uint32_t pool_bytes)
{
	uint32_t block = pool__block_bytes(pool);

	return pool->szidx < POOL_SIZE_CLASSES && pool->maxnextoffset == pool_bytes - block &&
	       pool->count > 0 && pool->count <= (pool_bytes - POOL_HEADER_BYTES) / block &&
	       pool->nextoffset >= POOL_HEADER_BYTES && pool->nextoffset <= pool_bytes &&
	       (pool->freeblock == 0 || pool->freeblock - address < pool_bytes);
}

/*
 * Which blocks of a used pool are on its free list. 0; -EAGAIN: the list, the count and the offset contradict
 * each other, because the target was changing them while they were read.
 */
int pool__free_blocks(const void *pool, uint64_t address, uint32_t pool_bytes, struct pool_blocks *ret_free);

static inline bool pool_blocks__has(const struct pool_blocks *blocks, uint32_t index)
{
	return blocks->bits[index / 64] >> index % 64 & 1;
}

#endif /* LINGER_POOL_H */
