/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "holder_names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code_object.h"
#include "fingerprint.h"
#include "preview.h"
#include "target_text.h"
#include "type_names.h"

#define MAX_FAST_LOCALS 65536
#define KEY_SHOWN_CHARACTERS 4

struct holder_names {
	struct holder_subject subject;
	struct holder_search *search;
	const struct holder_graph *graph;
	struct type_names types;
	struct previewer previewer;
};

struct holder_names *holder_names__new(const struct holder_subject *subject, struct holder_search *search)
{
	struct holder_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->subject = *subject;
	names->search = search;
	names->graph = holder_search__graph(search);
	names->types = (struct type_names){.reader = subject->reader, .python = subject->python};
	names->previewer = previewer__make(subject->reader, subject->python,
					   referents__shapes(subject->referents), true);
	return names;
}

void holder_names__free(struct holder_names *names)
{
	free(names);
}

void holder_link__free(struct holder_link *link)
{
	free(link->type);
	free(link->name);
	free(link->step);
	free(link->shape);
}

/* --- reading ----------------------------------------------------------------------------------------- */

/* 0: there is none. */
static uint64_t read_address(const struct holder_names *names, uint64_t field)
{
	uint64_t address;

	return memory_reader__read(names->subject.reader, field, &address, sizeof(address)) ? 0 : address;
}

static char *read_str(const struct holder_names *names, uint64_t address)
{
	return target_text__str(names->subject.reader, &names->subject.python->layout, address);
}

static char *read_text(const struct holder_names *names, uint64_t field)
{
	return read_str(names, read_address(names, field));
}

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *text, ...)
{
	char *made;
	va_list args;

	va_start(args, text);
	if (vasprintf(&made, text, args) < 0)
		made = NULL;
	va_end(args);
	return made;
}

char *holder_names__type(struct holder_names *names, uint64_t type)
{
	struct object_type known = {.address = type}; /* with a name in C, if it is none of a class */
	uint8_t bytes[OBJECT_TYPE_BYTES];

	if (!memory_reader__read(names->subject.reader, type, bytes, sizeof(bytes)))
		object_type__parse(bytes, type, names->subject.python->runtime.gc_head_bytes, &known);
	return type_names__read(&names->types, &known);
}

/* --- objects ----------------------------------------------------------------------------------------- */

/* "function app.handle" */
static char *name_with_module(struct holder_names *names, const char *kind, uint64_t module_field,
			      uint64_t name_field)
{
	char *module = module_field ? read_text(names, module_field) : NULL,
	     *name = read_text(names, name_field);
	char *made = NULL;

	if (name && module)
		made = format("%s %s.%s", kind, module, name);
	else if (name)
		made = format("%s %s", kind, name);
	free(module);
	free(name);
	return made;
}

static char *name_function(struct holder_names *names, const char *kind, uint64_t function)
{
	const struct object_layout *layout = names->subject.layout;

	return name_with_module(names, kind, function + layout->function_module,
				function + layout->function_qualname);
}

static char *name_class(struct holder_names *names, uint64_t class)
{
	char *name = holder_names__type(names, class), *made = name ? format("class %s", name) : NULL;

	free(name);
	return made;
}

/* The code object that a frame runs, running or not; 0: not known. */
static uint64_t code_of_frame(const struct holder_names *names, uint64_t frame)
{
	const struct object_layout *layout = names->subject.layout;
	const struct stack_frame *running = holder_search__frame(names->search, frame);
	uint64_t inner;

	if (running)
		return running->code;
	if (layout->frame_inner == PY_NO_FIELD)
		return read_address(names, frame + layout->frame_code);
	inner = read_address(names, frame + layout->frame_inner);
	return inner ? read_address(names, inner + layout->inner_code) & ~UINT64_C(7) : 0;
}

static char *name_frame(struct holder_names *names, uint64_t frame)
{
	const struct py_layout *py = &names->subject.python->layout;
	const struct stack_frame *running = holder_search__frame(names->search, frame);
	uint64_t address = code_of_frame(names, frame);
	struct code_object code = {};
	struct profile_frame place;
	char *made;

	if (!address)
		return NULL;
	code_object__read(&code, py, names->subject.reader, address);
	place = code_object__frame(&code, py, running ? running->instr : 0);
	if (running && place.line)
		made = format("frame of %s (%s:%d)", place.function, place.file, place.line);
	else
		made = format("frame of %s (%s)", place.function, place.file);
	code_object__free(&code);
	return made;
}

static bool is_generator(const char *type)
{
	return !strcmp(type, "coroutine") || !strcmp(type, "generator") || !strcmp(type, "async_generator");
}

