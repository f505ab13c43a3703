// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading is apart from understanding: user/object_pieces.h says which memory an object is made of and what
 * is in it; here pieces are read, many in one run of the reader, because a run has a fixed cost. Pieces that
 * wait are a stack, so that an object is done before the next one is begun, and few wait at a time; a large
 * array is read a part at a time.
 *
 * The target runs on meanwhile. An array that was reached through a word of the object counts only if that
 * word, read once more behind it, still leads there.
 */
#include "referents.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "object_layout.h"
#include "object_pieces.h"
#include "object_shape.h"
#include "reader.h"
#include "target_text.h"

#define OBJECTS_AT_ONCE 4096
#define PARTS_AT_ONCE 1024
#define PART_REQUESTS 3 /* elements, what is beside them, the guard */
#define ROOM_BYTES (READER_BUFFER_BYTES / 2)
#define MAX_BASES 64

/* Part of a piece that is being read. */
struct reading {
	struct object_piece piece;
	size_t n; /* elements */
	char *elements, *beside;
	uint64_t guard;
	const struct memory_request *requests;
	size_t n_requests;
};

struct referents {
	struct memory_reader *reader;
	const struct python *python;
	const struct object_layout *layout;
	struct address_map shape_indices; /* by the type's address */
	struct object_shape **shapes;     /* NULL: that is no type */
	size_t n_shapes;
	struct object_piece *pieces; /* that wait */
	size_t n_pieces, capacity;
	struct reading readings[PARTS_AT_ONCE];
	size_t n_readings;
	struct memory_request requests[PARTS_AT_ONCE * PART_REQUESTS];
	size_t n_requests;
	size_t room_used;
	char room[ROOM_BYTES];
};

/* One call of referents__visit. */
struct visit {
	struct referents *referents;
	const struct object_ref *objects; /* NULL: frames */
	const struct referent_visitor *visitor;
	struct referent_losses *losses;
};

int referents__new(struct memory_reader *reader, const struct python *python,
		   struct referents **ret_referents)
{
	const struct object_layout *layout = object_layout__get(python->minor);
	struct referents *referents;

	if (!layout)
		return -EOPNOTSUPP;
	referents = calloc(1, sizeof(*referents));
	if (!referents)
		return -ENOMEM;
	referents->reader = reader;
	referents->python = python;
	referents->layout = layout;
	*ret_referents = referents;
	return 0;
}

void referents__free(struct referents *referents)
{
	if (!referents)
		return;
	for (size_t i = 0; i < referents->n_shapes; i++) {
		if (referents->shapes[i])
			object_shape__free(referents->shapes[i]);
		free(referents->shapes[i]);
	}
	free(referents->shapes);
	address_map__free(&referents->shape_indices);
	free(referents->pieces);
	free(referents);
}

/* --- types ------------------------------------------------------------------------------------------- */

/* What is read of a type, apart from its bases. */
struct type_reading {
	char *bytes; /* layout->type_bytes */
	char *name;
	struct type_member members[MAX_TYPE_MEMBERS];
	size_t n_members;
};

static uint64_t type_word(const struct referents *referents, const struct type_reading *type, uint16_t offset)
{
	uint64_t word;

	memcpy(&word, type->bytes + offset, sizeof(word));
	return word;
}

/* They end with one of zeros, which may be the last thing that can be read. */
static int read_members(struct referents *referents, uint64_t address, struct type_reading *type)
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
	err = memory_reader__read_many(referents->reader, requests, MAX_TYPE_MEMBERS);
	while (!err && type->n_members < MAX_TYPE_MEMBERS && !requests[type->n_members].error &&
	       type->members[type->n_members].name)
		type->n_members++;
	return err;
}

/* 0; -EINVAL: that is no type; others of the reader. */
static int read_type(struct referents *referents, uint64_t address, struct type_reading *ret_type)
{
	const struct object_layout *layout = referents->layout;
	int err;

	*ret_type = (struct type_reading){.bytes = malloc(layout->type_bytes)};
	if (!ret_type->bytes)
		return -ENOMEM;
	err = memory_reader__read(referents->reader, address, ret_type->bytes, layout->type_bytes);
	if (err)
		return err == -ESRCH ? err : -EINVAL;
	ret_type->name =
		target_text__c_string(referents->reader, type_word(referents, ret_type, layout->type_name));
	if (!ret_type->name)
		return -EINVAL;
	return read_members(referents, type_word(referents, ret_type, layout->type_members), ret_type);
}

