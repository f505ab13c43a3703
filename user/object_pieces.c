// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "object_pieces.h"

#include "fingerprint.h"
#include "object_part.h"

#define HEAP_TYPE (UINT64_C(1) << 9) /* tp_flags: made by a class statement, or as if */

/* In front of a managed object: where its attribute values and its dict are, and what the collector keeps. */
#define MANAGED_OFFSET 32
#define MANAGED_WORDS 2

/* PySetObject's entries: key, hash. */
#define SET_ENTRY_BYTES 16
#define SET_SMALL_ENTRIES 8
#define HASH_OF_DUMMY UINT64_MAX

/* dequeobject and BLOCK (Modules/_collectionsmodule.c), the same in 3.8-3.14. */
#define DEQUE_LEFT_BLOCK 24
#define DEQUE_LEFT_INDEX 40
#define DEQUE_RIGHT_INDEX 48
#define DEQUE_BLOCK_ITEMS 64
#define DEQUE_BLOCK_BYTES ((DEQUE_BLOCK_ITEMS + 2) * WORD_BYTES)

/* --- containers -------------------------------------------------------------------------------------- */

static void parse_words(const struct part *part, enum referent_label label, uint64_t key_step)
{
	for (size_t i = 0; i < part->n; i++)
		part__emit(part, part__word(part->elements, i), label, (part->piece->index + i) * key_step);
}

static void parse_list(const struct part *part)
{
	uint64_t n = part__field(part, part->layout->var_size);
	uint64_t items = part__field(part, part->layout->list_items);
	uint64_t allocated = part__field(part, part->layout->list_allocated);

	if (!items)
		return; /* empty, or being sorted */
	if (n > allocated || allocated > MAX_ELEMENTS || !object__may_be_pointer(items)) {
		part__distrust(part);
		return;
	}
	part__emit_buffer(part, items, allocated * WORD_BYTES);
	object_piece__guard(part__add(part, PIECE_ITEMS, items, WORD_BYTES, n), part->layout->list_items,
			    items);
}

static void parse_tuple(const struct part *part)
{
	part__add(part, PIECE_ITEMS, part->piece->object + part->layout->tuple_items, WORD_BYTES,
		  part__field(part, part->layout->var_size));
}

static void parse_set(const struct part *part)
{
	uint64_t table = part__field(part, part->layout->set_table);
	uint64_t n = part__field(part, part->layout->set_mask) + 1;
	bool is_small = table == part->piece->object + part->layout->set_small_table;
	struct object_piece *more;

	if (!n || n & (n - 1) || n > MAX_ELEMENTS || (is_small && n != SET_SMALL_ENTRIES) ||
	    !object__may_be_pointer(table)) {
		part__distrust(part);
		return;
	}
	if (!is_small)
		part__emit_buffer(part, table, n * SET_ENTRY_BYTES);
	if (!part__field(part, part->layout->set_used))
		return;
	more = part__add(part, PIECE_SET, table, SET_ENTRY_BYTES, n);
	if (!is_small)
		object_piece__guard(more, part->layout->set_table, table);
}

static void parse_set_entries(const struct part *part)
{
	for (size_t i = 0; i < part->n; i++)
		if (part__word(part->elements, i * 2 + 1) != HASH_OF_DUMMY)
			part__emit(part, part__word(part->elements, i * 2), REFERENT_MEMBER, 0);
}

static struct object_piece *add_deque_block(const struct part *part, uint64_t block, uint64_t index,
					    uint64_t n_left)
{
	struct object_piece *more = part__add(part, PIECE_DEQUE, block, DEQUE_BLOCK_BYTES, 1);

	more->index = index;
	more->n_left = n_left;
	return more;
}

/* How many items there are follows from the places of the first and the last, but for the full blocks. */
static void parse_deque(const struct part *part)
{
	uint64_t n = part__field(part, part->layout->var_size), first = part__field(part, DEQUE_LEFT_INDEX);
	uint64_t block = part__field(part, DEQUE_LEFT_BLOCK), last = part__field(part, DEQUE_RIGHT_INDEX);

	if (n && n <= MAX_ELEMENTS && first < DEQUE_BLOCK_ITEMS && object__may_be_pointer(block) &&
	    (first + n - 1) % DEQUE_BLOCK_ITEMS == last)
		add_deque_block(part, block, 0, n)->first = first;
	else if (!n && object__may_be_pointer(block))
		part__emit_buffer(part, block, DEQUE_BLOCK_BYTES);
	else
		part__distrust(part);
}

/* Behind the last block there may be an address that means nothing any more, so a torn count can lead in a
 * circle. Brent's way to find one: a block is remembered, for twice as long each time. */
