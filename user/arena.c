/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BYTES (64 * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	alignas(max_align_t) char data[];
};

static int grow(struct arena *arena, size_t bytes)
{
	size_t chunk_bytes = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + chunk_bytes);

	if (!chunk)
		return -ENOMEM;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->free = chunk->data;
	arena->free_bytes = chunk_bytes;
	return 0;
}

void *arena__alloc(struct arena *arena, size_t bytes, size_t alignment)
{
	size_t padding = -(uintptr_t)arena->free & (alignment - 1);
	void *block;

	if (arena->max_bytes && bytes > arena->max_bytes - arena->taken_bytes)
		return NULL;
	if (padding > arena->free_bytes || bytes > arena->free_bytes - padding) {
		if (bytes > SIZE_MAX / 2 || grow(arena, bytes))
			return NULL;
		padding = 0;
	}
	block = arena->free + padding;
	arena->free += padding + bytes;
	arena->free_bytes -= padding + bytes;
	arena->taken_bytes += bytes;
	return block;
}

void arena__free(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	*arena = (struct arena){.max_bytes = arena->max_bytes};
}
