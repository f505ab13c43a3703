// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "heap_seed.h"

#include <string.h>

#include "fake_target.h"
#include "fuzz.h"
#include "pool.h"

#define BLOCK_BYTES 512
#define BLOCK(i) (POOL_HEADER_BYTES + (i)*BLOCK_BYTES)
#define TYPES (FAKE_HEAP + 16 * FAKE_POOLS * POOL_MAX_BYTES) /* the same memory, outside the pools */
#define HAVE_GC (1u << 14)

static const struct {
	const char *name;
	uint16_t basic_bytes, item_bytes;
	uint32_t flags;
} kinds[] = {
	{"type", 880, 40, 1u << 31},
	{"object", 16, 0, 0},
	{"list", 40, 0, 1u << 25},
	{"tuple", 24, 8, 1u << 26},
	{"dict", 48, 0, 1u << 29},
	{"set", 200, 0, 0},
	{"collections.deque", 64, 0, 0},
	{"coroutine", 80, 8, 0},
	{"frame", 72, 8, 0},
	{"cell", 24, 0, 0},
	{"function", 144, 0, 0},
	{"module", 56, 0, 0},
	{"bytearray", 56, 0, 0},
	{"app.Attributes", 32, 0, 1u << 9 | 1u << 4},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
	struct fake_head head;
	char pool[POOL_MAX_BYTES];
} seed = {.head = {.minor = 3}};

static void put_type(uint32_t kind)
{
	uint64_t *block = (uint64_t *)(seed.pool + BLOCK(kind));

	block[0] = 1;
	block[1] = TYPES + BLOCK(0);
	block[3] = TYPES + BLOCK(kind) + 400;
	block[4] = kinds[kind].basic_bytes;
	block[5] = kinds[kind].item_bytes;
	block[21] = kinds[kind].flags | HAVE_GC;
	strcpy((char *)block + 400, kinds[kind].name);
}

/* Behind what the collector keeps; its fields are small numbers and the other instances by turns. */
static void put_instance(uint32_t kind)
{
	uint64_t *block = (uint64_t *)(seed.pool + BLOCK(KINDS + kind));

	for (uint32_t i = 0; i < BLOCK_BYTES / sizeof(*block); i++)
		block[i] = i % 2 ? FAKE_HEAP + BLOCK(KINDS + i % KINDS) + 16 : i % 5;
	block[2] = 1;
	block[3] = TYPES + BLOCK(kind);
}

void heap_seed__add(void)
{
	struct pool_header header = {.szidx = 31, .nextoffset = BLOCK(2 * KINDS) - POOL_HEADER_BYTES};

	memcpy(seed.pool, &header, sizeof(header));
	for (uint32_t kind = 0; kind < KINDS; kind++) {
		put_type(kind);
		put_instance(kind);
	}
	for (seed.head.minor = 0; seed.head.minor < 5; seed.head.minor++)
		fuzz__add_seed(&seed, sizeof(seed));
}
