/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the blocks hold is told in user/heap_objects.h. Those that hold no object are mostly buffers of one.
 * Each block is marked as what it was found to be, in whatever order its owner and its pool are met; what is
 * found first stands, so that each counts once.
 */
#include "census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "block_marks.h"
#include "census_group.h"

#define MAX_LENGTH (UINT64_C(1) << 40) /* that is believed */
#define MAX_BUFFER_BYTES (UINT64_C(1) << 40)

struct census {
	struct heap_memory memory;
	struct heap_objects *objects;
	struct census_type *types;
	size_t n_types, types_capacity;
	struct census_sum rests[CENSUS_RESTS];
	struct census_sum total;
	struct census_sum outside;
	struct block_marks *marks;
	struct census_holder *holders;
	size_t n_holders, holders_capacity;
};

int census__new(const struct heap_memory *memory, struct heap_objects *objects, struct census **ret_census)
{
	struct census *census = calloc(1, sizeof(*census));

	if (!census)
		return -ENOMEM;
	census->memory = *memory;
	census->objects = objects;
	if (block_marks__new(memory->pools, &census->marks)) {
		free(census);
		return -ENOMEM;
	}
	*ret_census = census;
	return 0;
}

void census__free(struct census *census)
{
	if (!census)
		return;
	for (size_t i = 0; i < census->n_types; i++) {
		free(census->types[i].name);
		free(census->types[i].module);
	}
	free(census->types);
	free(census->holders);
	block_marks__free(census->marks);
	free(census);
}

int census__add_type(struct census *census, const struct census_type *type)
{
	struct census_type *types =
		array__grow(census->types, census->n_types, &census->types_capacity, sizeof(*types));

	if (!types)
		return -ENOMEM;
	census->types = types;
	types[census->n_types] = *type;
	types[census->n_types++].n_types = 1;
	return heap_objects__add_type(census->objects, &type->type);
}

/* --- blocks ------------------------------------------------------------------------------------------ */

static void add_block(struct census_sum *sum, uint32_t bytes)
{
	sum->blocks++;
	sum->bytes += bytes;
}

static void take_block(struct census_sum *sum, uint32_t bytes)
{
	sum->blocks--;
	sum->bytes -= bytes;
}

static void add_bytes(struct census_type *row, uint64_t address, uint64_t bytes)
{
	if (bytes > row->largest.amount)
		row->largest = (struct census_peak){address, bytes};
}

static int add_holder(struct census *census, const struct census_holder *holder)
{
	struct census_type *row = &census->types[holder->type];
	struct census_holder *holders;

	row->objects++;
	row->own_bytes += holder->bytes;
	if (row->buffers == BUFFERS_NONE) {
		add_bytes(row, holder->address, holder->bytes);
		return 0;
	}
	holders =
		array__grow(census->holders, census->n_holders, &census->holders_capacity, sizeof(*holders));
	if (!holders)
		return -ENOMEM;
	census->holders = holders;
	holders[census->n_holders++] = *holder;
	return 0;
}

static void add_length(struct census_type *row, const struct census_holder *holder)
{
	uint32_t word = holder->n_before + row->length_word;
	uint64_t length = row->length_word && word < holder->n_words ? holder->words[word] : 0;

	if (length > row->longest.amount && length < MAX_LENGTH)
		row->longest = (struct census_peak){holder->address, length};
}

static int count_object(struct census *census, struct census_type *row, uint64_t address,
			const uint64_t *words, uint32_t block_bytes)
{
	const uint64_t *object = words + row->type.object;
	const struct census_holder holder = {
		.address = address + row->type.object * sizeof(*words),
		.words = words,
		.n_words = block_bytes / sizeof(*words),
		.n_before = row->type.object,
		.type = row - census->types,
		.bytes = object_sizes__in_block(&census->memory.sizes, &row->type, object, block_bytes),
	};

	row->block_bytes += block_bytes;
	if (object_type__has_gc(&row->type) && *(object - GC_HEAD_WORDS))
		row->tracked++;
	add_length(row, &holder);
	return add_holder(census, &holder);
}

/* What a block is that no object is known to own. */
static int count_block(struct census *census, uint64_t address, const uint64_t *words, uint32_t block_bytes,
		       enum block_mark *ret_mark)
{
	uint32_t type;
	enum heap_content content = heap_objects__in_block(census->objects, words, block_bytes, &type);

	*ret_mark = content == HEAP_UNKNOWN ? BLOCK_UNKNOWN : BLOCK_OBJECT;
	add_block(&census->total, block_bytes);
	if (content == HEAP_LIVING)
		return count_object(census, &census->types[type], address, words, block_bytes);
	add_block(&census->rests[content == HEAP_KEPT ? CENSUS_FREE_LIST : CENSUS_NO_OBJECT], block_bytes);
	return 0;
}

static int count_pool(struct census *census, const struct heap_pool *pool)
{
	uint32_t block_bytes = pool__block_bytes(heap_pool__header(pool));
	uint32_t number = pool_map__find(census->memory.pools, pool->address).number;
	uint8_t *marks = block_marks__of_pool(census->marks, number);
	int err = 0;

	for (uint32_t b = 0; b < heap_pool__n_blocks(pool) && !err; b++) {
		const uint64_t *words = heap_pool__block(pool, b);
		uint32_t offset = POOL_HEADER_BYTES + b * block_bytes;
		enum block_mark mark;

		if (!words || block_marks__get(marks, offset) == BLOCK_OWNED)
			continue;
		err = count_block(census, pool->address + offset, words, block_bytes, &mark);
		block_marks__set(marks, offset, mark);
	}
	return err;
}

