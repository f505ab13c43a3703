// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who shares the growth of a heap, from samples and counts that say anything. */
#include <math.h>

#include "estimate.h"
#include "fuzz.h"
#include "input.h"

#define MAX_SAMPLES 64
#define ROUNDING 1e-6
#define MAX_EXPONENT 60 /* of 2, of weights: no recording takes that long */

static void check_row(const struct estimate_row *row)
{
	fuzz__check(row->survivors && row->windows && row->windows <= row->survivors,
		    "a row has survivors of windows");
	fuzz__check(isfinite(row->bytes) && row->bytes >= 0 && isfinite(row->blocks) && row->blocks >= 0,
		    "a row has an amount");
	fuzz__check(row->below_sq >= 0 && row->above_sq >= 0, "a row has bounds");
	for (size_t i = 0; i < ESTIMATE_TYPES; i++)
		fuzz__check(row->types[i].survivors <= row->survivors, "survivors are of types");
}

/* All that grew is somewhere. */
static void check_estimate(const struct estimate *estimate)
{
	struct estimate_amount growth = estimate__growth(estimate), sum = {};

	for (size_t i = 0; i < estimate__n_rows(estimate); i++) {
		const struct estimate_row *row = estimate__row(estimate, i);

		check_row(row);
		sum.blocks += row->blocks;
		sum.bytes += row->bytes;
	}
	for (unsigned int i = 0; i < ESTIMATE_CLASSES; i++) {
		sum.blocks += estimate__unattributed(estimate, i).blocks;
		sum.bytes += estimate__unattributed(estimate, i).bytes;
	}
	fuzz__check(fabs(sum.bytes - growth.bytes) <= ROUNDING * growth.bytes &&
			    fabs(sum.blocks - growth.blocks) <= ROUNDING * growth.blocks,
		    "the rows add up to the growth");
	fuzz__check(estimate__shrunk(estimate).bytes >= 0, "nothing shrinks by less than nothing");
}

/* What is no weight is to be refused. */
static double make_weight(struct input *input)
{
	double weight = input__double(input);
	int exponent;

	if (!isfinite(weight) || weight <= 0)
		return weight;
	weight = frexp(weight, &exponent);
	return ldexp(weight, exponent % MAX_EXPONENT);
}

static struct estimate_sample make_sample(struct input *input)
{
	return (struct estimate_sample){
		.stack_id = input__below(input, 8),
		.window = input__number(input),
		.age_ns = input__number(input),
		.weight = input__below(input, 8) ? 1 + input__number(input) : make_weight(input),
		.type = input__below(input, 16),
		.size_class = input__below(input, ESTIMATE_CLASSES + 1),
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};
	struct estimate_options options = {.min_age_ns = input__number(&input)};
	size_t n_samples = input__below(&input, MAX_SAMPLES);
	struct estimate_sample samples[MAX_SAMPLES];
	int64_t growth[ESTIMATE_CLASSES];
	struct estimate *estimate;

	for (size_t i = 0; i < n_samples; i++)
		samples[i] = make_sample(&input);
	for (size_t i = 0; i < ESTIMATE_CLASSES; i++)
		growth[i] = input__number(&input);
	if (estimate__make(samples, n_samples, growth, &options, &estimate))
		return 0;
	check_estimate(estimate);
	estimate__free(estimate);
	return 0;
}
