/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_GC_LINKS_H
#define LINGER_GC_LINKS_H

#include <stddef.h>
#include <stdint.h>

#include "memory_reader.h"
#include "pool_map.h"

/*
 * Finds the objects that lie outside pymalloc's pools, because they have more than 512 bytes: classes, large
 * instances. The collector keeps its objects on a few doubly linked lists, in which small objects and large
 * ones are mixed; where a small one is followed by what is in no pool, the list is followed until it comes
 * back. Not found is what the collector does not track, and a list without any small object.
 */
struct gc_links;

#define GC_HEAD_WORDS 2 /* from 3.8 on; flags are in the lowest bits */
#define GC_NODE_WORDS (GC_HEAD_WORDS + 3)

/* What a list leads to outside the pools: an object, or a head of such a list (which has no type). */
struct gc_node {
	uint64_t address;              /* of the links; an object begins behind them */
	uint64_t words[GC_NODE_WORDS]; /* the links, then the object's first words */
};

/* Anything but 0 ends the walk, and is its result. Each node comes once. */
typedef int gc_nodes_visit(void *context, const struct gc_node *nodes, size_t n);

/* The pools have to outlive the links. 0 or -ENOMEM. */
int gc_links__new(struct memory_reader *reader, struct pool_map *pools, struct gc_links **ret_links);
void gc_links__free(struct gc_links *links);

/* The words of a block in a pool, from its beginning, if that may be an object's. 0 or -ENOMEM. */
int gc_links__add(struct gc_links *links, uint64_t address, const uint64_t *words, uint32_t n_words);

/* Follows what was added since the last time. 0, -ESRCH, -ENOMEM. */
int gc_links__follow(struct gc_links *links, gc_nodes_visit *visit, void *context);

/* How many links led to what does not link back: lists that were being changed. */
uint64_t gc_links__torn(const struct gc_links *links);

#endif /* LINGER_GC_LINKS_H */
