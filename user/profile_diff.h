/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PROFILE_DIFF_H
#define LINGER_PROFILE_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "profile.h"

/*
 * Two profiles side by side: every stack of either once, whatever its threads, with its values before and
 * after. A stack that one of them lacks has nothing there; so before and the changes add up to after. It does
 * no I/O.
 */
struct profile_diff;

/* A stack in both. The frames are those of one profile: equal exactly when their addresses are. */
struct profile_pair {
	const struct profile_sample *stack; /* its values mean nothing */
	uint64_t before[PROFILE_VALUES];
	uint64_t after[PROFILE_VALUES];
};

/* 0 or -ENOMEM. */
int profile_diff__new(const struct profile *before, const struct profile *after,
		      struct profile_diff **ret_diff);
void profile_diff__free(struct profile_diff *diff);

size_t profile_diff__n_pairs(const struct profile_diff *diff);
const struct profile_pair *profile_diff__pair(const struct profile_diff *diff, size_t i);

/* Growth; negative: it shrank. */
int64_t profile_pair__change(const struct profile_pair *pair, enum profile_value value);

/* How many stacks of a domain have another value than before. */
size_t profile_diff__n_changes(const struct profile_diff *diff, enum linger_domain domain,
			       enum profile_value value);

/* The notes of both profiles, each with "before: " or "after: " in front. */
size_t profile_diff__n_notes(const struct profile_diff *diff);
const char *profile_diff__note(const struct profile_diff *diff, size_t i);

#endif /* LINGER_PROFILE_DIFF_H */
