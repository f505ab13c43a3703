/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/*
 * Who shares the growth. Within a size class the old survivors come first. With O and Y the weights of the
 * old and of the young ones and G the growth:
 * - G >= O + Y: both are scaled by G / (O + Y);
 * - G >= O: the old ones keep their weight, the young ones share G - O;
 * - G < O: the old ones are scaled by G / O and nothing is left for the young ones.
 * For a steady churn always leaves young survivors, and these replace others that died: they are no growth.
 *
 * How sure that is. What one window sees is one draw, however many blocks are in it: a request allocates a
 * hundred at once. So the windows are dealt into at most GROUPS groups, and the estimate is made again
 * without each of them in turn (delete-a-group jackknife). How much that moves the bytes of a row is their
 * variance, over all classes together, because the blocks of one request go together. As a variance says
 * little near the ends of a share (none or all of the row's classes), it is turned into an effective number
 * of samples, never more than there are, and that number into Wilson's interval of the share.
 *
 * Some doubts no sample can settle, and they come on top: by how much the churn's own level moved between the
 * two censuses; whose young survivors are the growth, where they are more than it; and, where the weights
 * contradict the growth by more than their own error, whether other blocks went or came that no window saw.
 *
 * Every row has an interval of its own. The rows of a stack are merged by adding the squares of the
 * distances, which is more than enough: blocks that are wrongly given to one of them are missing in another.
 */

#define GROUPS 32
#define CENSUS_ERROR 0.02 /* the target runs on while its pools are read */
#define NORMAL_QUANTILE 1.96
#define NS_PER_S UINT64_C(1000000000)

enum { OLD, YOUNG };

struct member {
	const struct estimate_sample *sample;
	unsigned int group;
	enum estimate_age age;
	bool young;
};

/* Of old and of young survivors: weights, or blocks per weight. */
struct pair {
	double of[2];
};

struct size_class {
	double block_bytes;
	double growth; /* blocks, never negative */
	struct pair groups[GROUPS], all;
	size_t n_samples, n_windows, last_window;
	struct pair scales[GROUPS + 1];   /* without each group; the last: with all */
	bool seen_too_few, seen_too_many; /* blocks: the weights contradict the growth */
};

struct distances {
	double below, above;
};

/* What a row has in one class. */
struct part {
	const struct size_class *class;
	double groups[GROUPS], all; /* weights */
};

/* The survivors of a row. */
struct survivors {
	const struct member *members;
	size_t n;
	struct part *parts; /* of maker */
	unsigned int n_parts;
	/* The sums over its parts. */
	double blocks, bytes;
	double exposed_bytes;        /* growth of its classes: what it could have at most */
	size_t n_samples, n_windows; /* of its classes; the windows are those of the class with most */
	double noise_bytes;
	struct distances doubt;
};

struct estimate {
	struct estimate_row *rows;
	size_t n_rows;
	struct estimate_amount growth, shrunk;
	struct estimate_amount unattributed[ESTIMATE_CLASSES];
};

struct maker {
	struct member *members;
	size_t n;
	unsigned int n_groups;
	struct size_class classes[ESTIMATE_CLASSES];
	struct part parts[ESTIMATE_CLASSES]; /* of the row at hand */
	struct estimate *estimate;
};

enum estimate_age estimate_age__of(uint64_t age_ns)
{
	if (age_ns < 10 * NS_PER_S)
		return ESTIMATE_UNDER_10S;
	if (age_ns < 60 * NS_PER_S)
		return ESTIMATE_UNDER_1MIN;
	return age_ns < 600 * NS_PER_S ? ESTIMATE_UNDER_10MIN : ESTIMATE_OLDER;
}

/* 97.5 % of Student's t. Fewer than two degrees give none that means anything; the effective number of
 * samples is tiny then. */
static double t_quantile(double degrees)
{
	static const double quantiles[] = {4.30, 4.30, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23,
					   2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09, 2.08,
					   2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04, 2.04};

	return quantiles[(size_t)fmin(fmax(degrees, 0), GROUPS - 1)];
}

