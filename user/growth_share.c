/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "growth_share.h"

#include <math.h>

/*
 * Who shares the growth. Within a size class the old survivors come first. With O and Y the weights of the
 * old and of the young ones and G the growth:
 * - G >= O + Y: both are scaled by G / (O + Y);
 * - G >= O: the old ones keep their weight, the young ones share G - O;
 * - G < O: the old ones are scaled by G / O and nothing is left for the young ones.
 * For a steady churn always leaves young survivors, and these replace others that died: they are no growth.
 *
 * How sure that is. What one window sees is one draw, however many blocks are in it: a request allocates a
 * hundred at once. But when a window comes is no matter of chance: it stands for the time since the one
 * before. So each stratum keeps its growth, and the question is how the row's share of it differs from window
 * to window. The windows are dealt into groups, and the share is found again without each of them in turn,
 * the others standing for it (delete-a-group jackknife). How much that moves the row's bytes is their
 * variance, over all classes together, because the blocks of one request go together.
 *
 * A few windows may agree by chance. So to the variance that they show is added, as if from one more window,
 * the one that they would have if everything in them came from independent draws. How many draws a window
 * holds is seen from how evenly the windows are filled: the fewer draws, the more they differ. The variance
 * is turned into an effective number of samples, never more than there are, and that into Wilson's interval
 * of the share. Where the row is alone in every window nothing varies, and the number of draws is taken.
 *
 * Some doubts no share can settle, and they come on top:
 * - by how much the churn's own level moved between the two censuses;
 * - how the growth divides into old and young. Few windows tell that badly. The clock tells it well if the
 *   growth was even over the time in which its survivors were born. The interval reaches from what the
 *   weights say to what the clock says. It is too short for a leak that few windows met and that ended while
 *   churn goes on in its classes;
 * - whose young survivors are the growth, where they are more than it;
 * - where the weights contradict the growth by more than their own error, whether other blocks went or came
 *   that no window saw.
 */

#define CENSUS_ERROR 0.02 /* the target runs on while its pools are read */
#define NORMAL_QUANTILE 1.96
#define END_QUANTILE 1.645 /* at the end of a range an interval has one side only */
#define CLUSTERING 0.5     /* squared variation of the windows before there are any */

/* In blocks or bytes, or in parts of a whole. */
struct distances {
	double below, above;
};

struct range {
	double low, high;
};

/* The sums over the parts of a share. */
struct sums {
	double blocks, bytes;
	double exposed_bytes; /* growth of its stratum in its classes: what is shared */
	size_t n_samples;     /* among which it is shared */
	double noise_bytes;
	struct range even_bytes; /* if its classes had grown evenly */
	struct distances doubt;
};

/* 97.5 % of Student's t. Fewer than two degrees give none that means anything; the effective number of
 * samples is tiny then. */
static double t_quantile(double degrees)
{
	static const double quantiles[] = {4.30, 4.30, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23,
					   2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09, 2.08,
					   2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04, 2.04};

	return quantiles[(size_t)fmin(fmax(degrees, 0), GROWTH_GROUPS - 1)];
}

void growth_weights__add(struct growth_weights *weights, unsigned int group, double weight)
{
	weights->groups[group] += weight;
	weights->all += weight;
	weights->n_samples++;
}

/*
 * --- the growth of a class --------------------------------------------------------------------------------
 */

static struct growth_pair scale(double growth, double old, double young)
{
	double all = old + young;

	if (all <= 0)
		return (struct growth_pair){0};
	if (growth >= all)
		return (struct growth_pair){{growth / all, growth / all}};
	if (growth >= old)
		return (struct growth_pair){{1, (growth - old) / young}};
	return (struct growth_pair){{growth / old, 0}};
}

static double group_weight(const struct growth_class *class, unsigned int group, bool with_young)
{
	unsigned int n_strata = with_young ? GROWTH_STRATA : ESTIMATE_AGES;
	double weight = 0;

	for (unsigned int s = 0; s < n_strata; s++)
		weight += class->strata[s].groups[group];
	return weight;
}

/* How far the sum of the weights of all, or of the old survivors, may be from the truth. */
static double weights_error(const struct growth_windows *windows, const struct growth_class *class,
			    bool with_young)
{
	double all = class->all.of[GROWTH_OLD] + (with_young ? class->all.of[GROWTH_YOUNG] : 0);
	double mean = all / windows->n_groups, deviations = 0, squares = 0;

	for (unsigned int g = 0; g < windows->n_groups; g++) {
		double group = group_weight(class, g, with_young);

		deviations += (group - mean) * (group - mean);
		squares += group * group;
	}
	if (windows->n_groups < 2 || all <= 0)
		return INFINITY;
	return t_quantile(all * all / squares - 1) *
	       sqrt(deviations * windows->n_groups / (windows->n_groups - 1));
}

