/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What says nothing is left out where it is met: an instance holds its class, and the table of interned
 * strings its strings. What a module's namespace holds under a name needs no other holder, else every
 * function would be one of its module, and every class one of its parents; see holder_graph__close.
 *
 * Dicts of modules are known from the first pass on, so the last step of most chains needs no pass of its
 * own. So are the locals of running frames, which are read before; a frame object (up to 3.10) that is met in
 * the heap is recognised by its address.
 */
#include "holder_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap_census.h"
#include "thread_stacks.h"
#include "type_shapes.h"

#define MAX_LOCALS (1u << 20)
#define MAX_FRAMES (1u << 18)

static const struct holder_limits limits = {
	.new_objects = 1u << 17,
	.holds = 1000,
	.chains = 3,
	.more_passes = 2,
};

struct module {
	uint64_t address, type;
};

/* A running frame refers to an object. */
struct frame_reference {
	uint64_t to;
	uint32_t frame;
	uint64_t index;
};

struct holder_search {
	struct holder_subject subject;
	struct holder_graph *graph;

	struct module *modules;
	size_t n_modules, modules_capacity;
	struct address_map module_dicts; /* address -> index of a module */

	struct stack_frame *frames;
	size_t n_frames;
	struct address_map frame_numbers;
	struct frame_reference *locals; /* sorted by `to` */
	size_t n_locals, locals_capacity;

	/* The pass: */
	const struct object_ref *objects; /* that references are from */
	size_t n_settled;
	const struct address_map *wanted_types; /* of instances to be added */
	uint64_t every, n_instances;
	struct holder_losses losses;
};

enum object_kind holder_search__kind(const struct holder_search *search, uint64_t type)
{
	const struct object_shape *shape;

	return type_shapes__find(referents__shapes(search->subject.referents), type, &shape) ? OBJECT_PLAIN
											     : shape->kind;
}

/* --- running frames ---------------------------------------------------------------------------------- */

static int add_local(void *context, const struct referent *referent)
{
	struct holder_search *search = context;
	struct frame_reference *grown = search->locals;

	if (referent->label != REFERENT_LOCAL || search->n_locals == MAX_LOCALS)
		return 0;
	if (search->n_locals == search->locals_capacity) {
		search->locals_capacity = search->locals_capacity ? search->locals_capacity * 2 : 1024;
		grown = reallocarray(grown, search->locals_capacity, sizeof(*grown));
	}
	if (!grown)
		return -ENOMEM;
	search->locals = grown;
	grown[search->n_locals++] = (struct frame_reference){referent->to, referent->from, referent->key};
	return 0;
}

static int add_thread(struct holder_search *search, const struct thread_stack *thread)
{
	struct stack_frame *grown =
		reallocarray(search->frames, search->n_frames + thread->n_frames + 1, sizeof(*grown));
	int err = 0;

	if (!grown)
		return -ENOMEM;
	search->frames = grown;
	search->losses.torn_threads += thread->is_torn;
	for (size_t i = 0; i < thread->n_frames && search->n_frames < MAX_FRAMES && !err; i++) {
		err = address_map__put(&search->frame_numbers, thread->places[i].address, search->n_frames);
		grown[search->n_frames++] = thread->places[i];
	}
	return err;
}

