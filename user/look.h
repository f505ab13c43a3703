/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_LOOK_H
#define LINGER_LOOK_H

#include <argp.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "memory_reader.h"
#include "python.h"
#include "sandbox.h"
#include "stack_sampler.h"
#include "target.h"

/* What the commands share that look into a process without probing it: their options and what has to be open.
 */
struct look_options {
	pid_t pid; /* 0: not said */
	bool json;
	const char *path; /* NULL: standard output */
	bool force;
};

/* The options, as a child of the command's own parser, which hands over a struct look_options in
 * ARGP_KEY_INIT: state->child_inputs[0]. */
extern const struct argp look_argp;

/* Ends linger unless a process was named. */
void look_options__want_pid(const struct look_options *look, struct argp_state *state);

/* To be called before anything that takes long: whether the file can be written. */
int look_options__check_path(const struct look_options *look, struct error *error);

struct look {
	struct target *target;
	struct memory_reader *reader;
	struct python python;
	struct stack_sampler *sampler; /* SANDBOX_STACKS */
};

/*
 * Opens what the rest of the command needs, and gives up what it does not. output: the file that it is to
 * write; NULL: none. 0, or a negative errno with the sentence that says why the process cannot be looked
 * into; -EPERM, -EACCES, -EOPNOTSUPP and -ENOEXEC: it never will. To be closed in any case.
 */
int look__open(pid_t pid, enum sandbox_rest rest, const char *output, struct look *ret_look,
	       struct error *error);
void look__close(struct look *look);

/* Whether there are pools to read. 0, or -EOPNOTSUPP with the sentence that says why not; hooked pymalloc may
 * put words of its own into the blocks. */
int look__check_pools(const struct look *look, bool *ret_is_hooked, struct error *error);

#endif /* LINGER_LOOK_H */
