/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ARRAY_H
#define LINGER_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_FIRST_CAPACITY 256

/* The array with room for one more; NULL: there is no memory for it, and the array stays. */
static inline void *array__grow(void *items, size_t n, size_t *capacity, size_t item_bytes)
{
	size_t wanted = *capacity ? *capacity * 2 : ARRAY_FIRST_CAPACITY;
	void *grown;

	if (n < *capacity)
		return items;
	grown = reallocarray(items, wanted, item_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

#endif /* LINGER_ARRAY_H */
