// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "type_shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "target_text.h"

#define MAX_BASES 64

struct type_shapes {
	struct memory_reader *reader;
	const struct python *python;
	const struct object_layout *layout;
	struct address_map indices;   /* by the type's address */
	struct object_shape **shapes; /* NULL: that is no type */
	size_t n;
};

/* --- reading ----------------------------------------------------------------------------------------- */

/* What is read of a type, apart from its bases. */
struct type_reading {
	char *bytes; /* layout->type_bytes */
	char *name;
	struct type_member members[MAX_TYPE_MEMBERS];
	size_t n_members;
};

static uint64_t type_word(const struct type_shapes *shapes, const struct type_reading *type, uint16_t offset)
{
	uint64_t word;

	memcpy(&word, type->bytes + offset, sizeof(word));
	return word;
}

/* They end with one of zeros, which may be the last thing that can be read. */
static int read_members(struct type_shapes *shapes, uint64_t address, struct type_reading *type)
{
	struct memory_request requests[MAX_TYPE_MEMBERS];
	int err;

	if (!address)
		return 0;
	for (size_t i = 0; i < MAX_TYPE_MEMBERS; i++)
		requests[i] = (struct memory_request){
			.address = address + i * sizeof(type->members[i]),
			.to = &type->members[i],
			.bytes = sizeof(type->members[i]),
		};
	err = memory_reader__read_many(shapes->reader, requests, MAX_TYPE_MEMBERS);
	while (!err && type->n_members < MAX_TYPE_MEMBERS && !requests[type->n_members].error &&
	       type->members[type->n_members].name)
		type->n_members++;
	return err;
}

/* 0; -EINVAL: that is no type; others of the reader. */
static int read_type(struct type_shapes *shapes, uint64_t address, struct type_reading *ret_type)
{
	const struct object_layout *layout = shapes->layout;
	int err;

	*ret_type = (struct type_reading){.bytes = malloc(layout->type_bytes)};
	if (!ret_type->bytes)
		return -ENOMEM;
	err = memory_reader__read(shapes->reader, address, ret_type->bytes, layout->type_bytes);
	if (err)
		return err == -ESRCH ? err : -EINVAL;
	ret_type->name =
		target_text__c_string(shapes->reader, type_word(shapes, ret_type, layout->type_name));
	if (!ret_type->name)
		return -EINVAL;
	return read_members(shapes, type_word(shapes, ret_type, layout->type_members), ret_type);
}

static void free_type(struct type_reading *type)
{
	free(type->bytes);
	free(type->name);
}

static int find_shape(struct type_shapes *shapes, uint64_t type, int depth,
		      const struct object_shape **ret_shape);

static int make_shape(struct type_shapes *shapes, uint64_t address, int depth, struct object_shape *ret_shape)
{
	struct type_parts parts = {.address = address};
	struct type_reading type;
	int err = read_type(shapes, address, &type);

	if (!err) {
		uint64_t base = type_word(shapes, &type, shapes->layout->type_base);

		if (base)
			err = find_shape(shapes, base, depth + 1, &parts.base);
	}
	if (!err) {
		parts.bytes = type.bytes;
		parts.name = type.name;
		parts.members = type.members;
		parts.n_members = type.n_members;
		err = object_shape__make(&parts, shapes->layout, ret_shape);
	}
	free_type(&type);
	return err;
}

static int reserve_shape(struct type_shapes *shapes)
{
	size_t n = shapes->n;
	struct object_shape **grown;

	if (n & (n - 1))
		return 0;
	grown = reallocarray(shapes->shapes, n ? n * 2 : 1, sizeof(struct object_shape *));
	if (!grown)
		return -ENOMEM;
	shapes->shapes = grown;
	return 0;
}

/* NULL: that is no type. */
static int keep_shape(struct type_shapes *shapes, uint64_t type, struct object_shape *shape)
{
	int err = reserve_shape(shapes);

	if (!err)
		err = address_map__put(&shapes->indices, type, shapes->n);
	if (!err)
		shapes->shapes[shapes->n++] = shape;
	return err;
}