static int compare_locals(const void *a, const void *b)
{
	const struct frame_reference *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

static int add_threads(struct holder_search *search, const struct thread_stacks *stacks)
{
	const struct referent_visitor visitor = {.context = search, .reference = add_local};
	int err = 0;

	for (size_t i = 0; i < stacks->n_threads && !err; i++)
		err = add_thread(search, &stacks->threads[i]);
	if (!err)
		err = referents__visit_frames(search->subject.referents, search->frames, search->n_frames,
					      &visitor, &search->losses.referents);
	if (!err && search->n_locals)
		qsort(search->locals, search->n_locals, sizeof(*search->locals), compare_locals);
	return err;
}

static int read_frames(struct holder_search *search, struct error *error)
{
	const struct holder_subject *subject = &search->subject;
	struct thread_stacks stacks = {};
	int err = thread_stacks__read(subject->target, subject->reader, subject->python, subject->sampler,
				      &stacks, error);

	if (err)
		return err;
	err = add_threads(search, &stacks);
	thread_stacks__free(&stacks);
	return err ? error__set(error, err, "failed to read the frames of process %d: %s",
				target__pid(subject->target), strerror(-err))
		   : 0;
}

const struct stack_frame *holder_search__frame(const struct holder_search *search, uint64_t address)
{
	uint32_t number = address_map__find(&search->frame_numbers, address);

	return number == ADDRESS_MAP_NONE ? NULL : &search->frames[number];
}

/* --- the search -------------------------------------------------------------------------------------- */

int holder_search__new(const struct holder_subject *subject, struct holder_search **ret_search,
		       struct error *error)
{
	struct holder_search *search = calloc(1, sizeof(*search));
	int err = -ENOMEM;

	if (search) {
		search->subject = *subject;
		err = holder_graph__new(&limits, &search->graph);
	}
	if (err)
		error__set(error, err, "failed to search for holders: out of memory");
	else
		err = read_frames(search, error);
	if (err)
		holder_search__free(search);
	else
		*ret_search = search;
	return err;
}

void holder_search__free(struct holder_search *search)
{
	if (!search)
		return;
	holder_graph__free(search->graph);
	address_map__free(&search->module_dicts);
	address_map__free(&search->frame_numbers);
	free(search->modules);
	free(search->frames);
	free(search->locals);
	free(search);
}

struct holder_graph *holder_search__graph(struct holder_search *search)
{
	return search->graph;
}

struct holder_losses holder_search__losses(const struct holder_search *search)
{
	struct holder_losses losses = search->losses;

	losses.left_out = holder_graph__n_left_out(search->graph);
	return losses;
}

/* --- a pass ------------------------------------------------------------------------------------------ */

static int walk(struct holder_search *search, heap_objects_visit *visit, struct error *error)
{
	const struct holder_subject *subject = &search->subject;
	struct heap_torn torn;
	int err = heap_census__visit(subject->target, subject->reader, subject->python, visit, search, &torn,
				     error);

	if (!err && torn.blocks >= search->losses.torn.blocks)
		search->losses.torn = torn;
	return err;
}

static int add_instances(void *context, const struct object_ref *objects, size_t n)
{
	struct holder_search *search = context;
	int err = *search->subject.is_interrupted ? -EINTR : 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (address_map__find(search->wanted_types, objects[i].type) == ADDRESS_MAP_NONE)
			continue;
		if (search->n_instances++ % search->every == 0)
			err = holder_graph__add_target(search->graph, objects[i].address, objects[i].type);
	}
	return err;
}

int holder_search__add_instances(struct holder_search *search, const struct address_map *types, uint64_t n,
				 uint64_t limit, struct error *error)
{
	search->wanted_types = types;
	search->every = (n + limit - 1) / limit + !n;
	return walk(search, add_instances, error);
}

static int note_module(struct holder_search *search, const struct object_ref *module, uint64_t dict)
{
	struct module *grown = search->modules;

	if (address_map__find(&search->module_dicts, dict) != ADDRESS_MAP_NONE)
		return 0;
	if (search->n_modules == search->modules_capacity) {
		search->modules_capacity = search->modules_capacity ? search->modules_capacity * 2 : 256;
		grown = reallocarray(grown, search->modules_capacity, sizeof(*grown));
	}
	if (!grown)
		return -ENOMEM;
	search->modules = grown;
	grown[search->n_modules] = (struct module){module->address, module->type};
	return address_map__put(&search->module_dicts, dict, search->n_modules++);
}

static bool says_nothing(const struct referent *referent)
{
	/* The table of interned strings; up to 3.11 it is a dict. */
	bool is_own_key = (referent->label == REFERENT_DICT_VALUE || referent->label == REFERENT_DICT_KEY) &&
			  referent->key == referent->to;

	return referent->label == REFERENT_CLASS || is_own_key;
}

/* The holder as the graph wants it. Frames are known by what they run. */
static struct holder holder_of(struct holder_search *search, const struct object_ref *object)
{
	const struct stack_frame *frame = holder_search__frame(search, object->address);

	if (frame)
		return (struct holder){frame->address, frame->code, HOLDER_FRAME};
	switch (holder_search__kind(search, object->type)) {
	case OBJECT_MODULE:
		return (struct holder){object->address, object->type, HOLDER_MODULE};
	case OBJECT_TYPE:
		return (struct holder){object->address, object->type, HOLDER_CLASS};
	default:
		return (struct holder){object->address, object->type, HOLDER_NO_ROOT};
	}
}

static bool is_namespace(const struct holder_search *search, const struct holder *holder,
			 const struct referent *referent)
{
	return referent->label == REFERENT_DICT ||
	       (holder->root == HOLDER_CLASS && referent->label == REFERENT_FIELD &&
		referent->key == search->subject.layout->type_dict);
}

static int add_hold(struct holder_search *search, const struct object_ref *object,
		    const struct referent *referent, uint32_t held)
{
	const struct holder holder = holder_of(search, object);
	const struct hold hold = {.held = held, .label = referent->label, .key = referent->key};

	if (is_namespace(search, &holder, referent))
		holder_graph__set_namespace(search->graph, held);
	return holder_graph__add_hold(search->graph, &holder, &hold);
}

