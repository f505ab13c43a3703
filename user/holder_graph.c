/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hold is on two lists: of its holder and of what is held. The search goes from the held to the holders: an
 * object is sought in one pass, in which all its holders are found. Chains go the other way, from the roots:
 * breadth first, so that the shortest come first, and each object takes a few ways of different shapes that
 * lead to it and drops the others. What is left is small, however many objects hang on the same dict.
 *
 * The better roots go first: what hangs on a module needs no chain from a class.
 */
#include "holder_graph.h"

#include <errno.h>
#include <stdlib.h>

#include "address_map.h"
#include "array.h"
#include "table.h"

struct object {
	uint64_t address, type;
	uint32_t first_holder, first_held; /* holds, or HOLDER_NONE */
	uint32_t n_holders;
	uint32_t first_way, n_ways;
	uint8_t root; /* enum holder_root */
	bool is_sought, is_expanded, is_closed, is_namespace;
	bool is_reached;
	uint32_t rooted_in; /* a target: the pass; 0: not yet */
};

struct graph_hold {
	struct hold hold;
	uint32_t next_holder, next_held; /* on the lists of `held` and of `holder` */
};

/* A step further than another way. */
struct way {
	uint32_t object;
	uint32_t hold;   /* HOLDER_NONE: the object is the root */
	uint32_t before; /* the way that it continues */
	uint32_t n_holds;
	uint32_t next; /* of the same object */
	uint8_t root;
	uint64_t step, shape;
};

struct holder_graph {
	struct holder_limits limits;
	struct object *objects;
	size_t n_objects, objects_capacity, n_targets;
	struct graph_hold *holds;
	size_t n_holds, holds_capacity;
	struct way *ways;
	size_t n_ways, ways_capacity;
	uint32_t *queue;
	struct address_map numbers;
	uint32_t n_new;
	uint32_t n_passes;
	uint64_t n_left_out;
};

int holder_graph__new(const struct holder_limits *limits, struct holder_graph **ret_graph)
{
	struct holder_graph *graph = calloc(1, sizeof(*graph));

	if (!graph)
		return -ENOMEM;
	graph->limits = *limits;
	*ret_graph = graph;
	return 0;
}

void holder_graph__free(struct holder_graph *graph)
{
	if (!graph)
		return;
	free(graph->objects);
	free(graph->holds);
	free(graph->ways);
	free(graph->queue);
	address_map__free(&graph->numbers);
	free(graph);
}

/* --- objects and holds ------------------------------------------------------------------------------- */

static int add_object(struct holder_graph *graph, const struct holder *holder, uint32_t *ret_number)
{
	struct object *objects =
		array__grow(graph->objects, graph->n_objects, &graph->objects_capacity, sizeof(*objects));
	int err;

	if (!objects)
		return -ENOMEM;
	graph->objects = objects;
	err = address_map__put(&graph->numbers, holder->address, graph->n_objects);
	if (err)
		return err;
	*ret_number = graph->n_objects;
	graph->objects[graph->n_objects++] = (struct object){
		.address = holder->address,
		.type = holder->type,
		.root = holder->root,
		.first_holder = HOLDER_NONE,
		.first_held = HOLDER_NONE,
	};
	return 0;
}

int holder_graph__add_target(struct holder_graph *graph, uint64_t address, uint64_t type)
{
	const struct holder target = {address, type, HOLDER_NO_ROOT};
	uint32_t number;
	int err;

	if (address_map__find(&graph->numbers, address) != ADDRESS_MAP_NONE)
		return 0;
	err = add_object(graph, &target, &number);
	if (err)
		return err;
	graph->objects[number].is_sought = true;
	graph->n_targets++;
	return 0;
}

uint32_t holder_graph__sought(const struct holder_graph *graph, uint64_t address)
{
	uint32_t number = address_map__find(&graph->numbers, address);

	return number != ADDRESS_MAP_NONE && graph->objects[number].is_sought ? number : HOLDER_NONE;
}

