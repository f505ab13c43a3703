/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "holders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fingerprint.h"
#include "heap_census.h"
#include "type_match.h"

#define MAX_TARGETS 10000
#define MAX_GROUPS 10
#define MAX_LINKS 48 /* of a chain; the middle of a longer one is left out */
#define NEAR_BYTES 192

/* Chains of one shape, before they have names. */
struct shape {
	struct holder_chain chain; /* the shortest of them */
	uint64_t n_targets;
};

struct finding {
	struct holder_subject subject;
	const struct holders_query *query;
	struct holder_search *search;
	struct holder_graph *graph;
	struct holder_names *names;
	struct shape *shapes; /* of all targets */
	size_t n_shapes, shapes_capacity;
	struct holders holders;
};

/* --- what is asked for ------------------------------------------------------------------------------- */

static int refuse_type(const struct finding *finding, const struct type_match *match, struct error *error)
{
	char names[NEAR_BYTES] = "";
	size_t used = 0;

	for (size_t i = 0; i < match->n_others && used < sizeof(names); i++)
		used += snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", match->others[i]);
	if (match->is_ambiguous) {
		error__set(error, -ENOENT, "there is more than one type '%s' in process %d",
			   finding->query->type, target__pid(finding->subject.target));
		error__hint(error, "name one with its module: %s", names);
		return -ENOENT;
	}
	error__set(error, -ENOENT, "there is no object of a type '%s' in the heap of process %d",
		   finding->query->type, target__pid(finding->subject.target));
	if (match->n_others)
		error__hint(error, "there are: %s", names);
	else
		error__hint(error, "'linger census' lists the types that have instances");
	return -ENOENT;
}

/* Classes that were made again and again have one name. */
static int choose_types(struct finding *finding, const struct census_type *types, size_t n,
			struct address_map *wanted, struct error *error)
{
	struct type_match match = type_match__find(types, n, finding->query->type);
	int err = 0;

	if (!match.name)
		return refuse_type(finding, &match, error);
	for (size_t i = 0; i < n && !err; i++) {
		if (!types[i].name || strcmp(types[i].name, match.name) != 0)
			continue;
		err = address_map__put(wanted, types[i].type.address, 0);
		finding->holders.n_instances += types[i].objects;
	}
	if (!err)
		finding->holders.type = strdup(match.name);
	return err || !finding->holders.type ? error__set(error, -ENOMEM, "failed to search: out of memory")
					     : 0;
}

static int add_instances(struct finding *finding, struct error *error)
{
	const struct holder_subject *subject = &finding->subject;
	struct address_map wanted = {};
	struct census *census;
	struct heap_losses losses;
	const struct census_type *types;
	size_t n;
	int err = heap_census__take(subject->target, subject->reader, subject->python, CENSUS_BY_TYPE,
				    &census, &losses, error);

	if (err)
		return err;
	types = census__types(census, &n);
	err = choose_types(finding, types, n, &wanted, error);
	census__free(census);
	if (!err)
		err = holder_search__add_instances(finding->search, &wanted, finding->holders.n_instances,
						   MAX_TARGETS, error);
	address_map__free(&wanted);
	if (!err && !holder_graph__n_targets(finding->graph))
		err = error__set(error, -ENOENT, "the last object of type '%s' has just gone",
				 finding->holders.type);
	return err;
}

static int refuse_address(const struct finding *finding, struct error *error)
{
	return error__set(error, -ENOENT, "there is no object at 0x%" PRIx64 " in process %d",
			  finding->query->address, target__pid(finding->subject.target));
}

