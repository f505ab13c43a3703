/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_STACKS_H
#define LINGER_RENDER_STACKS_H

#include <stdio.h>

#include "thread_stacks.h"

/* The stacks of all threads, for people and as JSON (linger.8 describes the fields). 0, -ENOMEM, or why
 * something was not written. */
int render_stacks_text(const struct thread_stacks *stacks, FILE *out);
int render_stacks_json(const struct thread_stacks *stacks, FILE *out);

#endif /* LINGER_RENDER_STACKS_H */