static void free_type(struct type_reading *type)
{
	free(type->bytes);
	free(type->name);
}

static int find_shape(struct referents *referents, uint64_t type, int depth,
		      const struct object_shape **ret_shape);

static int make_shape(struct referents *referents, uint64_t address, int depth,
		      struct object_shape *ret_shape)
{
	struct type_parts parts = {.address = address};
	struct type_reading type;
	int err = read_type(referents, address, &type);

	if (!err) {
		uint64_t base = type_word(referents, &type, referents->layout->type_base);

		if (base)
			err = find_shape(referents, base, depth + 1, &parts.base);
	}
	if (!err) {
		parts.bytes = type.bytes;
		parts.name = type.name;
		parts.members = type.members;
		parts.n_members = type.n_members;
		err = object_shape__make(&parts, referents->layout, ret_shape);
	}
	free_type(&type);
	return err;
}

static int reserve_shape(struct referents *referents)
{
	size_t n = referents->n_shapes;
	struct object_shape **grown;

	if (n & (n - 1))
		return 0;
	grown = reallocarray(referents->shapes, n ? n * 2 : 1, sizeof(struct object_shape *));
	if (!grown)
		return -ENOMEM;
	referents->shapes = grown;
	return 0;
}

/* NULL: that is no type. */
static int keep_shape(struct referents *referents, uint64_t type, struct object_shape *shape)
{
	int err = reserve_shape(referents);

	if (!err)
		err = address_map__put(&referents->shape_indices, type, referents->n_shapes);
	if (!err)
		referents->shapes[referents->n_shapes++] = shape;
	return err;
}

static int load_shape(struct referents *referents, uint64_t type, int depth,
		      const struct object_shape **ret_shape)
{
	struct object_shape *shape = calloc(1, sizeof(*shape));
	int err = shape ? make_shape(referents, type, depth, shape) : -ENOMEM;

	if (err == -EINVAL) {
		free(shape);
		shape = NULL;
		err = 0;
	}
	if (!err)
		err = keep_shape(referents, type, shape);
	if (err) {
		if (shape)
			object_shape__free(shape);
		free(shape);
		return err;
	}
	*ret_shape = shape;
	return shape ? 0 : -EINVAL;
}

/* 0; -EINVAL: that is no type; -ESRCH, -ENOMEM. */
static int find_shape(struct referents *referents, uint64_t type, int depth,
		      const struct object_shape **ret_shape)
{
	uint32_t index;

	if (!type || depth > MAX_BASES)
		return -EINVAL;
	index = address_map__find(&referents->shape_indices, type);
	if (index == ADDRESS_MAP_NONE)
		return load_shape(referents, type, depth, ret_shape);
	*ret_shape = referents->shapes[index];
	return *ret_shape ? 0 : -EINVAL;
}

/* --- pieces ------------------------------------------------------------------------------------------ */

