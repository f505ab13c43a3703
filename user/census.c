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
 *
 * Blocks that hold no object are mostly buffers of one. Each block is marked as what it was found to be, in
 * whatever order its owner and its pool are met; what is found first stands, so that each counts once.
 */
#include "census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "block_marks.h"
#include "census_group.h"

#define NO_TYPE (ADDRESS_MAP_NONE - 1)
#define MAX_KNOWN (1u << 21) /* addresses to remember, 64 MiB; they are asked for again if there are more */
#define N_RECENT 1024        /* a power of two */
#define STR_MIN_BYTES 40     /* of a short str, which is smaller than its type says */
#define OUTSIDE_MIN_BYTES (POOL_SIZE_CLASSES * POOL_CLASS_BYTES)
#define MAX_LENGTH (UINT64_C(1) << 40) /* that is believed */
#define MAX_BUFFER_BYTES (UINT64_C(1) << 40)

struct census {
	struct census_memory memory;
	struct address_map known;             /* address -> index of a type, or NO_TYPE */
	struct address_slot recent[N_RECENT]; /* of what was asked for last */
	struct census_type *types;
	size_t n_types, types_capacity;
	uint64_t *asked;
	size_t n_asked, asked_capacity;
	struct census_sum rests[CENSUS_RESTS];
	struct census_sum total;
	struct census_sum outside;
	struct block_marks *marks;
	struct census_holder *holders;
	size_t n_holders, holders_capacity;
};

int census__new(const struct census_memory *memory, struct census **ret_census)
{
	struct census *census = calloc(1, sizeof(*census));

	if (!census)
		return -ENOMEM;
	census->memory = *memory;
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
	free(census->asked);
	free(census->holders);
	block_marks__free(census->marks);
	address_map__free(&census->known);
	free(census);
}

/* --- types ------------------------------------------------------------------------------------------- */

