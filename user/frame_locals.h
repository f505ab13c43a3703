/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FRAME_LOCALS_H
#define LINGER_FRAME_LOCALS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "preview.h"
#include "python.h"
#include "referents.h"
#include "stack_image.h"

/* A local variable that has a value; of what is shared with inner functions that in its cell. */
struct frame_local {
	char *name;             /* not cleaned */
	struct preview preview; /* of zeros: the value was changing */
};

struct frame_locals {
	struct frame_local *locals;
	size_t n;
	bool is_torn; /* the frame has ended meanwhile, and nothing is known */
};

/* What is needed to read them. */
struct locals_reader {
	struct memory_reader *reader;
	const struct python *python;
	struct referents *referents;
	struct previewer *previewer;
};

/* In the order of the code. What cannot be read is left out. 0; -ESRCH, -ENOMEM. */
int frame_locals__read(struct locals_reader *reader, const struct stack_frame *frame,
		       struct frame_locals *ret_locals);
void frame_locals__free(struct frame_locals *locals);

/* The same of n frames, as an array. */
int frame_locals__read_all(struct locals_reader *reader, const struct stack_frame *frames, size_t n,
			   struct frame_locals **ret_locals);
void frame_locals__free_all(struct frame_locals *locals, size_t n);

#endif /* LINGER_FRAME_LOCALS_H */
