// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A coroutine that is suspended in an await keeps what it awaits as the last of its temporary values: another
 * coroutine, an asynchronous generator's step, or the iterator of a future, which ends the chain. One that
 * has not started has no such value, and one that runs keeps its values elsewhere.
 */
#include "coroutine_stack.h"

#include <errno.h>
#include <string.h>

#include "fingerprint.h"

#define FORWARDED 16 /* the first field of a forwarder, behind its type */
#define OBJECT_TYPE 8
#define MAX_LINKS 10000
#define MAX_VALUES 65536        /* of a frame */
#define SUSPENDED_IN_AWAIT (-1) /* gi_frame_state, from 3.11 on; up to 3.12 also in a yield */
#define EXECUTING 0

/* A frame as it was found. */
struct suspended {
	uint64_t frame; /* 0: it has ended */
	uint64_t value; /* address of the last temporary value; 0: there is none */
	bool is_running;
};

static int read_word(const struct coroutine_reader *reader, uint64_t address, uint64_t *ret_word)
{
	return memory_reader__read(reader->reader, address, ret_word, sizeof(*ret_word));
}

/* Up to 3.9 the frame says where its values end; it does not while it runs. */
static int find_value_below(const struct coroutine_reader *reader, struct suspended *suspended)
{
	const struct object_layout *objects = reader->objects;
	uint64_t top, first;
	int err = read_word(reader, suspended->frame + objects->frame_stack_top, &top);

	if (!err)
		err = read_word(reader, suspended->frame + objects->frame_value_stack, &first);
	if (err)
		return err;
	suspended->is_running = !top;
	if (top && (top < first || top - first > MAX_VALUES * sizeof(uint64_t)))
		return -EAGAIN;
	suspended->value = top > first ? top - sizeof(uint64_t) : 0;
	return 0;
}

/* In 3.10 it says how many there are; -1 while it runs. */
static int find_value_counted(const struct coroutine_reader *reader, struct suspended *suspended)
{
	const struct object_layout *objects = reader->objects;
	uint64_t first;
	int32_t depth;
	int err = memory_reader__read(reader->reader, suspended->frame + objects->frame_stack_depth, &depth,
				      sizeof(depth));

	if (!err)
		err = read_word(reader, suspended->frame + objects->frame_value_stack, &first);
	if (err)
		return err;
	suspended->is_running = depth < 0;
	if (depth > MAX_VALUES)
		return -EAGAIN;
	suspended->value = depth > 0 ? first + (depth - 1) * sizeof(uint64_t) : 0;
	return 0;
}

static int find_frame_object(const struct coroutine_reader *reader, uint64_t generator,
			     struct suspended *suspended)
{
	int err = read_word(reader, generator + reader->objects->generator_frame, &suspended->frame);

	if (err || !suspended->frame)
		return err;
	return reader->objects->frame_stack_top != PY_NO_FIELD ? find_value_below(reader, suspended)
							       : find_value_counted(reader, suspended);
}

/* From 3.11 to 3.13 how many there are behind the fast locals, later where they end. */
static int find_inner_value(const struct coroutine_reader *reader, struct suspended *suspended)
{
	const struct object_layout *objects = reader->objects;
	uint64_t first = suspended->frame + objects->inner_fast_locals, top;
	int32_t depth;
	int err;

	if (objects->inner_stack_top != PY_NO_FIELD) {
		err = read_word(reader, suspended->frame + objects->inner_stack_top, &top);
	} else {
		err = memory_reader__read(reader->reader, suspended->frame + objects->inner_stack_depth,
					  &depth, sizeof(depth));
		top = first + depth * sizeof(uint64_t);
	}
	if (err)
		return err;
	if (top <= first || top - first > MAX_VALUES * sizeof(uint64_t))
		return -EAGAIN;
	suspended->value = top - sizeof(uint64_t);
	return 0;
}

/* From 3.11 on the frame is in the coroutine, which knows what state it is in. */
static int find_inner_frame(const struct coroutine_reader *reader, uint64_t generator, enum type_kind kind,
			    struct suspended *suspended)
{
	int8_t state;
	int err = memory_reader__read(reader->reader, generator + reader->objects->generator_state, &state,
				      sizeof(state));

