// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The census of a heap that is an input: the walk through its pools, the types of its objects, their names;
 * and what it makes of its arenas. */
#include "check.h"
#include "fake_target.h"
#include "fuzz.h"
#include "heap_census.h"
#include "heap_seed.h"
#include "pools.h"
#include "render_census.h"

static void take_census(const struct python *python)
{
	struct census_type *types;
	struct census *census;
	struct heap_losses losses;
	struct error error;
	size_t n;

	if (heap_census__take(NULL, NULL, python, CENSUS_BY_TYPE, &census, &losses, &error))
		return;
	types = census__types(census, &n);
	for (size_t i = 0; i < n; i++)
		fuzz__check(types[i].objects, "only types with instances are there");
	census__free(census);
}

static int add_pool(void *context, uint64_t address, const struct pool_header *pool)
{
	pool_usage__add(context, address, pool);
	return 0;
}

static void count_pools(const struct python *python)
{
	const struct census_about about = {.python_version = "3.11.2"};
	struct pool_usage usage;
	struct page page;

	pool_usage__start(&usage, python->runtime.pool_bytes);
	if (pools__visit(NULL, NULL, usage.pool_bytes, POOLS_LIMIT_NS, add_pool, &usage))
		return;
	pool_usage__finish(&usage);
	page__open(&page);
	page__finish(&page, render_usage_text(&about, &usage, page.out));
	check__text(&page);
	page__free(&page);
	page__open(&page);
	page__finish(&page, render_usage_json(&about, &usage, page.out));
	check__json(&page);
	page__free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python;

	if (!fake_target__take_heap(bytes, n, &python))
		return 0;
	take_census(&python);
	count_pools(&python);
	return 0;
}

void fuzz__add_seeds(void)
{
	heap_seed__add();
}
