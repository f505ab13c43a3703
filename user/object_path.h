/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_PATH_H
#define LINGER_OBJECT_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* What a program would write to get at an object: module.attribute['key'][3]. Pure. */
enum path_step_kind {
	STEP_NAME,  /* .name */
	STEP_KEY,   /* ['key'] */
	STEP_INDEX, /* [3], [-1] */
};

struct path_step {
	enum path_step_kind kind;
	char *text; /* NULL of an index */
	long index;
	size_t end; /* of the path's text up to here, in bytes */
};

#define MAX_PATH_STEPS 64

struct object_path {
	char *text;
	struct path_step steps[MAX_PATH_STEPS];
	size_t n_steps;
};

/* 0; -EINVAL, with the sentence that says so; -ENOMEM. */
int object_path__parse(const char *text, struct object_path *ret_path, struct error *error);
void object_path__free(struct object_path *path);

#endif /* LINGER_OBJECT_PATH_H */
