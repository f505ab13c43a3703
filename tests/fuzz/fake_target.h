/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FAKE_TARGET_H
#define LINGER_FAKE_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "memory_reader.h"
#include "target.h"

/*
 * Stands in for user/target.c and user/memory_reader.c, for the readers of a target's memory. The target's
 * memory is the input, again and again up to FAKE_END, so that most pointers lead somewhere; the heap is
 * where it is found once. Target and reader may be NULL.
 */
#define FAKE_END (UINT64_C(1) << 40)
#define FAKE_HEAP UINT64_C(0x10000000)

/* reads_per_change: it is another memory after so many reads; 0: it stays the same. */
void fake_target__set(const uint8_t *bytes, size_t n, uint32_t reads_per_change);

#endif /* LINGER_FAKE_TARGET_H */