/* Whether there is something with a reference count and a type. */
static int add_object(struct finding *finding, struct error *error)
{
	const struct holder_subject *subject = &finding->subject;
	uint64_t address = finding->query->address, words[2];
	uint8_t bytes[OBJECT_TYPE_BYTES];
	struct object_type type;

	if (!object__may_be_pointer(address) ||
	    memory_reader__read(subject->reader, address, words, sizeof(words)) ||
	    !object__counts_references(words[0]) ||
	    memory_reader__read(subject->reader, words[1], bytes, sizeof(bytes)) ||
	    !object_type__parse(bytes, words[1], subject->python->runtime.gc_head_bytes, &type) ||
	    memory_reader__read(subject->reader, type.metatype, bytes, sizeof(bytes)) ||
	    !object_type__is_metatype(bytes))
		return refuse_address(finding, error);
	finding->holders.address = address;
	finding->holders.n_instances = 1;
	finding->holders.type = holder_names__type(finding->names, words[1]);
	if (holder_graph__add_target(finding->graph, address, words[1]))
		return error__set(error, -ENOMEM, "failed to search: out of memory");
	return 0;
}

/* --- the search -------------------------------------------------------------------------------------- */

static int search(struct finding *finding, struct error *error)
{
	const struct holders_query *query = finding->query;
	struct holders *holders = &finding->holders;
	size_t n_sought = holder_graph__n_targets(finding->graph);
	int err = 0;

	while (!err && n_sought && !*query->is_interrupted && holders->n_steps < query->depth) {
		query->progress(++holders->n_steps, n_sought);
		err = holder_search__step(finding->search, &n_sought, error);
	}
	holders->end = *query->is_interrupted ? HOLDERS_INTERRUPTED
		       : n_sought             ? HOLDERS_TOO_DEEP
					      : HOLDERS_COMPLETE;
	return err;
}

/* --- chains ------------------------------------------------------------------------------------------ */

static int compare_shapes(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;

	if (x->chain.shape != y->chain.shape)
		return x->chain.shape < y->chain.shape ? -1 : 1;
	return (x->chain.n_holds > y->chain.n_holds) - (x->chain.n_holds < y->chain.n_holds);
}

/* What holds most comes first, then the shortest chain. */
static int compare_groups(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;

	if (x->n_targets != y->n_targets)
		return x->n_targets < y->n_targets ? 1 : -1;
	if (x->chain.n_holds != y->chain.n_holds)
		return x->chain.n_holds < y->chain.n_holds ? -1 : 1;
	return compare_shapes(a, b);
}

