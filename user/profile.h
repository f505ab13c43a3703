/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PROFILE_H
#define LINGER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain.h"

/*
 * A profile: stacks with the four pprof values. Equal stacks of a domain, thread and age are merged; frames
 * are interned, so a profile costs about a pointer per frame. It holds resolved names only and does no I/O.
 * Frames and strings of one profile are equal exactly when their addresses are; samples stay where they are
 * until the profile is freed.
 *
 * The values of a sampled recording are estimates. They come in bands of age, and so that their totals hide
 * nothing, what cannot be said of a stack by itself stands under a root frame that names its group.
 */

enum profile_value {
	PROFILE_INUSE_SPACE,   /* bytes allocated and not freed */
	PROFILE_INUSE_OBJECTS, /* blocks allocated and not freed */
	PROFILE_ALLOC_SPACE,   /* bytes allocated */
	PROFILE_ALLOC_OBJECTS, /* blocks allocated */
	PROFILE_VALUES,
};

struct profile_frame {
	const char *function; /* UTF-8 */
	const char *file;     /* UTF-8; NULL for frames that are not Python code: [unknown], [truncated] */
	int line;             /* 0: unknown */
	int first_line;       /* of the function; 0: unknown */
};

/* How long ago the blocks of an estimate were allocated. */
enum profile_age {
	PROFILE_AGE_UNKNOWN, /* also of exact recordings, and of what is merged from several */
	PROFILE_UNDER_10S,
	PROFILE_UNDER_1MIN,
	PROFILE_UNDER_10MIN,
	PROFILE_OLDER,
	PROFILE_AGES,
};

/* The part of an estimate that is of one age. */
struct profile_band {
	uint64_t inuse_bytes;
	uint64_t windows;
};

/* How many survivors are instances of one type. */
struct profile_type {
	const char *name; /* UTF-8, "module.qualname"; of a profile's samples its own string */
	uint64_t survivors;
};

#define PROFILE_TYPES 8

/*
 * What an estimate rests on. Counts and squares are merged by adding up, ages by the smallest; of the windows
 * of one age, which may be the same, those of the part with the most count: there are at least as many.
 */
struct profile_estimate {
	enum profile_age age;
	uint64_t survivors;        /* sampled blocks found alive */
	uint64_t windows;          /* in which these were allocated; survivors of one say little about when */
	uint64_t newest_ms;        /* age of the youngest when the profile was made; UINT64_MAX: none */
	double below_sq, above_sq; /* squares of the distances in bytes from inuse_space to its 95 % bounds */
	struct profile_band bands[PROFILE_AGES]; /* filled in by the profile, also where ages are merged */
	/* The types that most survivors are of; 0 survivors end them. Others are of rarer types, or no
	 * objects: keys, items. */
	struct profile_type types[PROFILE_TYPES];
};

/* The 95 % bounds of an estimated inuse_space. */
struct profile_interval {
	uint64_t low_bytes, high_bytes;
};

/* What an estimate is counted with, by its root frame. */
enum profile_group {
	PROFILE_NO_GROUP,    /* a stack by itself */
	PROFILE_YOUNG,       /* "[younger than 10 s]", whatever the number; the stack follows */
	PROFILE_TOO_FEW,     /* "[too few survivors]"; the stack follows */
	PROFILE_NO_SURVIVOR, /* "[no survivor sampled]", alone */
	PROFILE_OUTLIVED,    /* "[outlived its window]"; the stack follows */
	PROFILE_GROUPS,
};

struct profile_sample {
	enum linger_domain domain;
	size_t index;                              /* profile__sample of it is this one */
	const char *thread;                        /* its name, UTF-8; NULL: not known */
	const struct profile_frame *const *frames; /* root first */
	size_t n_frames;
	uint64_t values[PROFILE_VALUES];
	struct profile_estimate *estimate; /* NULL: the values are exact */
};

/* A file that the process runs. */
struct profile_object {
	const char *path;
	const char *build_id; /* hexadecimal; empty: none */
};

struct profile;

struct profile *profile__new(void);
void profile__free(struct profile *profile);

/* Adds values to the stack of these frames (root first; strings are copied). A file without a name counts as
 * none, and a frame without a file has no lines. 0 or -ENOMEM. */
