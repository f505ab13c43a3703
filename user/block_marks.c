/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "block_marks.h"

#include <errno.h>
#include <stdlib.h>

struct block_marks {
	size_t bytes_of_pool;
	uint8_t *bytes; /* the kernel provides them when they are written to */
};

int block_marks__new(const struct pool_map *pools, struct block_marks **ret_marks)
{
	struct block_marks *marks = calloc(1, sizeof(*marks));

	if (!marks)
		return -ENOMEM;
	marks->bytes_of_pool = pools->pool_bytes / BLOCK_MARK_STEP / BLOCK_MARKS_IN_BYTE;
	marks->bytes = calloc(pools->n_pools + 1, marks->bytes_of_pool);
	if (!marks->bytes) {
		free(marks);
		return -ENOMEM;
	}
	*ret_marks = marks;
	return 0;
}

void block_marks__free(struct block_marks *marks)
{
	if (!marks)
		return;
	free(marks->bytes);
	free(marks);
}

uint8_t *block_marks__of_pool(struct block_marks *marks, uint32_t number)
{
	return marks->bytes + number * marks->bytes_of_pool;
}