/* NULL: it has no name of its own. */
static char *name_object(struct holder_names *names, uint32_t object, const char *type)
{
	const struct object_layout *layout = names->subject.layout;
	uint64_t address = holder_graph__address(names->graph, object);

	if (holder_search__frame(names->search, address) || !strcmp(type, "frame"))
		return name_frame(names, address);
	switch (holder_search__kind(names->search, holder_graph__type(names->graph, object))) {
	case OBJECT_MODULE:
		return name_with_module(names, "module", 0, address + layout->module_name);
	case OBJECT_TYPE:
		return name_class(names, address);
	case OBJECT_FUNCTION:
		return name_function(names, "function", address);
	default:
		break;
	}
	if (!strcmp(type, "method"))
		return name_function(names, "method", read_address(names, address + layout->method_function));
	if (is_generator(type))
		return name_with_module(names, type, 0, address + layout->generator_qualname);
	return NULL;
}

static void name_link(struct holder_names *names, uint32_t object, struct holder_link *link)
{
	link->address = holder_graph__address(names->graph, object);
	if (holder_search__frame(names->search, link->address))
		link->type = strdup("frame");
	else
		link->type = holder_names__type(names, holder_graph__type(names->graph, object));
	if (link->type)
		link->name = name_object(names, object, link->type);
}

/* --- local variables --------------------------------------------------------------------------------- */

static int64_t tuple_length(const struct holder_names *names, uint64_t tuple)
{
	return tuple ? (int64_t)read_address(names, tuple + names->subject.layout->var_size) : 0;
}

static char *read_item(struct holder_names *names, uint64_t tuple, uint64_t index)
{
	return read_text(names, tuple + names->subject.layout->tuple_items + index * sizeof(uint64_t));
}

/* Fast locals are the local variables, then cells and free variables, which have names apart up to 3.10. */
static char *read_local_name(struct holder_names *names, uint64_t code, uint64_t index)
{
	const struct object_layout *layout = names->subject.layout;
	const uint16_t fields[] = {layout->code_local_names, layout->code_cell_names,
				   layout->code_free_names};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && fields[i] != PY_NO_FIELD; i++) {
		uint64_t tuple = read_address(names, code + fields[i]);
		int64_t n = tuple_length(names, tuple);

		if (n < 0 || n > MAX_FAST_LOCALS)
			return NULL;
		if (index < (uint64_t)n)
			return read_item(names, tuple, index);
		index -= n;
	}
	return NULL;
}

static uint64_t code_of(struct holder_names *names, uint32_t object, const char *type)
{
	const struct object_layout *layout = names->subject.layout;
	uint64_t address = holder_graph__address(names->graph, object);

	if (!is_generator(type))
		return code_of_frame(names, address);
	if (layout->generator_inner_frame == PY_NO_FIELD)
		return read_address(names, address + layout->generator_code);
	return read_address(names, address + layout->generator_inner_frame + layout->inner_code) &
	       ~UINT64_C(7);
}

static char *name_local(struct holder_names *names, const struct hold *hold, const char *type)
{
	uint64_t code = type ? code_of(names, hold->holder, type) : 0;
	char *name = code ? read_local_name(names, code, hold->key) : NULL;
	char *made = name ? format(" local %s", name) : strdup(" (temporary value)");

	free(name);
	return made;
}

/* The free variables are the last of the fast locals. */
static char *read_free_name(struct holder_names *names, uint64_t function, uint64_t closure, uint64_t index)
{
	const struct object_layout *layout = names->subject.layout;
	uint64_t code = read_address(names, function + layout->function_code), tuple;
	int64_t n = tuple_length(names, closure), n_all;

	if (!code || n < 0 || index >= (uint64_t)n)
		return NULL;
	if (layout->code_free_names != PY_NO_FIELD)
		return read_item(names, read_address(names, code + layout->code_free_names), index);
	tuple = read_address(names, code + layout->code_local_names);
	n_all = tuple_length(names, tuple);
	return n_all < n || n_all > MAX_FAST_LOCALS ? NULL : read_item(names, tuple, n_all - n + index);
}

/* --- steps ------------------------------------------------------------------------------------------- */

static char *name_field(struct holder_names *names, const struct hold *hold)
{
	char *name = referents__name(names->subject.referents, holder_graph__type(names->graph, hold->holder),
				     hold->label, hold->key);
	char *made = name ? format(".%s", name) : format(" (at offset %" PRIu64 ")", hold->key);

	free(name);
	return made;
}