/*
 * --- the growth of a class --------------------------------------------------------------------------------
 */

static struct pair scale(double growth, double old, double young)
{
	double all = old + young;

	if (all <= 0)
		return (struct pair){0};
	if (growth >= all)
		return (struct pair){{growth / all, growth / all}};
	if (growth >= old)
		return (struct pair){{1, (growth - old) / young}};
	return (struct pair){{growth / old, 0}};
}

/* What a sum of weights would be if the other groups were all there are. */
static double without(const struct maker *maker, double all, double group)
{
	double rest = all - group;

	/* What remains of nothing is rounding. */
	return rest > all * 1e-9 ? rest * maker->n_groups / (maker->n_groups - 1) : 0;
}

static void scale_class(const struct maker *maker, struct size_class *class)
{
	const struct pair *all = &class->all;

	for (unsigned int g = 0; g < maker->n_groups && maker->n_groups > 1; g++)
		class->scales[g] =
			scale(class->growth, without(maker, all->of[OLD], class->groups[g].of[OLD]),
			      without(maker, all->of[YOUNG], class->groups[g].of[YOUNG]));
	class->scales[GROUPS] = scale(class->growth, all->of[OLD], all->of[YOUNG]);
}

/* How far the sum of the weights of all, or of the old survivors, may be from the truth. */
static double weights_error(const struct maker *maker, const struct size_class *class, bool with_young)
{
	double all = class->all.of[OLD] + (with_young ? class->all.of[YOUNG] : 0);
	double mean = all / maker->n_groups, deviations = 0, squares = 0;

	for (unsigned int g = 0; g < maker->n_groups; g++) {
		double group = class->groups[g].of[OLD] + (with_young ? class->groups[g].of[YOUNG] : 0);

		deviations += (group - mean) * (group - mean);
		squares += group * group;
	}
	if (maker->n_groups < 2 || all <= 0)
		return INFINITY;
	return t_quantile(all * all / squares - 1) *
	       sqrt(deviations * maker->n_groups / (maker->n_groups - 1));
}

static void compare_with_growth(const struct maker *maker, struct size_class *class)
{
	double old = class->all.of[OLD], all = old + class->all.of[YOUNG];

	class->seen_too_few = class->growth - all > weights_error(maker, class, true);
	class->seen_too_many = old - class->growth > weights_error(maker, class, false);
}

/* By how many blocks a class may have grown or shrunk without any of its survivors. Young survivors tell how
 * much churn there is at most; it comes in bursts, and it moved both censuses. */
static double class_noise(const struct size_class *class)
{
	double burst = (double)class->n_samples / class->n_windows;
	double churn = NORMAL_QUANTILE * sqrt(2 * class->all.of[YOUNG] * burst);

	return fmin(fmax(churn, class->growth * CENSUS_ERROR), class->growth);
}

/*
 * --- the interval of a row --------------------------------------------------------------------------------
 */

/* Without one group, or with all (GROUPS). */
static double part_blocks(const struct maker *maker, const struct survivors *row, const struct part *part,
			  unsigned int group)
{
	double weight = group < GROUPS ? without(maker, part->all, part->groups[group]) : part->all;

	return weight * part->class->scales[group].of[row->members->young];
}

/* In blocks, what the samples of a class cannot settle. */
static struct distances part_doubt(const struct survivors *row, const struct part *part)
{
	const struct size_class *class = part->class;
	bool young = row->members->young;
	double scale = class->scales[GROUPS].of[young], blocks = part->all * scale;
	struct distances doubt = {0};

	if (class->seen_too_few)
		doubt.below = blocks - part->all;
	if (class->seen_too_many && !young)
		doubt.above = part->all - blocks;
	/* What grew among the young could be all of this row's or all of the others'. */
	if (young && scale < 1) {
		double all = class->all.of[YOUNG], growth = all * scale;

		doubt.below = blocks - fmax(growth - (all - part->all), 0);
		doubt.above = fmin(part->all, growth) - blocks;
	}
	return doubt;
}

