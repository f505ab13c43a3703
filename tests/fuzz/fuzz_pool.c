// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "fuzz.h"
#include "pool.h"

#define ADDRESS UINT64_C(0x10000)

/* The input is a pool; what would be refused at once is set right, so that it is the free list that counts.
 */
static void set_right(struct pool_header *header, uint32_t pool_bytes)
{
	header->szidx %= POOL_SIZE_CLASSES;
	header->maxnextoffset = pool_bytes - pool__block_bytes(header);
	header->nextoffset %= pool_bytes + 1;
	header->freeblock = header->freeblock ? ADDRESS + header->freeblock % pool_bytes : 0;
}

static void check(const struct pool_header *header, const struct pool_blocks *blocks)
{
	uint32_t n = (header->nextoffset - POOL_HEADER_BYTES) / pool__block_bytes(header), n_free = 0;

	for (uint32_t i = 0; i < POOL_MAX_BLOCKS; i++) {
		n_free += pool_blocks__has(blocks, i);
		fuzz__check(i < n || !pool_blocks__has(blocks, i), "free blocks were handed out once");
	}
	fuzz__check(n_free + header->count == n, "a block is free or in use");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static uint64_t pool[POOL_MAX_BYTES / sizeof(uint64_t)];
	struct pool_header *header = (struct pool_header *)pool;
	uint32_t pool_bytes = n % 2 ? 4096 : POOL_MAX_BYTES;
	struct pool_blocks blocks;

	memset(pool, 0, sizeof(pool));
	memcpy(pool, bytes, n < sizeof(pool) ? n : sizeof(pool));
	set_right(header, pool_bytes);
	if (!pool__free_blocks(pool, ADDRESS, pool_bytes, &blocks))
		check(header, &blocks);
	return 0;
}
