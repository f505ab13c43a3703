/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_FINDER_H
#define LINGER_OBJECT_FINDER_H

#include <stdint.h>

#include <linux/types.h>

#include "error.h"
#include "memory_reader.h"
#include "object_path.h"
#include "preview.h"
#include "python.h"
#include "referents.h"

/* Finds objects by what programs call them. */
struct object_finder {
	struct memory_reader *reader;
	const struct python *python;
	struct referents *referents;
	struct previewer *previewer; /* for what is said of objects on the way */
};

/*
 * Begins at the modules of the main interpreter; attributes are looked up in an object, then in its class and
 * the bases of that, without running any code. 0; -ENOENT: there is no such object; others; all with the
 * sentence that says so.
 */
int object_finder__find(struct object_finder *finder, const struct object_path *path, uint64_t *ret_address,
			struct error *error);

#endif /* LINGER_OBJECT_FINDER_H */
