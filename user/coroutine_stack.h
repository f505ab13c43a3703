/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_COROUTINE_STACK_H
#define LINGER_COROUTINE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "object_layout.h"
#include "stack_image.h"
#include "type_kinds.h"

/* Where a coroutine is suspended: its own frame, that of the one which it awaits, and so on. */
struct coroutine_stack {
	struct python_stack stack; /* innermost first */
	bool is_running;           /* then its frames are on a thread's stack, and none is here */
};

/* What it takes to read one; it has to outlive that. */
struct coroutine_reader {
	struct memory_reader *reader;
	const struct python *python;
	const struct object_layout *objects;
	struct type_kinds *kinds;
};

/* One reading, while the target runs on. 0, -ESRCH, -ENOMEM; anything else: it changed meanwhile, or makes no
 * sense. */
int coroutine_stack__read(const struct coroutine_reader *reader, uint64_t coroutine,
			  struct coroutine_stack *ret_stack);

#endif /* LINGER_COROUTINE_STACK_H */
