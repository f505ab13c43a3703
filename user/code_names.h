/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CODE_NAMES_H
#define LINGER_CODE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "profile.h"
#include "py_layout.h"
#include "session_pools.h"

/*
 * What code ids mean: function, file, and the line of an instruction. The kernel's records are copied once
 * each. What the kernel could not read (a page that was not resident) is read through the memory reader, as
 * long as the target lives.
 */
struct code_names;

struct code_names *code_names__new(const struct py_layout *layout);
void code_names__free(struct code_names *names);

/* Takes over the records that have come since the last call. reader may be NULL. 0 or -ENOMEM. */
int code_names__update(struct code_names *names, const struct session_pools *pools,
		       struct memory_reader *reader);

/* False for a frame that is only being set up (its cells, its generator), and for the interpreter's own
 * shims: what is allocated then is the caller's doing, as tracemalloc and tracebacks have it too
 * (_PyFrame_IsIncomplete). */
bool code_names__has_started(const struct code_names *names, uint64_t frame);

/* A frame as the profile wants it; the strings live as long as names. */
struct profile_frame code_names__frame(const struct code_names *names, uint64_t frame);

#endif /* LINGER_CODE_NAMES_H */
