/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_SAMPLER_H
#define LINGER_STACK_SAMPLER_H

#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "python.h"
#include "stack_image.h"

/*
 * Reads the Python stack of a thread that is too fast to be read from outside: a timer interrupts it once, as
 * the kernel's own do all the time, and its frames are read before it goes on, in some microseconds.
 */
struct stack_sampler;

/* NULL when memory is short; what else may stand in the way is told at each reading. */
struct stack_sampler *stack_sampler__new(const struct python *python);
void stack_sampler__free(struct stack_sampler *sampler);

/*
 * Waits some milliseconds for the thread to run. native_id: of the thread, in our pid namespace. 0; -EAGAIN:
 * it did not run, or something could not be read; -ESRCH: there is no such thread; or why this cannot be
 * done.
 */
int stack_sampler__read(struct stack_sampler *sampler, pid_t native_id, uint64_t thread_state,
			struct python_stack *ret_stack);

#endif /* LINGER_STACK_SAMPLER_H */
