/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A domain of a sampled recording as a table for a terminal: the largest stacks with what their estimates
 * rest on, each on two lines, then the groups of what cannot be said of a stack by itself, each as one sum.
 *
 * A stack grows until its youngest survivor says otherwise: if k windows at any time of the recording had
 * survivors of it, how likely is it that none of these windows lies in the time since the youngest? Survivors
 * do not count one by one, because those of a window come together, in a burst or not.
 */
#include "render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render_common.h"

#define TOP_STACKS 20
#define COLUMNS 110
#define NUMBERS_COLUMNS 72 /* of a row, before the name */
#define TEXT_BYTES 160
#define SHOWN_TYPES 4

/* What one row sums up. */
struct sum {
	struct profile_sample sample;
	struct profile_estimate estimate; /* of the sample */
	size_t n_stacks;
};

/* One domain: the stacks by themselves, in the order of the table, and the sums. */
struct table {
	enum linger_domain domain;
	enum profile_value value;
	const struct profile_sample **samples;
	size_t n_samples;
	size_t n_rows; /* how many of them get a row of their own */
	struct sum other, total, groups[PROFILE_GROUPS];
	double min_age_s; /* younger survivors are not among those of the stacks */
	double duration_s;
	bool has_outlived;
};

/*
 * --- growth ----------------------------------------------------------------------------------------------
 */

/* Nothing of a sample with exact values, such as a loss. */
static const struct profile_estimate *estimate_of(const struct profile_sample *sample)
{
	static const struct profile_estimate exact = {.newest_ms = UINT64_MAX};

	return sample->estimate ? sample->estimate : &exact;
}

/* "growing", "stopped 42 s ago", "last 42 s ago" where it cannot be told; nothing where nothing is known. */
static void format_growth(const struct table *table, const struct profile_sample *sample,
			  char text[static TEXT_BYTES])
{
	const struct profile_estimate *estimate = estimate_of(sample);
	enum profile_growth growth = profile_estimate__growth(estimate, table->duration_s, table->min_age_s);
	const char *word = growth == PROFILE_STOPPED ? "stopped" : "last";
	double seconds = estimate->newest_ms / 1000.0;

	text[0] = '\0';
	if (profile_sample__group(sample) != PROFILE_NO_GROUP || !estimate->windows ||
	    estimate->newest_ms == UINT64_MAX || !table->duration_s)
		return;
	if (growth == PROFILE_GROWING)
		snprintf(text, TEXT_BYTES, "growing");
	else if (seconds < 100)
		snprintf(text, TEXT_BYTES, "%s %.0f s ago", word, seconds);
	else if (seconds < 100 * 60)
		snprintf(text, TEXT_BYTES, "%s %.0f min ago", word, seconds / 60);
	else
		snprintf(text, TEXT_BYTES, "%s %.0f h ago", word, seconds / 3600);
}

/*
 * --- rows ------------------------------------------------------------------------------------------------
 */

static void put_numbers(const struct table *table, const struct profile_sample *sample, const char *interval,
			const char *growth, FILE *out)
{
	char live[RENDER_NUMBER_BYTES], survivors[RENDER_NUMBER_BYTES];

	fprintf(out, "%10s  %18s  %5.1f %%  %9s  %-18s  ",
		render_bytes(sample->values[PROFILE_INUSE_SPACE], live), interval,
		render_share(sample->values[table->value], table->total.sample.values[table->value]),
		render_count(estimate_of(sample)->survivors, survivors), growth);
}

static const char *format_interval(const struct profile_sample *sample, char text[static RENDER_NUMBER_BYTES])
{
	struct profile_interval interval = profile_sample__interval(sample);

	/* No sample is that sure: nobody has said how far this may be off. */
	if (interval.low_bytes == interval.high_bytes)
		return "";
	return render_byte_range(interval.low_bytes, interval.high_bytes, text);
}

