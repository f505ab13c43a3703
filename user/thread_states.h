/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_THREAD_STATES_H
#define LINGER_THREAD_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "error.h"
#include "memory_reader.h"
#include "python.h"

#define MAX_THREAD_STATES 4096

/* A PyThreadState of the target. A thread that runs several interpreters may have one in each. */
struct thread_state {
	uint64_t address;
	uint64_t thread_id; /* as threading.get_ident() has it */
	pid_t native_id;    /* as threading.get_native_id() has it; 0: not known */
	bool holds_gil;
};

/*
 * All interpreters' thread states in the interpreter's own order, the newest first; for free(). The target
 * runs on meanwhile: threads that begin or end may be missing. 0; -E2BIG: more than MAX_THREAD_STATES;
 * -ESRCH, -EFAULT, -ELOOP, -ENOMEM, all with the sentence that says so.
 */
int thread_states__list(const struct python *python, struct memory_reader *reader,
			struct thread_state **ret_states, size_t *ret_n, struct error *error);

#endif /* LINGER_THREAD_STATES_H */
