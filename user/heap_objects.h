/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_OBJECTS_H
#define LINGER_HEAP_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fingerprint.h"
#include "heap_walk.h"
#include "object_size.h"
#include "referents.h"

/*
 * Tells the objects of a heap by the types that are known. Pure: the blocks come from user/heap_walk.h, and
 * what addresses may be types is asked of the owner, who reads them.
 */
struct heap_objects;

struct address_range {
	uint64_t start, end;
};

/* What is known of the target's memory; it has to outlive what is told of it. */
struct heap_memory {
	uint32_t gc_head_bytes;
	struct object_sizes sizes;
	struct pool_map *pools;
	const struct address_range *low; /* what is mapped below 4 GiB, where addresses look like counts */
	size_t n_low;
};

int heap_objects__new(const struct heap_memory *memory, struct heap_objects **ret_objects);
void heap_objects__free(struct heap_objects *objects);

/*
 * For some pools at a time: what words of their blocks would be types and are not known yet, put out once
 * each; then those of them that are types are added, whereupon the pools' objects can be told. 0 or -ENOMEM.
 */
int heap_objects__ask(struct heap_objects *objects, const struct heap_pool *pools, size_t n,
		      const uint64_t **ret_addresses, size_t *ret_n);
/* The same for what is outside the pools. */
int heap_objects__ask_outside(struct heap_objects *objects, const struct gc_node *nodes, size_t n,
			      const uint64_t **ret_addresses, size_t *ret_n);
int heap_objects__add_type(struct heap_objects *objects, const struct object_type *type);

/* What lies in a block. */
enum heap_content {
	HEAP_UNKNOWN,
	HEAP_LIVING, /* an object */
	HEAP_KEPT,   /* an object without a reference, on a free list of the interpreter */
};

/* With the type of an object, by the number of types that were added before it. */
enum heap_content heap_objects__in_block(struct heap_objects *objects, const uint64_t *words,
					 uint32_t block_bytes, uint32_t *ret_type);

/* Whether a living object of more than 512 bytes lies there: its type, and its bytes. */
bool heap_objects__outside(struct heap_objects *objects, const struct gc_node *node, uint32_t *ret_type,
			   uint64_t *ret_bytes);

/* The living objects of known types, with their memory. Anything but 0 ends the visit, and is its result. */
typedef int heap_object_visit(void *context, const struct object_ref *object);
int heap_objects__visit(struct heap_objects *objects, const struct heap_pool *pools, size_t n,
			heap_object_visit *visit, void *context);
int heap_objects__visit_outside(struct heap_objects *objects, const struct gc_node *nodes, size_t n,
				heap_object_visit *visit, void *context);

#endif /* LINGER_HEAP_OBJECTS_H */
