/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A link is followed where both ends agree: what comes next says that this is what came before. While the
 * collector looks for garbage it counts in the links back, and marks them so; those are taken at their word,
 * and the type behind them, which whoever is visited looks at, decides alone. A link that is not confirmed is
 * read once more, from where it comes: if something was put between its ends meanwhile, or taken from there,
 * it has changed; if not, it never was a link.
 */
#include "gc_links.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "array.h"
#include "fingerprint.h"

#define NODES_AT_ONCE 2048
#define MANAGED_WORDS 2
#define NEXT_FLAGS UINT64_C(7)
#define PREVIOUS_FLAGS UINT64_C(3)
#define PREVIOUS_IS_COUNT UINT64_C(2) /* _PyGC_PREV_MASK_COLLECTING */
#define MAX_NODES (16u << 20)
#define MET 1

struct gc_link {
	uint64_t from, to;
	bool is_reread;
};

struct gc_links {
	struct memory_reader *reader;
	struct pool_map *pools;
	struct address_map met;
	struct gc_link *pending; /* a stack */
	size_t n_pending, capacity;
	uint64_t n_torn;
	struct gc_link links[NODES_AT_ONCE]; /* that are being followed */
	struct gc_node nodes[NODES_AT_ONCE];
	uint64_t nexts[NODES_AT_ONCE]; /* of links that are read once more */
	struct memory_request requests[NODES_AT_ONCE];
};

int gc_links__new(struct memory_reader *reader, struct pool_map *pools, struct gc_links **ret_links)
{
	struct gc_links *links = calloc(1, sizeof(*links));

	if (!links)
		return -ENOMEM;
	links->reader = reader;
	links->pools = pools;
	*ret_links = links;
	return 0;
}

void gc_links__free(struct gc_links *links)
{
	if (!links)
		return;
	address_map__free(&links->met);
	free(links->pending);
	free(links);
}

uint64_t gc_links__torn(const struct gc_links *links)
{
	return links->n_torn;
}

/* --- links that leave the pools ---------------------------------------------------------------------- */

static bool is_met(const struct gc_links *links, uint64_t address)
{
	return address_map__find(&links->met, address) != ADDRESS_MAP_NONE;
}

static int push(struct gc_links *links, uint64_t from, uint64_t next, bool is_reread)
{
	uint64_t to = next & ~NEXT_FLAGS;
	struct gc_link *grown;

	if (!object__may_be_pointer(to) || pool_map__has(links->pools, to) || is_met(links, to))
		return 0;
	grown = array__grow(links->pending, links->n_pending, &links->capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	links->pending = grown;
	links->pending[links->n_pending++] = (struct gc_link){from, to, is_reread};
	return 0;
}

static bool may_be_previous(uint64_t word)
{
	return object__may_be_pointer(word & ~PREVIOUS_FLAGS) || word & PREVIOUS_IS_COUNT;
}

/* Two links, a reference count and what may be a type, which lies in no pool. */
static bool may_be_node(const struct gc_links *links, const uint64_t *words)
{
	const uint64_t *object = words + GC_HEAD_WORDS;

	return words[0] && may_be_previous(words[1]) && object__counts_references(object[0]) &&
	       object__may_be_pointer(object[1]) && !pool_map__has(links->pools, object[1]);
}

int gc_links__add(struct gc_links *links, uint64_t address, const uint64_t *words, uint32_t n_words)
{
	int err = 0;

	for (uint32_t head = 0; head <= MANAGED_WORDS && !err; head += MANAGED_WORDS)
		if (head + GC_HEAD_WORDS + 2 <= n_words && may_be_node(links, words + head))
			err = push(links, address + head * sizeof(*words), words[head], false);
	return err;
}

/* --- following --------------------------------------------------------------------------------------- */

static size_t take_links(struct gc_links *links)
{
	size_t n = 0;

	while (links->n_pending && n < NODES_AT_ONCE) {
		struct gc_link link = links->pending[--links->n_pending];

		if (!is_met(links, link.to))
			links->links[n++] = link;
	}
	return n;
}

static int read_nodes(struct gc_links *links, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		links->nodes[i].address = links->links[i].to;
		links->requests[i] = (struct memory_request){
			.address = links->links[i].to,
			.to = links->nodes[i].words,
			.bytes = sizeof(links->nodes[i].words),
		};
	}
	return memory_reader__read_many(links->reader, links->requests, n);
}

static bool is_confirmed(const struct gc_link *link, const struct gc_node *node)
{
	uint64_t previous = node->words[1];

	return (previous & ~PREVIOUS_FLAGS) == link->from || previous & PREVIOUS_IS_COUNT;
}

/* Nodes that are confirmed come to the front, and what they link to onto the stack; the other links, too. */
static int sort_nodes(struct gc_links *links, size_t n, size_t *ret_nodes, size_t *ret_doubtful)
{
	size_t n_nodes = 0, n_doubtful = 0;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct gc_node node = links->nodes[i];

		if (links->requests[i].error || !is_confirmed(&links->links[i], &node)) {
			if (!links->links[i].is_reread)
				links->links[n_doubtful++] = links->links[i];
			else
				links->n_torn++;
		} else if (!is_met(links, node.address)) {
			links->nodes[n_nodes++] = node;
			err = address_map__put(&links->met, node.address, MET);
			if (!err)
				err = push(links, node.address, node.words[0], false);
		}
	}
	*ret_nodes = n_nodes;
	*ret_doubtful = n_doubtful;
	return err;
}

static int read_again(struct gc_links *links, size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++)
		links->requests[i] = (struct memory_request){
			.address = links->links[i].from,
			.to = &links->nexts[i],
			.bytes = sizeof(links->nexts[i]),
		};
	err = memory_reader__read_many(links->reader, links->requests, n);
	for (size_t i = 0; i < n && !err; i++)
		if (!links->requests[i].error && (links->nexts[i] & ~NEXT_FLAGS) != links->links[i].to)
			err = push(links, links->links[i].from, links->nexts[i], true);
	return err;
}

/* A process that writes lists without end into its memory is not followed for ever. */
static bool is_enough(const struct gc_links *links)
{
	return links->met.n >= MAX_NODES;
}

int gc_links__follow(struct gc_links *links, gc_nodes_visit *visit, void *context)
{
	int err = 0;

	while (links->n_pending && !is_enough(links) && !err) {
		size_t n_nodes, n_doubtful, n = take_links(links);

		err = read_nodes(links, n);
		if (!err)
			err = sort_nodes(links, n, &n_nodes, &n_doubtful);
		if (!err)
			err = read_again(links, n_doubtful);
		if (!err && n_nodes)
			err = visit(context, links->nodes, n_nodes);
	}
	links->n_torn += links->n_pending;
	links->n_pending = 0;
	return err;
}
