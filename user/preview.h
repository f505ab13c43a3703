/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PREVIEW_H
#define LINGER_PREVIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "python.h"
#include "type_names.h"
#include "type_shapes.h"

/* Shows objects of the target in a few words each. */
struct previewer {
	struct memory_reader *reader;
	const struct python *python;
	struct type_shapes *shapes;
	struct type_names names;
	bool redact; /* of str and bytes over PREVIEW_SECRET_LENGTH only the length */
};

#define PREVIEW_SECRET_LENGTH 16
#define PREVIEW_TEXT_LENGTH 60 /* of str and bytes, when they are shown */

/* What is seen of an object. Strings are not cleaned: for render_*. */
struct preview {
	char *type; /* "app.Session" */
	char *text; /* "17", "'key'", "list of 3", "<app.Session at 0x7f0123456780>" */
	bool has_length;
	uint64_t length; /* as len() has it */
};

struct previewer previewer__make(struct memory_reader *reader, const struct python *python,
				 struct type_shapes *shapes, bool redact);

/* 0; -EFAULT: no object is there; -ESRCH, -ENOMEM. */
int previewer__look(struct previewer *previewer, uint64_t address, struct preview *ret_preview);
void preview__free(struct preview *preview);

#endif /* LINGER_PREVIEW_H */
