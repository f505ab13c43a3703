// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "frame_locals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_layout.h"
#include "target_text.h"

#define MAX_LOCALS 1024

/* co_localspluskinds: CO_FAST_CELL and CO_FAST_FREE. */
#define KINDS_OF_CELLS 0xc0

/* A frame's variables: the addresses of their names and values; 0: none. */
struct variables {
	struct locals_reader *reader;
	const struct object_layout *layout;
	uint64_t names[MAX_LOCALS], values[MAX_LOCALS];
	uint8_t kinds[MAX_LOCALS];
	size_t n;
	size_t base; /* where the tuple of names that is being read begins */
};

static int read_code(const struct variables *variables, const struct stack_frame *frame, uint16_t offset,
		     void *to, size_t bytes)
{
	if (offset == PY_NO_FIELD)
		return -EFAULT;
	return memory_reader__read(variables->reader->reader, frame->code + offset, to, bytes);
}

#define ENOUGH 1

/* --- names ------------------------------------------------------------------------------------------- */

static int add_name(void *context, const struct referent *referent)
{
	struct variables *variables = context;
	uint64_t i = variables->base + referent->key;

	if (referent->label != REFERENT_ITEM)
		return 0;
	if (i >= MAX_LOCALS)
		return ENOUGH;
	variables->names[i] = referent->to;
	if (i >= variables->n)
		variables->n = i + 1;
	return 0;
}

/* The names in one tuple of the code object, behind those that there are. */
static int read_names(struct variables *variables, const struct stack_frame *frame, uint16_t offset)
{
	const struct referent_visitor visitor = {.context = variables, .reference = add_name};
	struct referent_losses losses = {0};
	struct object_ref tuple = {0};
	int err = read_code(variables, frame, offset, &tuple.address, sizeof(tuple.address));

	if (!err)
		err = memory_reader__read(variables->reader->reader, tuple.address + sizeof(uint64_t),
					  &tuple.type, sizeof(tuple.type));
	if (err)
		return err == -EFAULT ? 0 : err;
	variables->base = variables->n;
	err = referents__visit(variables->reader->referents, &tuple, 1, &visitor, &losses);
	return err == ENOUGH ? 0 : err;
}

/* Up to 3.10 cells and free variables come behind the locals. */
static void mark_cells(struct variables *variables, const struct stack_frame *frame)
{
	uint32_t n_locals = MAX_LOCALS;

	read_code(variables, frame, variables->layout->code_n_locals, &n_locals, sizeof(n_locals));
	for (size_t i = n_locals; i < variables->n; i++)
		variables->kinds[i] = KINDS_OF_CELLS;
}

static void read_kinds(struct variables *variables, const struct stack_frame *frame)
{
	const struct py_layout *py = &variables->reader->python->layout;
	uint64_t kinds;

	if (!read_code(variables, frame, variables->layout->code_local_kinds, &kinds, sizeof(kinds)))
		memory_reader__read(variables->reader->reader, kinds + py->bytes_data, variables->kinds,
				    variables->n);
}

static int read_code_names(struct variables *variables, const struct stack_frame *frame)
{
	const struct object_layout *layout = variables->layout;
	int err = read_names(variables, frame, layout->code_local_names);

	if (!err)
		err = read_names(variables, frame, layout->code_cell_names);
	if (!err)
		err = read_names(variables, frame, layout->code_free_names);
	if (layout->code_local_kinds == PY_NO_FIELD)
		mark_cells(variables, frame);
	else
		read_kinds(variables, frame);
	return err;
}

/* --- values ------------------------------------------------------------------------------------------ */

static int add_value(void *context, const struct referent *referent)
{
	struct variables *variables = context;

	if (referent->label == REFERENT_LOCAL && referent->key < variables->n)
		variables->values[referent->key] = referent->to;
	return 0;
}

static int read_values(struct variables *variables, const struct stack_frame *frame)
{
	const struct referent_visitor visitor = {.context = variables, .reference = add_value};
	struct referent_losses losses = {0};

	return referents__visit_frames(variables->reader->referents, frame, 1, &visitor, &losses);
}

