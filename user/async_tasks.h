/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ASYNC_TASKS_H
#define LINGER_ASYNC_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "code_cache.h"
#include "error.h"
#include "frame_locals.h"
#include "memory_reader.h"
#include "profile.h"
#include "python.h"
#include "stack_image.h"
#include "target.h"

enum async_state {
	ASYNC_READY,   /* the event loop will run it */
	ASYNC_WAITING, /* for a future */
	ASYNC_RUNNING, /* in a thread, whose stack has its frames */
};

/* A task of asyncio that is not done. */
struct async_task {
	uint64_t address;
	char *name; /* NULL: could not be read */
	enum async_state state;
	bool is_torn;   /* it changed each time that it was read, and nothing else of it is known */
	bool truncated; /* there are more frames */
	struct profile_frame
		*frames; /* where it is suspended, innermost first; those that it awaits included */
	struct stack_frame *places;  /* of each frame, in the target */
	struct frame_locals *locals; /* of each frame; NULL: not asked for */
	size_t n_frames;
	/* What it waits for: */
	uint64_t future;   /* address; 0: nothing */
	char *future_type; /* NULL: could not be read */
	char *future_name; /* of a task; else NULL */
};

struct async_tasks {
	struct async_task *tasks;
	size_t n;
	size_t n_torn;
	size_t n_left_out;        /* there are more tasks */
	uint64_t n_unread_blocks; /* in which there may be more */
	bool no_pools;            /* it uses no pymalloc, so nobody knows */
};

/*
 * Finds the tasks in the heap of a process that has asyncio loaded, from CPython 3.8 on; of another there are
 * none. The frames' strings belong to `codes`. 0, or a negative errno with the sentence that says so.
 */
int async_tasks__read(const struct target *target, struct memory_reader *reader, const struct python *python,
		      struct code_cache *codes, struct async_tasks *ret_tasks, struct error *error);
void async_tasks__free(struct async_tasks *tasks);

#endif /* LINGER_ASYNC_TASKS_H */
