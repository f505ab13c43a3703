// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A dict leads to its keys, whose head says where behind the index the entries are. The keys of instances'
 * dicts are shared by the class; such a dict is split: its values are in an array of their own. From 3.11 on
 * most instances have no dict, but such values.
 */
#include <string.h>

#include "fingerprint.h"
#include "object_part.h"

/* Attribute values outside of the object: in front of them their prefix, which ends in the bytes size,
 * capacity of the prefix (Include/internal/pycore_dict.h, struct _dictvalues). */
#define PREFIX_MAX_BYTES 40
#define MAX_ATTRIBUTES 64
/* From 3.13 on their first bytes are these. */
enum values_byte { VALUES_CAPACITY, VALUES_SIZE, VALUES_EMBEDDED, VALUES_VALID };

/* --- dicts ------------------------------------------------------------------------------------------- */

/* Head of a PyDictKeysObject. */
struct keys {
	uint64_t slots, index_bytes, entry_bytes;
	uint64_t n_entries; /* used, ever */
	uint64_t n_usable;  /* besides */
};

/* What fits in an index of so many slots (USABLE_FRACTION). */
static uint64_t usable_fraction(uint64_t slots)
{
	return slots * 2 / 3;
}

/* Up to 3.10; later the logarithm of all of them together is stored. */
static uint64_t slot_bytes(uint64_t slots)
{
	if (slots <= UINT8_MAX)
		return 1;
	return slots <= UINT16_MAX ? 2 : 4;
}

static void parse_slots(const struct part *part, struct keys *ret_keys)
{
	const struct object_layout *layout = part->layout;
	uint64_t slots;

	if (layout->keys_kind != PY_NO_FIELD) {
		*ret_keys = (struct keys){
			.slots = UINT64_C(1) << (part__byte(part, layout->keys_size) & 63),
			.index_bytes = UINT64_C(1) << (part__byte(part, layout->keys_index_bytes) & 63),
			.entry_bytes = (part__byte(part, layout->keys_kind) ? 2 : 3) * WORD_BYTES,
		};
		return;
	}
	slots = part__field(part, layout->keys_size);
	*ret_keys = (struct keys){
		.slots = slots,
		.index_bytes = slots * slot_bytes(slots),
		.entry_bytes = 3 * WORD_BYTES,
	};
}

static bool parse_keys_head(const struct part *part, struct keys *ret_keys)
{
	parse_slots(part, ret_keys);
	ret_keys->n_entries = part__field(part, part->layout->keys_entries);
	ret_keys->n_usable = part__field(part, part->layout->keys_usable);
	return ret_keys->slots < MAX_ELEMENTS && ret_keys->index_bytes < MAX_ELEMENTS * WORD_BYTES &&
	       !(ret_keys->slots & (ret_keys->slots - 1)) && ret_keys->n_entries <= ret_keys->slots &&
	       ret_keys->n_usable <= ret_keys->slots;
}

static uint64_t keys_bytes(const struct part *part, const struct keys *keys)
{
	return part->layout->keys_index + keys->index_bytes +
	       usable_fraction(keys->slots) * keys->entry_bytes;
}

/* The values of a split dict: where the first is and how many there are at most. */
struct values {
	uint64_t address, capacity;
};

/* The head of the values is beside that of the keys, from 3.11 on. */
static struct values parse_values(const struct part *part, const struct keys *keys)
{
	uint64_t address = part->piece->values, shared = keys->n_entries + keys->n_usable;
	uint8_t head[WORD_BYTES] = {0};

	if (part->beside)
		memcpy(head, part->beside, sizeof(head));
	switch (part->layout->attribute_values) {
	case ATTRIBUTES_IN_DICT:
		part__emit_buffer(part, address, usable_fraction(keys->slots) * WORD_BYTES);
		return (struct values){address, keys->n_entries};
	case ATTRIBUTES_IN_OBJECT:
		if (!head[VALUES_EMBEDDED])
			part__emit_buffer(part, address,
					  (1 + head[VALUES_CAPACITY]) * WORD_BYTES +
						  (head[VALUES_CAPACITY] + 7) / 8 * WORD_BYTES);
		return (struct values){address + WORD_BYTES, head[VALUES_CAPACITY]};
	default:
		part__emit_buffer(part, address - head[WORD_BYTES - 1],
				  head[WORD_BYTES - 1] + shared * WORD_BYTES);
		return (struct values){address, shared};
	}
}

static void add_entries(const struct part *part, const struct keys *keys, const struct values *values)
{
	struct object_piece *more;
	uint64_t n = keys->n_entries;

	if (values && values->capacity < n)
		n = values->capacity;
	more = part__add(part, PIECE_ENTRIES,
			 part->piece->address + part->layout->keys_index + keys->index_bytes,
			 keys->entry_bytes, n);
	more->beside = values ? values->address : 0;
	object_piece__guard(more, part->layout->dict_keys, part->piece->address);
}

