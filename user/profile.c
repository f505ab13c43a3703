/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A profile holds each string, each frame and each stack once. Strings and frames are interned, so a frame is
 * equal to another exactly when their addresses are, and a stack is an array of such addresses: hashing and
 * comparing a stack never looks at text. Everything that lives as long as the profile is cut from one arena.
 */
#include "profile.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "table.h"

struct profile {
	struct arena arena;
	struct table strings; /* char * */
	struct table frames;  /* struct profile_frame * */
	struct table stacks;  /* struct profile_sample * */
	struct profile_sample **samples;
	size_t n_samples;
	size_t max_samples;
	const char **notes;
	size_t n_notes;
	struct profile_object *objects;
	size_t n_objects;
	uint64_t time_ns, duration_ns;
	uint64_t totals[PROFILE_VALUES];      /* of all that was added */
	const struct profile_frame **scratch; /* the interned frames of the stack that is being added */
	size_t max_scratch;
};

/*
 * --- interning -------------------------------------------------------------------------------------------
 */

static bool string_equal(const void *item, const void *key)
{
	return !strcmp(item, key);
}

/* The profile's only copy of a string; NULL when out of memory. */
static const char *intern_string(struct profile *profile, const char *string)
{
	size_t len = strlen(string);
	uint64_t hash = hash_bytes(string, len);
	char *copy = table__find(&profile->strings, hash, string_equal, string);

	if (copy)
		return copy;
	if (table__reserve(&profile->strings))
		return NULL;
	copy = arena__alloc(&profile->arena, len + 1, 1);
	if (!copy)
		return NULL;
	memcpy(copy, string, len + 1);
	table__insert(&profile->strings, hash, copy);
	return copy;
}

static bool frame_equal(const void *item, const void *key)
{
	const struct profile_frame *a = item;
	const struct profile_frame *b = key;

	return a->function == b->function && a->file == b->file && a->line == b->line &&
	       a->first_line == b->first_line;
}

/* Strings interned. Without a file a line means nothing. -ENOMEM. */
static int intern_frame_strings(struct profile *profile, const struct profile_frame *frame,
				struct profile_frame *ret_frame)
{
	struct profile_frame interned = {.function = intern_string(profile, frame->function)};

	if (!interned.function)
		return -ENOMEM;
	if (frame->file && *frame->file) {
		interned.file = intern_string(profile, frame->file);
		if (!interned.file)
			return -ENOMEM;
		interned.line = frame->line;
		interned.first_line = frame->first_line;
	}
	*ret_frame = interned;
	return 0;
}

/* The profile's only copy of a frame; NULL when out of memory. */
static const struct profile_frame *intern_frame(struct profile *profile, const struct profile_frame *frame)
{
	struct profile_frame key;
	struct profile_frame *copy;
	uint64_t hash;

	if (intern_frame_strings(profile, frame, &key))
		return NULL;
	hash = hash_mix(hash_mix((uintptr_t)key.function, (uintptr_t)key.file),
			(uint64_t)key.line << 32 ^ (uint32_t)key.first_line);
	copy = table__find(&profile->frames, hash, frame_equal, &key);
	if (copy)
		return copy;
	if (table__reserve(&profile->frames))
		return NULL;
	copy = arena__alloc(&profile->arena, sizeof(*copy), alignof(struct profile_frame));
	if (!copy)
		return NULL;
	*copy = key;
	table__insert(&profile->frames, hash, copy);
	return copy;
}

static enum profile_age age_of(const struct profile_sample *sample)
{
	return sample->estimate ? sample->estimate->age : PROFILE_AGE_UNKNOWN;
}

static bool stack_equal(const void *item, const void *key)
{
	const struct profile_sample *a = item;
	const struct profile_sample *b = key;

	return a->domain == b->domain && a->thread == b->thread && age_of(a) == age_of(b) &&
	       a->n_frames == b->n_frames &&
	       (!a->n_frames || !memcmp(a->frames, b->frames, a->n_frames * sizeof(*a->frames)));
}

static uint64_t stack_hash(const struct profile_sample *stack)
{
	uint64_t labels = (uint64_t)age_of(stack) << 32 | stack->domain;
	uint64_t hash = hash_mix(hash_mix(labels, (uintptr_t)stack->thread), stack->n_frames);
	size_t i;

	for (i = 0; i < stack->n_frames; i++)
		hash = hash_mix(hash, (uintptr_t)stack->frames[i]);
	return hash;
}

/*
 * --- samples ---------------------------------------------------------------------------------------------
 */