	if (err || state > EXECUTING)
		return err;
	suspended->frame = generator + reader->objects->generator_inner_frame;
	suspended->is_running = state == EXECUTING;
	if (state != SUSPENDED_IN_AWAIT || (kind == TYPE_GENERATOR && reader->python->minor <= 12))
		return 0;
	return find_inner_value(reader, suspended);
}

static int find_suspended(const struct coroutine_reader *reader, uint64_t generator, enum type_kind kind,
			  struct suspended *ret_suspended)
{
	struct suspended suspended = {};
	int err = reader->objects->generator_frame != PY_NO_FIELD
			  ? find_frame_object(reader, generator, &suspended)
			  : find_inner_frame(reader, generator, kind, &suspended);

	if (!err)
		*ret_suspended = suspended;
	return err;
}

/* --- the chain --------------------------------------------------------------------------------------- */

/* The innermost frames are kept, and they come last. */
static struct stack_frame *make_room(struct python_stack *stack)
{
	if (stack->n_frames == LINGER_MAX_FRAMES) {
		memmove(stack->frames, stack->frames + 1, --stack->n_frames * sizeof(stack->frames[0]));
		stack->truncated = true;
	}
	return &stack->frames[stack->n_frames++];
}

static int add_frame(const struct coroutine_reader *reader, uint64_t address, struct python_stack *stack)
{
	const struct py_layout *py = &reader->python->layout;
	struct frame_extent extent = python__frame_extent(py);
	char bytes[PY_FRAME_BYTES];
	int err = memory_reader__read(reader->reader, address + extent.start, bytes, extent.bytes);

	if (!err)
		*make_room(stack) = stack_frame__parse(bytes, extent.start, py, address);
	return err;
}

/* Adds the frame of a coroutine or generator, and finds what it awaits. */
static int follow(const struct coroutine_reader *reader, uint64_t generator, enum type_kind kind,
		  struct coroutine_stack *stack, uint64_t *ret_awaited)
{
	struct suspended suspended;
	uint64_t awaited = 0;
	int err = find_suspended(reader, generator, kind, &suspended);

	if (err)
		return err;
	stack->is_running |= suspended.is_running;
	if (suspended.frame && !suspended.is_running)
		err = add_frame(reader, suspended.frame, &stack->stack);
	if (!err && suspended.value)
		err = read_word(reader, suspended.value, &awaited);
	*ret_awaited = awaited & ~UINT64_C(7); /* from 3.14 on references have tags */
	return err;
}

static int read_kind(const struct coroutine_reader *reader, uint64_t object, enum type_kind *ret_kind)
{
	uint64_t type;
	int err = object__may_be_pointer(object) ? read_word(reader, object + OBJECT_TYPE, &type) : -EAGAIN;

	return err ? err : type_kinds__find(reader->kinds, type, ret_kind);
}

static void put_innermost_first(struct python_stack *stack)
{
	for (size_t i = 0; i < stack->n_frames / 2; i++) {
		struct stack_frame *a = &stack->frames[i], *b = &stack->frames[stack->n_frames - 1 - i];
		struct stack_frame frame = *a;

		*a = *b;
		*b = frame;
	}
}

/* One step from an object to what it awaits; 0: that ends the chain. */
static int step(const struct coroutine_reader *reader, uint64_t *object, struct coroutine_stack *stack)
{
	enum type_kind kind;
	int err = read_kind(reader, *object, &kind);

	if (err)
		return err;
	if (kind == TYPE_FORWARDER)
		return read_word(reader, *object + FORWARDED, object);
	if (kind != TYPE_OTHER && kind != TYPE_TASK)
		return follow(reader, *object, kind, stack, object);
	*object = 0;
	return 0;
}

int coroutine_stack__read(const struct coroutine_reader *reader, uint64_t coroutine,
			  struct coroutine_stack *ret_stack)
{
	struct python_stack *stack = &ret_stack->stack;
	uint64_t object = coroutine;
	int err = 0;

	ret_stack->is_running = false;
	stack->n_frames = 0;
	stack->truncated = false;
	for (int links = 0; object && links < MAX_LINKS && !err; links++)
		err = step(reader, &object, ret_stack);
	if (err)
		return err;
	if (object)
		return -ELOOP;
	if (ret_stack->is_running)
		stack->n_frames = 0;
	put_innermost_first(stack);
	return 0;
}
