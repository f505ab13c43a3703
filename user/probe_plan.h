/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PROBE_PLAN_H
#define LINGER_PROBE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "elf_image.h"
#include "trace.h"

/*
 * Which instructions of an interpreter to probe so that every pymalloc allocation and free is seen once.
 * Addresses are link-time addresses of the image.
 */
struct probe_site {
	uint64_t address;
	union site_cookie cookie;
};

struct probe_plan {
	struct probe_site *sites; /* of all kinds, sorted by address */
	size_t n_sites;
	size_t n_pops, n_pushes, n_slow;
	size_t n_unlocated; /* copies that were found but whose block could not be located */
};

/*
 * objects: whether pymalloc is wanted; without it the plan only has the end of code objects and of the
 * interpreter, which every domain needs. code_dealloc: address of the code object's deallocator, 0 if it is
 * not known. 0; -ENOENT: this file has no function bounds, or no pymalloc that could be recognised; -ENOMEM,
 * -EIO.
 */
int probe_plan__make(struct elf_image *image, bool objects, uint64_t code_dealloc,
		     struct probe_plan *ret_plan);
void probe_plan__free(struct probe_plan *plan);

#endif /* LINGER_PROBE_PLAN_H */