static int see_reference(void *context, const struct referent *referent)
{
	struct holder_search *search = context;
	const struct object_ref *object = &search->objects[referent->from];
	uint32_t held;
	int err = 0;

	if (referent->label == REFERENT_DICT && holder_search__kind(search, object->type) == OBJECT_MODULE)
		err = note_module(search, object, referent->to);
	if (err || says_nothing(referent))
		return err;
	held = holder_graph__sought(search->graph, referent->to);
	return held == HOLDER_NONE ? 0 : add_hold(search, object, referent, held);
}

static int look_at(void *context, const struct object_ref *objects, size_t n)
{
	struct holder_search *search = context;
	const struct referent_visitor visitor = {.context = search, .reference = see_reference};

	if (*search->subject.is_interrupted)
		return -EINTR;
	search->objects = objects;
	return referents__visit(search->subject.referents, objects, n, &visitor, &search->losses.referents);
}

/* --- what was met ------------------------------------------------------------------------------------ */

static int hold_by_module(struct holder_search *search, uint32_t dict, const struct module *module)
{
	const struct holder holder = {module->address, module->type, HOLDER_MODULE};
	const struct hold hold = {.held = dict, .label = REFERENT_DICT};
	int err = holder_graph__add_hold(search->graph, &holder, &hold);

	holder_graph__set_namespace(search->graph, dict);
	holder_graph__close(search->graph, dict);
	return err;
}

static int hold_by_frames(struct holder_search *search, uint32_t object)
{
	const struct frame_reference wanted = {.to = holder_graph__address(search->graph, object)};
	const struct frame_reference *local =
		search->n_locals
			? bsearch(&wanted, search->locals, search->n_locals, sizeof(wanted), compare_locals)
			: NULL;
	int err = 0;

	while (local && local > search->locals && local[-1].to == wanted.to)
		local--;
	for (; local && local < search->locals + search->n_locals && local->to == wanted.to && !err;
	     local++) {
		const struct stack_frame *frame = &search->frames[local->frame];

		err = holder_graph__add_hold(
			search->graph, &(struct holder){frame->address, frame->code, HOLDER_FRAME},
			&(struct hold){.held = object, .label = REFERENT_LOCAL, .key = local->index});
	}
	return err;
}

/* Frames have no type. */
static enum object_kind kind_of(const struct holder_search *search, uint32_t object)
{
	if (holder_search__frame(search, holder_graph__address(search->graph, object)))
		return OBJECT_PLAIN;
	return holder_search__kind(search, holder_graph__type(search->graph, object));
}

static int settle(struct holder_search *search, uint32_t object)
{
	uint64_t address = holder_graph__address(search->graph, object);
	uint32_t module = address_map__find(&search->module_dicts, address);
	int err = hold_by_frames(search, object);

	if (!err && module != ADDRESS_MAP_NONE)
		err = hold_by_module(search, object, &search->modules[module]);
	if (kind_of(search, object) == OBJECT_MODULE)
		holder_graph__set_root(search->graph, object, HOLDER_MODULE);
	return err;
}

/* Of what was asked for all holders are wanted. */
static void close_named(struct holder_search *search)
{
	size_t n = holder_graph__n_objects(search->graph);

	for (uint32_t i = holder_graph__n_targets(search->graph); i < n; i++) {
		enum object_kind kind = kind_of(search, i);

		if ((kind == OBJECT_TYPE || kind == OBJECT_FUNCTION) &&
		    holder_graph__is_held_by_closed(search->graph, i))
			holder_graph__close(search->graph, i);
	}
}

static int settle_all(struct holder_search *search)
{
	int err = 0;

	for (; search->n_settled < holder_graph__n_objects(search->graph) && !err; search->n_settled++)
		err = settle(search, search->n_settled);
	if (!err)
		close_named(search);
	return err;
}

/* The objects that the next step would look for. After a pass that was not finished there are none. */
static int conclude(struct holder_search *search, bool is_finished, size_t *ret_n_sought)
{
	int err = settle_all(search);

	*ret_n_sought = 0;
	if (err)
		return err;
	return is_finished ? holder_graph__advance(search->graph, ret_n_sought)
			   : holder_graph__find_chains(search->graph);
}

int holder_search__step(struct holder_search *search, size_t *ret_n_sought, struct error *error)
{
	int err = walk(search, look_at, error);
	bool is_finished = !err;

	if (err && err != -EINTR)
		return err;
	err = conclude(search, is_finished, ret_n_sought);
	return err ? error__set(error, err, "failed to search for holders: %s", strerror(-err)) : 0;
}