static void add_next_block(const struct part *part, uint64_t n)
{
	const struct object_piece *piece = part->piece;
	uint64_t next = part__word(part->elements, 1 + DEQUE_BLOCK_ITEMS);
	uint64_t steps = (piece->index + n) / DEQUE_BLOCK_ITEMS;

	if (!object__may_be_pointer(next) || next == piece->met || next == piece->address)
		part__distrust(part);
	else
		add_deque_block(part, next, piece->index + n, piece->n_left - n)->met =
			steps & (steps - 1) ? piece->met : piece->address;
}

/* Its items, between links to the left and the right. */
static void parse_deque_block(const struct part *part)
{
	const struct object_piece *piece = part->piece;
	uint64_t n = DEQUE_BLOCK_ITEMS - piece->first;

	if (n > piece->n_left)
		n = piece->n_left;
	part__emit_buffer(part, piece->address, DEQUE_BLOCK_BYTES);
	for (uint64_t i = 0; i < n; i++)
		part__emit(part, part__word(part->elements, 1 + piece->first + i), REFERENT_ITEM,
			   piece->index + i);
	if (piece->n_left > n)
		add_next_block(part, n);
}

static void parse_bytearray(const struct part *part)
{
	uint64_t bytes = part__field(part, part->layout->bytearray_bytes);
	uint64_t allocated = part__field(part, part->layout->bytearray_allocated);

	if (bytes && allocated <= MAX_ELEMENTS)
		part__emit_buffer(part, bytes, allocated);
	else if (allocated)
		part__distrust(part);
}

/* --- types ------------------------------------------------------------------------------------------- */

/* A type in C may be no longer than PyTypeObject. */
static void parse_type(const struct part *part)
{
	size_t n = part->layout->type_bytes / WORD_BYTES;
	struct object_piece *more;

	if (!(part__field(part, part->layout->type_flags) & HEAP_TYPE) || part->piece->shape->n_words <= n)
		return;
	more = part__add(part, PIECE_FIELDS, part->piece->object + part->layout->type_bytes, WORD_BYTES,
			 part->piece->shape->n_words - n);
	more->index = n;
}

/* What it has behind PyTypeObject. */
static void parse_class(const struct part *part)
{
	uint64_t keys = part__field(part, part->layout->class_keys - part->layout->type_bytes);

	if (keys)
		part__add(part, PIECE_CLASS_KEYS, keys, part->layout->keys_index, 1);
}

/* --- objects ----------------------------------------------------------------------------------------- */

/* An object that has items, and behind them perhaps its dict. Items of a word may be references. */
static void parse_items(const struct part *part)
{
	const struct object_shape *shape = part->piece->shape;
	int64_t size = (int64_t)part__field(part, part->layout->var_size);
	uint64_t n = size < 0 ? 0 - (uint64_t)size : (uint64_t)size;
	uint64_t end = part->piece->object + shape->basic_bytes;

	if (n > MAX_ELEMENTS) {
		part__distrust(part);
		return;
	}
	if (shape->kind == OBJECT_PLAIN && shape->item_bytes == WORD_BYTES)
		part__add(part, PIECE_UNKNOWN_ITEMS, end, WORD_BYTES, n)->index =
			shape->basic_bytes / WORD_BYTES;
	if (shape->dict_offset >= 0)
		return;
	end = (end + n * shape->item_bytes + WORD_BYTES - 1) & ~(WORD_BYTES - 1);
	part__add(part, PIECE_DICT_WORD, end + shape->dict_offset, WORD_BYTES, 1);
}

static bool has_items(const struct object_shape *shape)
{
	return (shape->kind == OBJECT_PLAIN && shape->item_bytes == WORD_BYTES) || shape->dict_offset < 0;
}

static void parse_contents(const struct part *part)
{
	switch (part->piece->shape->kind) {
	case OBJECT_LIST:
		return parse_list(part);
	case OBJECT_TUPLE:
		return parse_tuple(part);
	case OBJECT_DICT:
		return dict_pieces__parse_dict(part);
	case OBJECT_SET:
		return parse_set(part);
	case OBJECT_DEQUE:
		return parse_deque(part);
	case OBJECT_BYTEARRAY:
		return parse_bytearray(part);
	case OBJECT_TYPE:
		return parse_type(part);
	case OBJECT_GENERATOR:
		return frame_pieces__parse_generator(part);
	case OBJECT_FRAME:
		return frame_pieces__parse_object(part);
	default:
		return;
	}
}

static void emit_field(const struct part *part, uint64_t word, uint64_t offset)
{
	if (part->piece->shape->kind == OBJECT_CELL && offset == part->layout->cell_contents)
		part__emit(part, word, REFERENT_CELL, 0);
	else
		part__emit(part, word, REFERENT_FIELD, offset);
}

