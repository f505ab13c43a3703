/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a block holds is told by its words: the type of an object lies at one of three places, by whether the
 * collector and managed attributes have words in front of it, and each type says at which. A word there that
 * is a type is nearly always right; what else has to hold keeps out storage that was an object before, or
 * that holds types:
 *   - the object fits into the block;
 *   - its reference count is one. An address is not: its upper half is not 0, or, in programs that are loaded
 *     low and heaps grown by brk, it lies in a mapping;
 *   - the collector's links are both there or both missing.
 * A type has more than 512 bytes, so no address in a pool is one, and most words need not be looked at.
 *
 * Outside the pools the collector's links have told already where an object is; what has no more than 512
 * bytes there lies in a pool that is newer than the walk.
 */
#include "heap_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "array.h"

#define NO_TYPE (ADDRESS_MAP_NONE - 1)
#define MAX_KNOWN (1u << 21) /* addresses to remember, 64 MiB; they are asked for again if there are more */
#define N_RECENT 1024        /* a power of two */
#define STR_MIN_BYTES 40     /* of a short str, which is smaller than its type says */
#define OUTSIDE_MIN_BYTES (POOL_SIZE_CLASSES * POOL_CLASS_BYTES)

struct heap_objects {
	struct heap_memory memory;
	struct address_map known;             /* address -> index of a type, or NO_TYPE */
	struct address_slot recent[N_RECENT]; /* of what was asked for last */
	struct object_type *types;
	size_t n_types, types_capacity;
	uint64_t *asked;
	size_t n_asked, asked_capacity;
};

int heap_objects__new(const struct heap_memory *memory, struct heap_objects **ret_objects)
{
	struct heap_objects *objects = calloc(1, sizeof(*objects));

	if (!objects)
		return -ENOMEM;
	objects->memory = *memory;
	*ret_objects = objects;
	return 0;
}

void heap_objects__free(struct heap_objects *objects)
{
	if (!objects)
		return;
	free(objects->types);
	free(objects->asked);
	address_map__free(&objects->known);
	free(objects);
}

/* --- types ------------------------------------------------------------------------------------------- */

/* Most blocks are of few types, which need not be looked for among a million addresses. */
static struct address_slot *recent_slot(struct heap_objects *objects, uint64_t address)
{
	return &objects->recent[address / 16 % N_RECENT];
}

static uint32_t find_known(struct heap_objects *objects, uint64_t address)
{
	struct address_slot *slot = recent_slot(objects, address);

	if (slot->address != address)
		*slot = (struct address_slot){address, address_map__find(&objects->known, address)};
	return slot->value;
}

static int put_known(struct heap_objects *objects, uint64_t address, uint32_t value)
{
	*recent_slot(objects, address) = (struct address_slot){0};
	return address_map__put(&objects->known, address, value);
}

/* Forgets what is no type. */
static int forget(struct heap_objects *objects)
{
	int err = 0;

	memset(objects->recent, 0, sizeof(objects->recent));
	address_map__free(&objects->known);
	for (size_t i = 0; i < objects->n_types && !err; i++)
		err = address_map__put(&objects->known, objects->types[i].address, i);
	return err;
}

