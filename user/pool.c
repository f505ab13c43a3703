// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "pool.h"

#include <errno.h>
#include <string.h>

/* Puts the block that a link leads to into the set. The block's offset, or 0: no link of a free list. */
static uint32_t add_link(struct pool_blocks *blocks, uint64_t offset, uint32_t block_bytes, uint32_t end)
{
	uint32_t index;

	if (offset < POOL_HEADER_BYTES || offset >= end || (offset - POOL_HEADER_BYTES) % block_bytes)
		return 0;
	index = (offset - POOL_HEADER_BYTES) / block_bytes;
	if (pool_blocks__has(blocks, index))
		return 0;
	blocks->bits[index / 64] |= UINT64_C(1) << index % 64;
	return offset;
}

int pool__free_blocks(const void *pool, uint64_t address, uint32_t pool_bytes, struct pool_blocks *ret_free)
{
	const struct pool_header *header = pool;
	struct pool_blocks blocks = {0};
	uint32_t block_bytes, offset, n_free = 0;
	uint64_t link;

	if (pool_bytes > POOL_MAX_BYTES || !pool__is_used(header, address, pool_bytes))
		return -EAGAIN;
	block_bytes = pool__block_bytes(header);
	if ((header->nextoffset - POOL_HEADER_BYTES) % block_bytes)
		return -EAGAIN;
	for (link = header->freeblock; link; n_free++) {
		offset = add_link(&blocks, link - address, block_bytes, header->nextoffset);
		if (!offset || offset + sizeof(link) > pool_bytes)
			return -EAGAIN;
		memcpy(&link, (const char *)pool + offset, sizeof(link));
	}
	if (n_free + header->count != (header->nextoffset - POOL_HEADER_BYTES) / block_bytes)
		return -EAGAIN;
	*ret_free = blocks;
	return 0;
}
