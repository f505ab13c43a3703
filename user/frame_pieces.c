// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Up to 3.10 frames are objects, with their fast locals and the stack of temporary values inside. From 3.11
 * on interpreter frames have these; they lie on the thread's own stack, in a generator, or in a frame object
 * when the call is over. How many fast locals there are their code object says then.
 */
#include <string.h>

#include "fingerprint.h"
#include "object_part.h"

#define MAX_FAST_LOCALS (1 << 16)

/* --- frames ------------------------------------------------------------------------------------------ */

static uint64_t untagged(const struct part *part, uint64_t word)
{
	return part->layout->inner_fast_locals == PY_NO_FIELD ? word : word & ~UINT64_C(1);
}

static struct object_piece *add_locals(const struct part *part, uint64_t address, uint64_t n)
{
	if (n > MAX_FAST_LOCALS)
		part__distrust(part);
	return part__add(part, PIECE_LOCALS, address, WORD_BYTES, n > MAX_FAST_LOCALS ? 0 : n);
}

/* Up to 3.10. The temporary values of a frame that runs are not known. */
static void parse_frame_object(const struct part *part)
{
	const struct object_layout *layout = part->layout;
	uint64_t fast = part->piece->object + layout->frame_fast_locals, top;
	uint64_t stack = part__field(part, layout->frame_value_stack);
	int32_t depth = (int32_t)part__field(part, layout->frame_stack_depth);

	top = layout->frame_stack_top == PY_NO_FIELD ? stack + (depth > 0 ? depth : 0) * WORD_BYTES
						     : part__field(part, layout->frame_stack_top);
	if (top < stack)
		top = stack;
	if (stack < fast || (top - fast) / WORD_BYTES > part__field(part, layout->var_size))
		part__distrust(part);
	else
		add_locals(part, fast, (top - fast) / WORD_BYTES);
}

static void add_inner_frame(const struct part *part, uint64_t address)
{
	part__add(part, PIECE_FRAME, address, part->layout->inner_fast_locals, 1);
}

/* The frame of a call that is over belongs to its object, others to a thread or a generator. */
void frame_pieces__parse_object(const struct part *part)
{
	uint64_t inner = part__field(part, part->layout->frame_inner);

	if (part->layout->frame_inner == PY_NO_FIELD)
		parse_frame_object(part);
	else if (inner > part->piece->object && inner - part->piece->object < part->piece->shape->basic_bytes)
		add_inner_frame(part, inner);
}

/* When it has ended, only the code is left of its frame. */
void frame_pieces__parse_generator(const struct part *part)
{
	const struct object_layout *layout = part->layout;
	uint16_t code;

	if (layout->generator_inner_frame == PY_NO_FIELD)
		return;
	code = layout->generator_inner_frame + layout->inner_code;
	if ((int8_t)part__byte(part, layout->generator_state) < GENERATOR_CLEARED)
		add_inner_frame(part, part->piece->object + layout->generator_inner_frame);
	else
		part__emit(part, untagged(part, part__field(part, code)), REFERENT_FIELD, code);
}

/* Fast locals and temporary values in use; 0 while the frame runs. */
static uint64_t stack_use(const struct part *part, uint64_t fast)
{
	uint64_t top = part__field(part, part->layout->inner_stack_top);
	int32_t depth = (int32_t)part__field(part, part->layout->inner_stack_depth);

	if (part->layout->inner_stack_depth != PY_NO_FIELD)
		return depth > 0 ? depth : 0;
	return top > fast ? (top - fast) / WORD_BYTES : 0;
}

void frame_pieces__parse_inner(const struct part *part)
{
	const struct object_layout *layout = part->layout;
	const uint16_t offsets[] = {layout->inner_code, layout->inner_function, layout->inner_locals,
				    layout->inner_frame_object};
	uint64_t frame = part->piece->address, fast = frame + layout->inner_fast_locals;
	uint64_t code = untagged(part, part__field(part, layout->inner_code));
	struct object_piece *more;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		part__emit(part, untagged(part, part__field(part, offsets[i])), REFERENT_FIELD,
			   frame - part->piece->object + offsets[i]);
	if (!object__may_be_pointer(code)) {
		part__distrust(part);
		return;
	}
	more = part__add(part, PIECE_CODE, code + layout->code_n_fast, sizeof(uint32_t), 1);
	more->values = fast;
	more->n_left = stack_use(part, fast);
	more->guard = frame + layout->inner_code;
	more->expected = part__field(part, layout->inner_code);
}

void frame_pieces__parse_code(const struct part *part)
{
	const struct object_piece *piece = part->piece;
	struct object_piece *more;
	uint32_t n_fast;

	memcpy(&n_fast, part->elements, sizeof(n_fast));
	more = add_locals(part, piece->values, piece->n_left > n_fast ? piece->n_left : n_fast);
	more->guard = piece->guard;
	more->expected = piece->expected;
}

void frame_pieces__parse_locals(const struct part *part)
{
	for (size_t i = 0; i < part->n; i++)
		part__emit(part, untagged(part, part__word(part->elements, i)), REFERENT_LOCAL,
			   part->piece->index + i);
}
