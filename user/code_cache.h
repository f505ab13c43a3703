/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CODE_CACHE_H
#define LINGER_CODE_CACHE_H

#include <stdint.h>

#include "code_object.h"
#include "memory_reader.h"
#include "table.h"

/* The code objects of a target, each read once. One of zeros is empty and ready. */
struct code_cache {
	struct table table; /* of struct known_code, by address */
	struct known_code *codes;
};

/* The code object at an address, as long as the cache lives; of what cannot be read nothing is known. NULL
 * when memory is short. */
const struct code_object *code_cache__find(struct code_cache *cache, const struct py_layout *py,
					   struct memory_reader *reader, uint64_t address);
void code_cache__free(struct code_cache *cache);

#endif /* LINGER_CODE_CACHE_H */
