/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_UNWIND_TABLE_H
#define LINGER_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "elf_image.h"

/* The code ranges that a file's unwind information describes: what is left of its functions when it is
 * stripped. */
struct unwind_range {
	uint64_t start;
	uint64_t end;
};

/*
 * All ranges, in no particular order; the caller frees the array. `header` is the address of .eh_frame_hdr
 * (LSB core specification, "Exception Frames"). 0; -ENOENT: no table in the usual encoding; -EIO, -EFAULT,
 * -ENOMEM.
 */
int unwind_table__ranges(const struct elf_image *image, uint64_t header, uint64_t header_size,
			 struct unwind_range **ret_ranges, size_t *ret_n);

#endif /* LINGER_UNWIND_TABLE_H */
