/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_H
#define LINGER_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "profile.h"
#include "profile_diff.h"

/*
 * One file per renderer, one function each. A renderer turns a profile into bytes and knows nothing of where
 * the profile came from. Returns 0 or a negative errno (-EIO when the stream failed).
 */
struct renderer {
	const char *name;   /* -f NAME */
	const char *suffix; /* the file ending that implies it, with its dot */
	bool by_thread;     /* wants a stack once for each thread; the others get it once */
	bool is_binary;     /* not for a terminal */
	int (*render)(const struct profile *profile, enum profile_value value, FILE *out);
	/* Two profiles compared; NULL: not in this format. */
	int (*render_diff)(const struct profile_diff *diff, enum profile_value value, FILE *out);
};

extern const struct renderer render_folded;
extern const struct renderer render_pprof;
extern const struct renderer render_svg;
extern const struct renderer render_text;

/* The comparisons, in files of their own. */
int render_svg_diff(const struct profile_diff *diff, enum profile_value value, FILE *out);
int render_text_diff(const struct profile_diff *diff, enum profile_value value, FILE *out);

/* The table of a domain with estimates, of a value in use. */
int render_text_estimate(const struct profile *profile, enum linger_domain domain, enum profile_value value,
			 FILE *out);

/* Renders the stacks in the form that the renderer wants. */
int renderer__render(const struct renderer *renderer, const struct profile *profile, enum profile_value value,
		     FILE *out);

/* The renderer of a name or of a file's ending; NULL when there is none. */
const struct renderer *renderer__by_name(const char *name);
const struct renderer *renderer__by_path(const char *path);

#endif /* LINGER_RENDER_H */