int census__count(struct census *census, const struct heap_pool *pools, size_t n)
{
	int err = 0;

	census->n_holders = 0;
	for (size_t i = 0; i < n && !err; i++)
		err = count_pool(census, &pools[i]);
	return err;
}

/* --- outside the pools ------------------------------------------------------------------------------- */

static int count_node(struct census *census, const struct gc_node *node)
{
	struct census_holder holder;
	struct census_type *row;
	uint64_t bytes;
	uint32_t type;

	if (!heap_objects__outside(census->objects, node, &type, &bytes))
		return 0;
	row = &census->types[type];
	row->tracked++;
	add_block(&row->outside, bytes);
	add_block(&census->outside, bytes);
	holder = (struct census_holder){
		.address = node->address + GC_HEAD_WORDS * sizeof(*node->words),
		.words = node->words,
		.n_words = GC_NODE_WORDS,
		.n_before = GC_HEAD_WORDS,
		.type = type,
		.bytes = bytes,
	};
	add_length(row, &holder);
	return add_holder(census, &holder);
}

int census__count_outside(struct census *census, const struct gc_node *nodes, size_t n)
{
	int err = 0;

	census->n_holders = 0;
	for (size_t i = 0; i < n && !err; i++)
		err = count_node(census, &nodes[i]);
	return err;
}

/* --- what objects own -------------------------------------------------------------------------------- */

const struct census_holder *census__holders(const struct census *census, size_t *ret_n)
{
	*ret_n = census->n_holders;
	return census->holders;
}

static void own_block(struct census *census, struct census_type *row, struct pool_place place,
		      uint64_t address)
{
	uint8_t *marks = block_marks__of_pool(census->marks, place.number);
	uint32_t block_bytes = pool_place__block_bytes(place);
	uint32_t offset = address % census->memory.pools->pool_bytes;
	enum block_mark mark;

	if (offset < POOL_HEADER_BYTES)
		return;
	offset -= (offset - POOL_HEADER_BYTES) % block_bytes;
	mark = block_marks__get(marks, offset);
	if (mark == BLOCK_OBJECT || mark == BLOCK_OWNED)
		return;
	if (mark == BLOCK_UNKNOWN)
		take_block(&census->rests[CENSUS_NO_OBJECT], block_bytes);
	else
		add_block(&census->total, block_bytes);
	block_marks__set(marks, offset, BLOCK_OWNED);
	add_block(&row->owned, block_bytes);
}

void census__add_buffer(struct census *census, size_t holder, uint64_t address, uint64_t bytes)
{
	struct census_type *row = &census->types[census->holders[holder].type];
	struct pool_place place = pool_map__find(census->memory.pools, address);

	if (bytes > MAX_BUFFER_BYTES)
		return;
	row->owned_bytes += bytes;
	census->holders[holder].bytes += bytes;
	if (place.is_pool) {
		own_block(census, row, place, address);
		return;
	}
	add_block(&row->owned_outside, bytes);
	add_block(&census->outside, bytes);
}

void census__finish_holders(struct census *census)
{
	for (size_t i = 0; i < census->n_holders; i++) {
		const struct census_holder *holder = &census->holders[i];

		add_bytes(&census->types[holder->type], holder->address, holder->bytes);
	}
	census->n_holders = 0;
}

/* --- the result -------------------------------------------------------------------------------------- */

static int compare_types(const void *a, const void *b)
{
	const struct census_type *x = a, *y = b;

	uint64_t x_bytes = census_type__sum(x).bytes, y_bytes = census_type__sum(y).bytes;

	if (x_bytes != y_bytes)
		return x_bytes < y_bytes ? 1 : -1;
	if (x->objects != y->objects)
		return x->objects < y->objects ? 1 : -1;
	return (x->type.address > y->type.address) - (x->type.address < y->type.address);
}

static void sort_types(struct census *census)
{
	if (census->n_types)
		qsort(census->types, census->n_types, sizeof(*census->types), compare_types);
}

void census__finish(struct census *census, const struct heap_torn *torn)
{
	struct census_sum *sum = &census->rests[CENSUS_TORN];

	*sum = (struct census_sum){torn->blocks, torn->bytes};
	census->total.blocks += sum->blocks;
	census->total.bytes += sum->bytes;
	sort_types(census);
	while (census->n_types && !census->types[census->n_types - 1].objects)
		census->n_types--;
}

void census__group(struct census *census, enum census_by by)
{
	if (by == CENSUS_BY_CLASS)
		census->n_types = census_group__classes(census->types, census->n_types);
	if (by == CENSUS_BY_MODULE)
		census->n_types = census_group__modules(census->types, census->n_types);
	sort_types(census);
}

struct census_type *census__types(const struct census *census, size_t *ret_n)
{
	*ret_n = census->n_types;
	return census->types;
}

struct census_sum census__rest(const struct census *census, enum census_rest rest)
{
	return census->rests[rest];
}

struct census_sum census__total(const struct census *census)
{
	return census->total;
}

struct census_sum census__outside(const struct census *census)
{
	return census->outside;
}

const char *census_rest__text(enum census_rest rest)
{
	static const char *const texts[CENSUS_RESTS] = {
		[CENSUS_NO_OBJECT] = "[not identified: of extensions, of what is not known]",
		[CENSUS_FREE_LIST] = "[dead objects on free lists]",
		[CENSUS_TORN] = "[not read: they changed meanwhile]",
	};

	return texts[rest];
}

const char *census_rest__name(enum census_rest rest)
{
	static const char *const names[CENSUS_RESTS] = {
		[CENSUS_NO_OBJECT] = "not_objects",
		[CENSUS_FREE_LIST] = "free_list_objects",
		[CENSUS_TORN] = "torn",
	};

	return names[rest];
}
