/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_GET_H
#define LINGER_RENDER_GET_H

#include <stdint.h>
#include <stdio.h>

#include <linux/types.h>

#include "preview.h"

/* One object of the target. */
struct found_object {
	const char *name; /* as it was asked for */
	uint64_t address;
	uint64_t size_bytes;
	struct preview preview;
};

/* 0 or a negative errno. */
int render_get_text(const struct found_object *found, FILE *out);
int render_get_json(const struct found_object *found, FILE *out);

#endif /* LINGER_RENDER_GET_H */