/* Its number; HOLDER_NONE if there are too many already. */
static int find_holder(struct holder_graph *graph, const struct holder *holder, uint32_t *ret_number)
{
	*ret_number = address_map__find(&graph->numbers, holder->address);
	if (*ret_number != ADDRESS_MAP_NONE)
		return 0;
	if (holder->root == HOLDER_NO_ROOT && graph->n_new == graph->limits.new_objects) {
		*ret_number = HOLDER_NONE;
		return 0;
	}
	graph->n_new += holder->root == HOLDER_NO_ROOT;
	return add_object(graph, holder, ret_number);
}

int holder_graph__add_hold(struct holder_graph *graph, const struct holder *holder, const struct hold *hold)
{
	bool is_full = graph->objects[hold->held].n_holders >= graph->limits.holds;
	uint32_t number = HOLDER_NONE;
	struct graph_hold *holds, *added;
	int err = 0;

	if (!is_full || holder->root != HOLDER_NO_ROOT)
		err = find_holder(graph, holder, &number);
	if (err)
		return err;
	graph->objects[hold->held].n_holders++; /* also by itself, and by who is left out */
	if (number == HOLDER_NONE)
		graph->n_left_out++;
	if (number == HOLDER_NONE || number == hold->held)
		return 0;
	holds = array__grow(graph->holds, graph->n_holds, &graph->holds_capacity, sizeof(*holds));
	if (!holds)
		return -ENOMEM;
	graph->holds = holds;
	added = &holds[graph->n_holds];
	*added = (struct graph_hold){*hold, graph->objects[hold->held].first_holder,
				     graph->objects[number].first_held};
	added->hold.holder = number;
	graph->objects[hold->held].first_holder = graph->n_holds;
	graph->objects[number].first_held = graph->n_holds++;
	return 0;
}

void holder_graph__set_root(struct holder_graph *graph, uint32_t object, enum holder_root root)
{
	graph->objects[object].root = root;
}

void holder_graph__set_namespace(struct holder_graph *graph, uint32_t object)
{
	graph->objects[object].is_namespace = true;
}

void holder_graph__close(struct holder_graph *graph, uint32_t object)
{
	graph->objects[object].is_closed = true;
}

size_t holder_graph__n_objects(const struct holder_graph *graph)
{
	return graph->n_objects;
}

size_t holder_graph__n_targets(const struct holder_graph *graph)
{
	return graph->n_targets;
}

uint64_t holder_graph__address(const struct holder_graph *graph, uint32_t object)
{
	return graph->objects[object].address;
}

uint64_t holder_graph__type(const struct holder_graph *graph, uint32_t object)
{
	return graph->objects[object].type;
}

bool holder_graph__is_namespace(const struct holder_graph *graph, uint32_t object)
{
	return graph->objects[object].is_namespace;
}

uint64_t holder_graph__n_left_out(const struct holder_graph *graph)
{
	return graph->n_left_out;
}

/* --- what counts --------------------------------------------------------------------------------------- */

/* A module, or its namespace. */
static bool closes(const struct object *object)
{
	return object->root == HOLDER_MODULE || (object->is_closed && object->is_namespace);
}

/* Whether a hold counts: of what is closed by a module or its namespace, others do not. */
static bool counts(const struct holder_graph *graph, const struct hold *hold)
{
	return !graph->objects[hold->held].is_closed || closes(&graph->objects[hold->holder]);
}

bool holder_graph__is_held_by_closed(const struct holder_graph *graph, uint32_t object)
{
	uint32_t at = graph->objects[object].first_holder;

	while (at != HOLDER_NONE && !closes(&graph->objects[graph->holds[at].hold.holder]))
		at = graph->holds[at].next_holder;
	return at != HOLDER_NONE;
}

/* Puts the holders of an object into the queue, whose end is returned. */
static size_t reach_holders(struct holder_graph *graph, uint32_t number, size_t end)
{
	for (uint32_t at = graph->objects[number].first_holder; at != HOLDER_NONE;
	     at = graph->holds[at].next_holder) {
		struct object *holder = &graph->objects[graph->holds[at].hold.holder];

		if (holder->is_reached || !counts(graph, &graph->holds[at].hold))
			continue;
		holder->is_reached = true;
		graph->queue[end++] = graph->holds[at].hold.holder;
	}
	return end;
}

