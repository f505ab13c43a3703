/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FAKE_TARGET_H
#define LINGER_FAKE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory_reader.h"
#include "python.h"
#include "target.h"

/*
 * Stands in for user/target.c and user/memory_reader.c, for the readers of a target's memory. The target's
 * memory is the input, again and again up to FAKE_END, so that most pointers lead somewhere; the heap is
 * where it is found once. When FAKE_MAX_READ bytes of it have been read the target ends: arrays that are as
 * long as they say are in real memory, which is not that large. Target and reader may be NULL.
 */
#define FAKE_END (UINT64_C(1) << 40)
#define FAKE_MAX_READ (UINT64_C(1) << 27)
#define FAKE_HEAP UINT64_C(0x7f00000000)

/* What an input begins with. */
struct fake_head {
	uint8_t minor; /* of the interpreter */
	uint8_t kind;  /* the fuzzer's own */
	uint16_t reads_per_change;
	uint32_t bits; /* the fuzzer's own */
};

/* Takes it off an input; the interpreter is of the oldest version or a later one. False: the input has none.
 */
bool fake_target__take_head(const uint8_t **bytes, size_t *n, int oldest_minor, struct fake_head *ret_head,
			    struct python *ret_python);

/* reads_per_change: it is another memory after so many reads; 0: it stays the same. */
void fake_target__set(const uint8_t *bytes, size_t n, uint32_t reads_per_change);

/* The same of words that it may change: those with the upper bit set become addresses in the memory, which
 * inputs can make more easily than addresses. */
void fake_target__set_words(uint64_t *words, size_t n, uint32_t reads_per_change);

/*
 * A heap of some pools. What would be refused at once is set right, so that what counts is in the pools:
 * their headers make sense, and all blocks are in use but in the pools of which a bit of free_lists says
 * otherwise.
 */
#define FAKE_POOLS 4
void fake_target__set_heap(const uint8_t *bytes, size_t n, uint32_t pool_bytes, uint32_t reads_per_change,
			   uint32_t free_lists);

/* Makes it of a whole input: the bits of its head are those of the free lists. False: the input has no head.
 */
bool fake_target__take_heap(const uint8_t *bytes, size_t n, struct python *ret_python);

#endif /* LINGER_FAKE_TARGET_H */
