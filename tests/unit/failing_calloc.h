/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FAILING_CALLOC_H
#define LINGER_FAILING_CALLOC_H

/* For tests that include the source itself, with an allocator that can be told to fail. */

#include <stdlib.h>

static int allocations_until_failure = -1;

static void *scripted_calloc(size_t n, size_t size)
{
	if (allocations_until_failure >= 0 && allocations_until_failure-- == 0)
		return NULL;
	return calloc(n, size);
}

#endif /* LINGER_FAILING_CALLOC_H */
