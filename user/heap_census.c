/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "heap_census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_layout.h"
#include "referents.h"
#include "type_names.h"
#include "type_shapes.h"

#define TYPES_AT_ONCE 2048
#define HOLDERS_AT_ONCE 4096
#define INT_TAG_BITS 3 /* in the word in which an int counts its digits, from 3.12 on */
#define MAX_LOW_RANGES 64
#define LOW_MEMORY (UINT64_C(1) << 32)

struct heap_census {
	const struct target *target;
	struct memory_reader *reader;
	const struct python *python;
	enum census_by by;
	struct heap_walk *walk;
	struct heap_objects *objects;
	struct census *census; /* NULL: it is not the numbers that are wanted */
	struct address_range low[MAX_LOW_RANGES];
	size_t n_low;
	const struct object_layout *layout;
	struct type_shapes *shapes;
	struct referents *referents;
	struct referent_losses losses;
	struct object_ref refs[HOLDERS_AT_ONCE];
	size_t ref_holders[HOLDERS_AT_ONCE]; /* their indices in the census */
	size_t n_refs;
	heap_objects_visit *visit;
	void *context;
	struct object_type candidates[TYPES_AT_ONCE];
	size_t n_candidates;
	struct memory_request requests[TYPES_AT_ONCE];
	uint8_t bytes[TYPES_AT_ONCE][OBJECT_TYPE_BYTES];
};

/* --- types ------------------------------------------------------------------------------------------- */

static void request_type(struct heap_census *census, size_t i, uint64_t address)
{
	census->requests[i] = (struct memory_request){
		.address = address,
		.to = census->bytes[i],
		.bytes = OBJECT_TYPE_BYTES,
	};
}

static int find_candidates(struct heap_census *census, const uint64_t *addresses, size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++)
		request_type(census, i, addresses[i]);
	err = memory_reader__read_many(census->reader, census->requests, n);
	census->n_candidates = 0;
	for (size_t i = 0; i < n && !err; i++)
		if (!census->requests[i].error &&
		    object_type__parse(census->bytes[i], addresses[i], census->python->runtime.gc_head_bytes,
				       &census->candidates[census->n_candidates]))
			census->n_candidates++;
	return err;
}

static uint8_t length_word(const struct object_layout *layout, const struct object_type *type,
			   const struct object_shape *shape)
{
	if (shape && shape->kind == OBJECT_SET)
		return layout->set_used / sizeof(uint64_t);
	if (object_type__has_length(type) ||
	    (shape && (shape->kind == OBJECT_DEQUE || shape->kind == OBJECT_BYTEARRAY)))
		return layout->var_size / sizeof(uint64_t);
	return 0;
}

static int count_type(struct heap_census *census, const struct object_type *type)
{
	const struct object_shape *shape = NULL;
	struct census_type row = {.type = *type};
	int err = type_shapes__find(census->shapes, type->address, &shape);

	if (err && err != -EINVAL)
		return err;
	row.length_word = length_word(census->layout, type, shape);
	row.buffers = object_buffers__of(census->layout, shape);
	return census__add_type(census->census, &row);
}

/* A type is what has a metatype for its type. */
static int add_types(struct heap_census *census)
{
	int err;

	for (size_t i = 0; i < census->n_candidates; i++)
		request_type(census, i, census->candidates[i].metatype);
	err = memory_reader__read_many(census->reader, census->requests, census->n_candidates);
	for (size_t i = 0; i < census->n_candidates && !err; i++)
		if (!census->requests[i].error && object_type__is_metatype(census->bytes[i]))
			err = census->census
				      ? count_type(census, &census->candidates[i])
				      : heap_objects__add_type(census->objects, &census->candidates[i]);
	return err;
}

static int find_types(struct heap_census *census, const uint64_t *addresses, size_t n)
{
	int err = 0;

	for (size_t done = 0; done < n && !err; done += TYPES_AT_ONCE) {
		size_t left = n - done;

		err = find_candidates(census, addresses + done, left < TYPES_AT_ONCE ? left : TYPES_AT_ONCE);
		if (!err)
			err = add_types(census);
	}
	return err;
}

/* --- objects and what they own ----------------------------------------------------------------------- */

static int add_buffer(void *context, size_t from, uint64_t address, uint64_t bytes)
{
	struct heap_census *census = context;

	census__add_buffer(census->census, census->ref_holders[from], address, bytes);
	return 0;
}

