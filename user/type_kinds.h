/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TYPE_KINDS_H
#define LINGER_TYPE_KINDS_H

#include <stdint.h>

#include "address_map.h"
#include "memory_reader.h"
#include "python.h"

/* What asyncio's tasks and what they await are made of, told by the names of types in C. */
enum type_kind {
	TYPE_OTHER,
	TYPE_TASK, /* _asyncio.Task, or derived from it */
	TYPE_COROUTINE,
	TYPE_GENERATOR,
	TYPE_ASYNC_GENERATOR,
	TYPE_FORWARDER, /* stands for the coroutine or asynchronous generator that its first field leads to */
};

/* Each type is read once. */
struct type_kinds {
	struct memory_reader *reader;
	const struct python *python;
	struct address_map known;
};

/* Of the type at an address; TYPE_OTHER if there is none. 0, -ESRCH, -ENOMEM. */
int type_kinds__find(struct type_kinds *kinds, uint64_t type, enum type_kind *ret_kind);
void type_kinds__free(struct type_kinds *kinds);

#endif /* LINGER_TYPE_KINDS_H */
