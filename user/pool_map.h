/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_POOL_MAP_H
#define LINGER_POOL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

/*
 * In which pool an address lies, if in any. Asked some hundred million times in a census, so it is a table
 * and no hash: arenas lie close together.
 */
#define POOL_MAP_SHIFT 30 /* a table for each GiB in which there are pools */

struct pool_place {
	uint32_t is_pool : 1;
	uint32_t szidx : 5;   /* when it was found */
	uint32_t number : 26; /* in the order of the pools */
};

struct pool_map {
	struct pool_table {
		uint64_t first; /* address >> POOL_MAP_SHIFT */
		struct pool_place *places;
	} * tables;
	size_t n_tables;
	const struct pool_table *last; /* that was asked for */
	uint64_t missed;               /* the last for which there was none */
	uint32_t pool_bytes;
	uint32_t n_pools;
};

struct pool_map pool_map__of(uint32_t pool_bytes); /* an empty one */
void pool_map__free(struct pool_map *map);

/* In the order of their addresses. 0, -ENOMEM, -E2BIG. */
int pool_map__add(struct pool_map *map, uint64_t address, uint32_t szidx);

/* NULL: no pools are near. */
const struct pool_table *pool_map__find_table(struct pool_map *map, uint64_t first);

static inline uint32_t pool_place__block_bytes(struct pool_place place)
{
	return (place.szidx + 1) * POOL_CLASS_BYTES;
}

/* Of a pool or anything in it. is_pool is false where there is none. */
static inline struct pool_place pool_map__find(struct pool_map *map, uint64_t address)
{
	const struct pool_table *table = map->last;
	uint64_t first = address >> POOL_MAP_SHIFT;

	if (first == map->missed)
		return (struct pool_place){0};
	if (!table || table->first != first)
		table = pool_map__find_table(map, first);
	if (!table)
		return (struct pool_place){0};
	return table->places[(address & ((UINT64_C(1) << POOL_MAP_SHIFT) - 1)) / map->pool_bytes];
}

static inline bool pool_map__has(struct pool_map *map, uint64_t address)
{
	return pool_map__find(map, address).is_pool;
}

#endif /* LINGER_POOL_MAP_H */
