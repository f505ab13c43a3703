// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "code_object.h"

#include <stdlib.h>
#include <string.h>

#include "line_table.h"
#include "trace.h"
#include "utf8.h"

void code_object__free(struct code_object *code)
{
	free(code->function);
	free(code->file);
	free(code->line_table);
}

void code_object__set_line_table(struct code_object *code, const void *bytes, size_t len)
{
	code->line_table = malloc(len + 1);
	if (!code->line_table)
		return;
	memcpy(code->line_table, bytes, len);
	code->line_table_bytes = len;
}

void code_object__set_start(struct code_object *code, const struct py_layout *py, int32_t first_traceable)
{
	code->started_at =
		py->code_first_traceable == PY_NO_FIELD ? INT32_MIN : (int32_t)(first_traceable * 2u);
}

/* --- from the target's memory ------------------------------------------------------------------------ */

static char *read_string(const struct py_layout *py, struct memory_reader *reader, uint64_t field)
{
	char text[LINGER_MAX_NAME_BYTES];
	uint64_t object, length, data;
	uint32_t state;
	uint8_t kind;

	if (memory_reader__read(reader, field, &object, sizeof(object)) ||
	    memory_reader__read(reader, object + py->unicode_length, &length, sizeof(length)) ||
	    memory_reader__read(reader, object + py->unicode_state, &state, sizeof(state)))
		return NULL;
	kind = state >> py->unicode_kind_shift & 7;
	if (kind != 1 && kind != 2 && kind != 4)
		return NULL;
	if (length > sizeof(text) / kind)
		length = sizeof(text) / kind;
	data = object + (state >> py->unicode_ascii_shift & 1 ? py->unicode_ascii : py->unicode_compact);
	if (memory_reader__read(reader, data, text, length * kind))
		return NULL;
	return utf8__from_python(text, length, kind);
}

static void read_line_table(struct code_object *code, const struct py_layout *py,
			    struct memory_reader *reader, uint64_t field)
{
	uint64_t object, size;
	uint8_t *bytes;

	if (memory_reader__read(reader, field, &object, sizeof(object)) ||
	    memory_reader__read(reader, object + py->bytes_size, &size, sizeof(size)) ||
	    size > LINGER_MAX_TABLE_BYTES)
		return;
	bytes = malloc(size + 1);
	if (bytes && !memory_reader__read(reader, object + py->bytes_data, bytes, size))
		code_object__set_line_table(code, bytes, size);
	free(bytes);
}

void code_object__read_texts(struct code_object *code, const struct py_layout *py,
			     struct memory_reader *reader, uint64_t address)
{
	if (!code->function)
		code->function = read_string(py, reader, address + py->code_name);
	if (!code->file)
		code->file = read_string(py, reader, address + py->code_filename);
	if (!code->line_table)
		read_line_table(code, py, reader, address + py->code_line_table);
}

void code_object__read(struct code_object *code, const struct py_layout *py, struct memory_reader *reader,
		       uint64_t address)
{
	int32_t first_line = 0, first_traceable = 0;

	memory_reader__read(reader, address + py->code_first_line, &first_line, sizeof(first_line));
	if (py->code_first_traceable != PY_NO_FIELD)
		memory_reader__read(reader, address + py->code_first_traceable, &first_traceable,
				    sizeof(first_traceable));
	code->first_line = first_line;
	code_object__set_start(code, py, first_traceable);
	code_object__read_texts(code, py, reader, address);
}

/* --- frames ------------------------------------------------------------------------------------------ */

bool code_object__has_started(const struct code_object *code, int32_t instr)
{
	return instr >= code->started_at;
}

static int line_at(const struct code_object *code, const struct py_layout *py, int32_t instr)
{
	if (!code->line_table)
		return 0;
	return line_table__line(py->line_table_kind, code->line_table, code->line_table_bytes,
				code->first_line, instr);
}

struct profile_frame code_object__frame(const struct code_object *code, const struct py_layout *py,
					int32_t instr)
{
	return (struct profile_frame){
		.function = code->function ? code->function : "[unknown]",
		.file = code->file ? code->file : "[unknown]",
		.line = line_at(code, py, instr),
		.first_line = code->first_line,
	};
}
