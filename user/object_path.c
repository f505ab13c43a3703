// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "object_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The step that begins at text; returns where it ends, NULL where there is none. */
static const char *parse_name(const char *text, struct path_step *ret_step)
{
	size_t n = strcspn(text, ".[]'\"");

	if (!n)
		return NULL;
	*ret_step = (struct path_step){.kind = STEP_NAME, .text = strndup(text, n)};
	return text + n;
}

static const char *parse_key(const char *text, struct path_step *ret_step)
{
	const char *end = strchr(text + 1, *text);

	if (!end || end[1] != ']')
		return NULL;
	*ret_step = (struct path_step){.kind = STEP_KEY, .text = strndup(text + 1, end - text - 1)};
	return end + 2;
}

static const char *parse_index(const char *text, struct path_step *ret_step)
{
	char *end;

	*ret_step = (struct path_step){.kind = STEP_INDEX};
	errno = 0;
	ret_step->index = strtol(text, &end, 10);
	return end == text || errno || *end != ']' ? NULL : end + 1;
}

static const char *parse_step(const char *text, bool is_first, struct path_step *ret_step)
{
	if (is_first)
		return parse_name(text, ret_step);
	if (*text == '.')
		return parse_name(text + 1, ret_step);
	if (*text != '[')
		return NULL;
	text++;
	return *text == '\'' || *text == '"' ? parse_key(text, ret_step) : parse_index(text, ret_step);
}

static int parse_steps(struct object_path *path)
{
	const char *text = path->text;

	do {
		struct path_step *step = &path->steps[path->n_steps];

		if (path->n_steps == MAX_PATH_STEPS)
			return -EINVAL;
		text = parse_step(text, !path->n_steps, step);
		if (!text)
			return -EINVAL;
		path->n_steps++;
		step->end = text - path->text;
		if (step->kind != STEP_INDEX && !step->text)
			return -ENOMEM;
	} while (*text);
	return 0;
}

int object_path__parse(const char *text, struct object_path *ret_path, struct error *error)
{
	struct object_path path = {.text = strdup(text)};
	int err = path.text ? parse_steps(&path) : -ENOMEM;

	if (!err) {
		*ret_path = path;
		return 0;
	}
	object_path__free(&path);
	if (err == -ENOMEM)
		return error__set(error, err, "failed to get '%s': out of memory", text);
	error__set(error, err, "failed to get '%s': this is no path to an object", text);
	error__hint(error, "write it as a program does: module.attribute['key'][3]");
	return err;
}

void object_path__free(struct object_path *path)
{
	for (size_t i = 0; i < path->n_steps; i++)
		free(path->steps[i].text);
	free(path->text);
	*path = (struct object_path){0};
}
