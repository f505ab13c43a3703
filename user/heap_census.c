/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "heap_census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "type_names.h"

#define TYPES_AT_ONCE 2048
#define MAX_LOW_RANGES 64
#define LOW_MEMORY (UINT64_C(1) << 32)

struct heap_census {
	const struct target *target;
	struct memory_reader *reader;
	const struct python *python;
	struct heap_walk *walk;
	struct census *census;
	struct address_range low[MAX_LOW_RANGES];
	size_t n_low;
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

/* A type is what has a metatype for its type. */
static int add_types(struct heap_census *census)
{
	int err;

	for (size_t i = 0; i < census->n_candidates; i++)
		request_type(census, i, census->candidates[i].metatype);
	err = memory_reader__read_many(census->reader, census->requests, census->n_candidates);
	for (size_t i = 0; i < census->n_candidates && !err; i++)
		if (!census->requests[i].error && object_type__is_metatype(census->bytes[i]))
			err = census__add_type(census->census, &census->candidates[i]);
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

static int count_pools(void *context, const struct heap_pool *pools, size_t n)
{
	struct heap_census *census = context;
	const uint64_t *addresses;
	size_t n_addresses;
	int err = census__ask(census->census, pools, n, &addresses, &n_addresses);

	if (!err)
		err = find_types(census, addresses, n_addresses);
	if (!err)
		census__count(census->census, pools, n);
	return err;
}

static int count_outside(void *context, const struct gc_node *nodes, size_t n)
{
	struct heap_census *census = context;
	const uint64_t *addresses;
	size_t n_addresses;
	int err = census__ask_outside(census->census, nodes, n, &addresses, &n_addresses);

	if (!err)
		err = find_types(census, addresses, n_addresses);
	if (!err)
		census__count_outside(census->census, nodes, n);
	return err;
}

static void name_types(struct heap_census *census)
{
	struct type_names names = {.reader = census->reader, .python = census->python};
	size_t n;
	struct census_type *types = census__types(census->census, &n);

	for (size_t i = 0; i < n; i++)
		types[i].name = type_names__read(&names, &types[i].type);
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

static int take(struct heap_census *census, struct heap_torn *ret_torn)
{
	const struct py_runtime_layout *runtime = &census->python->runtime;
	const struct heap_visitor visitor = {count_pools, count_outside, census};
	int err = find_low_memory(census);

	if (!err)
		err = heap_walk__new(census->target, census->reader, runtime->pool_bytes, &census->walk);
	if (err)
		return err;
	err = census__new(
		&(struct census_memory){
			.gc_head_bytes = runtime->gc_head_bytes,
			.pools = heap_walk__pools(census->walk),
			.low = census->low,
			.n_low = census->n_low,
		},
		&census->census);
	if (!err)
		err = heap_walk__visit(census->walk, &visitor, ret_torn);
	if (err)
		return err;
	census__finish(census->census, ret_torn);
	name_types(census);
	return 0;
}

static int explain(const struct target *target, int err, struct error *error)
{
	const char *reason = err == -ESRCH ? "it has ended" : strerror(-err);

	return error__set(error, err, "failed to read the heap of process %d: %s", target__pid(target),
			  reason);
}

int heap_census__take(const struct target *target, struct memory_reader *reader, const struct python *python,
		      struct census **ret_census, struct heap_torn *ret_torn, struct error *error)
{
	struct heap_census *census;
	struct heap_torn torn;
	int err;

	if (python->minor < 8)
		return error__set(error, -EOPNOTSUPP,
				  "failed to tell the types of process %d: Python %s is older than 3.8",
				  target__pid(target), python->version);
	census = calloc(1, sizeof(*census));
	if (!census)
		return explain(target, -ENOMEM, error);
	census->target = target;
	census->reader = reader;
	census->python = python;
	err = take(census, &torn);
	heap_walk__free(census->walk);
	if (err) {
		census__free(census->census);
		err = explain(target, err, error);
	} else {
		*ret_census = census->census;
		*ret_torn = torn;
	}
	free(census);
	return err;
}