static int visit_refs(struct heap_census *census)
{
	const struct referent_visitor visitor = {.context = census, .buffer = add_buffer};
	size_t n = census->n_refs;

	census->n_refs = 0;
	return referents__visit(census->referents, census->refs, n, &visitor, &census->losses);
}

/* Asks for what a holder owns, with others. */
static int add_ref(struct heap_census *census, const struct census_holder *holder, size_t index,
		   uint64_t type)
{
	census->ref_holders[census->n_refs] = index;
	census->refs[census->n_refs++] = (struct object_ref){
		.address = holder->address,
		.type = type,
		.bytes = holder->words,
		.n_bytes = holder->n_words * sizeof(*holder->words),
		.n_before = holder->n_before * sizeof(*holder->words),
	};
	return census->n_refs == HOLDERS_AT_ONCE ? visit_refs(census) : 0;
}

static int count_buffer(struct heap_census *census, const struct census_holder *holder, size_t index)
{
	size_t n_types;
	const struct census_type *row = &census__types(census->census, &n_types)[holder->type];
	const struct object_words words = {holder->address, holder->words, holder->n_words, holder->n_before};
	struct object_buffer buffer;

	switch (object_buffers__find(census->layout, row->buffers, heap_walk__pools(census->walk), &words,
				     &buffer)) {
	case BUFFER_IS_ONE:
		census__add_buffer(census->census, index, buffer.address, buffer.bytes);
		return 0;
	case BUFFER_ASK:
		return add_ref(census, holder, index, row->type.address);
	case BUFFER_IS_TORN:
		census->losses.implausible++;
		return 0;
	default:
		return 0;
	}
}

static int count_buffers(struct heap_census *census)
{
	size_t n;
	const struct census_holder *holders = census__holders(census->census, &n);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = count_buffer(census, &holders[i], i);
	if (!err)
		err = visit_refs(census);
	census__finish_holders(census->census);
	return err;
}

/* --- objects for others ------------------------------------------------------------------------------ */

static int flush_objects(struct heap_census *census)
{
	size_t n = census->n_refs;

	census->n_refs = 0;
	return n ? census->visit(census->context, census->refs, n) : 0;
}

static int add_object(void *context, const struct object_ref *object)
{
	struct heap_census *census = context;

	census->refs[census->n_refs++] = *object;
	return census->n_refs == HOLDERS_AT_ONCE ? flush_objects(census) : 0;
}

static int visit_pools(struct heap_census *census, const struct heap_pool *pools, size_t n)
{
	int err = heap_objects__visit(census->objects, pools, n, add_object, census);

	return err ? err : flush_objects(census);
}

static int visit_outside(struct heap_census *census, const struct gc_node *nodes, size_t n)
{
	int err = heap_objects__visit_outside(census->objects, nodes, n, add_object, census);

	return err ? err : flush_objects(census);
}

/* --- the walk ---------------------------------------------------------------------------------------- */

static int take_pools(void *context, const struct heap_pool *pools, size_t n)
{
	struct heap_census *census = context;
	const uint64_t *addresses;
	size_t n_addresses;
	int err = heap_objects__ask(census->objects, pools, n, &addresses, &n_addresses);

	if (!err)
		err = find_types(census, addresses, n_addresses);
	if (err || !census->census)
		return err ? err : visit_pools(census, pools, n);
	err = census__count(census->census, pools, n);
	return err ? err : count_buffers(census);
}

static int take_outside(void *context, const struct gc_node *nodes, size_t n)
{
	struct heap_census *census = context;
	const uint64_t *addresses;
	size_t n_addresses;
	int err = heap_objects__ask_outside(census->objects, nodes, n, &addresses, &n_addresses);

	if (!err)
		err = find_types(census, addresses, n_addresses);
	if (err || !census->census)
		return err ? err : visit_outside(census, nodes, n);
	err = census__count_outside(census->census, nodes, n);
	return err ? err : count_buffers(census);
}

static void name_types(struct heap_census *census)
{
	struct type_names names = {.reader = census->reader, .python = census->python};
	size_t n;
	struct census_type *types = census__types(census->census, &n);

	for (size_t i = 0; i < n; i++) {
		types[i].name = type_names__read(&names, &types[i].type);
		if (census->by == CENSUS_BY_MODULE)
			types[i].module = type_names__read_module(&names, &types[i].type);
	}
}

/* --- the census -------------------------------------------------------------------------------------- */

