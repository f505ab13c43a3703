/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_SIZE_H
#define LINGER_OBJECT_SIZE_H

#include <stdint.h>

#include <linux/types.h>

#include "fingerprint.h"
#include "py_layout.h"

/* How many bytes an object has, as far as it says so itself: sys.getsizeof() without what lies elsewhere.
 * Pure; objects may be torn or hostile. */
struct object_sizes {
	const struct py_layout *layout;
	uint8_t int_size_shift; /* of the word in which an int counts its digits; 0: it is signed */
};

/* With what lies in front of it. At most the block, and that where it does not fit what the object says. */
uint64_t object_sizes__in_block(const struct object_sizes *sizes, const struct object_type *type,
				const uint64_t *object, uint32_t block_bytes);

/* The same without a block, from three words of the object; 0: no object has such a size. */
uint64_t object_sizes__outside(const struct object_sizes *sizes, const struct object_type *type,
			       const uint64_t *object);

/* The same of a str too, from so many words of the object. */
#define OBJECT_SIZE_WORDS 5
uint64_t object_sizes__of(const struct object_sizes *sizes, const struct object_type *type,
			  const uint64_t *object);

#endif /* LINGER_OBJECT_SIZE_H */