/* The array of pointers with room for one more than n; NULL when out of memory. */
static void *reserve_pointers(void *array, size_t *max, size_t n)
{
	size_t wanted = *max ? *max : 64;
	void *grown;

	if (n < *max)
		return array;
	while (wanted <= n)
		wanted *= 2;
	grown = reallocarray(array, wanted, sizeof(void *));
	if (grown)
		*max = wanted;
	return grown;
}

static int reserve_scratch(struct profile *profile, size_t n_frames)
{
	const struct profile_frame **scratch;

	scratch = reserve_pointers(profile->scratch, &profile->max_scratch, n_frames);
	if (!scratch)
		return -ENOMEM;
	profile->scratch = scratch;
	return 0;
}

/* A sample without values for a stack that the profile does not have yet; NULL when out of memory. */
static struct profile_sample *new_sample(struct profile *profile, const struct profile_sample *key,
					 uint64_t hash)
{
	const struct profile_frame **frames;
	struct profile_sample **samples;
	struct profile_sample *sample;

	samples = reserve_pointers(profile->samples, &profile->max_samples, profile->n_samples);
	if (!samples)
		return NULL;
	profile->samples = samples;
	if (table__reserve(&profile->stacks))
		return NULL;
	sample = arena__alloc(&profile->arena, sizeof(*sample), alignof(struct profile_sample));
	frames = arena__alloc(&profile->arena, key->n_frames * sizeof(*frames), alignof(void *));
	if (!sample || !frames)
		return NULL;
	if (key->n_frames)
		memcpy(frames, key->frames, key->n_frames * sizeof(*frames));
	*sample = *key;
	sample->frames = frames;
	sample->index = profile->n_samples;
	sample->estimate = NULL;
	table__insert(&profile->stacks, hash, sample);
	profile->samples[profile->n_samples++] = sample;
	return sample;
}

/* The sample of the key's domain, thread and age and the frames in scratch; NULL when out of memory. */
static struct profile_sample *find_or_add(struct profile *profile, struct profile_sample *key)
{
	struct profile_sample *sample;
	uint64_t hash;

	if (key->thread) {
		key->thread = intern_string(profile, key->thread);
		if (!key->thread)
			return NULL;
	}
	key->frames = profile->scratch;
	hash = stack_hash(key);
	sample = table__find(&profile->stacks, hash, stack_equal, key);
	return sample ? sample : new_sample(profile, key, hash);
}

static void add_values(struct profile_sample *sample, const uint64_t values[PROFILE_VALUES])
{
	int value;

	for (value = 0; value < PROFILE_VALUES; value++)
		sample->values[value] += values[value];
}

/* Only a hostile target gets that far, by mapping and unmapping all that there is: sums must not wrap, and
 * pprof's numbers end there. */
static void limit_values(struct profile *profile, const uint64_t values[PROFILE_VALUES],
			 uint64_t ret_limited[PROFILE_VALUES])
{
	for (int value = 0; value < PROFILE_VALUES; value++) {
		uint64_t room = INT64_MAX - profile->totals[value];

		ret_limited[value] = values[value] < room ? values[value] : room;
		profile->totals[value] += ret_limited[value];
	}
}

/* Makes a sample of the profile one of estimates. 0 or -ENOMEM. */
static int make_estimate(struct profile *profile, struct profile_sample *sample, enum profile_age age)
{
	struct profile_estimate *estimate;

	if (sample->estimate)
		return 0;
	estimate = arena__alloc(&profile->arena, sizeof(*estimate), alignof(struct profile_estimate));
	if (!estimate)
		return -ENOMEM;
	*estimate = (struct profile_estimate){.age = age, .newest_ms = UINT64_MAX};
	sample->estimate = estimate;
	return 0;
}

static void add_band(struct profile_estimate *sum, enum profile_age age, const struct profile_band *part)
{
	struct profile_band *band = &sum->bands[age];

	band->inuse_bytes += part->inuse_bytes;
	if (part->windows <= band->windows)
		return;
	sum->windows += part->windows - band->windows;
	band->windows = part->windows;
}

/* Of one profile, so equal names are the same string. Where there are more than can be kept the rarest go. */
static void add_type(struct profile_estimate *sum, struct profile_type type)
{
	size_t i = 0;

	while (i < PROFILE_TYPES && sum->types[i].survivors && sum->types[i].name != type.name)
		i++;
	if (i == PROFILE_TYPES && type.survivors <= sum->types[--i].survivors)
		return;
	if (sum->types[i].name == type.name)
		type.survivors += sum->types[i].survivors;
	for (; i > 0 && sum->types[i - 1].survivors < type.survivors; i--)
		sum->types[i] = sum->types[i - 1];
	sum->types[i] = type;
}

