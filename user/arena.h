/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ARENA_H
#define LINGER_ARENA_H

#include <stddef.h>

/* Memory that is taken piece by piece and given back as a whole. An arena of zeros is empty and ready. */
struct arena {
	struct arena_chunk *chunks;
	char *free;
	size_t free_bytes;
	size_t taken_bytes; /* all that was asked for */
	size_t max_bytes;   /* more is refused; 0: no limit */
};

/* alignment: a power of two. NULL when there is no memory or the limit is reached. */
void *arena__alloc(struct arena *arena, size_t bytes, size_t alignment);
void arena__free(struct arena *arena);

#endif /* LINGER_ARENA_H */
