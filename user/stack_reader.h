/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_READER_H
#define LINGER_STACK_READER_H

#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "python.h"
#include "stack_image.h"
#include "stack_sampler.h"

/* Reads the Python stacks of a target's threads while they run. */
struct stack_reader;

/* What is passed in has to outlive the reader. NULL when memory is short. */
struct stack_reader *stack_reader__new(struct memory_reader *reader, const struct python *python,
				       struct stack_sampler *sampler);
void stack_reader__free(struct stack_reader *reader);

/*
 * The stack of the thread with this PyThreadState, as it was at one moment. native_id: as our pid namespace
 * has it; 0: not known, then only a thread at rest can be read, without the sampler. 0; -EAGAIN: the thread
 * was too fast; -ESRCH, -ENOMEM.
 */
int stack_reader__read(struct stack_reader *reader, uint64_t thread_state, pid_t native_id,
		       struct python_stack *ret_stack);

#endif /* LINGER_STACK_READER_H */
