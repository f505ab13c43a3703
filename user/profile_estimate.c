/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read from the estimates of a profile: bounds, groups, ages. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profile.h"

#define UNLIKELY 0.05

struct profile_interval profile_sample__interval(const struct profile_sample *sample)
{
	uint64_t bytes = sample->values[PROFILE_INUSE_SPACE];
	double below, above;

	if (!sample->estimate)
		return (struct profile_interval){bytes, bytes};
	below = round(sqrt(sample->estimate->below_sq));
	above = round(sqrt(sample->estimate->above_sq));
	/* As wide as pprof's numbers go. */
	return (struct profile_interval){
		.low_bytes = below < (double)bytes ? bytes - (uint64_t)below : 0,
		.high_bytes = above + (double)bytes < (double)INT64_MAX ? bytes + (uint64_t)above : INT64_MAX,
	};
}

static const char *const group_frames[PROFILE_GROUPS] = {
	[PROFILE_TOO_FEW] = "[too few survivors]",
	[PROFILE_NO_SURVIVOR] = "[no survivor sampled]",
	[PROFILE_OUTLIVED] = "[outlived its window]",
};

const char *profile_group__frame(enum profile_group group, double min_age_s,
				 char buffer[static PROFILE_GROUP_BYTES])
{
	if (group != PROFILE_YOUNG)
		return group_frames[group];
	snprintf(buffer, PROFILE_GROUP_BYTES, "[younger than %g s]", min_age_s);
	return buffer;
}

static bool is_young(const char *name)
{
	double seconds;
	int len = 0;

	return sscanf(name, "[younger than %lf s]%n", &seconds, &len) == 1 && len && !name[len];
}

enum profile_group profile_sample__group(const struct profile_sample *sample)
{
	const struct profile_frame *root = sample->n_frames ? sample->frames[0] : NULL;
	int group;

	if (!sample->estimate || !root || root->file)
		return PROFILE_NO_GROUP;
	for (group = 0; group < PROFILE_GROUPS; group++)
		if (group_frames[group] && !strcmp(root->function, group_frames[group]))
			return group;
	return is_young(root->function) ? PROFILE_YOUNG : PROFILE_NO_GROUP;
}

enum profile_growth profile_estimate__growth(const struct profile_estimate *estimate, double duration_s,
					     double min_age_s)
{
	double newest_s = estimate->newest_ms / 1000.0, before_s = duration_s - newest_s;
	double pause_s = newest_s - min_age_s;

	if (estimate->newest_ms == UINT64_MAX || !estimate->windows || duration_s <= min_age_s)
		return PROFILE_GROWTH_UNKNOWN;
	if (pause_s <= 0)
		return PROFILE_GROWING;
	if (before_s <= 0 || pow(before_s / (duration_s - min_age_s), estimate->windows) < UNLIKELY)
		return PROFILE_STOPPED;
	return exp(-pause_s * estimate->windows / before_s) < UNLIKELY ? PROFILE_GROWTH_UNKNOWN
								       : PROFILE_GROWING;
}

const char *profile_age__name(enum profile_age age)
{
	static const char *const names[PROFILE_AGES] = {
		[PROFILE_AGE_UNKNOWN] = "unknown", [PROFILE_UNDER_10S] = "<10s",
		[PROFILE_UNDER_1MIN] = "10s-1min", [PROFILE_UNDER_10MIN] = "1-10min",
		[PROFILE_OLDER] = ">10min",
	};

	return names[age];
}

int profile_age__parse(const char *name, enum profile_age *ret_age)
{
	int age;

	for (age = 0; age < PROFILE_AGES; age++) {
		if (!strcmp(name, profile_age__name(age))) {
			*ret_age = age;
			return 0;
		}
	}
	return -EINVAL;
}