void growth_class__scale(struct growth_class *class, const struct growth_windows *windows)
{
	double old = class->all.of[GROWTH_OLD], all = old + class->all.of[GROWTH_YOUNG];

	class->scales = scale(class->growth, old, class->all.of[GROWTH_YOUNG]);
	class->seen_too_few = class->growth - all > weights_error(windows, class, true);
	class->seen_too_many = old - class->growth > weights_error(windows, class, false);
}

/* By how many blocks a class may have grown or shrunk without any of its survivors. Young survivors tell how
 * much churn there is at most; it comes in bursts, and it moved both censuses. */
static double class_noise(const struct growth_class *class)
{
	double burst = (double)class->n_samples / class->n_windows;
	double churn = NORMAL_QUANTILE * sqrt(2 * class->all.of[GROWTH_YOUNG] * burst);

	return fmin(fmax(churn, class->growth * CENSUS_ERROR), class->growth);
}

/* What share of a time, given by the ages at its ends, is old. */
static double old_share(double newest_s, double oldest_s, double min_age_s)
{
	if (oldest_s <= newest_s)
		return newest_s >= min_age_s;
	return fmax(oldest_s - fmax(newest_s, min_age_s), 0) / (oldest_s - newest_s);
}

/* What share of the growth is old if it was even since up to a pause before the oldest survivor. A pause
 * without survivors is no sign that it has ended. */
static struct range even_old_share(const struct growth_class *class, double min_age_s)
{
	double pause_s = class->oldest_s, newest_s;

	if (class->n_windows > 1)
		pause_s = (class->oldest_s - class->newest_s) / (class->n_windows - 1);
	newest_s = fmax(class->newest_s - pause_s, 0);
	return (struct range){
		old_share(newest_s, class->oldest_s, min_age_s),
		old_share(newest_s, class->oldest_s + pause_s, min_age_s),
	};
}

/*
 * --- the interval of a row --------------------------------------------------------------------------------
 */

/* In blocks, what the samples of a class cannot settle. */
static struct distances part_doubt(const struct growth_share *row, const struct growth_part *part)
{
	const struct growth_class *class = part->class;
	bool young = row->young;
	double scale = class->scales.of[young], blocks = part->weights.all * scale;
	struct distances doubt = {0};

	if (class->seen_too_few)
		doubt.below = blocks - part->weights.all;
	if (class->seen_too_many && !young)
		doubt.above = part->weights.all - blocks;
	/* What grew among the young could be all of this row's or all of the others'. */
	if (young && scale < 1) {
		double all = class->all.of[GROWTH_YOUNG], growth = all * scale;

		doubt.below = blocks - fmax(growth - (all - part->weights.all), 0);
		doubt.above = fmin(part->weights.all, growth) - blocks;
	}
	return doubt;
}

static void add_even_bytes(const struct growth_windows *windows, bool young, const struct growth_part *part,
			   struct range *even_bytes)
{
	const struct growth_class *class = part->class;
	double bytes = part->weights.all / class->all.of[young] * class->growth * class->block_bytes;
	struct range old = even_old_share(class, windows->min_age_s);

	even_bytes->low += bytes * (young ? 1 - old.high : old.low);
	even_bytes->high += bytes * (young ? 1 - old.low : old.high);
}

static struct sums add_up_parts(const struct growth_windows *windows, const struct growth_share *row)
{
	bool young = row->young;
	struct sums sums = {0};

	for (unsigned int p = 0; p < row->n_parts; p++) {
		const struct growth_part *part = &row->parts[p];
		const struct growth_class *class = part->class;
		const struct growth_weights *stratum = &class->strata[row->stratum];
		double blocks = part->weights.all * class->scales.of[young];
		struct distances doubt = part_doubt(row, part);

		sums.blocks += blocks;
		sums.bytes += blocks * class->block_bytes;
		sums.exposed_bytes += stratum->all * class->scales.of[young] * class->block_bytes;
		sums.n_samples += stratum->n_samples;
		if (class->growth > 0)
			sums.noise_bytes += class_noise(class) * blocks / class->growth * class->block_bytes;
		sums.doubt.below += doubt.below * class->block_bytes;
		sums.doubt.above += doubt.above * class->block_bytes;
		add_even_bytes(windows, young, part, &sums.even_bytes);
	}
	return sums;
}

