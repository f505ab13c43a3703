/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two profiles as tables for a terminal: what grew, the most first, then what shrank. Numbers are exact, so
 * that what is added up can be seen to add up.
 */
#include "render.h"

#include <inttypes.h>
#include <stdlib.h>

#include "render_common.h"

#define TOP_STACKS 10 /* of those that grew, and of those that shrank */
#define COLUMNS 112
#define NUMBERS_COLUMNS 59 /* of a row, before the name */

/* One domain: its pairs in the order of the table; the first n_grown grew, the last n_shrunk shrank. */
struct table {
	enum linger_domain domain;
	enum profile_value value, other;
	const struct profile_pair **pairs;
	size_t n_pairs, n_grown, n_shrunk;
};

/*
 * --- rows ------------------------------------------------------------------------------------------------
 */

static void put_numbers(const struct table *table, const struct profile_pair *pair, FILE *out)
{
	char before[RENDER_NUMBER_BYTES], after[RENDER_NUMBER_BYTES];
	char change[RENDER_NUMBER_BYTES], other[RENDER_NUMBER_BYTES];

	fprintf(out, "%13s  %13s  %14s  %11s  ", render_count(pair->before[table->value], before),
		render_count(pair->after[table->value], after),
		render_change(profile_pair__change(pair, table->value), change),
		render_change(profile_pair__change(pair, table->other), other));
}

static void put_rows(const struct table *table, size_t first, size_t n, FILE *out)
{
	for (size_t i = first; i < first + n; i++) {
		put_numbers(table, table->pairs[i], out);
		render_place(out, table->pairs[i]->stack, NUMBERS_COLUMNS, COLUMNS);
	}
}

/* One row for n stacks. */
static void put_sum(const struct table *table, size_t first, size_t n, const char *text, FILE *out)
{
	struct profile_pair sum = {};
	char count[RENDER_NUMBER_BYTES];

	if (!n)
		return;
	for (size_t i = first; i < first + n; i++) {
		for (int value = 0; value < PROFILE_VALUES; value++) {
			sum.before[value] += table->pairs[i]->before[value];
			sum.after[value] += table->pairs[i]->after[value];
		}
	}
	put_numbers(table, &sum, out);
	fprintf(out, "%s: %s %s\n", text, render_count(n, count), n == 1 ? "stack" : "stacks");
}

static size_t at_most(size_t n, size_t limit)
{
	return n < limit ? n : limit;
}

static void put_table(const struct table *table, FILE *out)
{
	size_t n_grown = at_most(table->n_grown, TOP_STACKS), n_shrunk = at_most(table->n_shrunk, TOP_STACKS);
	size_t first_shrunk = table->n_pairs - table->n_shrunk;
	bool in_bytes = table->value == render_value_bytes(table->value);

	fprintf(out, "%s: stacks that grew and stacks that shrank, by %s\n\n",
		linger_domain__name(table->domain), render_value_text(table->value));
	fprintf(out, "%13s  %13s  %14s  %11s  %s\n", "before", "after", "change",
		in_bytes ? "blocks" : "bytes", "where");
	put_rows(table, 0, n_grown, out);
	put_sum(table, n_grown, table->n_grown - n_grown, "others that grew", out);
	put_rows(table, first_shrunk, n_shrunk, out);
	put_sum(table, first_shrunk + n_shrunk, table->n_shrunk - n_shrunk, "others that shrank", out);
	put_sum(table, table->n_grown, first_shrunk - table->n_grown, "unchanged", out);
	put_sum(table, 0, table->n_pairs, "total", out);
	putc('\n', out);
}

/*
 * --- tables ----------------------------------------------------------------------------------------------
 */

/* What grew before what stayed before what shrank; in each, the largest change first. */
static int compare_changes(const void *a, const void *b, void *value)
{
	const struct profile_pair *const *left = a, *const *right = b;
	int64_t left_change = profile_pair__change(*left, *(enum profile_value *)value);
	int64_t right_change = profile_pair__change(*right, *(enum profile_value *)value);

	if ((left_change < 0) != (right_change < 0))
		return left_change < 0 ? 1 : -1;
	if (left_change != right_change)
		return llabs(left_change) < llabs(right_change) ? 1 : -1;
	return render_compare_stacks(&(*left)->stack, &(*right)->stack);
}

static void table__sort(struct table *table)
{
	qsort_r(table->pairs, table->n_pairs, sizeof(*table->pairs), compare_changes, &table->value);
	for (size_t i = 0; i < table->n_pairs; i++) {
		int64_t change = profile_pair__change(table->pairs[i], table->value);

		table->n_grown += change > 0;
		table->n_shrunk += change < 0;
	}
}

static int put_domain(const struct profile_diff *diff, enum linger_domain domain, enum profile_value value,
		      FILE *out)
{
	struct table table = {.domain = domain, .value = value, .other = render_value_other(value)};
	int err;

	if (!profile_diff__n_changes(diff, domain, value))
		return 0;
	err = render_pairs(diff, domain, &table.pairs, &table.n_pairs);
	if (err)
		return err;
	table__sort(&table);
	put_table(&table, out);
	free(table.pairs);
	return 0;
}

int render_text_diff(const struct profile_diff *diff, enum profile_value value, FILE *out)
{
	size_t n_changes = 0;
	int err = 0;

	for (int domain = 0; domain < LINGER_DOMAINS && !err; domain++) {
		n_changes += profile_diff__n_changes(diff, domain, value);
		err = put_domain(diff, domain, value, out);
	}
	if (err)
		return err;
	if (!n_changes)
		fprintf(out, "no change: every stack has the same %s in both profiles\n",
			render_value_text(value));
	for (size_t i = 0; n_changes && i < profile_diff__n_notes(diff); i++)
		render_note(out, profile_diff__note(diff, i));
	return render_finish(out);
}
