/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_SHAPE_H
#define LINGER_OBJECT_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object_layout.h"

/* Where the instances of a type have their references. Pure: made of the bytes of the type and of its bases.
 */
struct object_shape {
	uint64_t type; /* address */
	enum object_kind kind;
	bool is_class; /* made by a class statement, or by C code as if */
	bool has_managed_dict, has_inline_values;
	uint32_t basic_bytes; /* without items */
	uint32_t item_bytes;
	int64_t dict_offset; /* negative: from the end of the items; else the dict is among the words */
	size_t n_words;      /* so many of its words are worth reading */
	uint8_t *words;      /* enum word_use of each word of basic_bytes */
};

enum word_use {
	WORD_NONE,
	WORD_FIELD,
	WORD_DICT,
	WORD_UNKNOWN,
};

/* A PyMemberDef of the target. */
struct type_member {
	uint64_t name; /* 0: there are no more */
	uint32_t type;
	uint32_t pad;
	uint64_t offset;
	uint64_t flags, doc;
};

#define MAX_TYPE_MEMBERS 64

/* Whether it is, or may be, a reference. */
bool type_member__is_object(const struct type_member *member);

/* What a type is made of; all of it read from the target. */
struct type_parts {
	uint64_t address;
	const void *bytes; /* layout->type_bytes */
	const char *name;  /* tp_name, or its beginning */
	const struct type_member *members;
	size_t n_members;
	const struct object_shape *base; /* NULL: it has none */
};

/* The known type that this is; NULL: none. */
const struct known_type *type_parts__known(const struct type_parts *parts,
					   const struct object_layout *layout);

/* 0; -EINVAL: this is no type; -ENOMEM. */
int object_shape__make(const struct type_parts *parts, const struct object_layout *layout,
		       struct object_shape *ret_shape);
void object_shape__free(struct object_shape *shape);

#endif /* LINGER_OBJECT_SHAPE_H */