int profile__add(struct profile *profile, enum linger_domain domain, const char *thread,
		 const struct profile_frame *frames, size_t n_frames, const uint64_t values[PROFILE_VALUES]);

/* The same with what the values rest on; NULL: they are exact. */
int profile__add_estimate(struct profile *profile, enum linger_domain domain, const char *thread,
			  const struct profile_frame *frames, size_t n_frames,
			  const uint64_t values[PROFILE_VALUES], const struct profile_estimate *estimate);

/*
 * What people are shown has each stack once, whatever thread it ran in, wherever its functions begin and
 * however old its blocks are: this adds the stack of any profile's sample in that form, without values if it
 * is new. 0 or -ENOMEM.
 */
int profile__add_shown(struct profile *profile, const struct profile_sample *stack,
		       const struct profile_sample **ret_sample);

/* Adds all stacks of a profile in that form, with their values, its notes and its time. 0 or -ENOMEM. */
int profile__merge_threads(const struct profile *profile, struct profile *merged);

/* A line that every output carries where its format allows: losses, coverage, the target. 0 or -ENOMEM. */
int profile__add_note(struct profile *profile, const char *text);
size_t profile__n_notes(const struct profile *profile);
const char *profile__note(const struct profile *profile, size_t i);

/* The first is the interpreter's file, the second, if raw was recorded, the library with its malloc. 0 or
 * -ENOMEM. */
int profile__add_object(struct profile *profile, const char *path, const char *build_id);
size_t profile__n_objects(const struct profile *profile);
const struct profile_object *profile__object(const struct profile *profile, size_t i);

/* When the recording began, since 1970, and how long it took; 0: not known. */
void profile__set_time(struct profile *profile, uint64_t time_ns, uint64_t duration_ns);
uint64_t profile__time_ns(const struct profile *profile);
uint64_t profile__duration_ns(const struct profile *profile);

size_t profile__n_samples(const struct profile *profile);
const struct profile_sample *profile__sample(const struct profile *profile, size_t i);

/* The sum of one value over all samples of one domain. */
uint64_t profile__total(const struct profile *profile, enum linger_domain domain, enum profile_value value);

/* Whether a domain has estimates. */
bool profile__is_estimate(const struct profile *profile, enum linger_domain domain);

/* Adds the values of a sample to a sum and, if they are estimates, what they rest on but their types; the sum
 * of estimates has one, whose newest_ms is UINT64_MAX at first. */
void profile_sample__add(struct profile_sample *sum, const struct profile_sample *sample);

/* Of exact values both bounds are the value. */
struct profile_interval profile_sample__interval(const struct profile_sample *sample);

enum profile_group profile_sample__group(const struct profile_sample *sample);

/* The root frame's function for a group; min_age_s: below which PROFILE_YOUNG is. */
#define PROFILE_GROUP_BYTES 64
const char *profile_group__frame(enum profile_group group, double min_age_s,
				 char buffer[static PROFILE_GROUP_BYTES]);

/*
 * Whether a stack still grows, by when the windows saw its survivors allocated. It has stopped if it would be
 * unlikely that they all lie so far back, had they been spread over the whole recording. It grows if going on
 * as it did would make a pause like the last one no surprise. Between the two, and where nothing is known, it
 * cannot be told.
 */
enum profile_growth {
	PROFILE_GROWTH_UNKNOWN,
	PROFILE_GROWING,
	PROFILE_STOPPED,
};
enum profile_growth profile_estimate__growth(const struct profile_estimate *estimate, double duration_s,
					     double min_age_s);

/* "inuse_space" and so on; profile_value__parse returns -EINVAL for anything else. */
const char *profile_value__name(enum profile_value value);
int profile_value__parse(const char *name, enum profile_value *ret_value);

/* "<10s", "10s-1min", "1-10min", ">10min", "unknown"; profile_age__parse returns -EINVAL for anything else.
 */
const char *profile_age__name(enum profile_age age);
int profile_age__parse(const char *name, enum profile_age *ret_age);

/* "object", "raw", "mapping"; linger_domain__parse returns -EINVAL for anything else. */
const char *linger_domain__name(enum linger_domain domain);
int linger_domain__parse(const char *name, enum linger_domain *ret_domain);

#endif /* LINGER_PROFILE_H */
