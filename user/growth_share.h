/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_GROWTH_SHARE_H
#define LINGER_GROWTH_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "estimate.h"

/*
 * What one row of an estimate has of the growth of its size classes, and how sure that is. A part of
 * user/estimate.c in a file of its own. A stratum is the old or the young survivors of an age band.
 */
#define GROWTH_GROUPS 32 /* of windows */
#define GROWTH_STRATA (2 * ESTIMATE_AGES)

enum { GROWTH_OLD, GROWTH_YOUNG };

struct growth_windows {
	double min_age_s;
	unsigned int n_groups;
	unsigned int n_stratum_groups[GROWTH_STRATA]; /* that have windows of it */
};

struct growth_weights {
	double groups[GROWTH_GROUPS], all;
	size_t n_samples;
};

/* Of old and of young survivors: weights, or blocks per weight. */
struct growth_pair {
	double of[2];
};

struct growth_class {
	double block_bytes;
	double growth;                               /* blocks, never negative */
	struct growth_weights strata[GROWTH_STRATA]; /* first the old ones, by age */
	struct growth_pair all, scales;
	double newest_s, oldest_s; /* ages */
	size_t n_samples, n_windows;
	bool seen_too_few, seen_too_many; /* blocks: the weights contradict the growth */
};

/* What a row has in one class. */
struct growth_part {
	const struct growth_class *class;
	struct growth_weights weights;
};

/* What is measured: a row. */
struct growth_share {
	const struct growth_part *parts;
	unsigned int n_parts;
	unsigned int stratum;
	bool young;
};

struct growth_amount {
	double blocks, bytes;
	double below, above; /* bytes to the ends of the interval */
};

void growth_weights__add(struct growth_weights *weights, unsigned int group, double weight);

/* From its growth and its samples to the rest. */
void growth_class__scale(struct growth_class *class, const struct growth_windows *windows);

struct growth_amount growth_share__measure(const struct growth_share *row,
					   const struct growth_windows *windows);

#endif /* LINGER_GROWTH_SHARE_H */
