/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_POOLS_H
#define LINGER_POOLS_H

#include <stdint.h>

#include "memory_reader.h"
#include "pool.h"
#include "target.h"

/* What pymalloc's own pool headers say. */
struct pool_count {
	uint64_t blocks; /* in use */
	uint64_t pools;
	uint64_t class_blocks[POOL_SIZE_CLASSES]; /* by size class: 16, 32, ... 512 bytes */
	uint64_t class_pools[POOL_SIZE_CLASSES];
};

/* Adds a pool with blocks in use. */
void pool_count__add(struct pool_count *count, const struct pool_header *pool);

/* For who can wait: a bound, not a plan. */
#define POOLS_LIMIT_NS (UINT64_C(3600) * 1000000000)

/* Called for each pool with blocks in use. Anything but 0 ends the walk, and is its result. */
typedef int pools_visit(void *context, uint64_t address, const struct pool_header *pool);

/*
 * Reads the header of every pool, in the order of their addresses. A pool is recognised by its own invariants
 * at pool aligned addresses of private anonymous memory; no symbol is needed. The target runs on meanwhile.
 * 0; -ETIME: it would take longer than limit_ns; -ESRCH, -EACCES, -ENOMEM.
 */
int pools__visit(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		 uint64_t limit_ns, pools_visit *visit, void *context);

/* Counts the blocks in use that way. */
int pools__count(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		 uint64_t limit_ns, struct pool_count *ret_count);

#endif /* LINGER_POOLS_H */
