// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "pools.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 4096
#define PAGE_BYTES 4096
#define PAGEMAP_ENTRIES 8192 /* read at once: 32 MiB of addresses */

struct pool_walk {
	struct memory_reader *reader;
	int pagemap; /* negative: every page counts as present */
	uint64_t entries[PAGEMAP_ENTRIES];
	uint64_t first_page; /* that entries[0] speaks of */
	size_t n_entries;
	uint64_t deadline_ns;
	uint32_t pool_bytes;
	struct memory_request requests[BATCH];
	struct pool_header headers[BATCH];
	size_t n;
	pools_visit *visit;
	void *context;
};

void pool_count__add(struct pool_count *count, const struct pool_header *pool)
{
	count->blocks += pool->count;
	count->pools++;
	count->class_blocks[pool->szidx] += pool->count;
	count->class_pools[pool->szidx]++;
}

static int flush(struct pool_walk *walk)
{
	int err = memory_reader__read_many(walk->reader, walk->requests, walk->n);

	for (size_t i = 0; i < walk->n && !err; i++) {
		uint64_t address = walk->requests[i].address;

		if (!walk->requests[i].error && pool__is_used(&walk->headers[i], address, walk->pool_bytes))
			err = walk->visit(walk->context, address, &walk->headers[i]);
	}
	walk->n = 0;
	return err;
}

/* Whether a page was ever touched. Reading one that was not would make the kernel map a page of zeroes. */
static bool is_present(struct pool_walk *walk, uint64_t address)
{
	const uint64_t present = 1ULL << 63, swapped = 1ULL << 62;
	uint64_t page = address / PAGE_BYTES;
	ssize_t n;

	if (walk->pagemap < 0)
		return true;
	if (page - walk->first_page >= walk->n_entries) {
		n = pread(walk->pagemap, walk->entries, sizeof(walk->entries), page * sizeof(uint64_t));
		walk->first_page = page;
		walk->n_entries = n > 0 ? n / sizeof(uint64_t) : 0;
	}
	if (page - walk->first_page >= walk->n_entries)
		return true;
	return walk->entries[page - walk->first_page] & (present | swapped);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int walk_mapping(struct pool_walk *walk, const struct target_mapping *mapping)
{
	uint64_t at = (mapping->start + walk->pool_bytes - 1) & ~(uint64_t)(walk->pool_bytes - 1);
	int err = 0;

	for (; at + walk->pool_bytes <= mapping->end && !err; at += walk->pool_bytes) {
		if (at / PAGE_BYTES % PAGEMAP_ENTRIES == 0 && now_ns() > walk->deadline_ns)
			return -ETIME;
		if (!is_present(walk, at))
			continue;
		walk->requests[walk->n] = (struct memory_request){
			.address = at,
			.to = &walk->headers[walk->n],
			.bytes = sizeof(struct pool_header),
		};
		if (++walk->n == BATCH)
			err = now_ns() > walk->deadline_ns ? -ETIME : flush(walk);
	}
	return err;
}

/* Arenas come from mmap: private, anonymous, and neither a stack nor the heap that brk grows. */
static bool may_hold_arenas(const struct target_mapping *mapping)
{
	return !mapping->inode && mapping->readable && mapping->writable && !mapping->shared &&
	       (!mapping->path[0] || !strncmp(mapping->path, "[anon", 5));
}

int pools__visit(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		 uint64_t limit_ns, pools_visit *visit, void *context)
{
	struct target_mapping *mappings;
	struct pool_walk *walk;
	size_t n;
	int err = target__mappings(target, &mappings, &n);

	if (err)
		return err;
	walk = calloc(1, sizeof(*walk));
	if (!walk) {
		err = -ENOMEM;
		goto out;
	}
	walk->reader = reader;
	walk->pool_bytes = pool_bytes;
	walk->visit = visit;
	walk->context = context;
	walk->deadline_ns = now_ns() + limit_ns;
	walk->pagemap = target__open_proc(target, "pagemap");
	for (size_t i = 0; i < n && !err; i++)
		if (may_hold_arenas(&mappings[i]))
			err = walk_mapping(walk, &mappings[i]);
	if (!err)
		err = flush(walk);
	if (!err && !target__has_memory(target))
		err = -ESRCH;
	if (walk->pagemap >= 0)
		close(walk->pagemap);
	free(walk);
out:
	target__free_mappings(mappings, n);
	return err;
}

static int count_pool(void *context, uint64_t address, const struct pool_header *pool)
{
	pool_count__add(context, pool);
	return 0;
}

int pools__count(const struct target *target, struct memory_reader *reader, uint32_t pool_bytes,
		 uint64_t limit_ns, struct pool_count *ret_count)
{
	struct pool_count count = {0};
	int err = pools__visit(target, reader, pool_bytes, limit_ns, count_pool, &count);

	if (!err)
		*ret_count = count;
	return err;
}