static int add_types(struct profile *profile, struct profile_estimate *sum,
		     const struct profile_type types[PROFILE_TYPES])
{
	for (size_t i = 0; i < PROFILE_TYPES && types[i].survivors; i++) {
		const char *name = intern_string(profile, types[i].name);

		if (!name)
			return -ENOMEM;
		add_type(sum, (struct profile_type){name, types[i].survivors});
	}
	return 0;
}

/* All but the bands and the types. */
static void add_estimate(struct profile_estimate *sum, const struct profile_estimate *estimate)
{
	sum->survivors += estimate->survivors;
	sum->below_sq += estimate->below_sq;
	sum->above_sq += estimate->above_sq;
	if (estimate->newest_ms < sum->newest_ms)
		sum->newest_ms = estimate->newest_ms;
}

void profile_sample__add(struct profile_sample *sum, const struct profile_sample *sample)
{
	int age;

	add_values(sum, sample->values);
	if (!sample->estimate)
		return;
	add_estimate(sum->estimate, sample->estimate);
	for (age = 0; age < PROFILE_AGES; age++)
		add_band(sum->estimate, age, &sample->estimate->bands[age]);
}

int profile__add(struct profile *profile, enum linger_domain domain, const char *thread,
		 const struct profile_frame *frames, size_t n_frames, const uint64_t values[PROFILE_VALUES])
{
	return profile__add_estimate(profile, domain, thread, frames, n_frames, values, NULL);
}

int profile__add_estimate(struct profile *profile, enum linger_domain domain, const char *thread,
			  const struct profile_frame *frames, size_t n_frames,
			  const uint64_t values[PROFILE_VALUES], const struct profile_estimate *estimate)
{
	struct profile_estimate age = {.age = estimate ? estimate->age : PROFILE_AGE_UNKNOWN};
	struct profile_sample key = {
		.domain = domain, .thread = thread, .n_frames = n_frames, .estimate = &age};
	uint64_t limited[PROFILE_VALUES];
	struct profile_sample *sample;
	size_t i;

	if (reserve_scratch(profile, n_frames))
		return -ENOMEM;
	for (i = 0; i < n_frames; i++) {
		profile->scratch[i] = intern_frame(profile, &frames[i]);
		if (!profile->scratch[i])
			return -ENOMEM;
	}
	sample = find_or_add(profile, &key);
	if (!sample)
		return -ENOMEM;
	limit_values(profile, values, limited);
	add_values(sample, limited);
	if (!estimate)
		return 0;
	if (make_estimate(profile, sample, estimate->age) ||
	    add_types(profile, sample->estimate, estimate->types))
		return -ENOMEM;
	add_estimate(sample->estimate, estimate);
	add_band(sample->estimate, estimate->age,
		 &(struct profile_band){limited[PROFILE_INUSE_SPACE], estimate->windows});
	return 0;
}

/* The sample of a stack of any profile, as it is shown: without its thread, its age and the first lines of
 * its functions. NULL when out of memory. */
static struct profile_sample *find_or_add_shown(struct profile *profile, const struct profile_sample *stack)
{
	struct profile_sample key = {.domain = stack->domain, .n_frames = stack->n_frames};
	size_t i;

	if (reserve_scratch(profile, stack->n_frames))
		return NULL;
	for (i = 0; i < stack->n_frames; i++) {
		struct profile_frame shown = *stack->frames[i];

		shown.first_line = 0;
		profile->scratch[i] = intern_frame(profile, &shown);
		if (!profile->scratch[i])
			return NULL;
	}
	return find_or_add(profile, &key);
}

int profile__add_shown(struct profile *profile, const struct profile_sample *stack,
		       const struct profile_sample **ret_sample)
{
	struct profile_sample *sample = find_or_add_shown(profile, stack);

	if (!sample)
		return -ENOMEM;
	*ret_sample = sample;
	return 0;
}

int profile__merge_threads(const struct profile *profile, struct profile *merged)
{
	struct profile_sample *sample;
	size_t i;
	int err = 0;

	for (i = 0; i < profile->n_samples; i++) {
		sample = find_or_add_shown(merged, profile->samples[i]);
		if (!sample)
			return -ENOMEM;
		if (profile->samples[i]->estimate &&
		    (make_estimate(merged, sample, PROFILE_AGE_UNKNOWN) ||
		     add_types(merged, sample->estimate, profile->samples[i]->estimate->types)))
			return -ENOMEM;
		profile_sample__add(sample, profile->samples[i]);
	}
	for (i = 0; i < profile->n_notes && !err; i++)
		err = profile__add_note(merged, profile->notes[i]);
	profile__set_time(merged, profile->time_ns, profile->duration_ns);
	return err;
}

