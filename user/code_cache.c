// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "code_cache.h"

#include <stdlib.h>

struct known_code {
	struct known_code *next;
	uint64_t address;
	struct code_object code;
};

static bool has_address(const void *item, const void *key)
{
	const struct known_code *known = item;

	return known->address == *(const uint64_t *)key;
}

const struct code_object *code_cache__find(struct code_cache *cache, const struct py_layout *py,
					   struct memory_reader *reader, uint64_t address)
{
	uint64_t hash = hash_mix(0, address);
	struct known_code *known = table__find(&cache->table, hash, has_address, &address);

	if (known)
		return &known->code;
	known = calloc(1, sizeof(*known));
	if (!known || table__reserve(&cache->table)) {
		free(known);
		return NULL;
	}
	known->address = address;
	code_object__read(&known->code, py, reader, address);
	table__insert(&cache->table, hash, known);
	known->next = cache->codes;
	cache->codes = known;
	return &known->code;
}

void code_cache__free(struct code_cache *cache)
{
	while (cache->codes) {
		struct known_code *next = cache->codes->next;

		code_object__free(&cache->codes->code);
		free(cache->codes);
		cache->codes = next;
	}
	table__free(&cache->table);
}
