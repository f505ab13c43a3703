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

#define ARENA_CHUNK_BYTES (64 * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	alignas(max_align_t) char data[];
};

struct arena {
	struct arena_chunk *chunks;
	char *free;
	size_t free_bytes;
};

struct slot {
	uint64_t hash;
	void *item; /* NULL: empty */
};

/* Open addressing with linear probing; nothing is ever removed. */
struct table {
	struct slot *slots;
	size_t n;
	size_t n_slots; /* a power of two, or 0 */
};

struct profile {
	struct arena arena;
	struct table strings; /* char * */
	struct table frames;  /* struct profile_frame * */
	struct table stacks;  /* struct profile_sample * */
	struct profile_sample **samples;
	size_t n_samples;
	size_t max_samples;
	char **notes;
	size_t n_notes;
	const struct profile_frame **scratch; /* the interned frames of the stack that is being added */
	size_t max_scratch;
};

/*
 * --- memory ----------------------------------------------------------------------------------------------
 */

static int arena__grow(struct arena *arena, size_t bytes)
{
	size_t chunk_bytes = bytes > ARENA_CHUNK_BYTES ? bytes : ARENA_CHUNK_BYTES;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + chunk_bytes);

	if (!chunk)
		return -ENOMEM;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->free = chunk->data;
	arena->free_bytes = chunk_bytes;
	return 0;
}

static void *arena__alloc(struct arena *arena, size_t bytes, size_t alignment)
{
	size_t padding = -(uintptr_t)arena->free & (alignment - 1);
	void *block;

	if (padding + bytes > arena->free_bytes) {
		if (arena__grow(arena, bytes))
			return NULL;
		padding = 0;
	}
	block = arena->free + padding;
	arena->free += padding + bytes;
	arena->free_bytes -= padding + bytes;
	return block;
}

static void arena__free(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}

/*
 * --- hash table ------------------------------------------------------------------------------------------
 */

/* The halves of the full product, folded: each bit of the operands reaches the low bits, which choose the
 * slot. */
static uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	__uint128_t product = (__uint128_t)(hash ^ word) * 0x9e3779b97f4a7c15;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(const char *bytes, size_t len)
{
	uint64_t hash = len;
	uint64_t word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = hash_mix(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, len);
	return hash_mix(hash, word);
}

typedef bool (*equal_fn)(const void *item, const void *key);

/* The item of this key, or NULL. */
static void *table__find(const struct table *table, uint64_t hash, equal_fn equal, const void *key)
{
	size_t i;

	if (!table->n_slots)
		return NULL;
	for (i = hash & (table->n_slots - 1); table->slots[i].item; i = (i + 1) & (table->n_slots - 1))
		if (table->slots[i].hash == hash && equal(table->slots[i].item, key))
			return table->slots[i].item;
	return NULL;
}

static void table__put(struct table *table, uint64_t hash, void *item)
{
	size_t i = hash & (table->n_slots - 1);

	while (table->slots[i].item)
		i = (i + 1) & (table->n_slots - 1);
	table->slots[i].hash = hash;
	table->slots[i].item = item;
}

/* Makes room for one more item, so that table__put cannot fail. */
static int table__reserve(struct table *table)
{
	struct table larger = {.n = table->n};
	size_t i;

	if (table->n_slots && (table->n + 1) * 4 <= table->n_slots * 3)
		return 0;
	larger.n_slots = table->n_slots ? table->n_slots * 2 : 64;
	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (i = 0; i < table->n_slots; i++)
		if (table->slots[i].item)
			table__put(&larger, table->slots[i].hash, table->slots[i].item);
	free(table->slots);
	*table = larger;
	return 0;
}

static void table__insert(struct table *table, uint64_t hash, void *item)
{
	table__put(table, hash, item);
	table->n++;
}

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

	return a->function == b->function && a->file == b->file && a->line == b->line;
}

/* The profile's only copy of a frame; NULL when out of memory. */
static const struct profile_frame *intern_frame(struct profile *profile, const struct profile_frame *frame)
{
	struct profile_frame key = {.line = frame->line};
	struct profile_frame *copy;
	uint64_t hash;

	key.function = intern_string(profile, frame->function);
	key.file = frame->file ? intern_string(profile, frame->file) : NULL;
	if (!key.function || (frame->file && !key.file))
		return NULL;
	hash = hash_mix(hash_mix((uintptr_t)key.function, (uintptr_t)key.file), (uint64_t)key.line);
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

static bool stack_equal(const void *item, const void *key)
{
	const struct profile_sample *a = item;
	const struct profile_sample *b = key;

	return a->domain == b->domain && a->n_frames == b->n_frames &&
	       (!a->n_frames || !memcmp(a->frames, b->frames, a->n_frames * sizeof(*a->frames)));
}

static uint64_t stack_hash(const struct profile_sample *stack)
{
	uint64_t hash = hash_mix(stack->domain, stack->n_frames);
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

static int intern_frames(struct profile *profile, const struct profile_frame *frames, size_t n_frames)
{
	const struct profile_frame **scratch;
	size_t i;

	scratch = reserve_pointers(profile->scratch, &profile->max_scratch, n_frames);
	if (!scratch)
		return -ENOMEM;
	profile->scratch = scratch;
	for (i = 0; i < n_frames; i++) {
		profile->scratch[i] = intern_frame(profile, &frames[i]);
		if (!profile->scratch[i])
			return -ENOMEM;
	}
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
	table__insert(&profile->stacks, hash, sample);
	profile->samples[profile->n_samples++] = sample;
	return sample;
}

int profile__add(struct profile *profile, enum linger_domain domain, const struct profile_frame *frames,
		 size_t n_frames, const uint64_t values[PROFILE_VALUES])
{
	struct profile_sample key = {.domain = domain, .n_frames = n_frames};
	struct profile_sample *sample;
	uint64_t hash;
	int value;
	int err;

	err = intern_frames(profile, frames, n_frames);
	if (err)
		return err;
	key.frames = profile->scratch;
	hash = stack_hash(&key);
	sample = table__find(&profile->stacks, hash, stack_equal, &key);
	if (!sample)
		sample = new_sample(profile, &key, hash);
	if (!sample)
		return -ENOMEM;
	for (value = 0; value < PROFILE_VALUES; value++)
		sample->values[value] += values[value];
	return 0;
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

/*
 * --- notes, life, names ----------------------------------------------------------------------------------
 */

int profile__add_note(struct profile *profile, const char *text)
{
	char **notes = reallocarray(profile->notes, profile->n_notes + 1, sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	profile->notes = notes;
	notes[profile->n_notes] = strdup(text);
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

struct profile *profile__new(void)
{
	return calloc(1, sizeof(struct profile));
}

void profile__free(struct profile *profile)
{
	size_t i;

	if (!profile)
		return;
	for (i = 0; i < profile->n_notes; i++)
		free(profile->notes[i]);
	free(profile->notes);
	free(profile->scratch);
	free(profile->samples);
	free(profile->stacks.slots);
	free(profile->frames.slots);
	free(profile->strings.slots);
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
