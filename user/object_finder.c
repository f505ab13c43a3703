// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "object_finder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dict_search.h"
#include "object_layout.h"

#define MAX_INTERPRETERS 1024
#define MAX_BASES 256
#define FOUND 1

/* What is looked for among the references of an object. */
struct wanted {
	struct object_finder *finder;
	uint64_t type;    /* of the object */
	const char *name; /* of an attribute; NULL: an item */
	uint64_t index;
	uint64_t dict; /* of its attributes, if there is one */
	uint64_t found;
};

static int read_word(const struct object_finder *finder, uint64_t address, uint64_t *ret_word)
{
	return memory_reader__read(finder->reader, address, ret_word, sizeof(*ret_word));
}

static const struct object_layout *layout_of(const struct object_finder *finder)
{
	return object_layout__get(finder->python->minor);
}

/* 0: what was wanted is not there, if it was no error. */
static int visit(struct object_finder *finder, uint64_t address,
		 int (*reference)(void *, const struct referent *), struct wanted *wanted)
{
	const struct referent_visitor visitor = {.context = wanted, .reference = reference};
	struct object_ref object = {.address = address};
	struct referent_losses losses = {0};
	int err = read_word(finder, address + sizeof(uint64_t), &object.type);

	wanted->type = object.type;
	return err ? err : referents__visit(finder->referents, &object, 1, &visitor, &losses);
}

static int find_in_dict(struct object_finder *finder, uint64_t dict, const char *key, uint64_t *ret_value)
{
	return dict_search__find(finder->reader, finder->python, finder->referents, dict, key, ret_value);
}

/* --- modules ----------------------------------------------------------------------------------------- */

/* The dict of the main interpreter's modules: new interpreters come in front of it. */
static int find_modules(struct object_finder *finder, uint64_t *ret_dict)
{
	const struct py_runtime_layout *runtime = &finder->python->runtime;
	uint64_t interpreter, next;
	int err = read_word(finder, finder->python->interpreters, &next);

	if (!err && !next)
		err = -EFAULT;
	for (int i = 0; next && !err; i++) {
		interpreter = next;
		err = i < MAX_INTERPRETERS ? read_word(finder, interpreter + runtime->interp_next, &next)
					   : -ELOOP;
	}
	return err ? err : read_word(finder, interpreter + runtime->interp_modules, ret_dict);
}

/* The path's first steps, of which n can be the name of a module. */
static size_t count_names(const struct object_path *path)
{
	size_t n = 0;

	while (n < path->n_steps && path->steps[n].kind == STEP_NAME)
		n++;
	return n;
}

/* As much of the path as names a module. */
static int find_module(struct object_finder *finder, const struct object_path *path, size_t *ret_n_steps,
		       uint64_t *ret_module)
{
	uint64_t modules;
	int err = find_modules(finder, &modules);

	if (err)
		return err;
	err = -ENOENT;
	for (size_t n = count_names(path); n > 0 && err == -ENOENT; n--) {
		char *name = strndup(path->text, path->steps[n - 1].end);

		err = name ? find_in_dict(finder, modules, name, ret_module) : -ENOMEM;
		free(name);
		*ret_n_steps = n;
	}
	return err;
}

/* --- attributes -------------------------------------------------------------------------------------- */

static int see_attribute(void *context, const struct referent *referent)
{
	struct wanted *wanted = context;
	bool is_it;
	char *name;

	if (referent->label == REFERENT_DICT)
		wanted->dict = referent->to;
	name = referents__name(wanted->finder->referents, wanted->type, referent->label, referent->key);
	is_it = name && !strcmp(name, wanted->name);
	free(name);
	if (is_it)
		wanted->found = referent->to;
	return is_it ? FOUND : 0;
}

/* In the object itself. 0, -ENOENT. */
static int find_own_attribute(struct object_finder *finder, uint64_t address, const char *name,
			      uint64_t *ret_value)
{
	struct wanted wanted = {.finder = finder, .name = name};
	int err = visit(finder, address, see_attribute, &wanted);

	if (err == FOUND)
		*ret_value = wanted.found;
	if (err)
		return err == FOUND ? 0 : err;
	return wanted.dict ? find_in_dict(finder, wanted.dict, name, ret_value) : -ENOENT;
}

struct bases {
	uint64_t types[MAX_BASES];
	size_t n;
};

static int add_base(void *context, const struct referent *referent)
{
	struct bases *bases = context;

	if (referent->label == REFERENT_ITEM && bases->n < MAX_BASES)
		bases->types[bases->n++] = referent->to;
	return 0;
}