static int load_shape(struct type_shapes *shapes, uint64_t type, int depth,
		      const struct object_shape **ret_shape)
{
	struct object_shape *shape = calloc(1, sizeof(*shape));
	int err = shape ? make_shape(shapes, type, depth, shape) : -ENOMEM;

	if (err == -EINVAL) {
		free(shape);
		shape = NULL;
		err = 0;
	}
	if (!err)
		err = keep_shape(shapes, type, shape);
	if (err) {
		if (shape)
			object_shape__free(shape);
		free(shape);
		return err;
	}
	*ret_shape = shape;
	return shape ? 0 : -EINVAL;
}

static int find_shape(struct type_shapes *shapes, uint64_t type, int depth,
		      const struct object_shape **ret_shape)
{
	uint32_t index;

	if (!type || depth > MAX_BASES)
		return -EINVAL;
	index = address_map__find(&shapes->indices, type);
	if (index == ADDRESS_MAP_NONE)
		return load_shape(shapes, type, depth, ret_shape);
	*ret_shape = shapes->shapes[index];
	return *ret_shape ? 0 : -EINVAL;
}

int type_shapes__find(struct type_shapes *shapes, uint64_t type, const struct object_shape **ret_shape)
{
	return find_shape(shapes, type, 0, ret_shape);
}

struct type_shapes *type_shapes__new(struct memory_reader *reader, const struct python *python)
{
	struct type_shapes *shapes = calloc(1, sizeof(*shapes));

	if (!shapes)
		return NULL;
	shapes->reader = reader;
	shapes->python = python;
	shapes->layout = object_layout__get(python->minor);
	return shapes;
}

void type_shapes__free(struct type_shapes *shapes)
{
	if (!shapes)
		return;
	for (size_t i = 0; i < shapes->n; i++) {
		if (shapes->shapes[i])
			object_shape__free(shapes->shapes[i]);
		free(shapes->shapes[i]);
	}
	free(shapes->shapes);
	address_map__free(&shapes->indices);
	free(shapes);
}

/* --- names ------------------------------------------------------------------------------------------- */

/* The key with this index among those that the instances of a class share: a str. */
char *type_shapes__attribute_name(struct type_shapes *shapes, uint64_t type, uint64_t index)
{
	const struct object_layout *layout = shapes->layout;
	uint64_t keys, key, entries;
	uint8_t index_bytes;

	if (layout->attribute_values == ATTRIBUTES_IN_DICT ||
	    memory_reader__read(shapes->reader, type + layout->class_keys, &keys, sizeof(keys)) ||
	    memory_reader__read(shapes->reader, keys + layout->keys_index_bytes, &index_bytes,
				sizeof(index_bytes)))
		return NULL;
	entries = keys + layout->keys_index + (UINT64_C(1) << (index_bytes & 63));
	if (memory_reader__read(shapes->reader, entries + index * 2 * sizeof(key), &key, sizeof(key)))
		return NULL;
	return target_text__str(shapes->reader, &shapes->python->layout, key);
}

/* In this type itself, not in its bases. */
static char *find_field_name(struct type_shapes *shapes, uint64_t address, const struct type_reading *type,
			     uint64_t offset)
{
	const struct type_parts parts = {.address = address, .bytes = type->bytes, .name = type->name};
	const struct known_type *known = type_parts__known(&parts, shapes->layout);
	const struct object_field *field = known ? known->fields : NULL;

	for (; field && field->layout; field++)
		if (object_field__offset(field, shapes->layout) == offset && field->name)
			return strdup(field->name);
	for (size_t i = 0; i < type->n_members; i++)
		if (type->members[i].offset == offset && type_member__is_object(&type->members[i]))
			return target_text__c_string(shapes->reader, type->members[i].name);
	return NULL;
}

char *type_shapes__field_name(struct type_shapes *shapes, uint64_t type, uint64_t offset)
{
	char *name = NULL;

	for (int depth = 0; type && !name && depth < MAX_BASES; depth++) {
		struct type_reading reading;
		int err = read_type(shapes, type, &reading);

		if (!err)
			name = find_field_name(shapes, type, &reading, offset);
		type = err ? 0 : type_word(shapes, &reading, shapes->layout->type_base);
		free_type(&reading);
	}
	return name;
}
