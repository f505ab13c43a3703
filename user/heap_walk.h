/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_WALK_H
#define LINGER_HEAP_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "gc_links.h"
#include "memory_reader.h"
#include "pool_map.h"
#include "target.h"

/*
 * Reads every pool of pymalloc with its content, while the target runs on, and the objects outside the pools
 * that the collector knows. A pool that changes while it is read is read again a few times, then counted as
 * torn.
 */
struct heap_walk;

/* A pool in one piece, up to its nextoffset. */
struct heap_pool {
	uint64_t address;
	const void *bytes;
	struct pool_blocks free;
};

static inline const struct pool_header *heap_pool__header(const struct heap_pool *pool)
{
	return pool->bytes;
}

/* How many blocks were ever handed out. */
static inline uint32_t heap_pool__n_blocks(const struct heap_pool *pool)
{
	const struct pool_header *header = heap_pool__header(pool);

	return (header->nextoffset - POOL_HEADER_BYTES) / pool__block_bytes(header);
}

/* The words of a block in use; NULL: it is free. */
static inline const uint64_t *heap_pool__block(const struct heap_pool *pool, uint32_t index)
{
	uint32_t offset = POOL_HEADER_BYTES + index * pool__block_bytes(heap_pool__header(pool));

	if (pool_blocks__has(&pool->free, index))
		return NULL;
	return (const uint64_t *)((const char *)pool->bytes + offset);
}

/* What could not be read in one piece, as the pool headers have it. */
struct heap_torn {
	uint64_t pools, blocks, bytes;
	uint64_t links; /* that may lead to objects outside the pools */
};

/* Finds the pools. What is passed in has to outlive the walk. 0, -ESRCH, -EACCES, -ENOMEM, -ETIME. */
int heap_walk__new(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		   struct heap_walk **ret_walk);
void heap_walk__free(struct heap_walk *walk);

struct pool_map *heap_walk__pools(struct heap_walk *walk);

/* Called for some at a time. Anything but 0 ends the walk, and is its result. */
struct heap_visitor {
	int (*pools)(void *context, const struct heap_pool *pools, size_t n);
	/* Objects over 512 bytes, each once, after the pools from which the collector's lists lead to them.
	 * NULL: nobody looks for them. */
	gc_nodes_visit *outside;
	void *context;
};

/* 0; -ESRCH: it has ended, or become another program. Pools that are gone by now are left out. */
int heap_walk__visit(struct heap_walk *walk, const struct heap_visitor *visitor, struct heap_torn *ret_torn);

#endif /* LINGER_HEAP_WALK_H */