static void emit_words(const struct part *part)
{
	for (size_t i = 0; i < part->n; i++) {
		uint64_t word = part__word(part->elements, i), index = part->piece->index + i;

		switch (part->piece->shape->words[index]) {
		case WORD_FIELD:
			emit_field(part, word, index * WORD_BYTES);
			break;
		case WORD_DICT:
			part__emit(part, word, REFERENT_DICT, 0);
			break;
		case WORD_UNKNOWN:
			part__emit(part, word, REFERENT_WORD, index * WORD_BYTES);
			break;
		}
	}
}

static void parse_fields(const struct part *part)
{
	const struct object_shape *shape = part->piece->shape;

	emit_words(part);
	if (part->piece->index) {
		if (shape->kind == OBJECT_TYPE)
			parse_class(part);
		return;
	}
	parse_contents(part);
	if (has_items(shape))
		parse_items(part);
}

static bool owns_buffers(enum object_kind kind)
{
	return kind == OBJECT_LIST || kind == OBJECT_DICT || kind == OBJECT_SET || kind == OBJECT_DEQUE ||
	       kind == OBJECT_BYTEARRAY || kind == OBJECT_TYPE;
}

void object_pieces__start(const struct object_layout *layout, const struct object_shape *shape, size_t from,
			  uint64_t address, struct piece_results *results)
{
	const struct object_piece itself = {.from = from, .shape = shape, .object = address};
	const struct part part = {.layout = layout, .piece = &itself, .results = results};
	size_t n = shape->n_words, n_type = layout->type_bytes / WORD_BYTES;
	bool has_values_outside = layout->attribute_values != ATTRIBUTES_IN_OBJECT;

	if (shape->is_class)
		part__emit(&part, shape->type, REFERENT_CLASS, 0);
	if (shape->kind == OBJECT_TYPE && n > n_type)
		n = n_type;
	if (results->visitor->reference || owns_buffers(shape->kind))
		part__add(&part, PIECE_FIELDS, address, WORD_BYTES, n);
	if (shape->has_managed_dict && (results->visitor->reference || has_values_outside))
		part__add(&part, PIECE_MANAGED, address - MANAGED_OFFSET, MANAGED_WORDS * WORD_BYTES, 1);
	if (shape->has_inline_values)
		part__add(&part, PIECE_INLINE_HEAD, address + shape->basic_bytes, WORD_BYTES, 1);
}

void object_pieces__start_frame(const struct object_layout *layout, const struct object_shape *shape,
				size_t from, uint64_t address, struct piece_results *results)
{
	const struct object_piece itself = {.from = from, .shape = shape, .object = address};
	const struct part part = {.layout = layout, .piece = &itself, .results = results};

	if (layout->inner_fast_locals == PY_NO_FIELD)
		object_pieces__start(layout, shape, from, address, results);
	else
		part__add(&part, PIECE_FRAME, address, layout->inner_fast_locals, 1);
}

void object_pieces__parse(const struct object_layout *layout, const struct object_piece *piece,
			  const void *elements, const void *beside, size_t n, struct piece_results *results)
{
	const struct part part = {layout, piece, elements, beside, n, results};

	switch (piece->kind) {
	case PIECE_FIELDS:
		return parse_fields(&part);
	case PIECE_MANAGED:
		return dict_pieces__parse_managed(&part);
	case PIECE_VALUES_HEAD:
		return dict_pieces__parse_values_head(&part);
	case PIECE_INLINE_HEAD:
		return dict_pieces__parse_inline_head(&part);
	case PIECE_ATTRIBUTES:
		return parse_words(&part, REFERENT_ATTRIBUTE, 1);
	case PIECE_DICT_WORD:
		return part__emit(&part, part__word(elements, 0), REFERENT_DICT, 0);
	case PIECE_ITEMS:
		return parse_words(&part, REFERENT_ITEM, 1);
	case PIECE_UNKNOWN_ITEMS:
		return parse_words(&part, REFERENT_WORD, WORD_BYTES);
	case PIECE_KEYS:
		return dict_pieces__parse_keys(&part);
	case PIECE_CLASS_KEYS:
		return dict_pieces__parse_class_keys(&part);
	case PIECE_ENTRIES:
		return dict_pieces__parse_entries(&part);
	case PIECE_SET:
		return parse_set_entries(&part);
	case PIECE_DEQUE:
		return parse_deque_block(&part);
	case PIECE_FRAME:
		return frame_pieces__parse_inner(&part);
	case PIECE_CODE:
		return frame_pieces__parse_code(&part);
	case PIECE_LOCALS:
		return frame_pieces__parse_locals(&part);
	}
}
