// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The tasks of asyncio in a heap that is an input, and the coroutines that they wait in. */
#include <string.h>

#include "async_tasks.h"
#include "fake_target.h"
#include "fuzz.h"
#include "pool.h"
#include "trace.h"

static void read_tasks(const struct python *python)
{
	struct code_cache codes = {};
	struct async_tasks tasks;
	struct error error;

	if (!async_tasks__read(NULL, NULL, python, &codes, &tasks, &error)) {
		for (size_t i = 0; i < tasks.n; i++)
			fuzz__check(tasks.tasks[i].n_frames <= LINGER_MAX_FRAMES,
				    "a stack has so many frames at most");
		async_tasks__free(&tasks);
	}
	code_cache__free(&codes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python;

	if (fake_target__take_heap(bytes, n, &python))
		read_tasks(&python);
	return 0;
}

/* --- a seed: 3.11 ------------------------------------------------------------------------------------ */

#define BLOCK_BYTES 512
#define BLOCK(i) (POOL_HEADER_BYTES + (i)*BLOCK_BYTES)
#define ADDRESS(i) (FAKE_HEAP + BLOCK(i))
#define OBJECT(i) (ADDRESS(i) + 16) /* behind what the collector keeps */
#define HAVE_GC (1u << 14)

static struct {
	struct fake_head head;
	char pool[POOL_MAX_BYTES];
} seed = {.head = {.minor = 3}};

static void put_word(uint32_t block, uint32_t offset, uint64_t word)
{
	memcpy(seed.pool + BLOCK(block) + offset, &word, sizeof(word));
}

/* In this block, with its name behind it. */
static void put_type(uint32_t block, const char *name)
{
	put_word(block, 0, 1);
	put_word(block, 8, ADDRESS(0));
	put_word(block, 24, ADDRESS(block) + 400);
	put_word(block, 32, 176);
	put_word(block, 168, HAVE_GC);
	strcpy(seed.pool + BLOCK(block) + 400, name);
}

static void put_object(uint32_t block, uint32_t type)
{
	put_word(block, 16, 1);
	put_word(block, 24, ADDRESS(type));
}

/* A coroutine that waits for another object: the last of its values. */
static void put_coroutine(uint32_t block, uint64_t awaited)
{
	put_object(block, 1);
	seed.pool[BLOCK(block) + 16 + 75] = -1;
	put_word(block, 16 + 80 + 32, OBJECT(block));
	put_word(block, 16 + 80 + 64, 1);
	put_word(block, 16 + 80 + 72, awaited);
}

void fuzz__add_seeds(void)
{
	struct pool_header header = {.szidx = 31, .nextoffset = BLOCK(5) - POOL_HEADER_BYTES};

	memcpy(seed.pool, &header, sizeof(header));
	put_type(0, "_asyncio.Task");
	put_type(1, "coroutine");
	put_object(2, 0);
	put_word(2, 16 + 136, OBJECT(3));
	put_coroutine(3, OBJECT(4));
	put_coroutine(4, OBJECT(2));
	fuzz__add_seed(&seed, sizeof(seed));
}
