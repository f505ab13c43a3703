/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PROFILE_H
#define LINGER_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "domain.h"

/*
 * A profile: stacks with the four pprof values. Equal stacks of a domain are merged; frames are interned, so
 * a profile costs about a pointer per frame. It holds resolved names only and does no I/O. Frames of one
 * profile are equal exactly when their addresses are; samples stay where they are until the profile is freed.
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
};

struct profile_sample {
	enum linger_domain domain;
	const struct profile_frame *const *frames; /* root first */
	size_t n_frames;
	uint64_t values[PROFILE_VALUES];
};

struct profile;

struct profile *profile__new(void);
void profile__free(struct profile *profile);

/* Adds values to the stack of these frames (root first; strings are copied). 0 or -ENOMEM. */
int profile__add(struct profile *profile, enum linger_domain domain, const struct profile_frame *frames,
		 size_t n_frames, const uint64_t values[PROFILE_VALUES]);

/* A line that every output carries where its format allows: losses, coverage, the target. 0 or -ENOMEM. */
int profile__add_note(struct profile *profile, const char *text);
size_t profile__n_notes(const struct profile *profile);
const char *profile__note(const struct profile *profile, size_t i);

size_t profile__n_samples(const struct profile *profile);
const struct profile_sample *profile__sample(const struct profile *profile, size_t i);

/* The sum of one value over all samples of one domain. */
uint64_t profile__total(const struct profile *profile, enum linger_domain domain, enum profile_value value);

/* "inuse_space" and so on; profile_value__parse returns -EINVAL for anything else. */
const char *profile_value__name(enum profile_value value);
int profile_value__parse(const char *name, enum profile_value *ret_value);

/* "object", "raw", "mapping". */
const char *linger_domain__name(enum linger_domain domain);

#endif /* LINGER_PROFILE_H */