/* The array with room for one more; NULL: there is no memory for it, and the array stays. */
static void *grow(void *items, size_t n, size_t *capacity, size_t item_bytes)
{
	size_t wanted = *capacity ? *capacity * 2 : 256;
	void *grown;

	if (n < *capacity)
		return items;
	grown = reallocarray(items, wanted, item_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

/* Most blocks are of few types, which need not be looked for among a million addresses. */
static struct address_slot *recent_slot(struct census *census, uint64_t address)
{
	return &census->recent[address / 16 % N_RECENT];
}

static uint32_t find_known(struct census *census, uint64_t address)
{
	struct address_slot *slot = recent_slot(census, address);

	if (slot->address != address)
		*slot = (struct address_slot){address, address_map__find(&census->known, address)};
	return slot->value;
}

static int put_known(struct census *census, uint64_t address, uint32_t value)
{
	*recent_slot(census, address) = (struct address_slot){0};
	return address_map__put(&census->known, address, value);
}

/* Forgets what is no type. */
static int forget(struct census *census)
{
	int err = 0;

	memset(census->recent, 0, sizeof(census->recent));
	address_map__free(&census->known);
	for (size_t i = 0; i < census->n_types && !err; i++)
		err = address_map__put(&census->known, census->types[i].type.address, i);
	return err;
}

static int ask(struct census *census, uint64_t address)
{
	uint64_t *asked;
	int err;

	if (pool_map__has(census->memory.pools, address) || find_known(census, address) != ADDRESS_MAP_NONE)
		return 0;
	asked = grow(census->asked, census->n_asked, &census->asked_capacity, sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	census->asked = asked;
	err = put_known(census, address, NO_TYPE);
	if (!err)
		asked[census->n_asked++] = address;
	return err;
}

static int ask_for_pool(struct census *census, const struct heap_pool *pool)
{
	uint32_t n_words = pool__block_bytes(heap_pool__header(pool)) / sizeof(uint64_t);
	int err = 0;

	for (uint32_t i = 0; i < heap_pool__n_blocks(pool) && !err; i++) {
		const uint64_t *words = heap_pool__block(pool, i);
		uint64_t types[FINGERPRINT_MAX_TYPE_WORDS];
		size_t n = 0;

		if (words)
			n = fingerprint__type_words(words, n_words, census->memory.gc_head_bytes, types);
		for (size_t t = 0; t < n && !err; t++)
			err = ask(census, types[t]);
	}
	return err;
}

static int start_asking(struct census *census)
{
	census->n_asked = 0;
	return census->known.n > MAX_KNOWN ? forget(census) : 0;
}

int census__ask(struct census *census, const struct heap_pool *pools, size_t n,
		const uint64_t **ret_addresses, size_t *ret_n)
{
	int err = start_asking(census);

	for (size_t i = 0; i < n && !err; i++)
		err = ask_for_pool(census, &pools[i]);
	if (err)
		return err;
	*ret_addresses = census->asked;
	*ret_n = census->n_asked;
	return 0;
}

int census__ask_outside(struct census *census, const struct gc_node *nodes, size_t n,
			const uint64_t **ret_addresses, size_t *ret_n)
{
	int err = start_asking(census);

	for (size_t i = 0; i < n && !err; i++) {
		uint64_t type = nodes[i].words[GC_HEAD_WORDS + 1];

		if (object__may_be_pointer(type))
			err = ask(census, type);
	}
	if (err)
		return err;
	*ret_addresses = census->asked;
	*ret_n = census->n_asked;
	return 0;
}

int census__add_type(struct census *census, const struct census_type *type)
{
	struct census_type *types =
		grow(census->types, census->n_types, &census->types_capacity, sizeof(*types));
	int err;

	if (!types)
		return -ENOMEM;
	census->types = types;
	err = put_known(census, type->type.address, census->n_types);
	if (!err) {
		types[census->n_types] = *type;
		types[census->n_types++].n_types = 1;
	}
	return err;
}

/* --- blocks ------------------------------------------------------------------------------------------ */

static bool fits(const struct object_type *type, uint32_t block_bytes)
{
	uint32_t bytes = object_type__is_str(type) ? STR_MIN_BYTES : type->basic_bytes;

	return type->object * sizeof(uint64_t) + bytes <= block_bytes;
}

/* NULL: there is no such type. */
static struct census_type *find_type(struct census *census, uint64_t address)
{
	uint32_t index = NO_TYPE;

	if (object__may_be_pointer(address) && !pool_map__has(census->memory.pools, address))
		index = find_known(census, address);
	return index < census->n_types ? &census->types[index] : NULL;
}

/* The type whose instance a block holds, alive or dead; NULL: there is none. */
static struct census_type *type_of(struct census *census, const uint64_t *words, uint32_t block_bytes)
{
	for (uint32_t object = 0; (object + 2) * 8 <= block_bytes; object += 2) {
		struct census_type *type = find_type(census, words[object + 1]);

		if (type && type->type.object == object && fits(&type->type, block_bytes))
			return type;
		if (object > census->memory.gc_head_bytes / 8)
			break;
	}
	return NULL;
}

static bool is_low_address(const struct census *census, uint64_t word)
{
	for (size_t i = 0; i < census->memory.n_low; i++)
		if (word >= census->memory.low[i].start && word < census->memory.low[i].end)
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

static bool is_alive(const struct census *census, const struct object_type *type, const uint64_t *object)
{
	return object__counts_references(object[0]) && !is_low_address(census, object[0]) &&
	       (!object_type__has_gc(type) || has_links(object - GC_HEAD_WORDS));
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
	holders = grow(census->holders, census->n_holders, &census->holders_capacity, sizeof(*holders));
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
	struct census_type *row = type_of(census, words, block_bytes);
	const uint64_t *object = row ? words + row->type.object : NULL;

	*ret_mark = BLOCK_OBJECT;
	add_block(&census->total, block_bytes);
	if (row && is_alive(census, &row->type, object))
		return count_object(census, row, address, words, block_bytes);
	if (row && !object__counts_references(object[0]) && is_kept(&row->type, object)) {
		add_block(&census->rests[CENSUS_FREE_LIST], block_bytes);
		return 0;
	}
	*ret_mark = BLOCK_UNKNOWN;
	add_block(&census->rests[CENSUS_NO_OBJECT], block_bytes);
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

/* The type of a living object, and its bytes; NULL: it is none, or lies in a pool after all. */
static struct census_type *type_outside(struct census *census, const struct gc_node *node,
					uint64_t *ret_bytes)
{
	const uint64_t *object = node->words + GC_HEAD_WORDS;
	struct census_type *row = find_type(census, object[1]);

	if (!row || !is_alive(census, &row->type, object) || !object_type__has_gc(&row->type))
		return NULL;
	*ret_bytes = object_sizes__outside(&census->memory.sizes, &row->type, object);
	return *ret_bytes > OUTSIDE_MIN_BYTES ? row : NULL;
}

static int count_node(struct census *census, const struct gc_node *node)
{
	struct census_holder holder;
	uint64_t bytes;
	struct census_type *row = type_outside(census, node, &bytes);

	if (!row)
		return 0;
	row->tracked++;
	add_block(&row->outside, bytes);
	add_block(&census->outside, bytes);
	holder = (struct census_holder){
		.address = node->address + GC_HEAD_WORDS * sizeof(*node->words),
		.words = node->words,
		.n_words = GC_NODE_WORDS,
		.n_before = GC_HEAD_WORDS,
		.type = row - census->types,
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

/* --- objects ----------------------------------------------------------------------------------------- */

static int visit_block(struct census *census, uint64_t address, const uint64_t *words, uint32_t block_bytes,
		       census_visit *visit, void *context)
{
	const struct census_type *row = type_of(census, words, block_bytes);
	struct object_ref object = {.bytes = words, .n_bytes = block_bytes};

	if (!row || !is_alive(census, &row->type, words + row->type.object))
		return 0;
	object.type = row->type.address;
	object.n_before = row->type.object * sizeof(*words);
	object.address = address + object.n_before;
	return visit(context, &object);
}

int census__visit(struct census *census, const struct heap_pool *pools, size_t n, census_visit *visit,
		  void *context)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t block_bytes = pool__block_bytes(heap_pool__header(&pools[i]));
		uint64_t first = pools[i].address + POOL_HEADER_BYTES;

		for (uint32_t b = 0; b < heap_pool__n_blocks(&pools[i]) && !err; b++) {
			const uint64_t *words = heap_pool__block(&pools[i], b);

			if (words)
				err = visit_block(census, first + (uint64_t)b * block_bytes, words,
						  block_bytes, visit, context);
		}
	}
	return err;
}

int census__visit_outside(struct census *census, const struct gc_node *nodes, size_t n, census_visit *visit,
			  void *context)
{
	const uint32_t n_before = GC_HEAD_WORDS * sizeof(nodes->words[0]);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint64_t bytes;
		const struct census_type *row = type_outside(census, &nodes[i], &bytes);

		if (row)
			err = visit(context, &(struct object_ref){
						     .address = nodes[i].address + n_before,
						     .type = row->type.address,
						     .bytes = nodes[i].words,
						     .n_bytes = sizeof(nodes[i].words),
						     .n_before = n_before,
					     });
	}
	return err;
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
