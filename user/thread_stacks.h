/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_THREAD_STACKS_H
#define LINGER_THREAD_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "async_tasks.h"
#include "code_cache.h"
#include "error.h"
#include "frame_locals.h"
#include "memory_reader.h"
#include "profile.h"
#include "python.h"
#include "stack_image.h"
#include "stack_sampler.h"
#include "target.h"
#include "trace.h"

/* One thread and its Python stack. */
struct thread_stack {
	uint64_t thread_id;
	pid_t native_id; /* in our pid namespace; 0: not known, and neither are the name and whether it runs
			  */
	char name[LINGER_THREAD_NAME_BYTES];
	bool is_running;
	bool holds_gil;
	bool is_torn;                 /* it was too fast, and no frame is known */
	bool truncated;               /* there are more frames */
	struct profile_frame *frames; /* innermost first */
	struct stack_frame *places;   /* of each frame, in the target */
	struct frame_locals *locals;  /* of each frame; NULL: not asked for */
	size_t n_frames;
};

/* The Python stacks of all threads and asyncio tasks of a target, each as it was at some moment. */
struct thread_stacks {
	pid_t pid;
	char python_version[32];
	struct thread_stack *threads;
	size_t n_threads;
	size_t n_torn;
	struct async_tasks tasks;
	struct code_cache codes; /* what the frames' strings belong to */
};

/* The target runs on meanwhile. 0, or a negative errno with the sentence that says so. */
int thread_stacks__read(const struct target *target, struct memory_reader *reader,
			const struct python *python, struct stack_sampler *sampler,
			struct thread_stacks *ret_stacks, struct error *error);

/* The local variables of all frames, as they are now: a frame may have ended meanwhile. 0, -ESRCH, -ENOMEM.
 */
int thread_stacks__read_locals(struct thread_stacks *stacks, struct locals_reader *reader);

void thread_stacks__free(struct thread_stacks *stacks);

#endif /* LINGER_THREAD_STACKS_H */
