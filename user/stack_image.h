/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_IMAGE_H
#define LINGER_STACK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "py_layout.h"
#include "trace.h"

/*
 * Pieces of a target's memory, read together, and the Python stack in them. No I/O: what the image lacks is
 * named, for the owner to read.
 */
struct stack_image {
	const uint64_t *addresses; /* of the pieces, ascending */
	size_t n_pieces;
	uint32_t piece_bytes; /* of each */
	const char *bytes;    /* of all pieces, one after the other */
	uint64_t frame;       /* address of the innermost frame; 0: no Python code runs */
};

/* A frame that runs Python code. */
struct stack_frame {
	uint64_t address;
	uint64_t code;
	int32_t instr; /* bytes from the start of the code */
};

struct python_stack {
	struct stack_frame frames[LINGER_MAX_FRAMES]; /* innermost first */
	size_t n_frames;
	bool truncated; /* there are more frames */
};

/* What the bytes of a frame say, which begin with the first of its fields (struct frame_extent). */
struct stack_frame stack_frame__parse(const char *bytes, uint32_t start, const struct py_layout *py,
				      uint64_t address);

/* 0; -ENODATA: the bytes at ret_missing, of a frame's fields, are not in the image; -ELOOP: a frame is its
 * own caller. */
int stack_image__walk(const struct stack_image *image, const struct py_layout *py,
		      struct python_stack *ret_stack, uint64_t *ret_missing);

bool python_stack__equal(const struct python_stack *a, const struct python_stack *b);

#endif /* LINGER_STACK_IMAGE_H */
