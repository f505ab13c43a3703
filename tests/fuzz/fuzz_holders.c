// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who holds an object, or the instances of a type, in a heap that is an input; and what is written of it. */
#include "check.h"
#include "fake_target.h"
#include "fuzz.h"
#include "heap_seed.h"
#include "pool.h"
#include "render_why.h"

#define DEPTH 6

static void see_progress(uint32_t step, size_t n_sought)
{
	fuzz__check(step <= DEPTH, "a search is as deep as it was asked for");
}

static void check(const struct holders *holders, int (*render)(const struct holders *holders, FILE *out),
		  void (*check_page)(const struct page *page))
{
	struct page page;

	page__open(&page);
	page__finish(&page, render(holders, page.out));
	check_page(&page);
	page__free(&page);
}

static void find(const struct python *python, const char *type, uint64_t address)
{
	static const volatile sig_atomic_t never;
	const struct holders_query query = {
		.type = type,
		.address = address,
		.depth = DEPTH,
		.is_interrupted = &never,
		.progress = see_progress,
	};
	struct holders holders;
	struct error error;

	if (holders__find(NULL, NULL, python, NULL, &query, &holders, &error))
		return;
	fuzz__check(holders.n_targets <= holders.n_instances || address, "targets are instances");
	check(&holders, render_why_text, check__text);
	check(&holders, render_why_json, check__json);
	check(&holders, render_why_dot, check__dot);
	holders__free(&holders);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python;

	if (!fake_target__take_heap(bytes, n, &python))
		return 0;
	python.interpreters = FAKE_HEAP;
	find(&python, "list", 0);
	find(&python, NULL, FAKE_HEAP + POOL_HEADER_BYTES + 16);
	return 0;
}

void fuzz__add_seeds(void)
{
	heap_seed__add();
}
