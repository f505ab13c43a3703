// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 4096

static struct {
	const uint8_t *bytes;
	size_t n;
	uint32_t reads_per_change;
	uint64_t n_reads;
} memory;

void fake_target__set(const uint8_t *bytes, size_t n, uint32_t reads_per_change)
{
	memory.bytes = bytes;
	memory.n = n;
	memory.reads_per_change = reads_per_change;
	memory.n_reads = 0;
}

/* --- the memory reader ------------------------------------------------------------------------------- */

/* A change shifts the memory by a word. */
static int read_range(uint64_t address, uint8_t *to, size_t bytes)
{
	uint64_t shift = memory.reads_per_change ? memory.n_reads++ / memory.reads_per_change * 8 : 0;

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

int memory_reader__read_many(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	for (size_t i = 0; i < n; i++)
		requests[i].error = read_range(requests[i].address, requests[i].to, requests[i].bytes);
	return 0;
}

int memory_reader__read(struct memory_reader *reader, uint64_t address, void *to, size_t bytes)
{
	return read_range(address, to, bytes);
}

/* --- the target -------------------------------------------------------------------------------------- */

pid_t target__pid(const struct target *target)
{
	return 1;
}

bool target__has_memory(const struct target *target)
{
	return true;
}

int target__mappings(const struct target *target, struct target_mapping **ret_mappings, size_t *ret_n)
{
	static char no_path[] = "";
	struct target_mapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping)
		return -ENOMEM;
	*mapping = (struct target_mapping){
		.start = FAKE_HEAP,
		.end = FAKE_HEAP + (memory.n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES,
		.readable = true,
		.writable = true,
		.path = no_path,
	};
	*ret_mappings = mapping;
	*ret_n = 1;
	return 0;
}

void target__free_mappings(struct target_mapping *mappings, size_t n)
{
	free(mappings);
}

int target__open_file(const struct target *target, const struct target_mapping *mapping)
{
	return -ENOENT;
}

int target__open_proc(const struct target *target, const char *name)
{
	return -ENOENT;
}