/* The second line: blocks, and which part of the bytes is how old, where that is known. */
static void format_details(const struct profile_sample *sample, char text[static TEXT_BYTES])
{
	uint64_t blocks = sample->values[PROFILE_INUSE_OBJECTS], bytes = sample->values[PROFILE_INUSE_SPACE];
	char count[RENDER_NUMBER_BYTES];
	const char *separator = ", age ";
	int len = snprintf(text, TEXT_BYTES, "%10s %s", render_count(blocks, count),
			   blocks == 1 ? "block" : "blocks");

	for (int age = PROFILE_AGE_UNKNOWN + 1; age < PROFILE_AGES; age++) {
		uint64_t part = estimate_of(sample)->bands[age].inuse_bytes;

		if (!part)
			continue;
		len += snprintf(text + len, TEXT_BYTES - len, "%s%s", separator, profile_age__name(age));
		if (part < bytes)
			len += snprintf(text + len, TEXT_BYTES - len, " %.0f %%", render_share(part, bytes));
		separator = ", ";
	}
}

/* A third line: which types how many of its survivors are of, where that is known. */
static void put_types(const struct profile_sample *sample, FILE *out)
{
	const struct profile_estimate *estimate = estimate_of(sample);
	const char *separator = "           of type ";

	for (size_t i = 0; i < SHOWN_TYPES && estimate->types[i].survivors; i++) {
		fputs(separator, out);
		render_string(out, estimate->types[i].name, render_put_utf8);
		fprintf(out, " %.0f %%", render_share(estimate->types[i].survivors, estimate->survivors));
		separator = ", ";
	}
	if (estimate->types[0].survivors)
		putc('\n', out);
}

static void put_row(const struct table *table, const struct profile_sample *sample, FILE *out)
{
	char interval[RENDER_NUMBER_BYTES], growth[TEXT_BYTES], details[TEXT_BYTES];

	format_growth(table, sample, growth);
	format_details(sample, details);
	put_numbers(table, sample, format_interval(sample, interval), growth, out);
	render_place_beside(out, sample, details, NUMBERS_COLUMNS, COLUMNS);
	put_types(sample, out);
}

/* What is said of a whole heap was counted: it has no bounds, and is of no stacks. */
static void put_sum(const struct table *table, const struct sum *sum, bool is_counted, const char *name,
		    FILE *out)
{
	char interval[RENDER_NUMBER_BYTES], count[RENDER_NUMBER_BYTES], details[TEXT_BYTES];

	if (!sum->n_stacks)
		return;
	format_details(&sum->sample, details);
	put_numbers(table, &sum->sample, is_counted ? "" : format_interval(&sum->sample, interval), "", out);
	fputs(name, out);
	if (!is_counted)
		fprintf(out, ": %s %s", render_count(sum->n_stacks, count),
			sum->n_stacks == 1 ? "stack" : "stacks");
	fprintf(out, "\n%s\n", details);
}

/*
 * --- the table -------------------------------------------------------------------------------------------
 */

static const char *group_name(const struct table *table, enum profile_group group,
			      char text[static TEXT_BYTES])
{
	if (group == PROFILE_YOUNG)
		snprintf(text, TEXT_BYTES, "younger than %g s", table->min_age_s);
	else
		strcpy(text, group == PROFILE_TOO_FEW ? "too few survivors" : "no survivor sampled");
	return text;
}

static void put_title(const struct table *table, FILE *out)
{
	uint64_t survivors = table->total.estimate.survivors;
	const char *separator = "apart, as sums: ";
	char text[TEXT_BYTES], count[RENDER_NUMBER_BYTES];

	fprintf(out, "%s: largest stacks by %s%s, estimated from %s %s\n", linger_domain__name(table->domain),
		render_value_text(table->value), table->has_outlived ? " at the end of their window" : "",
		render_count(survivors, count), survivors == 1 ? "survivor" : "survivors");
	for (int group = 0; group < PROFILE_GROUPS; group++) {
		if (!table->groups[group].n_stacks)
			continue;
		fprintf(out, "%s%s", separator, group_name(table, group, text));
		separator = ", ";
	}
	fputs(*separator == ',' ? "\n\n" : "\n", out);
}

