/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render.h"

#include <errno.h>
#include <string.h>

static const struct renderer *const renderers[] = {
	&render_folded,
	&render_svg,
	&render_text,
	&render_pprof,
};

#define N_RENDERERS (sizeof(renderers) / sizeof(*renderers))

const struct renderer *renderer__by_name(const char *name)
{
	size_t i;

	for (i = 0; i < N_RENDERERS; i++)
		if (!strcmp(name, renderers[i]->name))
			return renderers[i];
	return NULL;
}

const struct renderer *renderer__by_path(const char *path)
{
	size_t len = strlen(path);
	size_t i;

	for (i = 0; i < N_RENDERERS; i++) {
		size_t suffix_len = strlen(renderers[i]->suffix);

		if (len > suffix_len && !strcmp(path + len - suffix_len, renderers[i]->suffix))
			return renderers[i];
	}
	return NULL;
}

int renderer__render(const struct renderer *renderer, const struct profile *profile, enum profile_value value,
		     FILE *out)
{
	struct profile *merged;
	int err;

	if (renderer->by_thread)
		return renderer->render(profile, value, out);
	merged = profile__new();
	if (!merged)
		return -ENOMEM;
	err = profile__merge_threads(profile, merged);
	if (!err)
		err = renderer->render(merged, value, out);
	profile__free(merged);
	return err;
}