/* Of a str that is a secret the beginning: enough to tell one key from another. */
static char *read_key(struct holder_names *names, uint64_t key)
{
	const struct holder_subject *subject = &names->subject;
	struct preview preview = {};
	char *start, *made;

	if (previewer__look(&names->previewer, key, &preview))
		return NULL;
	if (strcmp(preview.type, "str") != 0 || preview.length <= PREVIEW_SECRET_LENGTH) {
		made = preview.text;
		preview.text = NULL;
	} else {
		start = target_text__str_start(subject->reader, &subject->python->layout, key,
					       KEY_SHOWN_CHARACTERS);
		made = start ? format("'%s…'", start) : NULL;
		free(start);
	}
	preview__free(&preview);
	return made;
}

static char *name_dict_value(struct holder_names *names, const struct hold *hold)
{
	char *key, *made;

	if (holder_graph__is_namespace(names->graph, hold->holder)) {
		key = read_str(names, hold->key);
		made = format(".%s", key ? key : "?");
	} else {
		key = read_key(names, hold->key);
		made = format("[%s]", key ? key : "…");
	}
	free(key);
	return made;
}

static char *name_step(struct holder_names *names, const struct hold *hold, const char *type)
{
	switch (hold->label) {
	case REFERENT_ITEM:
		return format("[%" PRIu64 "]", hold->key);
	case REFERENT_DICT_VALUE:
		return name_dict_value(names, hold);
	case REFERENT_MEMBER:
		return strdup(" (member)");
	case REFERENT_DICT_KEY:
		return strdup(" (key)");
	case REFERENT_CELL:
		return strdup(".cell_contents");
	case REFERENT_LOCAL:
		return name_local(names, hold, type);
	case REFERENT_DICT:
		return strdup(".__dict__");
	default:
		return name_field(names, hold);
	}
}

/* Keys and indices differ between chains of one shape. */
static char *shape_of(const struct holder_names *names, const struct hold *hold, const char *step)
{
	bool is_indexed =
		hold->label == REFERENT_ITEM || (hold->label == REFERENT_DICT_VALUE &&
						 !holder_graph__is_namespace(names->graph, hold->holder));

	return is_indexed ? strdup("[…]") : step ? strdup(step) : NULL;
}

static bool is_same_step(const struct holder_link *a, const struct holder_link *b)
{
	return a->type && b->type && a->shape && b->shape && !strcmp(a->type, b->type) &&
	       !strcmp(a->shape, b->shape);
}

static void drop_step(struct holder_link *link)
{
	free(link->step);
	free(link->shape);
	link->step = link->shape = NULL;
}

/* function.__closure__[0].cell_contents is the function's variable of some name. */
static void join_closure(struct holder_names *names, const struct hold *holds, struct holder_link *links)
{
	char *name = read_free_name(names, links[0].address, links[1].address, holds[1].key);

	if (!name)
		return;
	for (int i = 0; i < 3; i++)
		drop_step(&links[i]);
	links[0].step = format(" variable %s", name);
	links[0].shape = format(" variable %s", name);
	links[1].is_joined = links[2].is_joined = true;
	free(name);
}

static bool is_closure(const struct holder_names *names, const struct hold *holds, size_t n)
{
	uint64_t function = n >= 3 ? holder_graph__type(names->graph, holds[0].holder) : 0;

	return function && holds[0].label == REFERENT_FIELD && holds[1].label == REFERENT_ITEM &&
	       holds[2].label == REFERENT_CELL &&
	       holder_search__kind(names->search, function) == OBJECT_FUNCTION &&
	       holds[0].key == names->subject.layout->function_closure;
}

static void join(struct holder_names *names, const struct hold *holds, size_t n, struct holder_link *links)
{
	if (holder_graph__is_namespace(names->graph, holds[0].held)) {
		drop_step(&links[0]);
		links[1].is_joined = true;
	} else if (is_closure(names, holds, n)) {
		join_closure(names, holds, links);
	}
}

void holder_names__links(struct holder_names *names, const struct hold *holds, size_t n, uint32_t target,
			 struct holder_link ret_links[])
{
	for (size_t i = 0; i <= n; i++) {
		struct holder_link *link = &ret_links[i];

		*link = (struct holder_link){};
		name_link(names, i < n ? holds[i].holder : target, link);
		if (i == n)
			break;
		link->step = name_step(names, &holds[i], link->type);
		link->shape = shape_of(names, &holds[i], link->step);
		link->is_repeated = i && is_same_step(link - 1, link);
	}
	for (size_t i = 0; i < n; i++)
		join(names, &holds[i], n - i, &ret_links[i]);
}