static int ask(struct heap_objects *objects, uint64_t address)
{
	uint64_t *asked;
	int err;

	if (pool_map__has(objects->memory.pools, address) || find_known(objects, address) != ADDRESS_MAP_NONE)
		return 0;
	asked = array__grow(objects->asked, objects->n_asked, &objects->asked_capacity, sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	objects->asked = asked;
	err = put_known(objects, address, NO_TYPE);
	if (!err)
		asked[objects->n_asked++] = address;
	return err;
}

static int ask_for_pool(struct heap_objects *objects, const struct heap_pool *pool)
{
	uint32_t n_words = pool__block_bytes(heap_pool__header(pool)) / sizeof(uint64_t);
	int err = 0;

	for (uint32_t i = 0; i < heap_pool__n_blocks(pool) && !err; i++) {
		const uint64_t *words = heap_pool__block(pool, i);
		uint64_t types[FINGERPRINT_MAX_TYPE_WORDS];
		size_t n = 0;

		if (words)
			n = fingerprint__type_words(words, n_words, objects->memory.gc_head_bytes, types);
		for (size_t t = 0; t < n && !err; t++)
			err = ask(objects, types[t]);
	}
	return err;
}

static int start_asking(struct heap_objects *objects)
{
	objects->n_asked = 0;
	return objects->known.n > MAX_KNOWN ? forget(objects) : 0;
}

int heap_objects__ask(struct heap_objects *objects, const struct heap_pool *pools, size_t n,
		      const uint64_t **ret_addresses, size_t *ret_n)
{
	int err = start_asking(objects);

	for (size_t i = 0; i < n && !err; i++)
		err = ask_for_pool(objects, &pools[i]);
	if (err)
		return err;
	*ret_addresses = objects->asked;
	*ret_n = objects->n_asked;
	return 0;
}

int heap_objects__ask_outside(struct heap_objects *objects, const struct gc_node *nodes, size_t n,
			      const uint64_t **ret_addresses, size_t *ret_n)
{
	int err = start_asking(objects);

	for (size_t i = 0; i < n && !err; i++) {
		uint64_t type = nodes[i].words[GC_HEAD_WORDS + 1];

		if (object__may_be_pointer(type))
			err = ask(objects, type);
	}
	if (err)
		return err;
	*ret_addresses = objects->asked;
	*ret_n = objects->n_asked;
	return 0;
}

int heap_objects__add_type(struct heap_objects *objects, const struct object_type *type)
{
	struct object_type *types =
		array__grow(objects->types, objects->n_types, &objects->types_capacity, sizeof(*types));
	int err;

	if (!types)
		return -ENOMEM;
	objects->types = types;
	err = put_known(objects, type->address, objects->n_types);
	if (!err)
		types[objects->n_types++] = *type;
	return err;
}

/* --- objects ----------------------------------------------------------------------------------------- */

static bool fits(const struct object_type *type, uint32_t block_bytes)
{
	uint32_t bytes = object_type__is_str(type) ? STR_MIN_BYTES : type->basic_bytes;

	return type->object * sizeof(uint64_t) + bytes <= block_bytes;
}

/* NULL: there is no such type. */
static const struct object_type *find_type(struct heap_objects *objects, uint64_t address)
{
	uint32_t index = NO_TYPE;

	if (object__may_be_pointer(address) && !pool_map__has(objects->memory.pools, address))
		index = find_known(objects, address);
	return index < objects->n_types ? &objects->types[index] : NULL;
}

/* The type whose instance a block holds, alive or dead; NULL: there is none. */
static const struct object_type *type_of(struct heap_objects *objects, const uint64_t *words,
					 uint32_t block_bytes)
{
	for (uint32_t object = 0; (object + 2) * 8 <= block_bytes; object += 2) {
		const struct object_type *type = find_type(objects, words[object + 1]);

		if (type && type->object == object && fits(type, block_bytes))
			return type;
		if (object > objects->memory.gc_head_bytes / 8)
			break;
	}
	return NULL;
}

static bool is_low_address(const struct heap_objects *objects, uint64_t word)
{
	for (size_t i = 0; i < objects->memory.n_low; i++)
		if (word >= objects->memory.low[i].start && word < objects->memory.low[i].end)
			return true;
	return false;
}

/* What the collector keeps in front of an object: two links, or neither. The low bits are its own. */
static bool has_links(const uint64_t *head)
{
	uint64_t next = head[0], previous = head[1];

	return next ? object__may_be_pointer(next & ~UINT64_C(7)) : previous < 4;
}

/* Whether a dead object is one that the interpreter keeps, and not what was left in a block that is used
 * anew. */
static bool is_kept(const struct object_type *type, const uint64_t *object)
{
	const uint64_t *head = object - GC_HEAD_WORDS;

	return object_type__has_gc(type) ? !head[0] && head[1] < 4 : !object[0];
}

static bool is_alive(const struct heap_objects *objects, const struct object_type *type,
		     const uint64_t *object)
{
	return object__counts_references(object[0]) && !is_low_address(objects, object[0]) &&
	       (!object_type__has_gc(type) || has_links(object - GC_HEAD_WORDS));
}

enum heap_content heap_objects__in_block(struct heap_objects *objects, const uint64_t *words,
					 uint32_t block_bytes, uint32_t *ret_type)
{
	const struct object_type *type = type_of(objects, words, block_bytes);
	const uint64_t *object = type ? words + type->object : NULL;

	if (!type)
		return HEAP_UNKNOWN;
	*ret_type = type - objects->types;
	if (is_alive(objects, type, object))
		return HEAP_LIVING;
	return !object__counts_references(object[0]) && is_kept(type, object) ? HEAP_KEPT : HEAP_UNKNOWN;
}

bool heap_objects__outside(struct heap_objects *objects, const struct gc_node *node, uint32_t *ret_type,
			   uint64_t *ret_bytes)
{
	const uint64_t *object = node->words + GC_HEAD_WORDS;
	const struct object_type *type = find_type(objects, object[1]);

	if (!type || !is_alive(objects, type, object) || !object_type__has_gc(type))
		return false;
	*ret_type = type - objects->types;
	*ret_bytes = object_sizes__outside(&objects->memory.sizes, type, object);
	return *ret_bytes > OUTSIDE_MIN_BYTES;
}

/* --- visits ------------------------------------------------------------------------------------------ */

static int visit_block(struct heap_objects *objects, uint64_t address, const uint64_t *words,
		       uint32_t block_bytes, heap_object_visit *visit, void *context)
{
	struct object_ref object = {.bytes = words, .n_bytes = block_bytes};
	uint32_t type;

	if (heap_objects__in_block(objects, words, block_bytes, &type) != HEAP_LIVING)
		return 0;
	object.type = objects->types[type].address;
	object.n_before = objects->types[type].object * sizeof(*words);
	object.address = address + object.n_before;
	return visit(context, &object);
}

int heap_objects__visit(struct heap_objects *objects, const struct heap_pool *pools, size_t n,
			heap_object_visit *visit, void *context)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t block_bytes = pool__block_bytes(heap_pool__header(&pools[i]));
		uint64_t first = pools[i].address + POOL_HEADER_BYTES;

		for (uint32_t b = 0; b < heap_pool__n_blocks(&pools[i]) && !err; b++) {
			const uint64_t *words = heap_pool__block(&pools[i], b);

			if (words)
				err = visit_block(objects, first + (uint64_t)b * block_bytes, words,
						  block_bytes, visit, context);
		}
	}
	return err;
}

int heap_objects__visit_outside(struct heap_objects *objects, const struct gc_node *nodes, size_t n,
				heap_object_visit *visit, void *context)
{
	const uint32_t n_before = GC_HEAD_WORDS * sizeof(nodes->words[0]);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint32_t type;
		uint64_t bytes;

		if (heap_objects__outside(objects, &nodes[i], &type, &bytes))
			err = visit(context, &(struct object_ref){
						     .address = nodes[i].address + n_before,
						     .type = objects->types[type].address,
						     .bytes = nodes[i].words,
						     .n_bytes = sizeof(nodes[i].words),
						     .n_before = n_before,
					     });
	}
	return err;
}
