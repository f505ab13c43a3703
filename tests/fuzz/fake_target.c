// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "py_layouts.h"

#define PAGE_BYTES 4096
#define NEWEST_MINOR 12 /* whose offsets are not its own to say */
#define HEAP_OLDEST_MINOR 8

static struct {
	const uint8_t *bytes;
	size_t n;
	uint32_t reads_per_change;
	uint64_t n_reads, n_bytes_read;
} memory;

void fake_target__set(const uint8_t *bytes, size_t n, uint32_t reads_per_change)
{
	memory.bytes = bytes;
	memory.n = n;
	memory.reads_per_change = reads_per_change;
	memory.n_reads = 0;
	memory.n_bytes_read = 0;
}

void fake_target__set_words(uint64_t *words, size_t n, uint32_t reads_per_change)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] >> 63)
			words[i] = FAKE_HEAP + words[i] % n * sizeof(*words);
	fake_target__set((const uint8_t *)words, n * sizeof(*words), reads_per_change);
}

bool fake_target__take_head(const uint8_t **bytes, size_t *n, int oldest_minor, struct fake_head *ret_head,
			    struct python *ret_python)
{
	struct python python = {};

	if (*n < sizeof(*ret_head))
		return false;
	memcpy(ret_head, *bytes, sizeof(*ret_head));
	*bytes += sizeof(*ret_head);
	*n -= sizeof(*ret_head);
	python.minor = oldest_minor + ret_head->minor % (NEWEST_MINOR + 1 - oldest_minor);
	*ret_python = python;
	return !py_layouts__get(python.minor, NULL, 0, &ret_python->layout, &ret_python->runtime);
}

static void set_right(struct pool_header *header, uint32_t pool_bytes, bool has_free_list)
{
	uint32_t block_bytes, n_blocks;

	header->szidx %= POOL_SIZE_CLASSES;
	block_bytes = pool__block_bytes(header);
	n_blocks = header->nextoffset / block_bytes % ((pool_bytes - POOL_HEADER_BYTES) / block_bytes + 1);
	header->maxnextoffset = pool_bytes - block_bytes;
	header->nextoffset = POOL_HEADER_BYTES + n_blocks * block_bytes;
	if (has_free_list)
		return;
	header->freeblock = 0;
	header->count = n_blocks;
}

void fake_target__set_heap(const uint8_t *bytes, size_t n, uint32_t pool_bytes, uint32_t reads_per_change,
			   uint32_t free_lists)
{
	static uint64_t pools[FAKE_POOLS * POOL_MAX_BYTES / sizeof(uint64_t)];
	size_t n_bytes = FAKE_POOLS * pool_bytes;

	memset(pools, 0, sizeof(pools));
	memcpy(pools, bytes, n < n_bytes ? n : n_bytes);
	fake_target__set_words(pools, n_bytes / sizeof(*pools), reads_per_change);
	for (int i = 0; i < FAKE_POOLS; i++)
		set_right((void *)((char *)pools + i * pool_bytes), pool_bytes, free_lists >> i & 1);
}

bool fake_target__take_heap(const uint8_t *bytes, size_t n, struct python *ret_python)
{
	struct fake_head head;

	if (!fake_target__take_head(&bytes, &n, HEAP_OLDEST_MINOR, &head, ret_python))
		return false;
	fake_target__set_heap(bytes, n, ret_python->runtime.pool_bytes, head.reads_per_change, head.bits);
	return true;
}

/* --- the memory reader ------------------------------------------------------------------------------- */

/* Where the real one is linked too, that counts. */
#define FAKE __attribute__((weak))

/* A change shifts the memory by a word. */
static int read_range(uint64_t address, uint8_t *to, size_t bytes)
{
	uint64_t shift = memory.reads_per_change ? memory.n_reads++ / memory.reads_per_change * 8 : 0;

	memory.n_bytes_read += bytes;
	if (memory.n_bytes_read > FAKE_MAX_READ)
		return -ESRCH;
	if (!memory.n || address >= FAKE_END || bytes > FAKE_END - address)
		return -EFAULT;
	for (size_t done = 0; done < bytes;) {
		size_t at = (address - FAKE_HEAP + FAKE_END / memory.n * memory.n + shift + done) % memory.n;
		size_t left = memory.n - at, part = left < bytes - done ? left : bytes - done;

		memcpy(to + done, memory.bytes + at, part);
		done += part;
	}
	return 0;
}

FAKE int memory_reader__read_many(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		requests[i].error = read_range(requests[i].address, requests[i].to, requests[i].bytes);
		if (requests[i].error == -ESRCH)
			return -ESRCH;
	}
	return 0;
}

FAKE int memory_reader__read(struct memory_reader *reader, uint64_t address, void *to, size_t bytes)
{
	return read_range(address, to, bytes);
}

/* --- the target -------------------------------------------------------------------------------------- */

FAKE pid_t target__pid(const struct target *target)
{
	return 1;
}

FAKE bool target__has_memory(const struct target *target)
{
	return true;
}

/* The heap, and a library that says that the target uses asyncio. */
FAKE int target__mappings(const struct target *target, struct target_mapping **ret_mappings, size_t *ret_n)
{
	static char no_path[] = "", library[] = "/_asyncio.so";
	struct target_mapping *mappings = calloc(2, sizeof(*mappings));

	if (!mappings)
		return -ENOMEM;
	mappings[0] = (struct target_mapping){
		.start = FAKE_HEAP,
		.end = FAKE_HEAP + (memory.n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES,
		.readable = true,
		.writable = true,
		.path = no_path,
	};
	mappings[1] =
		(struct target_mapping){.start = FAKE_END, .end = FAKE_END, .inode = 1, .path = library};
	*ret_mappings = mappings;
	*ret_n = 2;
	return 0;
}

FAKE void target__free_mappings(struct target_mapping *mappings, size_t n)
{
	free(mappings);
}

FAKE int target__open_file(const struct target *target, const struct target_mapping *mapping)
{
	return -ENOENT;
}

FAKE int target__open_proc(const struct target *target, const char *name)
{
	return -ENOENT;
}