static void add_up_parts(const struct maker *maker, struct survivors *row)
{
	for (unsigned int p = 0; p < row->n_parts; p++) {
		const struct size_class *class = row->parts[p].class;
		double blocks = part_blocks(maker, row, &row->parts[p], GROUPS);
		struct distances doubt = part_doubt(row, &row->parts[p]);

		row->blocks += blocks;
		row->bytes += blocks * class->block_bytes;
		row->exposed_bytes += class->growth * class->block_bytes;
		row->n_samples += class->n_samples;
		row->n_windows = class->n_windows > row->n_windows ? class->n_windows : row->n_windows;
		if (class->growth > 0)
			row->noise_bytes += class_noise(class) * blocks / class->growth * class->block_bytes;
		row->doubt.below += doubt.below * class->block_bytes;
		row->doubt.above += doubt.above * class->block_bytes;
	}
}

static double jackknife_variance(const struct maker *maker, const struct survivors *row)
{
	double variance = 0;

	for (unsigned int g = 0; g < maker->n_groups; g++) {
		double change = -row->bytes;

		for (unsigned int p = 0; p < row->n_parts; p++)
			change +=
				row->parts[p].class->block_bytes * part_blocks(maker, row, &row->parts[p], g);
		variance += change * change;
	}
	return variance * (maker->n_groups - 1) / maker->n_groups;
}

/* How many groups it would take to carry the growth of the row's classes, if all carried the same. */
static double effective_groups(const struct maker *maker, const struct survivors *row)
{
	double sum = 0, squares = 0;

	for (unsigned int g = 0; g < maker->n_groups; g++) {
		double bytes = 0;

		for (unsigned int p = 0; p < row->n_parts; p++) {
			const struct size_class *class = row->parts[p].class;
			const struct pair *scales = &class->scales[GROUPS];

			bytes += (class->groups[g].of[OLD] * scales->of[OLD] +
				  class->groups[g].of[YOUNG] * scales->of[YOUNG]) *
				 class->block_bytes;
		}
		sum += bytes;
		squares += bytes * bytes;
	}
	return squares > 0 ? sum * sum / squares : 1;
}

/* The interval of a share, as if it came from so many independent samples. */
static struct distances wilson(double share, double n_samples, double quantile)
{
	double correction = quantile * quantile / n_samples;
	double centre = (share + correction / 2) / (1 + correction);
	double half = sqrt(correction * (share * (1 - share) + correction / 4)) / (1 + correction);

	return (struct distances){share - fmax(centre - half, 0), fmin(centre + half, 1) - share};
}

static struct distances share_distances(const struct maker *maker, const struct survivors *row)
{
	double share = row->bytes / row->exposed_bytes, spread, variance;

	/* Nothing varies. Another row would have shown in a window, not in a block. */
	if (maker->n_groups < 2 || share < 1e-9 || share > 1 - 1e-9)
		return wilson(fmin(share, 1), row->n_windows, NORMAL_QUANTILE);
	spread = share * (1 - share);
	variance = jackknife_variance(maker, row) / (row->exposed_bytes * row->exposed_bytes);
	return wilson(share, fmin(spread / variance, row->n_samples),
		      t_quantile(effective_groups(maker, row) - 1));
}

static struct distances row_distances(const struct maker *maker, const struct survivors *row)
{
	struct distances share = {0};

	if (row->exposed_bytes > 0)
		share = share_distances(maker, row);
	return (struct distances){
		hypot(share.below * row->exposed_bytes, row->noise_bytes) + row->doubt.below,
		hypot(share.above * row->exposed_bytes, row->noise_bytes) + row->doubt.above,
	};
}

/*
 * --- rows -------------------------------------------------------------------------------------------------
 */

static bool same_row(const struct member *a, const struct member *b)
{
	return a->sample->stack_id == b->sample->stack_id && a->young == b->young && a->age == b->age;
}