static int add_shape(struct finding *finding, const struct holder_chain *chain)
{
	if (finding->n_shapes == finding->shapes_capacity) {
		size_t capacity = finding->shapes_capacity ? finding->shapes_capacity * 2 : 64;
		struct shape *grown = reallocarray(finding->shapes, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		finding->shapes = grown;
		finding->shapes_capacity = capacity;
	}
	finding->shapes[finding->n_shapes++] = (struct shape){*chain, 1};
	return 0;
}

static int list_shapes(struct finding *finding)
{
	size_t n_targets = holder_graph__n_targets(finding->graph);
	int err = 0;

	for (uint32_t target = 0; target < n_targets && !err; target++) {
		struct holder_chain chain;
		uint32_t n = 0;

		while (!err && holder_graph__chain(finding->graph, target, n, &chain)) {
			err = add_shape(finding, &chain);
			n++;
		}
		finding->holders.n_unheld += !n;
	}
	return err;
}

static void group_shapes(struct finding *finding)
{
	size_t n = 0;

	if (!finding->n_shapes)
		return;
	qsort(finding->shapes, finding->n_shapes, sizeof(*finding->shapes), compare_shapes);
	for (size_t i = 0; i < finding->n_shapes; i++) {
		if (n && finding->shapes[n - 1].chain.shape == finding->shapes[i].chain.shape)
			finding->shapes[n - 1].n_targets++;
		else
			finding->shapes[n++] = finding->shapes[i];
	}
	finding->n_shapes = n;
	qsort(finding->shapes, n, sizeof(*finding->shapes), compare_groups);
}

static int name_group(struct finding *finding, const struct shape *shape, struct holders_group *ret_group)
{
	size_t n = shape->chain.n_holds, n_left_out = n + 1 > MAX_LINKS ? n + 1 - MAX_LINKS : 0;
	struct hold *holds = calloc(n + 1, sizeof(*holds));
	struct holder_link *links = calloc(n + 1 - n_left_out, sizeof(*links));

	if (!holds || !links) {
		free(holds);
		free(links);
		return -ENOMEM;
	}
	holder_graph__holds(finding->graph, &shape->chain, holds);
	if (n_left_out)
		memmove(holds + MAX_LINKS / 2, holds + MAX_LINKS / 2 + n_left_out,
			(MAX_LINKS - MAX_LINKS / 2 - 1) * sizeof(*holds));
	holder_names__links(finding->names, holds, n - n_left_out, shape->chain.target, links);
	free(holds);
	*ret_group = (struct holders_group){
		.root = shape->chain.root,
		.n_targets = shape->n_targets,
		.links = links,
		.n_links = n + 1 - n_left_out,
		.n_left_out = n_left_out,
	};
	return 0;
}

static int name_groups(struct finding *finding)
{
	struct holders *holders = &finding->holders;
	size_t n = finding->n_shapes < MAX_GROUPS ? finding->n_shapes : MAX_GROUPS;
	int err = 0;

	holders->groups = calloc(n + 1, sizeof(*holders->groups));
	if (!holders->groups)
		return -ENOMEM;
	for (; holders->n_groups < n && !err; holders->n_groups += !err)
		err = name_group(finding, &finding->shapes[holders->n_groups],
				 &holders->groups[holders->n_groups]);
	holders->n_more_groups = finding->n_shapes - n;
	return err;
}

static int conclude(struct finding *finding, struct error *error)
{
	int err = list_shapes(finding);

	group_shapes(finding);
	if (!err)
		err = name_groups(finding);
	finding->holders.n_targets = holder_graph__n_targets(finding->graph);
	finding->holders.losses = holder_search__losses(finding->search);
	return err ? error__set(error, err, "failed to name the holders: %s", strerror(-err)) : 0;
}

/* --- the module -------------------------------------------------------------------------------------- */

static int open_search(struct finding *finding, struct error *error)
{
	struct holder_subject *subject = &finding->subject;
	int err;

	subject->layout = object_layout__get(subject->python->minor);
	if (!subject->layout)
		return error__set(error, -EOPNOTSUPP,
				  "failed to search process %d: the objects of Python %s are not known",
				  target__pid(subject->target), subject->python->version);
	err = referents__new(subject->reader, subject->python, &subject->referents);
	if (err)
		return error__set(error, err, "failed to search process %d: %s", target__pid(subject->target),
				  strerror(-err));
	err = holder_search__new(subject, &finding->search, error);
	if (err)
		return err;
	finding->graph = holder_search__graph(finding->search);
	finding->names = holder_names__new(subject, finding->search);
	return finding->names ? 0 : error__set(error, -ENOMEM, "failed to search: out of memory");
}

static int find(struct finding *finding, struct error *error)
{
	int err = open_search(finding, error);

	if (!err)
		err = finding->query->type ? add_instances(finding, error) : add_object(finding, error);
	if (!err)
		err = search(finding, error);
	return err ? err : conclude(finding, error);
}

int holders__find(const struct target *target, struct memory_reader *reader, const struct python *python,
		  struct stack_sampler *sampler, const struct holders_query *query,
		  struct holders *ret_holders, struct error *error)
{
	uint64_t start_ns = now_ns();
	struct finding finding = {
		.subject = {.target = target,
			    .reader = reader,
			    .python = python,
			    .sampler = sampler,
			    .is_interrupted = query->is_interrupted},
		.query = query,
		.holders = {.pid = target__pid(target), .python_version = python->version},
	};
	int err = find(&finding, error);

	holder_names__free(finding.names);
	holder_search__free(finding.search);
	referents__free(finding.subject.referents);
	free(finding.shapes);
	finding.holders.elapsed_s = (now_ns() - start_ns) / 1e9;
	if (err)
		holders__free(&finding.holders);
	else
		*ret_holders = finding.holders;
	return err;
}

void holders__free(struct holders *holders)
{
	for (size_t i = 0; i < holders->n_groups; i++) {
		for (size_t j = 0; j < holders->groups[i].n_links; j++)
			holder_link__free(&holders->groups[i].links[j]);
		free(holders->groups[i].links);
	}
	free(holders->groups);
	free(holders->type);
	*holders = (struct holders){};
}
