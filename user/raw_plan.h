/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RAW_PLAN_H
#define LINGER_RAW_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "elf_image.h"
#include "trace.h"

#define RAW_MAX_SITES 32

/* Where to probe the functions of the malloc family in the file that defines them. */
struct raw_site {
	uint64_t address; /* link-time */
	union raw_cookie cookie;
	const char *function;
	bool returns; /* a return probe belongs to it */
	bool stepped; /* the kernel single-steps the instruction: twenty times the cost */
};

struct raw_plan {
	struct raw_site sites[RAW_MAX_SITES];
	size_t n_sites;
	bool leaves_out_new; /* the file has an operator new of its own, which is not recorded */
};

/*
 * 0; -ENOENT: the file does not define malloc and free, or tells nothing of its functions; -ENOMEM, -EIO.
 */
int raw_plan__make(struct elf_image *image, struct raw_plan *ret_plan);

#endif /* LINGER_RAW_PLAN_H */