/* In a class or the bases of one, in their order. */
static int find_in_class(struct object_finder *finder, uint64_t type, const char *name, uint64_t *ret_value)
{
	struct bases bases = {.n = 0};
	const struct referent_visitor visitor = {.context = &bases, .reference = add_base};
	struct object_ref order = {0};
	struct referent_losses losses = {0};
	int err = read_word(finder, type + layout_of(finder)->type_mro, &order.address);

	if (!err)
		err = read_word(finder, order.address + sizeof(uint64_t), &order.type);
	if (!err)
		err = referents__visit(finder->referents, &order, 1, &visitor, &losses);
	if (err)
		return err;
	err = -ENOENT;
	for (size_t i = 0; i < bases.n && err == -ENOENT; i++) {
		uint64_t dict = 0;

		if (!read_word(finder, bases.types[i] + layout_of(finder)->type_dict, &dict) && dict)
			err = find_in_dict(finder, dict, name, ret_value);
	}
	return err;
}

static bool is_class(struct object_finder *finder, uint64_t type)
{
	const struct object_shape *shape;

	return !type_shapes__find(referents__shapes(finder->referents), type, &shape) &&
	       shape->kind == OBJECT_TYPE;
}

static int find_attribute(struct object_finder *finder, uint64_t address, const char *name,
			  uint64_t *ret_value)
{
	uint64_t type;
	int err = read_word(finder, address + sizeof(uint64_t), &type);

	if (err)
		return err;
	err = find_own_attribute(finder, address, name, ret_value);
	if (err == -ENOENT && is_class(finder, type))
		err = find_in_class(finder, address, name, ret_value);
	return err == -ENOENT ? find_in_class(finder, type, name, ret_value) : err;
}

/* --- items ------------------------------------------------------------------------------------------- */

static int see_item(void *context, const struct referent *referent)
{
	struct wanted *wanted = context;

	if (referent->label != REFERENT_ITEM || referent->key != wanted->index)
		return 0;
	wanted->found = referent->to;
	return FOUND;
}

static int find_item(struct object_finder *finder, uint64_t address, long index, uint64_t *ret_value)
{
	struct wanted wanted = {.finder = finder, .index = index};
	struct preview preview;
	int err;

	if (index < 0) {
		err = previewer__look(finder->previewer, address, &preview);
		if (err)
			return err;
		wanted.index = preview.has_length ? preview.length + index : UINT64_MAX;
		preview__free(&preview);
	}
	err = visit(finder, address, see_item, &wanted);
	if (err == FOUND)
		*ret_value = wanted.found;
	return err == FOUND ? 0 : err ? err : -ENOENT;
}

/* --- the path ---------------------------------------------------------------------------------------- */

static int take_step(struct object_finder *finder, const struct path_step *step, uint64_t from,
		     uint64_t *ret_to)
{
	switch (step->kind) {
	case STEP_NAME:
		return find_attribute(finder, from, step->text, ret_to);
	case STEP_KEY:
		return find_in_dict(finder, from, step->text, ret_to);
	default:
		return find_item(finder, from, step->index, ret_to);
	}
}

static int explain(const struct object_path *path, int err, struct error *error)
{
	const char *reason = err == -ESRCH ? "the process has ended" : strerror(-err);

	if (err == -EFAULT)
		reason = "an object on the way was changing";
	return error__set(error, err, "failed to get '%s': %s", path->text, reason);
}

static int explain_module(const struct object_path *path, int err, struct error *error)
{
	int n = (int)path->steps[0].end;

	if (err != -ENOENT)
		return explain(path, err, error);
	error__set(error, err, "failed to get '%s': no module '%.*s' is imported", path->text, n, path->text);
	error__hint(error, "the program itself is the module __main__");
	return err;
}

/* "app.cache (dict of 12) has no key 'x'" */
static int explain_step(struct object_finder *finder, const struct object_path *path, size_t i, uint64_t from,
			int err, struct error *error)
{
	const struct path_step *step = &path->steps[i];
	int n = (int)path->steps[i - 1].end;
	struct preview preview;

	if (err != -ENOENT || previewer__look(finder->previewer, from, &preview))
		return explain(path, err, error);
	error__set(error, err, "failed to get '%s': %.*s, %s, has no %s %s", path->text, n, path->text,
		   preview.text,
		   step->kind == STEP_NAME  ? "attribute"
		   : step->kind == STEP_KEY ? "key"
					    : "item",
		   step->text ? step->text : path->text + n);
	preview__free(&preview);
	return err;
}

int object_finder__find(struct object_finder *finder, const struct object_path *path, uint64_t *ret_address,
			struct error *error)
{
	uint64_t address = 0, next = 0;
	size_t i = 0;
	int err = find_module(finder, path, &i, &address);

	if (err)
		return explain_module(path, err, error);
	for (; i < path->n_steps; i++) {
		err = take_step(finder, &path->steps[i], address, &next);
		if (err)
			return explain_step(finder, path, i, address, err, error);
		address = next;
	}
	*ret_address = address;
	return 0;
}