/* Keys that several dicts share are the class's. */
void dict_pieces__parse_keys(const struct part *part)
{
	struct values values;
	struct keys keys;

	if (!parse_keys_head(part, &keys)) {
		part__distrust(part);
		return;
	}
	if (part->piece->values) {
		values = parse_values(part, &keys);
		add_entries(part, &keys, &values);
		return;
	}
	if (part__field(part, part->layout->keys_references) == 1)
		part__emit_buffer(part, part->piece->address, keys_bytes(part, &keys));
	add_entries(part, &keys, NULL);
}

void dict_pieces__parse_class_keys(const struct part *part)
{
	struct keys keys;

	if (parse_keys_head(part, &keys))
		part__emit_buffer(part, part->piece->address, keys_bytes(part, &keys));
	else
		part__distrust(part);
}

/* A hash where they have one, a key, a value. What was deleted has no value. */
void dict_pieces__parse_entries(const struct part *part)
{
	size_t words = part->piece->stride / WORD_BYTES, key_word = words - 2;

	for (size_t i = 0; i < part->n; i++) {
		uint64_t key = part__word(part->elements, i * words + key_word);
		uint64_t value = part->beside ? part__word(part->beside, i)
					      : part__word(part->elements, i * words + key_word + 1);

		if (!value)
			continue;
		part__emit(part, value, REFERENT_DICT_VALUE, key);
		part__emit(part, key, REFERENT_DICT_KEY, value);
	}
}

void dict_pieces__parse_dict(const struct part *part)
{
	const struct object_layout *layout = part->layout;
	uint64_t keys = part__field(part, layout->dict_keys), values = part__field(part, layout->dict_values);
	struct object_piece *more;

	if (!object__may_be_pointer(keys) || values % WORD_BYTES) {
		part__distrust(part);
		return;
	}
	more = part__add(part, PIECE_KEYS, keys, layout->keys_index, 1);
	object_piece__guard(more, layout->dict_keys, keys);
	more->values = values;
	if (values && layout->attribute_values == ATTRIBUTES_IN_OBJECT)
		more->beside = values;
	else if (values && layout->attribute_values != ATTRIBUTES_IN_DICT)
		more->beside = values - WORD_BYTES;
}

/* --- attributes without a dict ----------------------------------------------------------------------- */

void dict_pieces__parse_managed(const struct part *part)
{
	uint64_t values = 0, dict = part__word(part->elements, 1);

	if (part->layout->attribute_values == ATTRIBUTES_BESIDE) {
		values = part__word(part->elements, 0);
	} else if (part->layout->attribute_values == ATTRIBUTES_OR_DICT && dict & 1) {
		values = dict + 1;
		dict = 0;
	}
	part__emit(part, dict, REFERENT_DICT, 0);
	if (object__may_be_pointer(values))
		part__add(part, PIECE_VALUES_HEAD, values - PREFIX_MAX_BYTES, PREFIX_MAX_BYTES, 1);
	else if (values)
		part__distrust(part);
}

/* The prefix is [..., second, first, how many, bytes of the prefix], the indices in the order in which they
 * were set. How many values there is room for is not said; the prefix has room for so many. */
void dict_pieces__parse_values_head(const struct part *part)
{
	const uint8_t *end = (const uint8_t *)part->elements + PREFIX_MAX_BYTES;
	uint8_t prefix_bytes = end[-1], n_set = end[-2];
	uint64_t address = part->piece->address + PREFIX_MAX_BYTES;
	size_t n = 0, n_least = prefix_bytes > 9 ? prefix_bytes - 9 : 1;

	if (!prefix_bytes || prefix_bytes % WORD_BYTES || prefix_bytes > PREFIX_MAX_BYTES ||
	    n_set + 2 > prefix_bytes) {
		part__distrust(part);
		return;
	}
	for (size_t i = 0; i < n_set; i++)
		if (end[-3 - (ptrdiff_t)i] >= n)
			n = end[-3 - (ptrdiff_t)i] + 1;
	part__emit_buffer(part, address - prefix_bytes,
			  prefix_bytes + (n > n_least ? n : n_least) * WORD_BYTES);
	if (n + 2 > prefix_bytes)
		part__distrust(part);
	else
		part__add(part, PIECE_ATTRIBUTES, address, WORD_BYTES, n);
}

void dict_pieces__parse_inline_head(const struct part *part)
{
	const uint8_t *head = part->elements;

	if (head[VALUES_CAPACITY] > MAX_ATTRIBUTES)
		part__distrust(part);
	else if (head[VALUES_VALID])
		part__add(part, PIECE_ATTRIBUTES, part->piece->address + WORD_BYTES, WORD_BYTES,
			  head[VALUES_CAPACITY]);
}
