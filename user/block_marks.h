/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_BLOCK_MARKS_H
#define LINGER_BLOCK_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "pool_map.h"

/*
 * What each block of the pools was found to be, so that none is counted as two things. Two bits for each
 * 16 bytes, which is 1.6 % of what is looked at.
 */
enum block_mark {
	BLOCK_NOT_SEEN,
	BLOCK_OBJECT,  /* alive or dead */
	BLOCK_UNKNOWN, /* seen, and nobody's so far */
	BLOCK_OWNED,   /* a buffer of an object, which told so */
};

struct block_marks;

/* For these pools. 0 or -ENOMEM. */
int block_marks__new(const struct pool_map *pools, struct block_marks **ret_marks);
void block_marks__free(struct block_marks *marks);

/* Of the pool of this number. */
uint8_t *block_marks__of_pool(struct block_marks *marks, uint32_t number);

#define BLOCK_MARK_STEP 16 /* blocks begin at multiples of it */
#define BLOCK_MARKS_IN_BYTE 4

static inline enum block_mark block_marks__get(const uint8_t *of_pool, uint32_t offset)
{
	uint32_t i = offset / BLOCK_MARK_STEP;

	return of_pool[i / BLOCK_MARKS_IN_BYTE] >> i % BLOCK_MARKS_IN_BYTE * 2 & 3;
}

static inline void block_marks__set(uint8_t *of_pool, uint32_t offset, enum block_mark mark)
{
	uint32_t i = offset / BLOCK_MARK_STEP, shift = i % BLOCK_MARKS_IN_BYTE * 2;
	uint8_t *byte = &of_pool[i / BLOCK_MARKS_IN_BYTE];

	*byte = (*byte & ~(3u << shift)) | (uint32_t)mark << shift;
}

#endif /* LINGER_BLOCK_MARKS_H */
