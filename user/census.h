/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CENSUS_H
#define LINGER_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fingerprint.h"
#include "heap_walk.h"

/*
 * Counts what the blocks of a heap hold, by type, and the collector's objects outside the pools. Pure: they
 * come from user/heap_walk.h, and what addresses may be types the census asks of its owner, who reads them.
 */
struct census;

struct census_sum {
	uint64_t blocks, bytes;
};

struct address_range {
	uint64_t start, end;
};

/* What is known of the target's memory; it has to outlive the counting. */
struct census_memory {
	uint32_t gc_head_bytes;
	struct pool_map *pools;
	const struct address_range *low; /* what is mapped below 4 GiB, where addresses look like counts */
	size_t n_low;
};

/* One type with instances. */
struct census_type {
	struct object_type type;
	char *name; /* NULL: could not be read */
	uint64_t objects;
	uint64_t block_bytes;      /* of those in pools */
	struct census_sum outside; /* those over 512 bytes, which are in no pool */
	uint64_t tracked;          /* by the garbage collector: what gc.get_objects() knows */
};

/* Blocks that hold no living object that is known. */
enum census_rest {
	CENSUS_NO_OBJECT, /* dict keys, list items, what extensions keep, unknown types */
	CENSUS_FREE_LIST, /* objects without a reference, on free lists of the interpreter */
	CENSUS_TORN,      /* of pools that changed each time that they were read */
	CENSUS_RESTS,
};

int census__new(const struct census_memory *memory, struct census **ret_census);
void census__free(struct census *census);

/*
 * For some pools at a time: what words of their blocks would be types and are not known yet, put out once
 * each; then those of them that are types are added, whereupon the pools can be counted. 0 or -ENOMEM.
 */
int census__ask(struct census *census, const struct heap_pool *pools, size_t n,
		const uint64_t **ret_addresses, size_t *ret_n);
int census__add_type(struct census *census, const struct object_type *type);
void census__count(struct census *census, const struct heap_pool *pools, size_t n);

/* The same for what is outside the pools. */
int census__ask_outside(struct census *census, const struct gc_node *nodes, size_t n,
			const uint64_t **ret_addresses, size_t *ret_n);
void census__count_outside(struct census *census, const struct gc_node *nodes, size_t n);

/* Nothing more comes: only types with instances stay, the largest first. */
void census__finish(struct census *census, const struct heap_torn *torn);

struct census_type *census__types(const struct census *census, size_t *ret_n);
struct census_sum census__rest(const struct census *census, enum census_rest rest);
/* All blocks of the pools. */
struct census_sum census__total(const struct census *census);
/* All objects outside. */
struct census_sum census__outside(const struct census *census);

/* All instances, wherever they are. */
static inline struct census_sum census_type__sum(const struct census_type *type)
{
	return (struct census_sum){type->objects, type->block_bytes + type->outside.bytes};
}

/* "[dead objects on free lists]" */
const char *census_rest__text(enum census_rest rest);
/* "not_objects", for programs */
const char *census_rest__name(enum census_rest rest);

#endif /* LINGER_CENSUS_H */