size_t profile__n_samples(const struct profile *profile)
{
	return profile->n_samples;
}

const struct profile_sample *profile__sample(const struct profile *profile, size_t i)
{
	return profile->samples[i];
}

uint64_t profile__total(const struct profile *profile, enum linger_domain domain, enum profile_value value)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < profile->n_samples; i++)
		if (profile->samples[i]->domain == domain)
			total += profile->samples[i]->values[value];
	return total;
}

bool profile__is_estimate(const struct profile *profile, enum linger_domain domain)
{
	size_t i;

	for (i = 0; i < profile->n_samples; i++)
		if (profile->samples[i]->domain == domain && profile->samples[i]->estimate)
			return true;
	return false;
}

/*
 * --- notes, objects, life, names
 * ----------------------------------------------------------------------------------
 */

int profile__add_note(struct profile *profile, const char *text)
{
	const char **notes = reallocarray(profile->notes, profile->n_notes + 1, sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	profile->notes = notes;
	notes[profile->n_notes] = intern_string(profile, text);
	if (!notes[profile->n_notes])
		return -ENOMEM;
	profile->n_notes++;
	return 0;
}

size_t profile__n_notes(const struct profile *profile)
{
	return profile->n_notes;
}

const char *profile__note(const struct profile *profile, size_t i)
{
	return profile->notes[i];
}

int profile__add_object(struct profile *profile, const char *path, const char *build_id)
{
	struct profile_object *objects =
		reallocarray(profile->objects, profile->n_objects + 1, sizeof(*objects));

	if (!objects)
		return -ENOMEM;
	profile->objects = objects;
	objects += profile->n_objects;
	objects->path = intern_string(profile, path);
	objects->build_id = intern_string(profile, build_id);
	if (!objects->path || !objects->build_id)
		return -ENOMEM;
	profile->n_objects++;
	return 0;
}

size_t profile__n_objects(const struct profile *profile)
{
	return profile->n_objects;
}

const struct profile_object *profile__object(const struct profile *profile, size_t i)
{
	return &profile->objects[i];
}

void profile__set_time(struct profile *profile, uint64_t time_ns, uint64_t duration_ns)
{
	profile->time_ns = time_ns;
	profile->duration_ns = duration_ns;
}

uint64_t profile__time_ns(const struct profile *profile)
{
	return profile->time_ns;
}

uint64_t profile__duration_ns(const struct profile *profile)
{
	return profile->duration_ns;
}

struct profile *profile__new(void)
{
	return calloc(1, sizeof(struct profile));
}

void profile__free(struct profile *profile)
{
	if (!profile)
		return;
	free(profile->notes);
	free(profile->scratch);
	free(profile->samples);
	free(profile->objects);
	table__free(&profile->stacks);
	table__free(&profile->frames);
	table__free(&profile->strings);
	arena__free(&profile->arena);
	free(profile);
}

static const char *const value_names[PROFILE_VALUES] = {
	[PROFILE_INUSE_SPACE] = "inuse_space",
	[PROFILE_INUSE_OBJECTS] = "inuse_objects",
	[PROFILE_ALLOC_SPACE] = "alloc_space",
	[PROFILE_ALLOC_OBJECTS] = "alloc_objects",
};

const char *profile_value__name(enum profile_value value)
{
	return value_names[value];
}

int profile_value__parse(const char *name, enum profile_value *ret_value)
{
	int value;

	for (value = 0; value < PROFILE_VALUES; value++) {
		if (!strcmp(name, value_names[value])) {
			*ret_value = value;
			return 0;
		}
	}
	return -EINVAL;
}

const char *linger_domain__name(enum linger_domain domain)
{
	static const char *const names[LINGER_DOMAINS] = {
		[LINGER_DOMAIN_OBJECT] = "object",
		[LINGER_DOMAIN_RAW] = "raw",
		[LINGER_DOMAIN_MAPPING] = "mapping",
	};

	return names[domain];
}

int linger_domain__parse(const char *name, enum linger_domain *ret_domain)
{
	int domain;

	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		if (!strcmp(name, linger_domain__name(domain))) {
			*ret_domain = domain;
			return 0;
		}
	}
	return -EINVAL;
}
