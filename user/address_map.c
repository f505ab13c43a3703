/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Open addressing with linear probing, the keys in the slots: a census asks some hundred million times, of
 * user/table.h each answer would be a call back and a cache line more.
 */
#include "address_map.h"

#include <errno.h>
#include <stdlib.h>

#include "table.h"

/* Where the address is, or belongs. */
static struct address_slot *slot_of(const struct address_map *map, uint64_t address)
{
	size_t i = hash_mix(0, address) & (map->n_slots - 1);

	while (map->slots[i].address && map->slots[i].address != address)
		i = (i + 1) & (map->n_slots - 1);
	return &map->slots[i];
}

uint32_t address_map__find(const struct address_map *map, uint64_t address)
{
	const struct address_slot *slot;

	if (!map->n_slots)
		return ADDRESS_MAP_NONE;
	slot = slot_of(map, address);
	return slot->address ? slot->value : ADDRESS_MAP_NONE;
}

static int reserve(struct address_map *map)
{
	struct address_map larger = {.n = map->n};

	if (map->n_slots && (map->n + 1) * 4 <= map->n_slots * 3)
		return 0;
	larger.n_slots = map->n_slots ? map->n_slots * 2 : 64;
	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_slots; i++)
		if (map->slots[i].address)
			*slot_of(&larger, map->slots[i].address) = map->slots[i];
	free(map->slots);
	*map = larger;
	return 0;
}

int address_map__put(struct address_map *map, uint64_t address, uint32_t value)
{
	struct address_slot *slot;
	int err = reserve(map);

	if (err)
		return err;
	slot = slot_of(map, address);
	map->n += !slot->address;
	*slot = (struct address_slot){address, value};
	return 0;
}

void address_map__free(struct address_map *map)
{
	free(map->slots);
	*map = (struct address_map){0};
}
