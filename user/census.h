/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CENSUS_H
#define LINGER_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "heap_objects.h"
#include "object_buffers.h"

/*
 * Counts what the blocks of a heap hold, by type, and the collector's objects outside the pools. Pure: they
 * come from user/heap_walk.h, what they are is told by user/heap_objects.h, and what buffers objects own
 * (dict keys, list items) the census's owner tells.
 */
struct census;

struct census_sum {
	uint64_t blocks, bytes;
};

/* The instance that has the most of something; address 0: none has any. */
struct census_peak {
	uint64_t address, amount;
};

/* One type with instances. */
struct census_type {
	struct object_type type;
	uint8_t length_word; /* of an instance, where it says how many items it has; 0: nowhere */
	uint8_t buffers;     /* enum object_buffers */
	char *name;          /* NULL: could not be read */
	char *module;        /* the same; NULL also where nobody asked for it */
	uint64_t n_types;    /* 1, or of how many types the row is (user/census_group.h) */
	uint64_t objects;
	uint64_t tracked;                /* by the garbage collector: what gc.get_objects() knows */
	uint64_t block_bytes;            /* their own blocks in pools */
	struct census_sum outside;       /* those over 512 bytes, which are in no pool */
	struct census_sum owned;         /* blocks in pools that they own */
	struct census_sum owned_outside; /* buffers over 512 bytes that they own */
	/* As sys.getsizeof() has it, without what blocks are rounded up by: */
	uint64_t own_bytes;
	uint64_t owned_bytes;
	struct census_peak largest; /* bytes of its own and of what it owns */
	struct census_peak longest; /* items */
};

/* What they take, in pools and outside: their own, and what they own. */
static inline uint64_t census_type__own(const struct census_type *type)
{
	return type->block_bytes + type->outside.bytes;
}

static inline uint64_t census_type__owned(const struct census_type *type)
{
	return type->owned.bytes + type->owned_outside.bytes;
}

/* All instances with what they own. */
static inline struct census_sum census_type__sum(const struct census_type *type)
{
	return (struct census_sum){type->objects, census_type__own(type) + census_type__owned(type)};
}

/* An object that was counted and may own buffers. */
struct census_holder {
	uint64_t address;
	const uint64_t *words; /* what is known of it */
	uint16_t n_words;
	uint16_t n_before; /* of these words, in front of the object */
	uint32_t type;     /* its index in the census */
	uint64_t bytes;    /* of it and of what it owns so far */
};

/* Blocks that hold no living object that is known. */
enum census_rest {
	CENSUS_NO_OBJECT, /* what extensions keep, unknown types, buffers whose owner was not found */
	CENSUS_FREE_LIST, /* objects without a reference, on free lists of the interpreter */
	CENSUS_TORN,      /* of pools that changed each time that they were read */
	CENSUS_RESTS,
};

/* The objects have to outlive the counting; they get their types through census__add_type(). */
int census__new(const struct heap_memory *memory, struct heap_objects *objects, struct census **ret_census);
void census__free(struct census *census);

/* 0 or -ENOMEM, all three. */
int census__add_type(struct census *census, const struct census_type *type);
int census__count(struct census *census, const struct heap_pool *pools, size_t n);
int census__count_outside(struct census *census, const struct gc_node *nodes, size_t n);

/*
 * Of what was counted since the last time: what may own buffers. They are told with the holder's index, and
 * then the holders are done with.
 */
const struct census_holder *census__holders(const struct census *census, size_t *ret_n);
void census__add_buffer(struct census *census, size_t holder, uint64_t address, uint64_t bytes);
void census__finish_holders(struct census *census);

/* Nothing more comes: only types with instances stay, the largest first. */
void census__finish(struct census *census, const struct heap_torn *torn);

/* How types are put together in rows. */
enum census_by {
	CENSUS_BY_TYPE,
	CENSUS_BY_CLASS, /* types that are no classes in one row */
	CENSUS_BY_MODULE,
};

/* Once types have their names. */
void census__group(struct census *census, enum census_by by);

struct census_type *census__types(const struct census *census, size_t *ret_n);
struct census_sum census__rest(const struct census *census, enum census_rest rest);
/* All blocks of the pools. */
struct census_sum census__total(const struct census *census);
/* All objects and buffers outside. */
struct census_sum census__outside(const struct census *census);

/* "[dead objects on free lists]" */
const char *census_rest__text(enum census_rest rest);
/* "not_objects", for programs */
const char *census_rest__name(enum census_rest rest);

#endif /* LINGER_CENSUS_H */