/* --- chains ------------------------------------------------------------------------------------------ */

/* What the shape of a chain knows of a step: not which key, where one is as good as another. */
static uint64_t step_of(const struct holder_graph *graph, const struct hold *hold)
{
	const struct object *holder = &graph->objects[hold->holder];
	bool has_name = hold->label == REFERENT_ATTRIBUTE || hold->label == REFERENT_FIELD ||
			hold->label == REFERENT_WORD || hold->label == REFERENT_LOCAL ||
			(hold->label == REFERENT_DICT_VALUE && holder->is_namespace);

	return hash_mix(hash_mix(hash_mix(1, holder->type), hold->label), has_name ? hold->key : 0);
}

/* Frames are alike if their functions are. */
static uint64_t root_shape(const struct object *object)
{
	bool is_one_of_many = object->root == HOLDER_FRAME || object->root == HOLDER_UNKNOWN;

	return hash_mix(object->root, is_one_of_many ? object->type : object->address);
}

static bool leads_through(const struct holder_graph *graph, uint32_t way, uint32_t object)
{
	for (; way != HOLDER_NONE; way = graph->ways[way].before)
		if (graph->ways[way].object == object)
			return true;
	return false;
}

static bool has_shape(const struct holder_graph *graph, const struct object *object, uint64_t shape)
{
	uint32_t way = object->first_way;

	for (uint32_t i = 0; i < object->n_ways; i++, way = graph->ways[way].next)
		if (graph->ways[way].shape == shape)
			return true;
	return false;
}

/* A way for its object, unless it has enough, or one like it. */
static int add_way(struct holder_graph *graph, const struct way *way)
{
	struct object *object = &graph->objects[way->object];
	uint32_t last = object->first_way;
	struct way *ways;

	if (object->n_ways == graph->limits.chains || has_shape(graph, object, way->shape) ||
	    leads_through(graph, way->before, way->object))
		return 0;
	ways = array__grow(graph->ways, graph->n_ways, &graph->ways_capacity, sizeof(*ways));
	if (!ways)
		return -ENOMEM;
	graph->ways = ways;
	for (uint32_t i = 1; i < object->n_ways; i++)
		last = graph->ways[last].next;
	if (object->n_ways++)
		graph->ways[last].next = graph->n_ways;
	else
		object->first_way = graph->n_ways;
	graph->ways[graph->n_ways++] = *way;
	return 0;
}

/* The way to a holder, one step further. */
static int continue_way(struct holder_graph *graph, uint32_t before, uint32_t hold)
{
	const struct way *way = &graph->ways[before];
	uint64_t step = step_of(graph, &graph->holds[hold].hold);
	struct way further = {
		.object = graph->holds[hold].hold.held,
		.hold = hold,
		.before = before,
		.n_holds = way->n_holds + 1,
		.root = way->root,
		.step = step,
		.shape = step == way->step ? way->shape : hash_mix(way->shape, step),
	};

	return add_way(graph, &further);
}

/* Classes, and what nobody refers to, count where nothing better is found. */
static bool begins(const struct object *object, enum holder_root from, enum holder_root to)
{
	return object->root >= from && object->root <= to && (from < HOLDER_CLASS || !object->n_ways);
}

/* From the roots of some kinds to everything that has no chain from better ones. */
static int find_ways(struct holder_graph *graph, enum holder_root from, enum holder_root to)
{
	size_t first = graph->n_ways;
	int err = 0;

	for (size_t i = 0; i < graph->n_objects && !err; i++) {
		const struct object *object = &graph->objects[i];

		if (begins(object, from, to))
			err = add_way(graph, &(struct way){.object = i,
							   .hold = HOLDER_NONE,
							   .before = HOLDER_NONE,
							   .root = object->root,
							   .shape = root_shape(object)});
	}
	for (size_t i = first; i < graph->n_ways && !err; i++) {
		uint32_t at = graph->objects[graph->ways[i].object].first_held;

		for (; at != HOLDER_NONE && !err; at = graph->holds[at].next_held) {
			const struct object *held = &graph->objects[graph->holds[at].hold.held];
			bool has_better = held->n_ways && held->first_way < first;

			if (!has_better && counts(graph, &graph->holds[at].hold))
				err = continue_way(graph, i, at);
		}
	}
	return err;
}