static void gather_parts(struct maker *maker, struct survivors *row)
{
	struct part *parts[ESTIMATE_CLASSES] = {0};

	for (size_t i = 0; i < row->n; i++) {
		const struct member *member = &row->members[i];
		struct part **part = &parts[member->sample->size_class];

		if (!*part) {
			*part = &row->parts[row->n_parts++];
			**part = (struct part){.class = &maker->classes[member->sample->size_class]};
		}
		(*part)->groups[member->group] += member->sample->weight;
		(*part)->all += member->sample->weight;
	}
}

static int compare_windows(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->sample->window > y->sample->window) - (x->sample->window < y->sample->window);
}

/* The row that begins with this member; returns how many members it has. */
static size_t make_row(struct maker *maker, size_t first, struct estimate_row *ret_row)
{
	struct survivors row = {.members = &maker->members[first], .parts = maker->parts};
	struct distances distances;
	uint64_t windows = 0;

	while (first + row.n < maker->n && same_row(row.members, &row.members[row.n]))
		row.n++;
	for (size_t i = 0; i < row.n; i++)
		windows += i == 0 || compare_windows(&row.members[i - 1], &row.members[i]);
	gather_parts(maker, &row);
	add_up_parts(maker, &row);
	distances = row_distances(maker, &row);
	*ret_row = (struct estimate_row){
		.stack_id = row.members->sample->stack_id,
		.age = row.members->age,
		.young = row.members->young,
		.survivors = row.n,
		.windows = windows,
		.blocks = row.blocks,
		.bytes = row.bytes,
		.below_sq = distances.below * distances.below,
		.above_sq = distances.above * distances.above,
	};
	return row.n;
}

static size_t count_rows(const struct maker *maker)
{
	size_t n = 0;

	for (size_t i = 0; i < maker->n; i++)
		n += i == 0 || !same_row(&maker->members[i - 1], &maker->members[i]);
	return n;
}

/* All rows of a stack get the age of its youngest survivor. */
static void set_newest_ages(struct maker *maker)
{
	struct estimate_row *rows = maker->estimate->rows;
	size_t n_rows = maker->estimate->n_rows, r = 0;

	for (size_t i = 0; i < maker->n;) {
		uint32_t stack_id = maker->members[i].sample->stack_id;
		uint64_t newest_age_ns = UINT64_MAX;

		for (; i < maker->n && maker->members[i].sample->stack_id == stack_id; i++)
			if (maker->members[i].sample->age_ns < newest_age_ns)
				newest_age_ns = maker->members[i].sample->age_ns;
		for (; r < n_rows && rows[r].stack_id == stack_id; r++)
			rows[r].newest_age_ns = newest_age_ns;
	}
}

static int make_rows(struct maker *maker)
{
	struct estimate *estimate = maker->estimate;

	estimate->rows = calloc(count_rows(maker) + 1, sizeof(*estimate->rows));
	if (!estimate->rows)
		return -ENOMEM;
	for (size_t i = 0; i < maker->n;)
		i += make_row(maker, i, &estimate->rows[estimate->n_rows++]);
	set_newest_ages(maker);
	return 0;
}

/*
 * --- samples ----------------------------------------------------------------------------------------------
 */

static int compare_rows(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->sample->stack_id != y->sample->stack_id)
		return x->sample->stack_id < y->sample->stack_id ? -1 : 1;
	if (x->young != y->young)
		return x->young - y->young;
	if (x->age != y->age)
		return (int)x->age - (int)y->age;
	return compare_windows(a, b);
}

static int take_members(struct maker *maker, const struct estimate_sample *samples, uint64_t min_age_ns)
{
	for (size_t i = 0; i < maker->n; i++) {
		if (samples[i].size_class >= ESTIMATE_CLASSES || !isfinite(samples[i].weight) ||
		    samples[i].weight <= 0)
			return -EINVAL;
		maker->members[i] = (struct member){
			.sample = &samples[i],
			.young = samples[i].age_ns < min_age_ns,
			.age = estimate_age__of(samples[i].age_ns),
		};
	}
	return 0;
}

