/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_BUFFERS_H
#define LINGER_OBJECT_BUFFERS_H

#include <stdint.h>

#include "object_layout.h"
#include "object_shape.h"
#include "pool_map.h"

/*
 * The one buffer of a list, set, dict or instance, from the object's own words: most of what a heap holds is
 * told so, without another read. For others ask user/referents.h. Pure; objects may be torn or hostile.
 */
enum object_buffers {
	BUFFERS_NONE,
	BUFFERS_LIST,
	BUFFERS_SET,
	BUFFERS_DICT,
	BUFFERS_VALUES, /* of attributes */
	BUFFERS_OTHER,  /* ask */
};

enum buffer_answer {
	BUFFER_IS_NONE,
	BUFFER_IS_ONE,
	BUFFER_ASK,
	BUFFER_IS_TORN,
};

/* Attribute values do not say their size: it is that of their block. */
struct object_buffer {
	uint64_t address, bytes;
};

/* What is known of an object. */
struct object_words {
	uint64_t address; /* of the object */
	const uint64_t *words;
	uint32_t n_words;
	uint32_t n_before; /* of these words, in front of the object */
};

/* What instances of a type have. NULL: nothing is known of it. */
enum object_buffers object_buffers__of(const struct object_layout *layout, const struct object_shape *shape);

enum buffer_answer object_buffers__find(const struct object_layout *layout, enum object_buffers buffers,
					struct pool_map *pools, const struct object_words *words,
					struct object_buffer *ret_buffer);

#endif /* LINGER_OBJECT_BUFFERS_H */
