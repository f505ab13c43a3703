/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pool_map.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_POOLS (1u << 26) /* 256 GiB of the smallest; more is no Python heap */

struct pool_map pool_map__of(uint32_t pool_bytes)
{
	return (struct pool_map){.pool_bytes = pool_bytes, .missed = UINT64_MAX};
}

void pool_map__free(struct pool_map *map)
{
	for (size_t i = 0; i < map->n_tables; i++)
		free(map->tables[i].places);
	free(map->tables);
	*map = (struct pool_map){0};
}

static int compare_tables(const void *key, const void *item)
{
	uint64_t first = *(const uint64_t *)key;
	const struct pool_table *table = item;

	return (first > table->first) - (first < table->first);
}

const struct pool_table *pool_map__find_table(struct pool_map *map, uint64_t first)
{
	const struct pool_table *table = NULL;

	if (map->n_tables)
		table = bsearch(&first, map->tables, map->n_tables, sizeof(*table), compare_tables);
	if (table)
		map->last = table;
	else
		map->missed = first;
	return table;
}

static int add_table(struct pool_map *map, uint64_t first)
{
	struct pool_table *grown = reallocarray(map->tables, map->n_tables + 1, sizeof(*grown));
	struct pool_place *places;

	if (!grown)
		return -ENOMEM;
	map->tables = grown;
	map->last = NULL;
	map->missed = UINT64_MAX;
	places = calloc((UINT64_C(1) << POOL_MAP_SHIFT) / map->pool_bytes, sizeof(*places));
	if (!places)
		return -ENOMEM;
	grown[map->n_tables++] = (struct pool_table){first, places};
	return 0;
}

int pool_map__add(struct pool_map *map, uint64_t address, uint32_t szidx)
{
	uint64_t first = address >> POOL_MAP_SHIFT;
	const struct pool_table *table = map->n_tables ? &map->tables[map->n_tables - 1] : NULL;
	int err = 0;

	if (map->n_pools == MAX_POOLS)
		return -E2BIG;
	if (!table || table->first != first)
		err = add_table(map, first);
	if (err)
		return err;
	table = &map->tables[map->n_tables - 1];
	table->places[(address & ((UINT64_C(1) << POOL_MAP_SHIFT) - 1)) / map->pool_bytes] =
		(struct pool_place){.is_pool = 1, .szidx = szidx, .number = map->n_pools++};
	return 0;
}
