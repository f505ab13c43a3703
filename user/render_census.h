/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_CENSUS_H
#define LINGER_RENDER_CENSUS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "census.h"
#include "census_diff.h"
#include "pool_usage.h"
#include "type_stacks.h"

/* What a census is of, and what came of reading it. */
struct census_about {
	pid_t pid;
	const char *python_version;
	enum census_by by;
	double time_s; /* when it was taken, since 1970 */
	double elapsed_s;
	struct reading_cost reading; /* in that time */
	uint64_t torn_pools;
	uint64_t torn_links;  /* to objects outside the pools */
	uint64_t torn_owners; /* objects whose buffers are not known */
	/* Of a recording: which stacks allocated what is alive; NULL: there is none, and no file. */
	const struct type_stacks *stacks;
	const char *stacks_path;
	bool is_hooked; /* pymalloc is behind hooks, which may put words of their own into the blocks */
};

/* By type, class or module: a table of the `top` largest, or everything as JSON. 0, -ENOMEM, or why writing
 * failed. */
int render_census_text(const struct census_about *about, const struct census *census, size_t top, FILE *out);
int render_census_json(const struct census_about *about, const struct census *census, FILE *out);

/* What changed, a table of the `top` that grew and the `top` that shrank. */
int render_census_diff(const struct census_diff *diff, size_t top, FILE *out);

/* Pools, arenas and size classes. */
int render_usage_text(const struct census_about *about, const struct pool_usage *usage, FILE *out);
int render_usage_json(const struct census_about *about, const struct pool_usage *usage, FILE *out);

#endif /* LINGER_RENDER_CENSUS_H */
