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

#include "array.h"
#include "object_layout.h"
#include "object_pieces.h"
#include "object_shape.h"
#include "reader.h"

#define OBJECTS_AT_ONCE 4096
#define PARTS_AT_ONCE 1024
#define PART_REQUESTS 3 /* elements, what is beside them, the guard */
#define ROOM_BYTES (READER_BUFFER_BYTES / 2)

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
	const struct object_layout *layout;
	struct type_shapes *shapes;
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
	struct object_piece lost; /* the last that could not be read */
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
	referents->layout = layout;
	referents->shapes = type_shapes__new(reader, python);
	if (!referents->shapes) {
		free(referents);
		return -ENOMEM;
	}
	*ret_referents = referents;
	return 0;
}

void referents__free(struct referents *referents)
{
	if (!referents)
		return;
	type_shapes__free(referents->shapes);
	free(referents->pieces);
	free(referents);
}

/* --- pieces ------------------------------------------------------------------------------------------ */

static int push_piece(struct referents *referents, const struct object_piece *piece)
{
	struct object_piece *grown =
		array__grow(referents->pieces, referents->n_pieces, &referents->capacity, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	referents->pieces = grown;
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

static bool is_same_array(const struct object_piece *a, const struct object_piece *b)
{
	return a->from == b->from && a->kind == b->kind;
}

/* Where one part of an array cannot be read, or does not belong to the object any more, the others say
 * nothing: those that wait are dropped, those just read are not counted again. */
static void lose_array(struct visit *visit, const struct reading *reading, uint64_t *loss)
{
	struct referents *referents = visit->referents;
	const struct object_piece *piece = &reading->piece;
	size_t n = 0;

	*loss += !is_same_array(piece, &visit->lost);
	visit->lost = *piece;
	if (reading->n == piece->count)
		return; /* it is the last part */
	for (size_t i = 0; i < referents->n_pieces; i++)
		if (!is_same_array(piece, &referents->pieces[i]))
			referents->pieces[n++] = referents->pieces[i];
	referents->n_pieces = n;
}

static int finish_reading(struct visit *visit, const struct reading *reading)
{
	const struct object_piece *piece = &reading->piece;

	if (!is_read(reading))
		lose_array(visit, reading, &visit->losses->unreadable);
	else if (piece->guard && reading->guard != piece->expected)
		lose_array(visit, reading, &visit->losses->implausible);
	else
		return parse(visit, piece, reading->elements, reading->beside, reading->n);
	return 0;
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
	int err = type_shapes__find(visit->referents->shapes, object->type, &shape);

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
	struct visit visit = {referents, objects, visitor, losses, {.from = SIZE_MAX}};
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
			err = type_shapes__find(referents->shapes, type, &shape);
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
	struct visit visit = {referents, NULL, visitor, losses, {.from = SIZE_MAX}};
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = start_frame(&visit, i, frames[i].address);
	if (!err)
		err = run(&visit);
	referents->n_pieces = 0;
	return err;
}

char *referents__name(struct referents *referents, uint64_t type, enum referent_label label, uint64_t key)
{
	if (label == REFERENT_ATTRIBUTE)
		return type_shapes__attribute_name(referents->shapes, type, key);
	if (label == REFERENT_FIELD || label == REFERENT_WORD)
		return type_shapes__field_name(referents->shapes, type, key);
	return NULL;
}

struct type_shapes *referents__shapes(struct referents *referents)
{
	return referents->shapes;
}