/* Windows are dealt into the groups in turn, in the order of time. */
static void deal_windows(struct maker *maker)
{
	size_t n_windows = 0;

	qsort(maker->members, maker->n, sizeof(*maker->members), compare_windows);
	for (size_t i = 0; i < maker->n; i++) {
		struct member *member = &maker->members[i];
		struct size_class *class = &maker->classes[member->sample->size_class];

		n_windows += i == 0 || compare_windows(&maker->members[i - 1], member);
		member->group = (n_windows - 1) % GROUPS;
		class->groups[member->group].of[member->young] += member->sample->weight;
		class->all.of[member->young] += member->sample->weight;
		class->n_windows += class->last_window != n_windows;
		class->last_window = n_windows;
		class->n_samples++;
	}
	maker->n_groups = n_windows < GROUPS ? n_windows : GROUPS;
	qsort(maker->members, maker->n, sizeof(*maker->members), compare_rows);
}

/*
 * --- the whole --------------------------------------------------------------------------------------------
 */

static void add_amount(struct estimate_amount *amount, double blocks, double block_bytes)
{
	amount->blocks += blocks;
	amount->bytes += blocks * block_bytes;
}

static void take_growth(struct maker *maker, const int64_t growth_blocks[ESTIMATE_CLASSES])
{
	struct estimate *estimate = maker->estimate;

	for (unsigned int c = 0; c < ESTIMATE_CLASSES; c++) {
		struct size_class *class = &maker->classes[c];
		double growth = growth_blocks[c];

		class->block_bytes = (c + 1) * 16;
		class->growth = fmax(growth, 0);
		add_amount(&estimate->growth, class->growth, class->block_bytes);
		add_amount(&estimate->shrunk, fmax(-growth, 0), class->block_bytes);
		if (!class->n_samples)
			add_amount(&estimate->unattributed[c], class->growth, class->block_bytes);
		scale_class(maker, class);
		compare_with_growth(maker, class);
	}
}

static int make(struct maker *maker, const struct estimate_sample *samples,
		const int64_t growth_blocks[ESTIMATE_CLASSES], const struct estimate_options *options)
{
	int err;

	maker->members = calloc(maker->n + 1, sizeof(*maker->members));
	if (!maker->members)
		return -ENOMEM;
	err = take_members(maker, samples, options->min_age_ns);
	if (err)
		return err;
	deal_windows(maker);
	take_growth(maker, growth_blocks);
	return make_rows(maker);
}

int estimate__make(const struct estimate_sample *samples, size_t n_samples,
		   const int64_t growth_blocks[ESTIMATE_CLASSES], const struct estimate_options *options,
		   struct estimate **ret_estimate)
{
	struct estimate *estimate = calloc(1, sizeof(*estimate));
	struct maker *maker = calloc(1, sizeof(*maker));
	int err = -ENOMEM;

	if (estimate && maker) {
		maker->n = n_samples;
		maker->estimate = estimate;
		err = make(maker, samples, growth_blocks, options);
		free(maker->members);
	}
	free(maker);
	if (err) {
		estimate__free(estimate);
		return err;
	}
	*ret_estimate = estimate;
	return 0;
}

void estimate__free(struct estimate *estimate)
{
	if (!estimate)
		return;
	free(estimate->rows);
	free(estimate);
}

size_t estimate__n_rows(const struct estimate *estimate)
{
	return estimate->n_rows;
}

const struct estimate_row *estimate__row(const struct estimate *estimate, size_t i)
{
	return &estimate->rows[i];
}

struct estimate_amount estimate__growth(const struct estimate *estimate)
{
	return estimate->growth;
}

struct estimate_amount estimate__unattributed(const struct estimate *estimate, unsigned int size_class)
{
	return estimate->unattributed[size_class];
}

struct estimate_amount estimate__shrunk(const struct estimate *estimate)
{
	return estimate->shrunk;
}
