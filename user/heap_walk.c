/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two passes: the first finds the pools by their headers, the second reads each of them up to the last block
 * that was ever handed out (behind it are pages that the target may never have touched), and then its header
 * once more. If that is the same as before, and the free list makes sense, the pool counts as read in one
 * piece; an object in it may still have been written to meanwhile. The collector's lists are followed out of
 * the pools of a batch at once, before they change.
 */
#include "heap_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/types.h>

#include "array.h"
#include "pools.h"
#include "reader.h"

#define READ_BYTES (768 << 10) /* at once: fits in one run of the reader */
#define MAX_POOLS (READ_BYTES / 4096)
#define MAX_REQUESTS (MAX_POOLS * (POOL_MAX_BYTES / READER_MAX_BYTES + 1))
#define TRIES 100 /* each takes some microseconds, of the few pools that are left */

struct known_pool {
	uint64_t address;
	struct pool_header header; /* of the last reading */
};

/* A pool of the batch that is being read. */
struct reading {
	struct known_pool *pool;
	struct pool_header after;
	int error;
};

struct heap_walk {
	struct memory_reader *reader;
	uint32_t pool_bytes;
	int maps;                 /* of the address space in which the pools are */
	struct known_pool *pools; /* still to be read */
	size_t n_pools, capacity;
	struct pool_map map;
	struct gc_links *links; /* NULL: not followed */
	struct reading readings[MAX_POOLS];
	struct heap_pool whole[MAX_POOLS];
	struct memory_request requests[MAX_REQUESTS];
	size_t owners[MAX_REQUESTS]; /* the reading that a request is for */
	size_t n_requests;
	uint64_t bytes[READ_BYTES / sizeof(uint64_t)];
};

/* --- the pools --------------------------------------------------------------------------------------- */