static int push_piece(struct referents *referents, const struct object_piece *piece)
{
	if (referents->n_pieces == referents->capacity) {
		size_t capacity = referents->capacity ? referents->capacity * 2 : 4096;
		struct object_piece *grown = reallocarray(referents->pieces, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		referents->pieces = grown;
		referents->capacity = capacity;
	}
	referents->pieces[referents->n_pieces++] = *piece;
	return 0;
}

/* What parsing came to. */
static int take_results(struct visit *visit, const struct piece_results *results)
{
	int err = results->err;

	visit->losses->implausible += results->is_implausible;
	for (size_t i = 0; i < results->n_more && !err; i++)
		err = push_piece(visit->referents, &results->more[i]);
	return err;
}

static int parse(struct visit *visit, const struct object_piece *piece, const void *elements,
		 const void *beside, size_t n)
{
	struct piece_results results = {.visitor = visit->visitor};

	object_pieces__parse(visit->referents->layout, piece, elements, beside, n, &results);
	return take_results(visit, &results);
}

/* --- reading ----------------------------------------------------------------------------------------- */

/* The bytes of a part as far as the caller has them; NULL: he has not. */
static const void *find_given(const struct visit *visit, const struct object_piece *piece, size_t n)
{
	const struct object_ref *object = visit->objects ? &visit->objects[piece->from] : NULL;
	uint64_t offset, bytes = n * piece->stride;

	if (!object || !object->bytes || piece->guard || piece->beside)
		return NULL;
	offset = piece->address - (object->address - object->n_before);
	if (offset > object->n_bytes || bytes > object->n_bytes - offset)
		return NULL;
	return (const char *)object->bytes + offset;
}

static void *request(struct referents *referents, uint64_t address, void *to, size_t bytes)
{
	referents->requests[referents->n_requests++] = (struct memory_request){
		.address = address,
		.to = to,
		.bytes = bytes,
	};
	return to;
}

static char *take_room(struct referents *referents, size_t bytes)
{
	char *room = referents->room + referents->room_used;

	referents->room_used += (bytes + 7) & ~(size_t)7;
	return room;
}

static void start_reading(struct referents *referents, const struct object_piece *piece, size_t n)
{
	struct reading *reading = &referents->readings[referents->n_readings++];
	size_t first = referents->n_requests, bytes = n * piece->stride;

	*reading = (struct reading){.piece = *piece, .n = n, .requests = &referents->requests[first]};
	reading->elements = request(referents, piece->address, take_room(referents, bytes), bytes);
	bytes = n * sizeof(uint64_t);
	if (piece->beside)
		reading->beside = request(referents, piece->beside, take_room(referents, bytes), bytes);
	if (piece->guard)
		request(referents, piece->guard, &reading->guard, sizeof(reading->guard));
	reading->n_requests = referents->n_requests - first;
}

static bool has_room(const struct referents *referents)
{
	return referents->n_readings < PARTS_AT_ONCE &&
	       referents->room_used + 2 * READER_MAX_BYTES <= ROOM_BYTES;
}

/* What is left of a piece behind its first n elements. */
static int push_rest(struct referents *referents, const struct object_piece *piece, size_t n)
{
	struct object_piece rest = *piece;

	if (n == piece->count)
		return 0;
	rest.address += n * piece->stride;
	rest.beside += piece->beside ? n * sizeof(uint64_t) : 0;
	rest.index += n;
	rest.count -= n;
	return push_piece(referents, &rest);
}

/* Takes pieces from the stack until there is enough to read. What is at hand is parsed at once. */
static int plan(struct visit *visit)
{
	struct referents *referents = visit->referents;
	int err = 0;

	referents->n_readings = 0;
	referents->n_requests = 0;
	referents->room_used = 0;
	while (referents->n_pieces && has_room(referents) && !err) {
		const struct object_piece piece = referents->pieces[--referents->n_pieces];
		size_t at_once = READER_MAX_BYTES / piece.stride;
		size_t n = piece.count < at_once ? piece.count : at_once;
		const void *given = find_given(visit, &piece, n);

		err = push_rest(referents, &piece, n);
		if (!err && given)
			err = parse(visit, &piece, given, NULL, n);
		else if (!err)
			start_reading(referents, &piece, n);
	}
	return err;
}

static bool is_read(const struct reading *reading)
{
	for (size_t i = 0; i < reading->n_requests; i++)
		if (reading->requests[i].error)
			return false;
	return true;
}

static int finish_reading(struct visit *visit, const struct reading *reading)
{
	if (!is_read(reading)) {
		visit->losses->unreadable++;
		return 0;
	}
	if (reading->piece.guard && reading->guard != reading->piece.expected) {
		visit->losses->implausible++;
		return 0;
	}
	return parse(visit, &reading->piece, reading->elements, reading->beside, reading->n);
}

static int run(struct visit *visit)
{
	struct referents *referents = visit->referents;
	int err = 0;

	while (referents->n_pieces && !err) {
		err = plan(visit);
		if (!err)
			err = memory_reader__read_many(referents->reader, referents->requests,
						       referents->n_requests);
		for (size_t i = 0; i < referents->n_readings && !err; i++)
			err = finish_reading(visit, &referents->readings[i]);
	}
	referents->n_pieces = 0;
	return err;
}

/* --- visiting ---------------------------------------------------------------------------------------- */

static int start_object(struct visit *visit, size_t from)
{
	const struct object_ref *object = &visit->objects[from];
	struct piece_results results = {.visitor = visit->visitor};
	const struct object_shape *shape;
	int err = find_shape(visit->referents, object->type, 0, &shape);

	if (err == -EINVAL) {
		visit->losses->implausible++;
		return 0;
	}
	if (err)
		return err;
	object_pieces__start(visit->referents->layout, shape, from, object->address, &results);
	return take_results(visit, &results);
}

int referents__visit(struct referents *referents, const struct object_ref *objects, size_t n,
		     const struct referent_visitor *visitor, struct referent_losses *losses)
{
	struct visit visit = {referents, objects, visitor, losses};
	int err = 0;

	for (size_t done = 0; done < n && !err;) {
		size_t end = n - done < OBJECTS_AT_ONCE ? n : done + OBJECTS_AT_ONCE;

		for (; done < end && !err; done++)
			err = start_object(&visit, done);
		if (!err)
			err = run(&visit);
	}
	referents->n_pieces = 0;
	return err;
}

/* Up to 3.10 a frame is an object, and says of which type. */
static int start_frame(struct visit *visit, size_t from, uint64_t address)
{
	struct referents *referents = visit->referents;
	struct piece_results results = {.visitor = visit->visitor};
	const struct object_shape *shape = NULL;
	uint64_t type;
	int err = 0;

	if (referents->layout->inner_fast_locals == PY_NO_FIELD) {
		err = memory_reader__read(referents->reader, address + sizeof(uint64_t), &type, sizeof(type));
		if (!err)
			err = find_shape(referents, type, 0, &shape);
	}
	if (err == -EINVAL || err == -EFAULT) {
		visit->losses->unreadable++;
		return 0;
	}
	if (err)
		return err;
	object_pieces__start_frame(referents->layout, shape, from, address, &results);
	return take_results(visit, &results);
}

int referents__visit_frames(struct referents *referents, const struct stack_frame *frames, size_t n,
			    const struct referent_visitor *visitor, struct referent_losses *losses)
{
	struct visit visit = {referents, NULL, visitor, losses};
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = start_frame(&visit, i, frames[i].address);
	if (!err)
		err = run(&visit);
	referents->n_pieces = 0;
	return err;
}

/* --- names ------------------------------------------------------------------------------------------- */

/* The key with this index among those that the instances of a class share: a str. */
static char *read_attribute_name(struct referents *referents, uint64_t type, uint64_t index)
{
	const struct object_layout *layout = referents->layout;
	uint64_t keys, key, entries;
	uint8_t index_bytes;

	if (layout->attribute_values == ATTRIBUTES_IN_DICT ||
	    memory_reader__read(referents->reader, type + layout->class_keys, &keys, sizeof(keys)) ||
	    memory_reader__read(referents->reader, keys + layout->keys_index_bytes, &index_bytes,
				sizeof(index_bytes)))
		return NULL;
	entries = keys + layout->keys_index + (UINT64_C(1) << (index_bytes & 63));
	if (memory_reader__read(referents->reader, entries + index * 2 * sizeof(key), &key, sizeof(key)))
		return NULL;
	return target_text__str(referents->reader, &referents->python->layout, key);
}

/* In this type itself, not in its bases. */
static char *find_field_name(struct referents *referents, uint64_t address, const struct type_reading *type,
			     uint64_t offset)
{
	const struct type_parts parts = {.address = address, .bytes = type->bytes, .name = type->name};
	const struct known_type *known = type_parts__known(&parts, referents->layout);
	const struct object_field *field = known ? known->fields : NULL;

	for (; field && field->layout; field++)
		if (object_field__offset(field, referents->layout) == offset && field->name)
			return strdup(field->name);
	for (size_t i = 0; i < type->n_members; i++)
		if (type->members[i].offset == offset && type_member__is_object(&type->members[i]))
			return target_text__c_string(referents->reader, type->members[i].name);
	return NULL;
}

static char *read_field_name(struct referents *referents, uint64_t type, uint64_t offset)
{
	char *name = NULL;

	for (int depth = 0; type && !name && depth < MAX_BASES; depth++) {
		struct type_reading reading;
		int err = read_type(referents, type, &reading);

		if (!err)
			name = find_field_name(referents, type, &reading, offset);
		type = err ? 0 : type_word(referents, &reading, referents->layout->type_base);
		free_type(&reading);
	}
	return name;
}

char *referents__name(struct referents *referents, uint64_t type, enum referent_label label, uint64_t key)
{
	if (label == REFERENT_ATTRIBUTE)
		return read_attribute_name(referents, type, key);
	if (label == REFERENT_FIELD || label == REFERENT_WORD)
		return read_field_name(referents, type, key);
	return NULL;
}
