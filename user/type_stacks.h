/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TYPE_STACKS_H
#define LINGER_TYPE_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "profile.h"

/* Which stacks allocated the instances of a type that a sampled recording found alive. Pure. */
struct type_stacks;

/* A type at a stack. */
struct type_stack {
	const char *type;
	const struct profile_sample *stack; /* as it is shown: of any thread and age, without its group */
	uint64_t survivors;                 /* instances that were sampled and alive */
	double share;                       /* of all survivors of the type, 0 to 1 */
};

/* 0; -ENODATA: the profile knows no types: it is not of a sampled recording, or nothing survived; -ENOMEM. */
int type_stacks__new(const struct profile *profile, struct type_stacks **ret_stacks);
void type_stacks__free(struct type_stacks *stacks);

/* The stacks of a type, those with the most survivors first; NULL: there are none. */
const struct type_stack *type_stacks__find(const struct type_stacks *stacks, const char *type, size_t *ret_n);

#endif /* LINGER_TYPE_STACKS_H */