/* What is in a cell; 0: nothing. A parameter becomes a cell only when its function begins. */
static uint64_t value_in(struct variables *variables, uint64_t address)
{
	struct type_shapes *shapes = referents__shapes(variables->reader->referents);
	const struct object_shape *shape;
	uint64_t type, contents;

	if (memory_reader__read(variables->reader->reader, address + sizeof(type), &type, sizeof(type)) ||
	    type_shapes__find(shapes, type, &shape) || shape->kind != OBJECT_CELL)
		return address;
	if (memory_reader__read(variables->reader->reader, address + variables->layout->cell_contents,
				&contents, sizeof(contents)))
		return 0;
	return contents;
}

static void drop_locals(struct frame_locals *locals)
{
	for (size_t i = 0; i < locals->n; i++) {
		free(locals->locals[i].name);
		preview__free(&locals->locals[i].preview);
	}
	free(locals->locals);
	locals->locals = NULL;
	locals->n = 0;
}

/* --- variables --------------------------------------------------------------------------------------- */

static int add_variable(struct variables *variables, size_t i, struct frame_locals *locals)
{
	struct locals_reader *reader = variables->reader;
	struct frame_local *local = &locals->locals[locals->n];
	uint64_t value = variables->values[i];
	int err;

	if (value && variables->kinds[i] & KINDS_OF_CELLS)
		value = value_in(variables, value);
	local->name =
		value ? target_text__str(reader->reader, &reader->python->layout, variables->names[i]) : NULL;
	if (!local->name)
		return 0;
	locals->n++;
	err = previewer__look(reader->previewer, value, &local->preview);
	return err == -EFAULT ? 0 : err;
}

static int read_variables(struct variables *variables, const struct stack_frame *frame,
			  struct frame_locals *ret_locals)
{
	int err = read_code_names(variables, frame);

	if (!err)
		err = read_values(variables, frame);
	if (err)
		return err;
	ret_locals->locals = calloc(variables->n + 1, sizeof(*ret_locals->locals));
	if (!ret_locals->locals)
		return -ENOMEM;
	for (size_t i = 0; i < variables->n && !err; i++)
		err = add_variable(variables, i, ret_locals);
	return err;
}

/* Whether it runs the same code as before; what was read may be another's otherwise. */
static bool is_there(const struct locals_reader *reader, const struct stack_frame *frame)
{
	const struct py_layout *py = &reader->python->layout;
	uint64_t code;

	return !memory_reader__read(reader->reader, frame->address + py->frame_code, &code, sizeof(code)) &&
	       (code & ~(uint64_t)py->code_tag_mask) == frame->code;
}

int frame_locals__read(struct locals_reader *reader, const struct stack_frame *frame,
		       struct frame_locals *ret_locals)
{
	struct variables *variables = calloc(1, sizeof(*variables));
	struct frame_locals locals = {0};
	int err;

	if (!variables)
		return -ENOMEM;
	variables->reader = reader;
	variables->layout = object_layout__get(reader->python->minor);
	err = read_variables(variables, frame, &locals);
	free(variables);
	locals.is_torn = !err && !is_there(reader, frame);
	if (err || locals.is_torn)
		drop_locals(&locals);
	if (!err)
		*ret_locals = locals;
	return err;
}

void frame_locals__free(struct frame_locals *locals)
{
	drop_locals(locals);
	*locals = (struct frame_locals){0};
}

int frame_locals__read_all(struct locals_reader *reader, const struct stack_frame *frames, size_t n,
			   struct frame_locals **ret_locals)
{
	struct frame_locals *locals = calloc(n + 1, sizeof(*locals));
	int err = locals ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		err = frame_locals__read(reader, &frames[i], &locals[i]);
	if (err)
		frame_locals__free_all(locals, n);
	else
		*ret_locals = locals;
	return err;
}

void frame_locals__free_all(struct frame_locals *locals, size_t n)
{
	for (size_t i = 0; locals && i < n; i++)
		frame_locals__free(&locals[i]);
	free(locals);
}
