// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "object_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* tp_flags (CPython Include/object.h). The bits of 3.11 and 3.13 were unused before. */
#define INLINE_VALUES (UINT64_C(1) << 2)
#define MANAGED_DICT (UINT64_C(1) << 4)
#define HEAP_TYPE (UINT64_C(1) << 9)

/* Types of members (structmember.h): T_OBJECT, T_OBJECT_EX. */
#define MEMBER_OBJECT 6
#define MEMBER_OBJECT_OR_ERROR 16

#define HEAD_BYTES 16 /* PyObject: reference count and type */
#define VAR_HEAD_BYTES 24
#define MAX_BASIC_BYTES (64 << 10)

static uint64_t word_at(const struct type_parts *parts, uint16_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)parts->bytes + offset, sizeof(word));
	return word;
}

bool type_member__is_object(const struct type_member *member)
{
	return member->type == MEMBER_OBJECT || member->type == MEMBER_OBJECT_OR_ERROR;
}

/* Programs give their classes any names, but none with a dot. */
const struct known_type *type_parts__known(const struct type_parts *parts, const struct object_layout *layout)
{
	bool is_class = word_at(parts, layout->type_flags) & HEAP_TYPE;

	return is_class && !strchr(parts->name, '.') ? NULL : known_type__find(parts->name);
}

/* --- words ------------------------------------------------------------------------------------------- */

static bool has_word(const struct object_shape *shape, uint64_t offset)
{
	return offset / sizeof(uint64_t) < shape->basic_bytes / sizeof(uint64_t);
}

static void set_word(struct object_shape *shape, uint64_t offset, enum word_use use)
{
	if (offset % sizeof(uint64_t) == 0 && offset >= HEAD_BYTES && has_word(shape, offset))
		shape->words[offset / sizeof(uint64_t)] = use;
}

static void set_known_fields(struct object_shape *shape, const struct known_type *known,
			     const struct object_layout *layout)
{
	memset(shape->words, WORD_NONE, shape->basic_bytes / sizeof(uint64_t));
	for (const struct object_field *field = known->fields; field->layout; field++) {
		uint16_t offset = object_field__offset(field, layout);

		if (offset != PY_NO_FIELD)
			set_word(shape, offset, WORD_FIELD);
	}
}

/* What a base has is where it has it; what comes behind may be references, which __slots__ makes sure of. */
static void set_own_words(struct object_shape *shape, const struct type_parts *parts)
{
	size_t n = shape->basic_bytes / sizeof(uint64_t), n_base = HEAD_BYTES / sizeof(uint64_t);

	memset(shape->words, WORD_UNKNOWN, n);
	memset(shape->words, WORD_NONE, n_base);
	if (parts->base) {
		n_base = parts->base->basic_bytes / sizeof(uint64_t);
		memcpy(shape->words, parts->base->words, n_base < n ? n_base : n);
	}
	for (size_t i = 0; i < parts->n_members; i++) {
		uint64_t offset = parts->members[i].offset;

		if (type_member__is_object(&parts->members[i]) && has_word(shape, offset) &&
		    shape->words[offset / sizeof(uint64_t)] == WORD_UNKNOWN)
			set_word(shape, offset, WORD_FIELD);
	}
}

/* The size of an object with items is the first word behind its head, and so much is read of it at least. */
static size_t count_words(const struct object_shape *shape)
{
	bool has_items = shape->item_bytes == sizeof(uint64_t) || shape->dict_offset < 0;
	size_t n = shape->basic_bytes / sizeof(uint64_t);

	if (shape->kind >= OBJECT_LIST)
		return n;
	while (n && shape->words[n - 1] == WORD_NONE)
		n--;
	return has_items && n < VAR_HEAD_BYTES / sizeof(uint64_t) ? VAR_HEAD_BYTES / sizeof(uint64_t) : n;
}

static int make_words(struct object_shape *shape, const struct type_parts *parts,
		      const struct object_layout *layout)
{
	const struct known_type *known = type_parts__known(parts, layout);
	int64_t weaklist = (int64_t)word_at(parts, layout->type_weaklist_offset);

	/* One more than a hostile type may have: the number of items. */
	shape->words = calloc(shape->basic_bytes / sizeof(uint64_t) + 1, 1);
	if (!shape->words)
		return -ENOMEM;
	if (known)
		set_known_fields(shape, known, layout);
	else
		set_own_words(shape, parts);
	if (weaklist > 0)
		set_word(shape, weaklist, WORD_NONE);
	if (shape->dict_offset > 0)
		set_word(shape, shape->dict_offset, WORD_DICT);
	shape->kind = known ? known->kind : parts->base ? parts->base->kind : OBJECT_PLAIN;
	shape->n_words = count_words(shape);
	return 0;
}

/* --- the shape --------------------------------------------------------------------------------------- */

int object_shape__make(const struct type_parts *parts, const struct object_layout *layout,
		       struct object_shape *ret_shape)
{
	uint64_t basic_bytes = word_at(parts, layout->type_basic_bytes);
	uint64_t item_bytes = word_at(parts, layout->type_item_bytes);
	uint64_t flags = word_at(parts, layout->type_flags);
	struct object_shape shape = {
		.type = parts->address,
		.is_class = flags & HEAP_TYPE,
		.has_managed_dict = layout->attribute_values != ATTRIBUTES_IN_DICT && flags & MANAGED_DICT,
		.has_inline_values =
			layout->attribute_values == ATTRIBUTES_IN_OBJECT && flags & INLINE_VALUES,
		.basic_bytes = basic_bytes,
		.item_bytes = item_bytes,
	};
	int err;

	if (basic_bytes < HEAD_BYTES || basic_bytes > MAX_BASIC_BYTES || item_bytes > MAX_BASIC_BYTES)
		return -EINVAL;
	if (!shape.has_managed_dict)
		shape.dict_offset = (int64_t)word_at(parts, layout->type_dict_offset);
	err = make_words(&shape, parts, layout);
	if (!err)
		*ret_shape = shape;
	return err;
}

void object_shape__free(struct object_shape *shape)
{
	free(shape->words);
}