/* Addresses below 4 GiB may look like reference counts. */
static int find_low_memory(struct heap_census *census)
{
	struct target_mapping *mappings;
	size_t n;
	int err = target__mappings(census->target, &mappings, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && mappings[i].start < LOW_MEMORY && census->n_low < MAX_LOW_RANGES; i++)
		census->low[census->n_low++] = (struct address_range){mappings[i].start, mappings[i].end};
	target__free_mappings(mappings, n);
	return 0;
}

static int start(struct heap_census *census)
{
	const struct py_runtime_layout *runtime = &census->python->runtime;
	struct heap_memory memory = {
		.gc_head_bytes = runtime->gc_head_bytes,
		.sizes.layout = &census->python->layout,
		.sizes.int_size_shift = census->python->minor >= 12 ? INT_TAG_BITS : 0,
		.low = census->low,
	};
	struct error error = {};
	int err = find_low_memory(census);

	if (!err)
		err = heap_walk__new(census->target, census->reader, runtime->pool_bytes, &census->walk);
	/* From here on the walk sees to it that it stays so. */
	if (!err && python__check_started(census->python, census->reader, &error))
		err = -ESRCH;
	if (!err)
		err = referents__new(census->reader, census->python, &census->referents);
	if (err)
		return err;
	census->shapes = type_shapes__new(census->reader, census->python);
	if (!census->shapes)
		return -ENOMEM;
	memory.n_low = census->n_low;
	memory.pools = heap_walk__pools(census->walk);
	err = heap_objects__new(&memory, &census->objects);
	if (!err && !census->visit)
		err = census__new(&memory, census->objects, &census->census);
	return err;
}

static int walk(struct heap_census *census, struct heap_torn *ret_torn)
{
	const struct heap_visitor visitor = {take_pools, take_outside, census};
	int err = start(census);

	return err ? err : heap_walk__visit(census->walk, &visitor, ret_torn);
}

static int take(struct heap_census *census, struct heap_losses *ret_losses)
{
	struct heap_torn torn;
	int err = walk(census, &torn);

	if (err)
		return err;
	census__finish(census->census, &torn);
	name_types(census);
	census__group(census->census, census->by);
	*ret_losses = (struct heap_losses){torn, census->losses.unreadable + census->losses.implausible};
	return 0;
}

static int explain(const struct target *target, int err, struct error *error)
{
	const char *reason = err == -ESRCH ? "it has ended, or become another program" : strerror(-err);

	return error__set(error, err, "failed to read the heap of process %d: %s", target__pid(target),
			  reason);
}

/* NULL: it cannot be taken, and *ret_err says why, with the sentence. */
static struct heap_census *make(const struct target *target, struct memory_reader *reader,
				const struct python *python, int *ret_err, struct error *error)
{
	struct heap_census *census = NULL;

	if (python->minor < 8) {
		*ret_err = error__set(error, -EOPNOTSUPP,
				      "failed to tell the types of process %d: Python %s is older than 3.8",
				      target__pid(target), python->version);
		return NULL;
	}
	census = calloc(1, sizeof(*census));
	if (!census) {
		*ret_err = explain(target, -ENOMEM, error);
		return NULL;
	}
	census->target = target;
	census->reader = reader;
	census->python = python;
	census->layout = object_layout__get(python->minor);
	return census;
}

static void drop(struct heap_census *census)
{
	referents__free(census->referents);
	type_shapes__free(census->shapes);
	heap_objects__free(census->objects);
	heap_walk__free(census->walk);
	free(census);
}

int heap_census__take(const struct target *target, struct memory_reader *reader, const struct python *python,
		      enum census_by by, struct census **ret_census, struct heap_losses *ret_losses,
		      struct error *error)
{
	int err;
	struct heap_census *census = make(target, reader, python, &err, error);
	struct heap_losses losses;

	if (!census)
		return err;
	census->by = by;
	err = take(census, &losses);
	if (err) {
		census__free(census->census);
		err = explain(target, err, error);
	} else {
		*ret_census = census->census;
		*ret_losses = losses;
	}
	drop(census);
	return err;
}

int heap_census__visit(const struct target *target, struct memory_reader *reader, const struct python *python,
		       heap_objects_visit *visit, void *context, struct heap_torn *ret_torn,
		       struct error *error)
{
	int err;
	struct heap_census *census = make(target, reader, python, &err, error);

	if (!census)
		return err;
	census->visit = visit;
	census->context = context;
	err = walk(census, ret_torn);
	drop(census);
	return err ? explain(target, err, error) : 0;
}