static int add_pool(void *context, uint64_t address, const struct pool_header *header)
{
	struct heap_walk *walk = context;
	struct known_pool *grown = array__grow(walk->pools, walk->n_pools, &walk->capacity, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	walk->pools = grown;
	walk->pools[walk->n_pools++] = (struct known_pool){address, *header};
	return pool_map__add(&walk->map, address, header->szidx);
}

int heap_walk__new(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		   struct heap_walk **ret_walk)
{
	struct heap_walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->reader = reader;
	walk->pool_bytes = pool_bytes;
	walk->maps = target__open_proc(target, "maps");
	walk->map = pool_map__of(pool_bytes);
	err = pools__visit(target, reader, pool_bytes, POOLS_LIMIT_NS, add_pool, walk);
	if (err) {
		heap_walk__free(walk);
		return err;
	}
	*ret_walk = walk;
	return 0;
}

void heap_walk__free(struct heap_walk *walk)
{
	if (!walk)
		return;
	if (walk->maps >= 0)
		close(walk->maps);
	gc_links__free(walk->links);
	pool_map__free(&walk->map);
	free(walk->pools);
	free(walk);
}

struct pool_map *heap_walk__pools(struct heap_walk *walk)
{
	return &walk->map;
}

/* --- reading ----------------------------------------------------------------------------------------- */

static char *room_of(struct heap_walk *walk, size_t index)
{
	return (char *)walk->bytes + index * walk->pool_bytes;
}

static void request(struct heap_walk *walk, size_t index, uint64_t address, void *to, uint32_t bytes)
{
	walk->owners[walk->n_requests] = index;
	walk->requests[walk->n_requests++] = (struct memory_request){
		.address = address,
		.to = to,
		.bytes = bytes,
	};
}

static void request_pool(struct heap_walk *walk, size_t index)
{
	struct reading *reading = &walk->readings[index];
	uint32_t end = reading->pool->header.nextoffset;

	for (uint32_t offset = 0; offset < end; offset += READER_MAX_BYTES)
		request(walk, index, reading->pool->address + offset, room_of(walk, index) + offset,
			end - offset < READER_MAX_BYTES ? end - offset : READER_MAX_BYTES);
	request(walk, index, reading->pool->address, &reading->after, sizeof(reading->after));
}

static int read_pools(struct heap_walk *walk, struct known_pool *pools, size_t n)
{
	int err;

	walk->n_requests = 0;
	for (size_t i = 0; i < n; i++) {
		walk->readings[i] = (struct reading){.pool = &pools[i]};
		request_pool(walk, i);
	}
	err = memory_reader__read_many(walk->reader, walk->requests, walk->n_requests);
	for (size_t i = 0; i < walk->n_requests && !err; i++)
		if (walk->requests[i].error)
			walk->readings[walk->owners[i]].error = walk->requests[i].error;
	return err;
}

static bool is_same(const struct pool_header *before, const struct pool_header *after)
{
	return before->count == after->count && before->freeblock == after->freeblock &&
	       before->nextoffset == after->nextoffset && before->szidx == after->szidx;
}

/* 0; -EAGAIN: it was changing. More of it may be in use than was expected and read. */
static int check_reading(struct heap_walk *walk, size_t index, struct heap_pool *ret_pool)
{
	struct reading *reading = &walk->readings[index];
	const struct pool_header *before = (const void *)room_of(walk, index);
	struct pool_blocks free_blocks;
	bool is_whole =
		before->nextoffset <= reading->pool->header.nextoffset && is_same(before, &reading->after);
	int err = -EAGAIN;

	reading->pool->header = reading->after;
	if (is_whole)
		err = pool__free_blocks(before, reading->pool->address, walk->pool_bytes, &free_blocks);
	if (err)
		return err;
	*ret_pool = (struct heap_pool){reading->pool->address, before, free_blocks};
	return 0;
}

static int follow_links(struct heap_walk *walk, size_t n_whole, const struct heap_visitor *visitor)
{
	int err = 0;

	for (size_t i = 0; i < n_whole && !err; i++) {
		const struct heap_pool *pool = &walk->whole[i];
		uint32_t block_bytes = pool__block_bytes(heap_pool__header(pool));

		for (uint32_t b = 0; b < heap_pool__n_blocks(pool) && !err; b++) {
			const uint64_t *words = heap_pool__block(pool, b);
			uint64_t address = pool->address + POOL_HEADER_BYTES + (uint64_t)b * block_bytes;

			if (words)
				err = gc_links__add(walk->links, address, words,
						    block_bytes / sizeof(*words));
		}
	}
	return err ? err : gc_links__follow(walk->links, visitor->outside, visitor->context);
}

static int visit_whole(struct heap_walk *walk, size_t n_whole, const struct heap_visitor *visitor)
{
	int err = n_whole ? visitor->pools(visitor->context, walk->whole, n_whole) : 0;

	return err || !walk->links ? err : follow_links(walk, n_whole, visitor);
}

/* Whole pools go to the visitor, those that were changing to `again`, of which there are *n_again. */
static int visit_some(struct heap_walk *walk, struct known_pool *pools, size_t n,
		      const struct heap_visitor *visitor, size_t *n_again)
{
	int err = read_pools(walk, pools, n);
	size_t n_whole = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct reading *reading = &walk->readings[i];

		if (reading->error ||
		    !pool__is_used(&reading->after, reading->pool->address, walk->pool_bytes))
			continue;
		if (!check_reading(walk, i, &walk->whole[n_whole]))
			n_whole++;
		else
			walk->pools[(*n_again)++] = *reading->pool;
	}
	return err ? err : visit_whole(walk, n_whole, visitor);
}

static struct heap_torn sum_torn(const struct heap_walk *walk)
{
	struct heap_torn torn = {
		.pools = walk->n_pools,
		.links = walk->links ? gc_links__torn(walk->links) : 0,
	};

	for (size_t i = 0; i < walk->n_pools; i++) {
		const struct pool_header *header = &walk->pools[i].header;

		torn.blocks += header->count;
		torn.bytes += (uint64_t)header->count * pool__block_bytes(header);
	}
	return torn;
}

/* A file of a process' mappings has nothing to say any more when the process has ended, or left this address
 * space for that of another program. */
static bool is_same_memory(const struct heap_walk *walk)
{
	char byte;

	return walk->maps >= 0 && pread(walk->maps, &byte, 1, 0) == 1;
}

int heap_walk__visit(struct heap_walk *walk, const struct heap_visitor *visitor, struct heap_torn *ret_torn)
{
	const size_t at_once = READ_BYTES / walk->pool_bytes;
	int err = 0;

	if (visitor->outside)
		err = gc_links__new(walk->reader, &walk->map, &walk->links);
	for (int i = 0; i < TRIES && walk->n_pools && !err; i++) {
		size_t n_again = 0;

		for (size_t done = 0; done < walk->n_pools && !err; done += at_once) {
			size_t left = walk->n_pools - done;

			err = visit_some(walk, &walk->pools[done], left < at_once ? left : at_once, visitor,
					 &n_again);
		}
		walk->n_pools = n_again;
	}
	if (!err && !is_same_memory(walk))
		err = -ESRCH;
	if (!err)
		*ret_torn = sum_torn(walk);
	return err;
}
