/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pool_usage.h"

static uint32_t class_bytes(uint32_t size_class)
{
	return (size_class + 1) * POOL_CLASS_BYTES;
}

void pool_usage__start(struct pool_usage *usage, uint32_t pool_bytes)
{
	*usage = (struct pool_usage){.pool_bytes = pool_bytes};
}

static void close_arena(struct pool_usage *usage)
{
	const struct arena_count *arena = &usage->arena;
	uint64_t quarter = arena->used_bytes * ARENA_QUARTERS / pool_usage__arena_bytes(usage);
	struct arena_count *sum = &usage->quarters[quarter];

	sum->arenas += arena->arenas;
	sum->blocks += arena->blocks;
	sum->used_bytes += arena->used_bytes;
	usage->arena = (struct arena_count){0};
}

/* Each interpreter of a process numbers its arenas by itself, so the number alone does not tell them apart.
 */
static bool is_in_arena(const struct pool_usage *usage, uint64_t address, const struct pool_header *pool)
{
	return usage->arena.arenas && pool->arenaindex == usage->arena_index &&
	       address - usage->arena_address < pool_usage__arena_bytes(usage);
}

void pool_usage__add(struct pool_usage *usage, uint64_t address, const struct pool_header *pool)
{
	if (!is_in_arena(usage, address, pool)) {
		close_arena(usage);
		usage->arena.arenas = 1;
		usage->arena_address = address;
		usage->arena_index = pool->arenaindex;
	}
	usage->arena.blocks += pool->count;
	usage->arena.used_bytes += (uint64_t)pool->count * pool__block_bytes(pool);
	pool_count__add(&usage->count, pool);
}

void pool_usage__finish(struct pool_usage *usage)
{
	close_arena(usage);
}

uint64_t pool_usage__free_blocks(const struct pool_usage *usage, uint32_t size_class)
{
	uint32_t capacity = (usage->pool_bytes - POOL_HEADER_BYTES) / class_bytes(size_class);

	return usage->count.class_pools[size_class] * capacity - usage->count.class_blocks[size_class];
}

struct heap_bytes pool_usage__bytes(const struct pool_usage *usage)
{
	uint64_t pools = usage->count.pools * usage->pool_bytes;
	struct heap_bytes bytes = {0};

	for (int i = 0; i < ARENA_QUARTERS; i++)
		bytes.arenas += usage->quarters[i].arenas * pool_usage__arena_bytes(usage);
	for (uint32_t i = 0; i < POOL_SIZE_CLASSES; i++) {
		bytes.used += usage->count.class_blocks[i] * class_bytes(i);
		bytes.free_blocks += pool_usage__free_blocks(usage, i) * class_bytes(i);
	}
	bytes.unused_pools = bytes.arenas - pools;
	bytes.overhead = pools - bytes.used - bytes.free_blocks;
	return bytes;
}
