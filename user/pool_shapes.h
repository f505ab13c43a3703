/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_POOL_SHAPES_H
#define LINGER_POOL_SHAPES_H

#include <stdint.h>

#include <linux/types.h>

#include "decode.h"
#include "trace.h"

/*
 * Recognises pymalloc's fast paths in machine code. Pure: instructions in, sites out.
 */

struct shape_site {
	uint64_t address; /* of a conditional jump */
	union site_cookie cookie;
};

struct shape_result {
	struct shape_site *sites; /* sorted by address */
	size_t n_sites;
	size_t n_unlocated;     /* copies found whose block could not be located */
	bool initialises_pools; /* this code writes new pool headers: it belongs to the slow path */
};

struct pool_shapes;

struct pool_shapes *pool_shapes__new(void);
void pool_shapes__free(struct pool_shapes *shapes);

/* Looks at one function. The result is valid until the next call. 0 or -ENOMEM. */
int pool_shapes__scan(struct pool_shapes *shapes, const struct insn *insns, size_t n_insns,
		      const struct shape_result **ret_result);

#endif /* LINGER_POOL_SHAPES_H */
