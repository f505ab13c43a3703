/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two censuses as a table: what grew, the most first, then what shrank. Numbers are exact, so that what is
 * added up can be seen to add up.
 */
#include "render_census.h"

#include <stdlib.h>

#include "render_common.h"

#define COLUMNS 112
#define NUMBERS_COLUMNS 72 /* of a row, before the type */
#define MAX_RATE 1e18

static const char *rate(int64_t change, double elapsed_s, char buffer[static RENDER_NUMBER_BYTES + 1])
{
	double per_minute = llabs(change) * 60.0 / elapsed_s;
	char bytes[RENDER_NUMBER_BYTES];

	if (elapsed_s <= 0 || !change)
		return "-";
	snprintf(buffer, RENDER_NUMBER_BYTES + 1, "%c%s", change < 0 ? '-' : '+',
		 render_bytes(per_minute < MAX_RATE ? per_minute : MAX_RATE, bytes));
	return buffer;
}

static void put_numbers(const struct census_pair *pair, double elapsed_s, FILE *out)
{
	char before[RENDER_NUMBER_BYTES], after[RENDER_NUMBER_BYTES], bytes[RENDER_NUMBER_BYTES];
	char blocks[RENDER_NUMBER_BYTES], per_minute[RENDER_NUMBER_BYTES + 1];

	fprintf(out, "%13s  %13s  %14s  %11s  %11s  ", render_count(pair->before.bytes, before),
		render_count(pair->after.bytes, after), render_change(census_pair__bytes(pair), bytes),
		render_change(census_pair__blocks(pair), blocks),
		rate(census_pair__bytes(pair), elapsed_s, per_minute));
}

static void put_rows(const struct census_diff *diff, size_t first, size_t n, FILE *out)
{
	for (size_t i = first; i < first + n; i++) {
		const struct profile_frame name = {.function = diff->pairs[i].name};

		put_numbers(&diff->pairs[i], diff->elapsed_s, out);
		render_frame_fitted(out, &name, COLUMNS - NUMBERS_COLUMNS, render_put_utf8);
		putc('\n', out);
	}
}

static void put_sum(const struct census_diff *diff, size_t first, size_t n, const char *text, FILE *out)
{
	struct census_pair sum = {0};
	char count[RENDER_NUMBER_BYTES];

	if (!n)
		return;
	for (size_t i = first; i < first + n; i++) {
		sum.before.blocks += diff->pairs[i].before.blocks;
		sum.before.bytes += diff->pairs[i].before.bytes;
		sum.after.blocks += diff->pairs[i].after.blocks;
		sum.after.bytes += diff->pairs[i].after.bytes;
	}
	put_numbers(&sum, diff->elapsed_s, out);
	fprintf(out, "%s: %s %s\n", text, render_count(n, count), n == 1 ? "row" : "rows");
}

static size_t at_most(size_t n, size_t limit)
{
	return n < limit ? n : limit;
}

int render_census_diff(const struct census_diff *diff, size_t top, FILE *out)
{
	size_t n_grown = 0, n_shrunk = 0, first_shrunk;

	while (n_grown < diff->n && census_pair__bytes(&diff->pairs[n_grown]) > 0)
		n_grown++;
	while (n_shrunk < diff->n && census_pair__bytes(&diff->pairs[diff->n - 1 - n_shrunk]) < 0)
		n_shrunk++;
	first_shrunk = diff->n - n_shrunk;
	fprintf(out, "object: types that grew and types that shrank, %.1f s apart\n\n", diff->elapsed_s);
	fprintf(out, "%13s  %13s  %14s  %11s  %11s  %s\n", "before", "after", "change", "blocks",
		"per minute", "type");
	put_rows(diff, 0, at_most(n_grown, top), out);
	put_sum(diff, at_most(n_grown, top), n_grown - at_most(n_grown, top), "others that grew", out);
	put_rows(diff, first_shrunk, at_most(n_shrunk, top), out);
	put_sum(diff, first_shrunk + at_most(n_shrunk, top), n_shrunk - at_most(n_shrunk, top),
		"others that shrank", out);
	put_sum(diff, n_grown, first_shrunk - n_grown, "unchanged", out);
	put_sum(diff, 0, diff->n, "total", out);
	putc('\n', out);
	return render_finish(out);
}
