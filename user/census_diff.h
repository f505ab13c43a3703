/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CENSUS_DIFF_H
#define LINGER_CENSUS_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "census.h"
#include "error.h"

/* A census as rows by name, which is all that two of them have in common: what a census is of may have ended.
 */
struct census_row {
	char *name;
	struct census_sum sum;
};

/* Rows of zeros are empty and ready. */
struct census_rows {
	struct census_row *rows;
	size_t n, capacity;
	double time_s; /* when it was taken; of any clock */
};

/* 0 or -ENOMEM. Types of the same name share a row. */
int census_rows__add(struct census_rows *rows, const char *name, struct census_sum sum);
int census_rows__from(const struct census *census, struct census_rows *ret_rows);
/* From a file that 'linger census --json' wrote. 0 or a negative errno with its sentence. */
int census_rows__read(const char *path, struct census_rows *ret_rows, struct error *error);
void census_rows__free(struct census_rows *rows);

/* A name with what it had before and after; nothing where it was not there. */
struct census_pair {
	const char *name; /* of the rows, which have to outlive it */
	struct census_sum before, after;
};

static inline int64_t census_pair__bytes(const struct census_pair *pair)
{
	return (int64_t)(pair->after.bytes - pair->before.bytes);
}

static inline int64_t census_pair__blocks(const struct census_pair *pair)
{
	return (int64_t)(pair->after.blocks - pair->before.blocks);
}

/* Every name of either once: what grew, the most first, what stayed, what shrank. */
struct census_diff {
	struct census_pair *pairs;
	size_t n;
	double elapsed_s;
};

/* Puts the rows into the order of their names; they have to outlive the difference. 0 or -ENOMEM. */
int census_diff__make(struct census_rows *before, struct census_rows *after, struct census_diff *ret_diff);
void census_diff__free(struct census_diff *diff);

#endif /* LINGER_CENSUS_DIFF_H */
