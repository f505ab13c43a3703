// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The census of a heap that is an input: the walk through its pools, the types of its objects, their names.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "fuzz.h"
#include "heap_census.h"
#include "py_layouts.h"

#define POOLS 4
#define MAX_POOL_BYTES 16384

/* In front of the memory. */
struct head {
	uint8_t minor;
	uint8_t pad;
	uint16_t reads_per_change;
	uint32_t free_lists; /* a bit for each pool that has one; in the others all blocks are in use */
};

static uint64_t memory[POOLS * MAX_POOL_BYTES / sizeof(uint64_t)];

/* What would be refused at once is set right: the walk is for pools. */
static void set_right(struct pool_header *header, uint32_t pool_bytes, bool has_free_list)
{
	header->szidx %= POOL_SIZE_CLASSES;
	header->maxnextoffset = pool_bytes - pool__block_bytes(header);
	header->nextoffset = POOL_HEADER_BYTES + header->nextoffset % (pool_bytes - POOL_HEADER_BYTES + 1);
	if (has_free_list)
		return;
	header->freeblock = 0;
	header->count = (header->nextoffset - POOL_HEADER_BYTES) / pool__block_bytes(header);
}

static void take_census(const struct python *python)
{
	struct census *census;
	struct heap_torn torn;
	struct error error;

	if (heap_census__take(NULL, NULL, python, &census, &torn, &error))
		return;
	fuzz__check(census__total(census).bytes <= sizeof(memory), "a heap is no larger than its memory");
	census__free(census);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python = {};
	struct head head;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	n -= sizeof(head);
	python.minor = 8 + head.minor % 5;
	if (py_layouts__get(python.minor, NULL, 0, &python.layout, &python.runtime))
		return 0;
	memset(memory, 0, sizeof(memory));
	memcpy(memory, bytes + sizeof(head), n < sizeof(memory) ? n : sizeof(memory));
	for (int i = 0; i < POOLS; i++)
		set_right((void *)((char *)memory + i * python.runtime.pool_bytes), python.runtime.pool_bytes,
			  head.free_lists >> i & 1);
	fake_target__set((const uint8_t *)memory, POOLS * python.runtime.pool_bytes, head.reads_per_change);
	take_census(&python);
	return 0;
}

/* --- a seed ------------------------------------------------------------------------------------------ */

#define BLOCK_BYTES 512
#define BLOCK(i) (POOL_HEADER_BYTES + (i)*BLOCK_BYTES)
#define ADDRESS(i) (FAKE_HEAP + BLOCK(i))

/* A type in 3.11: basic size, item size, flags. Its name is where it is itself. */
static void put_type(uint64_t *block, uint64_t metatype, uint64_t basic_bytes, uint64_t item_bytes,
		     uint64_t flags)
{
	block[0] = 1;
	block[1] = metatype;
	block[3] = ADDRESS(0) + 400;
	block[4] = basic_bytes;
	block[5] = item_bytes;
	block[21] = flags;
	strcpy((char *)block + 400, "name");
}

/* A pool with a metatype, a type and an instance. */
void fuzz__add_seeds(void)
{
	static struct {
		struct head head;
		char pool[MAX_POOL_BYTES];
	} seed = {.head = {.minor = 3}};
	struct pool_header header = {.szidx = 31, .nextoffset = BLOCK(3) - POOL_HEADER_BYTES};
	uint64_t instance[2] = {1, ADDRESS(1)};

	memcpy(seed.pool, &header, sizeof(header));
	put_type((uint64_t *)(seed.pool + BLOCK(0)), ADDRESS(0), 880, 40, 1u << 31);
	put_type((uint64_t *)(seed.pool + BLOCK(1)), ADDRESS(0), 32, 0, 0);
	memcpy(seed.pool + BLOCK(2), instance, sizeof(instance));
	fuzz__add_seed(&seed, sizeof(seed));
}
