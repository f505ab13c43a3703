/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Folded stacks, one line each: `[domain];function (file:line);... weight`. flamegraph.pl, inferno and
 * speedscope read them unchanged. All three split frames at ';' and take what follows the last space as the
 * weight; the first two take two numbers at the end for a comparison of profiles, so no name may end in one.
 */
#include "render.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "render_common.h"

static void put_folded(FILE *out, uint32_t code_point)
{
	render_put_utf8(out, code_point == ';' ? ':' : code_point);
}

static void put_folded_word(FILE *out, uint32_t code_point)
{
	put_folded(out, code_point == ' ' ? '_' : code_point);
}

static bool ends_in_number(const char *name)
{
	size_t end = strlen(name);

	while (end && name[end - 1] == ' ')
		end--;
	return end && strchr("0123456789.", name[end - 1]);
}

/* A name with a file ends in ')'; any other is made one word if its end could be read as a weight. */
static void fold_frame(FILE *out, const struct profile_frame *frame)
{
	bool as_word = !frame->file && ends_in_number(frame->function);

	render_frame(out, frame, as_word ? put_folded_word : put_folded);
}

static void fold_stack(FILE *out, const struct profile_sample *stack)
{
	size_t i;

	fprintf(out, "[%s]", linger_domain__name(stack->domain));
	for (i = 0; i < stack->n_frames; i++) {
		putc_unlocked(';', out);
		fold_frame(out, stack->frames[i]);
	}
}

static int fold_domain(const struct profile *profile, enum linger_domain domain, enum profile_value value,
		       FILE *out)
{
	const struct profile_sample **samples;
	size_t n_samples;
	size_t i;
	int err;

	err = render_samples(profile, domain, value, &samples, &n_samples);
	if (err)
		return err;
	for (i = 0; i < n_samples; i++) {
		fold_stack(out, samples[i]);
		fprintf(out, " %" PRIu64 "\n", samples[i]->values[value]);
	}
	free(samples);
	return 0;
}

static int fold(const struct profile *profile, enum profile_value value, FILE *out)
{
	int domain;
	int err;

	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		err = fold_domain(profile, domain, value, out);
		if (err)
			return err;
	}
	return render_finish(out);
}

/* `stack before after`, as difffolded.pl writes it; only what changed. */
static int fold_domain_diff(const struct profile_diff *diff, enum linger_domain domain,
			    enum profile_value value, FILE *out)
{
	const struct profile_pair **pairs;
	size_t n_pairs;
	size_t i;
	int err;

	err = render_pairs(diff, domain, &pairs, &n_pairs);
	if (err)
		return err;
	for (i = 0; i < n_pairs; i++) {
		if (!profile_pair__change(pairs[i], value))
			continue;
		fold_stack(out, pairs[i]->stack);
		fprintf(out, " %" PRIu64 " %" PRIu64 "\n", pairs[i]->before[value], pairs[i]->after[value]);
	}
	free(pairs);
	return 0;
}

static int fold_diff(const struct profile_diff *diff, enum profile_value value, FILE *out)
{
	int domain;
	int err;

	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		err = fold_domain_diff(diff, domain, value, out);
		if (err)
			return err;
	}
	return render_finish(out);
}

const struct renderer render_folded = {
	.name = "folded",
	.suffix = ".folded",
	.render = fold,
	.render_diff = fold_diff,
};
