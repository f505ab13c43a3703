/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The summary for a terminal: a table for each domain with its largest stacks, in 100 columns.
 */
#include "render.h"

#include <errno.h>
#include <stdlib.h>

#include "render_common.h"

#define TOP_STACKS 20
#define COLUMNS 100
#define NUMBERS_COLUMNS 48 /* of a row, before the name */

/* One domain: its stacks in the order of the table, and what its shares are shares of. */
struct table {
	enum linger_domain domain;
	enum profile_value value;
	bool is_estimate;
	const struct profile_sample **samples;
	size_t n_samples;
	size_t n_rows; /* how many of them get a row of their own */
	uint64_t total;
};

/*
 * --- rows ------------------------------------------------------------------------------------------------
 */

static void put_numbers(const struct table *table, const uint64_t values[PROFILE_VALUES], FILE *out)
{
	char live[RENDER_NUMBER_BYTES], blocks[RENDER_NUMBER_BYTES], allocated[RENDER_NUMBER_BYTES];

	fprintf(out, "%10s  %5.1f %%  %13s  %10s  ", render_bytes(values[PROFILE_INUSE_SPACE], live),
		render_share(values[table->value], table->total),
		render_count(values[PROFILE_INUSE_OBJECTS], blocks),
		render_bytes(values[PROFILE_ALLOC_SPACE], allocated));
}

static void put_row(const struct table *table, const struct profile_sample *sample, FILE *out)
{
	put_numbers(table, sample->values, out);
	render_place(out, sample, NUMBERS_COLUMNS, COLUMNS);
}

/* One row for all stacks from the first one on. */
static void put_sum(const struct table *table, size_t first, const char *text, FILE *out)
{
	uint64_t sum[PROFILE_VALUES] = {0};
	char count[RENDER_NUMBER_BYTES];
	size_t n = table->n_samples - first;
	size_t i;
	int value;

	if (!n)
		return;
	for (i = first; i < table->n_samples; i++)
		for (value = 0; value < PROFILE_VALUES; value++)
			sum[value] += table->samples[i]->values[value];
	put_numbers(table, sum, out);
	fprintf(out, "%s: %s %s\n", text, render_count(n, count), n == 1 ? "stack" : "stacks");
}

static void put_table(const struct table *table, FILE *out)
{
	size_t i;

	fprintf(out, "%s: largest stacks by %s%s\n\n", linger_domain__name(table->domain),
		render_value_text(table->value), table->is_estimate ? ", estimated" : "");
	fprintf(out, "%10s  %7s  %13s  %10s  %s\n", "live", "share", "live blocks", "allocated", "where");
	for (i = 0; i < table->n_rows; i++)
		put_row(table, table->samples[i], out);
	put_sum(table, table->n_rows, "other", out);
	put_sum(table, 0, "total", out);
	putc('\n', out);
}

/*
 * --- tables ----------------------------------------------------------------------------------------------
 */

/* Also stacks without the chosen value, so that every column adds up to its total. */
static int table__fill(struct table *table, const struct profile *profile)
{
	size_t i;

	table->samples = calloc(profile__n_samples(profile) + 1, sizeof(*table->samples));
	if (!table->samples)
		return -ENOMEM;
	for (i = 0; i < profile__n_samples(profile); i++)
		if (profile__sample(profile, i)->domain == table->domain)
			table->samples[table->n_samples++] = profile__sample(profile, i);
	qsort_r(table->samples, table->n_samples, sizeof(*table->samples), render_compare_values,
		&table->value);
	table->total = profile__total(profile, table->domain, table->value);
	while (table->n_rows < table->n_samples && table->n_rows < TOP_STACKS &&
	       table->samples[table->n_rows]->values[table->value])
		table->n_rows++;
	return 0;
}

static int put_domain(const struct profile *profile, enum linger_domain domain, enum profile_value value,
		      FILE *out)
{
	struct table table = {
		.domain = domain,
		.value = value,
		.is_estimate = profile__is_estimate(profile, domain),
	};
	int err;

	if (table.is_estimate && render_value_bytes(value) == PROFILE_INUSE_SPACE)
		return render_text_estimate(profile, domain, value, out);
	err = table__fill(&table, profile);
	if (err)
		return err;
	if (table.n_samples)
		put_table(&table, out);
	free(table.samples);
	return 0;
}

static int put_profile(const struct profile *profile, enum profile_value value, FILE *out)
{
	size_t i;
	int domain;
	int err;

	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		err = put_domain(profile, domain, value, out);
		if (err)
			return err;
	}
	if (!profile__n_samples(profile))
		fputs("no allocations in this profile\n\n", out);
	for (i = 0; i < profile__n_notes(profile); i++)
		render_note(out, profile__note(profile, i));
	return render_finish(out);
}

const struct renderer render_text = {
	.name = "text",
	.suffix = ".txt",
	.render = put_profile,
	.render_diff = render_text_diff,
};
