// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_profile.h"

#include "fuzz.h"

#define MAX_FRAMES 8
#define MAX_SAMPLES 16
#define MAX_NOTES 4

struct profile_frame *fake_profile__frames(struct input *input, size_t *ret_n)
{
	size_t n = input__below(input, MAX_FRAMES);
	struct profile_frame *frames = input__array(input, n, sizeof(*frames));

	for (size_t i = 0; i < n; i++)
		frames[i] = (struct profile_frame){
			.function = input__text(input),
			.file = input__optional_text(input),
			.line = input__number(input),
			.first_line = input__number(input),
		};
	*ret_n = n;
	return frames;
}

/* Of counts that are added up 32 bits: the profile's owner counts survivors, no target says how many. */
static struct profile_estimate make_estimate(struct input *input)
{
	struct profile_estimate estimate = {
		.age = input__below(input, PROFILE_AGES),
		.survivors = (uint32_t)input__number(input),
		.windows = (uint32_t)input__number(input),
		.newest_ms = input__number(input),
		.below_sq = input__double(input),
		.above_sq = input__double(input),
	};
	size_t n_types = input__below(input, PROFILE_TYPES + 1);

	for (size_t i = 0; i < n_types; i++)
		estimate.types[i] = (struct profile_type){input__text(input), (uint32_t)input__number(input)};
	return estimate;
}

static int add_sample(struct profile *profile, struct input *input)
{
	enum linger_domain domain = input__below(input, LINGER_DOMAINS);
	const char *thread = input__optional_text(input);
	struct profile_estimate estimate;
	struct profile_frame *frames;
	uint64_t values[PROFILE_VALUES];
	size_t n;

	frames = fake_profile__frames(input, &n);
	for (int value = 0; value < PROFILE_VALUES; value++)
		values[value] = input__number(input);
	if (!input__below(input, 2))
		return profile__add(profile, domain, thread, frames, n, values);
	estimate = make_estimate(input);
	return profile__add_estimate(profile, domain, thread, frames, n, values, &estimate);
}

struct profile *fake_profile__make(struct input *input)
{
	struct profile *profile = profile__new();
	size_t n_samples = input__below(input, MAX_SAMPLES), n_notes = input__below(input, MAX_NOTES);
	size_t n_objects = input__below(input, 3);
	int err = !profile;

	for (size_t i = 0; i < n_samples && !err; i++)
		err = add_sample(profile, input);
	for (size_t i = 0; i < n_notes && !err; i++)
		err = profile__add_note(profile, input__text(input));
	for (size_t i = 0; i < n_objects && !err; i++)
		err = profile__add_object(profile, input__text(input), input__text(input));
	fuzz__check(!err, "there is memory for the profile");
	profile__set_time(profile, input__number(input), input__number(input));
	return profile;
}