int holder_graph__find_chains(struct holder_graph *graph)
{
	int err;

	graph->n_ways = 0;
	for (size_t i = 0; i < graph->n_objects; i++)
		graph->objects[i].n_ways = 0;
	err = find_ways(graph, HOLDER_MODULE, HOLDER_FRAME);
	if (!err)
		err = find_ways(graph, HOLDER_CLASS, HOLDER_CLASS);
	if (!err)
		err = find_ways(graph, HOLDER_UNKNOWN, HOLDER_UNKNOWN);
	return err;
}

static bool is_rooted(const struct holder_graph *graph, const struct object *target)
{
	return target->n_ways && graph->ways[target->first_way].root < HOLDER_CLASS;
}

size_t holder_graph__n_rooted(const struct holder_graph *graph)
{
	size_t n = 0;

	for (size_t i = 0; i < graph->n_targets; i++)
		n += is_rooted(graph, &graph->objects[i]);
	return n;
}

bool holder_graph__chain(const struct holder_graph *graph, uint32_t target, uint32_t number,
			 struct holder_chain *ret_chain)
{
	const struct object *object = &graph->objects[target];
	uint32_t way = object->first_way;

	if (number >= object->n_ways)
		return false;
	for (uint32_t i = 0; i < number; i++)
		way = graph->ways[way].next;
	*ret_chain = (struct holder_chain){
		.root = graph->ways[way].root,
		.target = target,
		.shape = graph->ways[way].shape,
		.n_holds = graph->ways[way].n_holds,
		.way = way,
	};
	return true;
}

void holder_graph__holds(const struct holder_graph *graph, const struct holder_chain *chain,
			 struct hold ret_holds[])
{
	const struct way *way = &graph->ways[chain->way];

	for (uint32_t i = chain->n_holds; i; i--, way = &graph->ways[way->before])
		ret_holds[i - 1] = graph->holds[way->hold].hold;
}

/* --- the next pass ----------------------------------------------------------------------------------- */

/* Nobody in the heap refers to what was sought in vain. */
static void finish_pass(struct holder_graph *graph)
{
	for (size_t i = 0; i < graph->n_objects; i++) {
		struct object *object = &graph->objects[i];

		if (object->is_sought && !object->n_holders && object->root == HOLDER_NO_ROOT)
			object->root = HOLDER_UNKNOWN;
		object->is_expanded |= object->is_sought;
		object->is_sought = false;
		object->is_reached = false;
	}
	graph->n_new = 0;
	graph->n_passes++;
}

/* Targets that have no chain yet, or have one only just now, into the queue. */
static size_t reach_targets(struct holder_graph *graph)
{
	size_t end = 0;

	for (size_t i = 0; i < graph->n_targets; i++) {
		struct object *target = &graph->objects[i];

		if (!target->rooted_in && is_rooted(graph, target))
			target->rooted_in = graph->n_passes;
		target->is_reached =
			!target->rooted_in || graph->n_passes < target->rooted_in + graph->limits.more_passes;
		if (target->is_reached)
			graph->queue[end++] = i;
	}
	return end;
}

/* What only holds something that needs no holder is not looked at. */
int holder_graph__advance(struct holder_graph *graph, size_t *ret_n_sought)
{
	uint32_t *queue = reallocarray(graph->queue, graph->n_objects + 1, sizeof(*queue));
	size_t end;
	int err;

	if (!queue)
		return -ENOMEM;
	graph->queue = queue;
	finish_pass(graph);
	err = holder_graph__find_chains(graph);
	if (err)
		return err;
	*ret_n_sought = 0;
	end = reach_targets(graph);
	for (size_t i = 0; i < end; i++) {
		struct object *object = &graph->objects[queue[i]];

		object->is_sought = !object->is_expanded && !object->is_closed &&
				    (object->root == HOLDER_NO_ROOT || object->root == HOLDER_CLASS);
		*ret_n_sought += object->is_sought;
		end = reach_holders(graph, queue[i], end);
	}
	return 0;
}
