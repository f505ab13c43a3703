/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_BUFFERS_H
#define LINGER_OBJECT_BUFFERS_H

#include <stdint.h>

#include "fingerprint.h"
#include "object_layout.h"
#include "pool_map.h"

/*
 * The one buffer of a list, set or dict, from the object's own words: most of what a heap holds is told so,
 * without another read. For others ask user/referents.h. Pure; objects may be torn or hostile.
 */
enum object_buffers {
	BUFFERS_NONE,
	BUFFERS_LIST,
	BUFFERS_SET,
	BUFFERS_DICT,
	BUFFERS_OTHER, /* ask */
};

enum buffer_answer {
	BUFFER_IS_NONE,
	BUFFER_IS_ONE,
	BUFFER_ASK,
	BUFFER_IS_TORN,
};

struct object_buffer {
	uint64_t address, bytes;
};

/* What instances of a type have; known: the type's own, NULL: none is. */
enum object_buffers object_buffers__of(const struct object_type *type, const struct known_type *known);

/* object: n_words words of it, at this address. */
enum buffer_answer object_buffers__find(const struct object_layout *layout, enum object_buffers buffers,
					struct pool_map *pools, uint64_t address, const uint64_t *object,
					uint32_t n_words, struct object_buffer *ret_buffer);

#endif /* LINGER_OBJECT_BUFFERS_H */