/* The row's bytes if the other groups of its stratum stood for this one, too. */
static double bytes_without(const struct growth_share *row, unsigned int group)
{
	double bytes = 0;

	for (unsigned int p = 0; p < row->n_parts; p++) {
		const struct growth_part *part = &row->parts[p];
		const struct growth_weights *stratum = &part->class->strata[row->stratum];
		double rest = stratum->all - stratum->groups[group], weight = part->weights.all;

		/* What remains of nothing is rounding. */
		if (rest > stratum->all * 1e-9)
			weight = fmax(weight - part->weights.groups[group], 0) * stratum->all / rest;
		bytes += weight * part->class->scales.of[row->young] * part->class->block_bytes;
	}
	return bytes;
}

static double jackknife_variance(const struct growth_windows *windows, const struct growth_share *row,
				 double row_bytes)
{
	unsigned int n_groups = windows->n_stratum_groups[row->stratum];
	double variance = 0;

	for (unsigned int g = 0; g < windows->n_groups; g++) {
		double change = bytes_without(row, g) - row_bytes;

		variance += change * change;
	}
	return variance * (n_groups - 1) / n_groups;
}

/* Of one stratum, by weight, in the row's classes: sum of the groups, and sum of their squares. */
static double sum_groups(const struct growth_windows *windows, const struct growth_share *row,
			 unsigned int stratum, double *ret_squares)
{
	double sum = 0, squares = 0;

	for (unsigned int g = 0; g < windows->n_groups; g++) {
		double bytes = 0;

		for (unsigned int p = 0; p < row->n_parts; p++)
			bytes += row->parts[p].class->strata[stratum].groups[g] *
				 row->parts[p].class->block_bytes;
		sum += bytes;
		squares += bytes * bytes;
	}
	*ret_squares = squares;
	return sum;
}

/* By how much the groups differ within their strata: the square of their coefficient of variation. Its
 * inverse is how many independent draws are in one. */
static double clustering(const struct growth_windows *windows, const struct growth_share *row,
			 double *ret_degrees)
{
	double deviations = CLUSTERING, degrees = 1;

	for (unsigned int s = 0; s < GROWTH_STRATA; s++) {
		unsigned int n_groups = windows->n_stratum_groups[s];
		double squares, sum = sum_groups(windows, row, s, &squares);

		if (sum <= 0)
			continue;
		deviations += n_groups * fmax(squares * n_groups / (sum * sum) - 1, 0);
		degrees += n_groups - 1;
	}
	*ret_degrees = degrees;
	return deviations / degrees;
}

/* The interval of a share, as if it came from so many independent samples. */
static struct distances wilson(double share, double n_samples, double quantile)
{
	double correction = quantile * quantile / n_samples;
	double centre = (share + correction / 2) / (1 + correction);
	double half = sqrt(correction * (share * (1 - share) + correction / 4)) / (1 + correction);

	return (struct distances){share - fmax(centre - half, 0), fmin(centre + half, 1) - share};
}

static struct distances share_distances(const struct growth_windows *windows, const struct growth_share *row,
					const struct sums *sums)
{
	unsigned int n_groups = windows->n_stratum_groups[row->stratum];
	double share = fmin(sums->bytes / sums->exposed_bytes, 1), spread = share * (1 - share);
	double degrees, draws = fmin(n_groups / clustering(windows, row, &degrees), sums->n_samples);
	double variance;

	if (share < 1e-9 || share > 1 - 1e-9)
		return wilson(share, draws, END_QUANTILE);
	variance =
		jackknife_variance(windows, row, sums->bytes) / (sums->exposed_bytes * sums->exposed_bytes);
	variance = (variance * (n_groups - 1) + spread / draws) / n_groups;
	return wilson(share, fmin(spread / variance, sums->n_samples), t_quantile(degrees));
}

struct growth_amount growth_share__measure(const struct growth_share *row,
					   const struct growth_windows *windows)
{
	struct sums sums = add_up_parts(windows, row);
	struct distances share = {0};

	if (sums.exposed_bytes > 0)
		share = share_distances(windows, row, &sums);
	return (struct growth_amount){
		.blocks = sums.blocks,
		.bytes = sums.bytes,
		.below = hypot(share.below * sums.exposed_bytes, sums.noise_bytes) + sums.doubt.below +
			 fmax(sums.bytes - sums.even_bytes.low, 0),
		.above = hypot(share.above * sums.exposed_bytes, sums.noise_bytes) + sums.doubt.above +
			 fmax(sums.even_bytes.high - sums.bytes, 0),
	};
}
