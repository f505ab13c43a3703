// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "type_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct type_stacks {
	struct profile *profile; /* the stacks */
	struct type_stack *list; /* by type, then by survivors */
	size_t n;
};

/* A sample whose group is no part of its stack. */
static int add_stack(struct profile *profile, const struct profile_sample *sample)
{
	size_t skip = profile_sample__group(sample) != PROFILE_NO_GROUP;
	struct profile_frame *frames = calloc(sample->n_frames + 1, sizeof(*frames));
	int err;

	if (!frames)
		return -ENOMEM;
	for (size_t i = skip; i < sample->n_frames; i++)
		frames[i - skip] = *sample->frames[i];
	err = profile__add_estimate(profile, sample->domain, NULL, frames, sample->n_frames - skip,
				    sample->values, sample->estimate);
	free(frames);
	return err;
}

static int add_stacks(struct profile *ungrouped, const struct profile *profile)
{
	int err = 0;

	for (size_t i = 0; i < profile__n_samples(profile) && !err; i++)
		if (profile__sample(profile, i)->estimate)
			err = add_stack(ungrouped, profile__sample(profile, i));
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct type_stack *x = a, *y = b;
	int order = strcmp(x->type, y->type);

	return order ? order : (x->survivors < y->survivors) - (x->survivors > y->survivors);
}

static void list_types(struct type_stacks *stacks)
{
	for (size_t i = 0; i < profile__n_samples(stacks->profile); i++) {
		const struct profile_sample *sample = profile__sample(stacks->profile, i);
		const struct profile_type *types = sample->estimate->types;

		for (size_t j = 0; j < PROFILE_TYPES && types[j].survivors; j++)
			stacks->list[stacks->n++] = (struct type_stack){
				.type = types[j].name,
				.stack = sample,
				.survivors = types[j].survivors,
			};
	}
	qsort(stacks->list, stacks->n, sizeof(*stacks->list), compare);
}

/* How many there are of the type of the first. */
static size_t count_same(const struct type_stack *first, size_t n)
{
	size_t same = 0;

	while (same < n && !strcmp(first[same].type, first->type))
		same++;
	return same;
}

static void share_types(struct type_stacks *stacks)
{
	size_t n;

	for (size_t i = 0; i < stacks->n; i += n) {
		uint64_t survivors = 0;

		n = count_same(&stacks->list[i], stacks->n - i);
		for (size_t j = i; j < i + n; j++)
			survivors += stacks->list[j].survivors;
		for (size_t j = i; j < i + n; j++)
			stacks->list[j].share = (double)stacks->list[j].survivors / survivors;
	}
}

static int fill(struct type_stacks *stacks, const struct profile *profile)
{
	struct profile *ungrouped = profile__new();
	int err = ungrouped ? add_stacks(ungrouped, profile) : -ENOMEM;

	if (!err)
		err = profile__merge_threads(ungrouped, stacks->profile);
	profile__free(ungrouped);
	if (err)
		return err;
	stacks->list = calloc(profile__n_samples(stacks->profile) * PROFILE_TYPES + 1, sizeof(*stacks->list));
	if (!stacks->list)
		return -ENOMEM;
	list_types(stacks);
	share_types(stacks);
	return stacks->n ? 0 : -ENODATA;
}

int type_stacks__new(const struct profile *profile, struct type_stacks **ret_stacks)
{
	struct type_stacks *stacks = calloc(1, sizeof(*stacks));
	int err = -ENOMEM;

	if (stacks)
		stacks->profile = profile__new();
	if (stacks && stacks->profile)
		err = fill(stacks, profile);
	if (err)
		type_stacks__free(stacks);
	else
		*ret_stacks = stacks;
	return err;
}

void type_stacks__free(struct type_stacks *stacks)
{
	if (!stacks)
		return;
	profile__free(stacks->profile);
	free(stacks->list);
	free(stacks);
}

static int compare_type(const void *key, const void *item)
{
	return strcmp(key, ((const struct type_stack *)item)->type);
}

const struct type_stack *type_stacks__find(const struct type_stacks *stacks, const char *type, size_t *ret_n)
{
	const struct type_stack *found =
		bsearch(type, stacks->list, stacks->n, sizeof(*stacks->list), compare_type);

	if (!found)
		return NULL;
	while (found > stacks->list && !strcmp(found[-1].type, type))
		found--;
	*ret_n = count_same(found, stacks->list + stacks->n - found);
	return found;
}
