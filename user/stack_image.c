// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stack_image.h"

#include <errno.h>
#include <string.h>

#include "python.h"

/* Frames that only mark C calls are between the others, never more of them. */
#define MAX_LINKS (2 * LINGER_MAX_FRAMES)

/* --- bytes ------------------------------------------------------------------------------------------- */

/* The piece that an address lies in; n_pieces if none. */
static size_t find_piece(const struct stack_image *image, uint64_t address)
{
	size_t low = 0, high = image->n_pieces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address - image->addresses[middle] < image->piece_bytes)
			return middle;
		if (address < image->addresses[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return image->n_pieces;
}

/* What lies in one piece, or begins in one and ends in the next. */
static const char *find_bytes(const struct stack_image *image, uint64_t address, uint32_t bytes,
			      uint64_t *ret_missing)
{
	size_t piece = find_piece(image, address);
	uint64_t end = address + bytes, piece_end;

	if (piece == image->n_pieces) {
		*ret_missing = address;
		return NULL;
	}
	piece_end = image->addresses[piece] + image->piece_bytes;
	if (end > piece_end && (piece + 1 == image->n_pieces || image->addresses[piece + 1] != piece_end)) {
		*ret_missing = piece_end;
		return NULL;
	}
	return image->bytes + piece * image->piece_bytes + (address - image->addresses[piece]);
}

/* --- the walk ---------------------------------------------------------------------------------------- */

/* A field of a frame whose bytes begin with the one at `start`. */
static uint64_t field(const char *bytes, uint32_t start, uint16_t offset, size_t n)
{
	uint64_t value = 0;

	memcpy(&value, bytes + (offset - start), n);
	return value;
}

static int32_t instr_offset(const char *bytes, uint32_t start, const struct py_layout *py, uint64_t code)
{
	if (py->instr_kind == PY_INSTR_POINTER)
		return field(bytes, start, py->frame_instr, sizeof(uint64_t)) - (code + py->code_instrs);
	if (py->instr_kind == PY_INSTR_UNIT_INDEX)
		return (uint32_t)field(bytes, start, py->frame_instr, sizeof(int32_t)) * 2;
	return field(bytes, start, py->frame_instr, sizeof(int32_t));
}

struct stack_frame stack_frame__parse(const char *bytes, uint32_t start, const struct py_layout *py,
				      uint64_t address)
{
	uint64_t code = field(bytes, start, py->frame_code, sizeof(uint64_t)) & ~(uint64_t)py->code_tag_mask;

	return (struct stack_frame){
		.address = address,
		.code = code,
		.instr = instr_offset(bytes, start, py, code),
	};
}

static bool marks_c_call(const char *bytes, uint32_t start, const struct py_layout *py)
{
	return py->frame_owner != PY_NO_FIELD && field(bytes, start, py->frame_owner, 1) >= py->owner_c_stack;
}

int stack_image__walk(const struct stack_image *image, const struct py_layout *py,
		      struct python_stack *ret_stack, uint64_t *ret_missing)
{
	struct frame_extent extent = python__frame_extent(py);
	uint64_t frame = image->frame, checkpoint = 0;

	ret_stack->n_frames = 0;
	for (uint32_t links = 0; frame && links < MAX_LINKS && ret_stack->n_frames < LINGER_MAX_FRAMES;
	     links++) {
		const char *bytes = find_bytes(image, frame + extent.start, extent.bytes, ret_missing);

		if (!bytes)
			return -ENODATA;
		/* Brent's way to find a loop: one address is remembered, for twice as long each time. */
		if (frame == checkpoint)
			return -ELOOP;
		if (!(links & (links - 1)))
			checkpoint = frame;
		if (!marks_c_call(bytes, extent.start, py))
			ret_stack->frames[ret_stack->n_frames++] =
				stack_frame__parse(bytes, extent.start, py, frame);
		frame = field(bytes, extent.start, py->frame_previous, sizeof(frame)) &
			~(uint64_t)py->code_tag_mask;
	}
	ret_stack->truncated = frame;
	return 0;
}

/* --- comparing --------------------------------------------------------------------------------------- */

static bool is_same_frame(const struct stack_frame *a, const struct stack_frame *b)
{
	return a->address == b->address && a->code == b->code && a->instr == b->instr;
}

bool python_stack__equal(const struct python_stack *a, const struct python_stack *b)
{
	if (a->n_frames != b->n_frames || a->truncated != b->truncated)
		return false;
	for (size_t i = 0; i < a->n_frames; i++)
		if (!is_same_frame(&a->frames[i], &b->frames[i]))
			return false;
	return true;
}
