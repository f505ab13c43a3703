// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is written of a profile, and of two compared, in all formats; and what is read back of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fake_profile.h"
#include "fuzz.h"
#include "pprof_read.h"
#include "render.h"
#include "stats_json.h"

#define ALL_DOMAINS ((1u << LINGER_DOMAINS) - 1)
#define EXACT_BYTES (UINT64_C(1) << 50) /* below, bounds are what they were after they were read back */

typedef void check_page(const struct page *page);

/* --- texts and pictures ------------------------------------------------------------------------------- */

static void check_counts(const struct page *page)
{
	check__folded(page, 1);
}

static void check_changes(const struct page *page)
{
	check__folded(page, 2);
}

static void check_profile(const struct profile *profile, enum profile_value value,
			  const struct renderer *renderer, check_page *check)
{
	struct page page;

	page__open(&page);
	page__finish(&page, renderer__render(renderer, profile, value, page.out));
	check(&page);
	page__free(&page);
}

static void check_diff(const struct profile_diff *diff, enum profile_value value,
		       const struct renderer *renderer, check_page *check)
{
	struct page page;

	page__open(&page);
	page__finish(&page, renderer->render_diff(diff, value, page.out));
	check(&page);
	page__free(&page);
}

static void check_all(const struct profile *before, const struct profile *after, enum profile_value value)
{
	struct profile_diff *diff;

	check_profile(after, value, &render_folded, check_counts);
	check_profile(after, value, &render_svg, check__svg);
	check_profile(after, value, &render_text, check__text);
	fuzz__check(!profile_diff__new(before, after, &diff), "two profiles can be compared");
	check_diff(diff, value, &render_folded, check_changes);
	check_diff(diff, value, &render_svg, check__svg);
	check_diff(diff, value, &render_text, check__text);
	profile_diff__free(diff);
}

/* --- pprof -------------------------------------------------------------------------------------------- */

static struct profile *write_and_read(const struct profile *profile, enum profile_value value)
{
	struct pprof_content content;
	char path[FUZZ_PATH_BYTES], *bytes = NULL;
	struct error error;
	size_t n;
	FILE *out = open_memstream(&bytes, &n);
	int fd, err;

	fuzz__check(out && !render_pprof.render(profile, value, out) && !fclose(out), "it is written");
	fd = fuzz__open_file((uint8_t *)bytes, n, path);
	err = pprof_read__file(path, ALL_DOMAINS, &content, &error);
	close(fd);
	free(bytes);
	fuzz__check(!err, "what is written can be read");
	fuzz__check(content.default_value == value, "it keeps the value that is shown");
	return content.profile;
}

static void put_estimate(const struct profile_sample *sample, FILE *out)
{
	struct profile_interval interval = profile_sample__interval(sample);
	const struct profile_estimate *estimate = sample->estimate;

	fprintf(out, " %d %" PRIu64 " %" PRIu64 " %" PRIu64, estimate->age, estimate->survivors,
		estimate->windows, estimate->newest_ms);
	if (interval.high_bytes < EXACT_BYTES)
		fprintf(out, " %" PRIu64 " %" PRIu64, interval.low_bytes, interval.high_bytes);
	for (size_t i = 0; i < PROFILE_TYPES && estimate->types[i].survivors; i++)
		fprintf(out, "\n\t%s %" PRIu64, estimate->types[i].name, estimate->types[i].survivors);
}

static void put_sample(const struct profile_sample *sample, FILE *out)
{
	fprintf(out, "%d %s", sample->domain, sample->thread ? sample->thread : "");
	for (int value = 0; value < PROFILE_VALUES; value++)
		fprintf(out, " %" PRIu64, sample->values[value]);
	if (sample->estimate)
		put_estimate(sample, out);
	for (size_t i = 0; i < sample->n_frames; i++)
		fprintf(out, "\n\t%s %s %d %d", sample->frames[i]->function,
			sample->frames[i]->file ? sample->frames[i]->file : "", sample->frames[i]->line,
			sample->frames[i]->first_line);
	putc('\n', out);
}

/* All that a profile has. */
static void put_profile(const struct profile *profile, FILE *out)
{
	fprintf(out, "%" PRIu64 " %" PRIu64 "\n", profile__time_ns(profile), profile__duration_ns(profile));
	for (size_t i = 0; i < profile__n_objects(profile); i++)
		fprintf(out, "%s %s\n", profile__object(profile, i)->path,
			profile__object(profile, i)->build_id);
	for (size_t i = 0; i < profile__n_notes(profile); i++)
		fprintf(out, "%s\n", profile__note(profile, i));
	for (size_t i = 0; i < profile__n_samples(profile); i++)
		put_sample(profile__sample(profile, i), out);
}

static void check_equal(const struct profile *a, const struct profile *b)
{
	struct page pages[2];

	page__open(&pages[0]);
	page__open(&pages[1]);
	put_profile(a, pages[0].out);
	put_profile(b, pages[1].out);
	page__finish(&pages[0], 0);
	page__finish(&pages[1], 0);
	fuzz__check(!strcmp(pages[0].text, pages[1].text), "what is read back is what was written");
	page__free(&pages[0]);
	page__free(&pages[1]);
}

/* The first time names are cleaned, which may make two stacks one. */
static void check_pprof(const struct profile *profile, enum profile_value value)
{
	struct profile *once = write_and_read(profile, value), *twice = write_and_read(once, value);

	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		for (int i = 0; i < PROFILE_VALUES; i++)
			fuzz__check(profile__total(profile, domain, i) == profile__total(once, domain, i),
				    "totals stay what they are");
	check_equal(once, twice);
	profile__free(once);
	profile__free(twice);
}

/* --- statistics --------------------------------------------------------------------------------------- */

static void fill_totals(struct recorder_summary *summary, struct input *input)
{
	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		summary->totals[domain] = (struct domain_totals){
			.counters = {.seen_allocs = input__number(input), .dropped = {input__number(input)}},
			.live_bytes = input__number(input),
		};
	summary->elapsed_s = input__number(input) / 1e3;
	summary->sampling.older_ns = input__number(input);
	summary->sampling.min_age_ns = input__number(input);
	summary->sampler.hits = input__number(input);
}

/* The path is the target's; what the rest is called linger says. */
static void check_stats(const struct profile *profile, struct input *input)
{
	struct recorder_summary summary = {
		.python_version = "3.11.2",
		.python_path = input__text(input),
		.build_id = "",
		.allocator = "pymalloc",
		.domains = ALL_DOMAINS & ~(1u << LINGER_DOMAIN_RAW),
		.sampled = true,
	};
	struct page page;

	fill_totals(&summary, input);
	page__open(&page);
	page__finish(&page, stats_json__write(&summary, profile, page.out));
	check__json(&page);
	page__free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};
	enum profile_value value = input__below(&input, PROFILE_VALUES);
	struct profile *after = fake_profile__make(&input), *before = fake_profile__make(&input);

	check_all(before, after, value);
	check_pprof(after, value);
	check_stats(after, &input);
	profile__free(before);
	profile__free(after);
	input__free(&input);
	return 0;
}

void fuzz__add_seeds(void)
{
	input__add_seed();
}