static void put_allocated(const struct profile_sample *total, FILE *out)
{
	char bytes[RENDER_NUMBER_BYTES], blocks[RENDER_NUMBER_BYTES];

	fprintf(out,
		"%10s  allocated in all, in %s %s: what the windows saw, scaled up to the whole time\n\n",
		render_bytes(total->values[PROFILE_ALLOC_SPACE], bytes),
		render_count(total->values[PROFILE_ALLOC_OBJECTS], blocks),
		total->values[PROFILE_ALLOC_OBJECTS] == 1 ? "block" : "blocks");
}

static bool is_empty(const struct table *table)
{
	return !table->total.sample.values[PROFILE_INUSE_SPACE] &&
	       !table->total.sample.values[PROFILE_INUSE_OBJECTS] && !table->total.estimate.survivors;
}

static void put_table(const struct table *table, FILE *out)
{
	char name[TEXT_BYTES];

	if (is_empty(table)) {
		fprintf(out, "%s: nothing that is still alive was sampled\n\n",
			linger_domain__name(table->domain));
		put_allocated(&table->total.sample, out);
		return;
	}
	put_title(table, out);
	fprintf(out, "%10s  %18s  %7s  %9s  %-18s  %s\n", "live", "95 % interval", "share", "survivors",
		"growth", "where");
	for (size_t i = 0; i < table->n_rows; i++)
		put_row(table, table->samples[i], out);
	put_sum(table, &table->other, false, "other", out);
	for (int group = 0; group < PROFILE_GROUPS; group++)
		put_sum(table, &table->groups[group], group == PROFILE_NO_SURVIVOR,
			group_name(table, group, name), out);
	put_sum(table, &table->total, true, "total", out);
	put_allocated(&table->total.sample, out);
}

/*
 * --- filling it ------------------------------------------------------------------------------------------
 */

static void sum__add(struct sum *sum, const struct profile_sample *sample)
{
	sum->sample.estimate = &sum->estimate;
	profile_sample__add(&sum->sample, sample);
	sum->n_stacks++;
}

/* What outlived its window has rows: of its domain nothing else is known of any stack. */
static void table__add(struct table *table, const struct profile_sample *sample)
{
	enum profile_group group = profile_sample__group(sample);

	sum__add(&table->total, sample);
	/* All that was allocated has gone. */
	if (!sample->values[PROFILE_INUSE_SPACE] && !sample->values[PROFILE_INUSE_OBJECTS] &&
	    !estimate_of(sample)->survivors)
		return;
	table->has_outlived |= group == PROFILE_OUTLIVED;
	if (group == PROFILE_YOUNG)
		sscanf(sample->frames[0]->function, "[younger than %lf", &table->min_age_s);
	if (group == PROFILE_NO_GROUP || group == PROFILE_OUTLIVED)
		table->samples[table->n_samples++] = sample;
	else
		sum__add(&table->groups[group], sample);
}

static int table__fill(struct table *table, const struct profile *profile)
{
	table->samples = calloc(profile__n_samples(profile) + 1, sizeof(*table->samples));
	if (!table->samples)
		return -ENOMEM;
	table->duration_s = profile__duration_ns(profile) / 1e9;
	for (size_t i = 0; i < profile__n_samples(profile); i++)
		if (profile__sample(profile, i)->domain == table->domain)
			table__add(table, profile__sample(profile, i));
	qsort_r(table->samples, table->n_samples, sizeof(*table->samples), render_compare_values,
		&table->value);
	table->n_rows = table->n_samples < TOP_STACKS ? table->n_samples : TOP_STACKS;
	for (size_t i = table->n_rows; i < table->n_samples; i++)
		sum__add(&table->other, table->samples[i]);
	return 0;
}

int render_text_estimate(const struct profile *profile, enum linger_domain domain, enum profile_value value,
			 FILE *out)
{
	struct table table = {.domain = domain, .value = value};
	int err = table__fill(&table, profile);

	if (!err)
		put_table(&table, out);
	free(table.samples);
	return err;
}
