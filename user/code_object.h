/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CODE_OBJECT_H
#define LINGER_CODE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "profile.h"
#include "py_layout.h"

/* What a code object says of itself. One of zeros knows nothing yet. */
struct code_object {
	char *function; /* UTF-8; NULL: not known */
	char *file;
	uint8_t *line_table;
	size_t line_table_bytes;
	int first_line;
	int32_t started_at; /* in bytes: before this instruction a frame is only being set up */
};

void code_object__free(struct code_object *code);

/* Copies a line table. If memory is short it stays unknown. */
void code_object__set_line_table(struct code_object *code, const void *bytes, size_t len);

/* first_traceable: the code object's field of that name, which counts units of two bytes. */
void code_object__set_start(struct code_object *code, const struct py_layout *py, int32_t first_traceable);

/* Reads the names and the line table that are not known from the target's memory. What cannot be read stays
 * unknown. */
void code_object__read_texts(struct code_object *code, const struct py_layout *py,
			     struct memory_reader *reader, uint64_t address);

/* Reads all of it, into one of zeros. */
void code_object__read(struct code_object *code, const struct py_layout *py, struct memory_reader *reader,
		       uint64_t address);

/* Whether a frame at this instruction (its offset in bytes) counts as running (_PyFrame_IsIncomplete). */
bool code_object__has_started(const struct code_object *code, int32_t instr);

/* A frame as people see it; the strings are those of the code object, "[unknown]" for what is not known. */
struct profile_frame code_object__frame(const struct code_object *code, const struct py_layout *py,
					int32_t instr);

#endif /* LINGER_CODE_OBJECT_H */
