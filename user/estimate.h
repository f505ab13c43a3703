/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ESTIMATE_H
#define LINGER_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * From sampled blocks that are still alive to the bytes of each stack. The growth of every pymalloc size
 * class is known exactly; the samples only say who shares it. A pure module: no I/O, no clock.
 */
struct estimate;

#define ESTIMATE_CLASSES 32 /* class c holds blocks of (c + 1) * 16 bytes */

struct estimate_sample {
	uint32_t stack_id;
	uint32_t window; /* running number of the window that saw the allocation */
	uint64_t age_ns;
	double weight; /* allocated blocks that it stands for, more than 0 */
	uint32_t type; /* a number of the caller's; 0: no object */
	uint8_t size_class;
};

/* How many survivors are of one type. */
struct estimate_type {
	uint32_t type;
	uint64_t survivors;
};

#define ESTIMATE_TYPES 8

enum estimate_age {
	ESTIMATE_UNDER_10S,
	ESTIMATE_UNDER_1MIN,
	ESTIMATE_UNDER_10MIN,
	ESTIMATE_OLDER,
	ESTIMATE_AGES,
};

struct estimate_options {
	uint64_t min_age_ns; /* younger survivors count as young */
};

/*
 * One stack's survivors of one age band; where min_age_ns divides a band, the young ones have a row of their
 * own. With 95 % confidence the bytes are between bytes - sqrt(below_sq), not less than 0, and bytes +
 * sqrt(above_sq). This holds for the rows of a stack merged, too, when bytes and squares are added up. It
 * does not hold where blocks from before the recording went and hide growth, nor for stacks that no window
 * met, nor for all leaks that few windows met and that have ended.
 */
struct estimate_row {
	uint32_t stack_id;
	enum estimate_age age;
	bool young;
	uint64_t survivors;
	uint64_t windows; /* that saw them allocated */
	double blocks, bytes;
	double below_sq, above_sq; /* squares of distances in bytes */
	uint64_t newest_age_ns;    /* of the stack's youngest survivor, in whatever row */
	/* The types that most survivors are of, without those that are no objects; 0 survivors end them. */
	struct estimate_type types[ESTIMATE_TYPES];
};

struct estimate_amount {
	double blocks, bytes;
};

/* growth_blocks: of each class since the recording began; negative: it shrank. 0, -EINVAL (no such class, a
 * weight that is not a positive number), -ENOMEM. */
int estimate__make(const struct estimate_sample *samples, size_t n_samples,
		   const int64_t growth_blocks[ESTIMATE_CLASSES], const struct estimate_options *options,
		   struct estimate **ret_estimate);
void estimate__free(struct estimate *estimate);

/* In the order of stacks; within a stack young rows last, and ages rising. */
size_t estimate__n_rows(const struct estimate *estimate);
const struct estimate_row *estimate__row(const struct estimate *estimate, size_t i);

/* The growth of the classes that grew: all rows and what is unattributed. */
struct estimate_amount estimate__growth(const struct estimate *estimate);
/* The growth of a class that grew and of which no survivor was sampled; 0 for others. */
struct estimate_amount estimate__unattributed(const struct estimate *estimate, unsigned int size_class);
/* By how much the other classes shrank; their survivors have rows of 0 bytes. */
struct estimate_amount estimate__shrunk(const struct estimate *estimate);

enum estimate_age estimate_age__of(uint64_t age_ns);

#endif /* LINGER_ESTIMATE_H */
