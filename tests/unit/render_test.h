/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_TEST_H
#define LINGER_RENDER_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "profile.h"
#include "render.h"

/* What the tests of the renderers share: include after cmocka.h. */

#define ADD_ESTIMATE(profile, domain, values, estimate, ...)                                                 \
	do {                                                                                                 \
		const struct profile_frame frames_[] = {__VA_ARGS__};                                        \
		assert_int_equal(profile__add_estimate(profile, LINGER_DOMAIN_##domain, NULL, frames_,       \
						       sizeof(frames_) / sizeof(*frames_), values,           \
						       estimate),                                            \
				 0);                                                                         \
	} while (0)

#define ADD(profile, domain, values, ...) ADD_ESTIMATE(profile, domain, values, NULL, __VA_ARGS__)

#define ESTIMATE(...) (&(const struct profile_estimate){__VA_ARGS__})

#define VALUES(...) ((const uint64_t[PROFILE_VALUES]){__VA_ARGS__})

/* The output as a string; frees the profile. */
static inline char *rendered(const struct renderer *renderer, struct profile *profile,
			     enum profile_value value)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	assert_int_equal(renderer->render(profile, value, out), 0);
	assert_int_equal(fclose(out), 0);
	profile__free(profile);
	return text;
}

static inline void assert_rendered(const struct renderer *renderer, struct profile *profile,
				   enum profile_value value, const char *expected)
{
	char *text = rendered(renderer, profile, value);

	assert_string_equal(text, expected);
	free(text);
}

/* Every renderer has to notice that its output went nowhere. */
static inline void assert_fails_on_full_device(const struct renderer *renderer)
{
	struct profile *profile = profile__new();
	FILE *full = fopen("/dev/full", "w");

	assert_non_null(full);
	ADD(profile, OBJECT, VALUES(1, 1, 1, 1), {"f", "/a.py", 1});
	assert_int_equal(renderer->render(profile, PROFILE_INUSE_SPACE, full), -ENOSPC);
	fclose(full);
	profile__free(profile);
}

#endif /* LINGER_RENDER_TEST_H */
