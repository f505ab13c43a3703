/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open addressing with linear probing. */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct table_slot {
	uint64_t hash;
	void *item; /* NULL: empty */
};

/* The halves of the full product, folded: each bit of the operands reaches the low bits, which choose the
 * slot. */
uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	__uint128_t product = (__uint128_t)(hash ^ word) * 0x9e3779b97f4a7c15;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_bytes(const char *bytes, size_t len)
{
	uint64_t hash = len;
	uint64_t word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = hash_mix(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, len);
	return hash_mix(hash, word);
}

void *table__find(const struct table *table, uint64_t hash, table_equal equal, const void *key)
{
	size_t i;

	if (!table->n_slots)
		return NULL;
	for (i = hash & (table->n_slots - 1); table->slots[i].item; i = (i + 1) & (table->n_slots - 1))
		if (table->slots[i].hash == hash && equal(table->slots[i].item, key))
			return table->slots[i].item;
	return NULL;
}

static void put(struct table *table, uint64_t hash, void *item)
{
	size_t i = hash & (table->n_slots - 1);

	while (table->slots[i].item)
		i = (i + 1) & (table->n_slots - 1);
	table->slots[i].hash = hash;
	table->slots[i].item = item;
}

int table__reserve(struct table *table)
{
	struct table larger = {.n = table->n};
	size_t i;

	if (table->n_slots && (table->n + 1) * 4 <= table->n_slots * 3)
		return 0;
	larger.n_slots = table->n_slots ? table->n_slots * 2 : 64;
	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (i = 0; i < table->n_slots; i++)
		if (table->slots[i].item)
			put(&larger, table->slots[i].hash, table->slots[i].item);
	free(table->slots);
	*table = larger;
	return 0;
}

void table__insert(struct table *table, uint64_t hash, void *item)
{
	put(table, hash, item);
	table->n++;
}

void table__free(struct table *table)
{
	free(table->slots);
	*table = (struct table){};
}
