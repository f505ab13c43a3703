// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is written of a census, with the stacks of a recording beside its types; and what is read back of it.
 */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fake_profile.h"
#include "fuzz.h"
#include "pool_map.h"
#include "render_census.h"

#define MAX_TYPES 8
#define MAX_ADDRESS (UINT64_C(1) << 47)

/* Counts and sizes are of what is in memory. */
static uint64_t amount(struct input *input)
{
	return input__number(input) % MAX_ADDRESS;
}

static struct census_sum make_sum(struct input *input)
{
	return (struct census_sum){amount(input), amount(input)};
}

static struct census_peak make_peak(struct input *input)
{
	return (struct census_peak){amount(input), amount(input)};
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static struct census_type make_type(struct input *input, uint64_t number)
{
	return (struct census_type){
		.type = {.address = number * 16, .flags = input__number(input)},
		.name = copy(input__optional_text(input)),
		.module = copy(input__optional_text(input)),
		.n_types = 1,
		.objects = amount(input),
		.tracked = amount(input),
		.block_bytes = amount(input),
		.outside = make_sum(input),
		.owned = make_sum(input),
		.owned_outside = make_sum(input),
		.own_bytes = amount(input),
		.owned_bytes = amount(input),
		.largest = make_peak(input),
		.longest = make_peak(input),
	};
}

static struct census *make_census(struct input *input, const struct heap_memory *memory,
				  struct heap_objects *objects)
{
	struct heap_torn torn = {.blocks = amount(input), .bytes = amount(input)};
	size_t n = 1 + input__below(input, MAX_TYPES);
	struct census *census;

	fuzz__check(!census__new(memory, objects, &census), "there is memory for a census");
	for (size_t i = 0; i < n; i++) {
		struct census_type type = make_type(input, i + 1);

		if (!type.objects)
			type.objects = 1;
		fuzz__check(!census__add_type(census, &type), "there is memory for a type");
	}
	census__finish(census, &torn);
	census__group(census, input__below(input, CENSUS_BY_MODULE + 1));
	return census;
}

/* --- files -------------------------------------------------------------------------------------------- */

/* A census has not changed since it was written. */
static void check_no_change(struct census_rows *before, struct census_rows *after)
{
	struct census_diff diff;
	struct page page;

	fuzz__check(!census_diff__make(before, after, &diff), "two can be compared");
	for (size_t i = 0; i < diff.n; i++)
		fuzz__check(!census_pair__bytes(&diff.pairs[i]) && !census_pair__blocks(&diff.pairs[i]),
			    "what is read back is what was written");
	page__open(&page);
	page__finish(&page, render_census_diff(&diff, 2, page.out));
	check__text(&page);
	page__free(&page);
	census_diff__free(&diff);
}

/* Files with more than memory can have are refused. */
static void check_file(const struct page *page, const struct census *census)
{
	struct census_rows written, rows;
	char path[FUZZ_PATH_BYTES];
	struct error error;
	int fd = fuzz__open_file((const uint8_t *)page->text, page->bytes, path);

	fuzz__check(!census_rows__from(census, &rows), "a census has rows");
	if (!census_rows__read(path, &written, &error)) {
		check_no_change(&written, &rows);
		census_rows__free(&written);
	}
	census_rows__free(&rows);
	close(fd);
}

static void check_census(const struct census_about *about, const struct census *census)
{
	struct page page;

	page__open(&page);
	page__finish(&page, render_census_text(about, census, 4, page.out));
	check__text(&page);
	page__free(&page);
	page__open(&page);
	page__finish(&page, render_census_json(about, census, page.out));
	check__json(&page);
	check_file(&page, census);
	page__free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};
	struct pool_map pools = pool_map__of(POOL_MAX_BYTES);
	const struct heap_memory memory = {.pools = &pools};
	struct heap_objects *objects = NULL;
	struct census_about about = {
		.pid = 1, .python_version = "3.11.2", .by = input__below(&input, CENSUS_BY_MODULE + 1)};
	struct type_stacks *stacks = NULL;
	struct profile *profile;
	struct census *census;

	fuzz__check(!heap_objects__new(&memory, &objects), "there is memory for a census");
	census = make_census(&input, &memory, objects);
	profile = fake_profile__make(&input);
	if (!type_stacks__new(profile, &stacks))
		about.stacks = stacks;
	about.stacks_path = input__text(&input);
	check_census(&about, census);
	type_stacks__free(stacks);
	profile__free(profile);
	census__free(census);
	heap_objects__free(objects);
	pool_map__free(&pools);
	input__free(&input);
	return 0;
}

void fuzz__add_seeds(void)
{
	input__add_seed();
}
