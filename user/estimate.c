/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "growth_share.h"

/*
 * The samples are sorted into windows, size classes and rows; user/growth_share.c says what a row has.
 *
 * Every row has an interval of its own. The rows of a stack are merged by adding the squares of the
 * distances. That is more than enough for old and young rows, because blocks that are wrongly given to one
 * are missing in the other; doubts that the age bands have in common it makes a little smaller.
 */

#define NS_PER_S UINT64_C(1000000000)

struct member {
	const struct estimate_sample *sample;
	unsigned int group, stratum;
	enum estimate_age age;
	bool young;
};

struct estimate {
	struct estimate_row *rows;
	size_t n_rows;
	struct estimate_amount growth, shrunk;
	struct estimate_amount unattributed[ESTIMATE_CLASSES];
};

struct maker {
	struct member *members;
	uint32_t *types; /* of the members of the row at hand */
	size_t n;
	struct growth_windows windows;
	struct growth_class classes[ESTIMATE_CLASSES];
	size_t last_windows[ESTIMATE_CLASSES];      /* that a class was met in */
	struct growth_part parts[ESTIMATE_CLASSES]; /* of the row at hand */
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

/*
 * --- rows -------------------------------------------------------------------------------------------------
 */

static bool same_row(const struct member *a, const struct member *b)
{
	return a->sample->stack_id == b->sample->stack_id && a->young == b->young && a->age == b->age;
}

/* The members of a row, sorted into the parts of maker; returns how many parts there are. */
static unsigned int gather_parts(struct maker *maker, const struct member *members, size_t n)
{
	struct growth_part *parts[ESTIMATE_CLASSES] = {0};
	unsigned int n_parts = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t size_class = members[i].sample->size_class;
		struct growth_part **part = &parts[size_class];

		if (!*part) {
			*part = &maker->parts[n_parts++];
			**part = (struct growth_part){.class = &maker->classes[size_class]};
		}
		growth_weights__add(&(*part)->weights, members[i].group, members[i].sample->weight);
	}
	return n_parts;
}

static int compare_windows(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->sample->window > y->sample->window) - (x->sample->window < y->sample->window);
}

static int compare_types(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Keeps the most frequent, in their order. */
static void rank_type(struct estimate_row *row, struct estimate_type type)
{
	for (size_t i = 0; i < ESTIMATE_TYPES; i++) {
		struct estimate_type ranked = row->types[i];

		if (type.survivors <= ranked.survivors)
			continue;
		row->types[i] = type;
		type = ranked;
	}
}

static void count_types(struct maker *maker, const struct member *members, struct estimate_row *row)
{
	size_t n = row->survivors, same;

	for (size_t i = 0; i < n; i++)
		maker->types[i] = members[i].sample->type;
	qsort(maker->types, n, sizeof(*maker->types), compare_types);
	for (size_t i = 0; i < n; i += same) {
		for (same = 1; i + same < n && maker->types[i + same] == maker->types[i]; same++)
			;
		if (maker->types[i])
			rank_type(row, (struct estimate_type){maker->types[i], same});
	}
}

/* The row that begins with this member; returns how many members it has. */
static size_t make_row(struct maker *maker, size_t first, struct estimate_row *ret_row)
{
	const struct member *members = &maker->members[first];
	struct growth_share share = {
		.parts = maker->parts,
		.stratum = members->stratum,
		.young = members->young,
	};
	struct growth_amount amount;
	uint64_t windows = 0;
	size_t n;

	for (n = 0; first + n < maker->n && same_row(members, &members[n]); n++)
		windows += n == 0 || compare_windows(&members[n - 1], &members[n]);
	share.n_parts = gather_parts(maker, members, n);
	amount = growth_share__measure(&share, &maker->windows);
	*ret_row = (struct estimate_row){
		.stack_id = members->sample->stack_id,
		.age = members->age,
		.young = members->young,
		.survivors = n,
		.windows = windows,
		.blocks = amount.blocks,
		.bytes = amount.bytes,
		.below_sq = amount.below * amount.below,
		.above_sq = amount.above * amount.above,
	};
	count_types(maker, members, ret_row);
	return n;
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
		bool young = samples[i].age_ns < min_age_ns;
		enum estimate_age age = estimate_age__of(samples[i].age_ns);

		if (samples[i].size_class >= ESTIMATE_CLASSES || !isfinite(samples[i].weight) ||
		    samples[i].weight <= 0)
			return -EINVAL;
		maker->members[i] = (struct member){
			.sample = &samples[i],
			.stratum = young * ESTIMATE_AGES + age,
			.age = age,
			.young = young,
		};
	}
	return 0;
}

static void add_to_class(struct growth_class *class, const struct member *member)
{
	double age_s = (double)member->sample->age_ns / NS_PER_S, weight = member->sample->weight;

	growth_weights__add(&class->strata[member->stratum], member->group, weight);
	class->all.of[member->young] += weight;
	class->oldest_s = fmax(class->oldest_s, age_s);
	class->newest_s = class->n_samples ? fmin(class->newest_s, age_s) : age_s;
	class->n_samples++;
}

/* Windows are dealt into the groups in turn, in the order of time. */
static void deal_windows(struct maker *maker)
{
	bool met[GROWTH_STRATA][GROWTH_GROUPS] = {0};
	size_t n_windows = 0;

	qsort(maker->members, maker->n, sizeof(*maker->members), compare_windows);
	for (size_t i = 0; i < maker->n; i++) {
		struct member *member = &maker->members[i];
		uint8_t size_class = member->sample->size_class;

		n_windows += i == 0 || compare_windows(&maker->members[i - 1], member);
		member->group = (n_windows - 1) % GROWTH_GROUPS;
		maker->windows.n_stratum_groups[member->stratum] += !met[member->stratum][member->group];
		met[member->stratum][member->group] = true;
		maker->classes[size_class].n_windows += maker->last_windows[size_class] != n_windows;
		maker->last_windows[size_class] = n_windows;
		add_to_class(&maker->classes[size_class], member);
	}
	maker->windows.n_groups = n_windows < GROWTH_GROUPS ? n_windows : GROWTH_GROUPS;
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
		struct growth_class *class = &maker->classes[c];
		double growth = growth_blocks[c];

		class->block_bytes = (c + 1) * 16;
		class->growth = fmax(growth, 0);
		add_amount(&estimate->growth, class->growth, class->block_bytes);
		add_amount(&estimate->shrunk, fmax(-growth, 0), class->block_bytes);
		if (!class->n_samples)
			add_amount(&estimate->unattributed[c], class->growth, class->block_bytes);
		growth_class__scale(class, &maker->windows);
	}
}

static int make(struct maker *maker, const struct estimate_sample *samples,
		const int64_t growth_blocks[ESTIMATE_CLASSES], const struct estimate_options *options)
{
	int err;

	maker->members = calloc(maker->n + 1, sizeof(*maker->members));
	maker->types = calloc(maker->n + 1, sizeof(*maker->types));
	if (!maker->members || !maker->types)
		return -ENOMEM;
	err = take_members(maker, samples, options->min_age_ns);
	if (err)
		return err;
	maker->windows.min_age_s = (double)options->min_age_ns / NS_PER_S;
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
		free(maker->types);
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
