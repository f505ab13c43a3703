/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TABLE_H
#define LINGER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hash table of pointers. Its owner hashes and compares; nothing is ever removed. A table of zeros is empty
 * and ready. */
struct table {
	struct table_slot *slots;
	size_t n;
	size_t n_slots; /* a power of two, or 0 */
};

typedef bool (*table_equal)(const void *item, const void *key);

/* The item of this key, or NULL. */
void *table__find(const struct table *table, uint64_t hash, table_equal equal, const void *key);

/* Makes room for one more item, so that table__insert cannot fail. 0 or -ENOMEM. */
int table__reserve(struct table *table);
void table__insert(struct table *table, uint64_t hash, void *item);
void table__free(struct table *table);

uint64_t hash_mix(uint64_t hash, uint64_t word);
uint64_t hash_bytes(const char *bytes, size_t len);

#endif /* LINGER_TABLE_H */
