/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile_diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "array.h"

struct profile_diff {
	struct profile *stacks; /* the stacks of both, without values; also the notes */
	struct profile_pair *pairs;
	size_t n_pairs, max_pairs;
};

/* The pair of a stack, made if there is none; NULL when out of memory. */
static struct profile_pair *pair_of(struct profile_diff *diff, const struct profile_sample *sample)
{
	const struct profile_sample *stack;
	struct profile_pair *pairs;

	if (profile__add_shown(diff->stacks, sample, &stack))
		return NULL;
	pairs = array__grow(diff->pairs, stack->index, &diff->max_pairs, sizeof(*pairs));
	if (!pairs)
		return NULL;
	diff->pairs = pairs;
	if (stack->index == diff->n_pairs)
		diff->pairs[diff->n_pairs++] = (struct profile_pair){.stack = stack};
	return &diff->pairs[stack->index];
}

static int take_samples(struct profile_diff *diff, const struct profile *profile, bool is_after)
{
	for (size_t i = 0; i < profile__n_samples(profile); i++) {
		const struct profile_sample *sample = profile__sample(profile, i);
		struct profile_pair *pair = pair_of(diff, sample);

		if (!pair)
			return -ENOMEM;
		for (int value = 0; value < PROFILE_VALUES; value++)
			(is_after ? pair->after : pair->before)[value] += sample->values[value];
	}
	return 0;
}

static int take_notes(struct profile_diff *diff, const struct profile *profile, const char *which)
{
	int err = 0;

	for (size_t i = 0; i < profile__n_notes(profile) && !err; i++) {
		char *note;

		if (asprintf(&note, "%s: %s", which, profile__note(profile, i)) < 0)
			return -ENOMEM;
		err = profile__add_note(diff->stacks, note);
		free(note);
	}
	return err;
}

int profile_diff__new(const struct profile *before, const struct profile *after,
		      struct profile_diff **ret_diff)
{
	struct profile_diff *diff = calloc(1, sizeof(*diff));
	int err;

	if (!diff)
		return -ENOMEM;
	diff->stacks = profile__new();
	err = diff->stacks ? take_samples(diff, before, false) : -ENOMEM;
	if (!err)
		err = take_samples(diff, after, true);
	if (!err)
		err = take_notes(diff, before, "before");
	if (!err)
		err = take_notes(diff, after, "after");
	if (err) {
		profile_diff__free(diff);
		return err;
	}
	*ret_diff = diff;
	return 0;
}

void profile_diff__free(struct profile_diff *diff)
{
	if (!diff)
		return;
	profile__free(diff->stacks);
	free(diff->pairs);
	free(diff);
}

size_t profile_diff__n_pairs(const struct profile_diff *diff)
{
	return diff->n_pairs;
}

const struct profile_pair *profile_diff__pair(const struct profile_diff *diff, size_t i)
{
	return &diff->pairs[i];
}

int64_t profile_pair__change(const struct profile_pair *pair, enum profile_value value)
{
	return (int64_t)(pair->after[value] - pair->before[value]);
}

size_t profile_diff__n_changes(const struct profile_diff *diff, enum linger_domain domain,
			       enum profile_value value)
{
	size_t n = 0;

	for (size_t i = 0; i < diff->n_pairs; i++)
		n += diff->pairs[i].stack->domain == domain && profile_pair__change(&diff->pairs[i], value);
	return n;
}

size_t profile_diff__n_notes(const struct profile_diff *diff)
{
	return profile__n_notes(diff->stacks);
}

const char *profile_diff__note(const struct profile_diff *diff, size_t i)
{
	return profile__note(diff->stacks, i);
}
