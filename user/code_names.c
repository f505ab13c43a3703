// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "code_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "line_table.h"
#include "utf8.h"

struct code_name {
	char *function; /* UTF-8 */
	char *file;
	uint8_t *line_table;
	size_t line_table_bytes;
	int first_line;
	int32_t started_at; /* in bytes: before this instruction a frame is only being set up */
};

struct code_names {
	const struct py_layout *layout;
	struct code_name *names; /* by code id */
	size_t n, capacity;
};

struct code_names *code_names__new(const struct py_layout *layout)
{
	struct code_names *names = calloc(1, sizeof(*names));

	if (names) {
		names->layout = layout;
		names->n = LINGER_NO_CODE + 1;
	}
	return names;
}

void code_names__free(struct code_names *names)
{
	if (!names)
		return;
	for (size_t i = LINGER_NO_CODE + 1; i < names->n; i++) {
		free(names->names[i].function);
		free(names->names[i].file);
		free(names->names[i].line_table);
	}
	free(names->names);
	free(names);
}

/* --- from the kernel's pool -------------------------------------------------------------------------- */

static const char *pool_bytes(const struct session_pools *pools, const struct text_ref *ref)
{
	return pools->text + (size_t)ref->chunk * LINGER_TEXT_CHUNK;
}

static char *pool_string(const struct session_pools *pools, const struct text_ref *ref, uint8_t kind)
{
	return utf8__from_python(pool_bytes(pools, ref), ref->bytes / kind, kind);
}

static void copy_table(struct code_name *name, const void *bytes, size_t len)
{
	name->line_table = malloc(len + 1);
	if (!name->line_table)
		return;
	memcpy(name->line_table, bytes, len);
	name->line_table_bytes = len;
}

static void take_record(struct code_name *name, const struct session_pools *pools,
			const struct linger_code *code)
{
	name->first_line = code->first_line;
	if (!(code->flags & CODE_NAME_UNREAD))
		name->function = pool_string(pools, &code->name, code->name_kind);
	if (!(code->flags & CODE_FILE_UNREAD))
		name->file = pool_string(pools, &code->filename, code->filename_kind);
	if (!(code->flags & CODE_TABLE_UNREAD))
		copy_table(name, pool_bytes(pools, &code->line_table), code->line_table.bytes);
}

/* --- from the target's memory ------------------------------------------------------------------------ */

static char *read_string(const struct code_names *names, struct memory_reader *reader, uint64_t field)
{
	const struct py_layout *py = names->layout;
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

static void read_table(const struct code_names *names, struct memory_reader *reader, uint64_t field,
		       struct code_name *name)
{
	uint64_t object, size;
	uint8_t *bytes;

	if (memory_reader__read(reader, field, &object, sizeof(object)) ||
	    memory_reader__read(reader, object + names->layout->bytes_size, &size, sizeof(size)) ||
	    size > LINGER_MAX_TABLE_BYTES)
		return;
	bytes = malloc(size + 1);
	if (bytes && !memory_reader__read(reader, object + names->layout->bytes_data, bytes, size))
		copy_table(name, bytes, size);
	free(bytes);
}

/*
 * Reads what the record lacks. The code object may have ended since; its first line must still be the same.
 */
static void complete(const struct code_names *names, struct memory_reader *reader,
		     const struct linger_code *code, struct code_name *name)
{
	const struct py_layout *py = names->layout;
	int32_t first_line;

	if (memory_reader__read(reader, code->address + py->code_first_line, &first_line,
				sizeof(first_line)) ||
	    (code->first_line && first_line != code->first_line))
		return;
	name->first_line = first_line;
	if (!name->function)
		name->function = read_string(names, reader, code->address + py->code_name);
	if (!name->file)
		name->file = read_string(names, reader, code->address + py->code_filename);
	if (!name->line_table)
		read_table(names, reader, code->address + py->code_line_table, name);
}

/* --- lines ------------------------------------------------------------------------------------------- */

static int line_at(const struct code_names *names, const struct code_name *name, int32_t instr)
{
	if (!name->line_table)
		return 0;
	return line_table__line(names->layout->line_table_kind, name->line_table, name->line_table_bytes,
				name->first_line, instr);
}

/* --- the module -------------------------------------------------------------------------------------- */

static int grow(struct code_names *names, size_t n)
{
	size_t capacity = names->capacity ? names->capacity : 1024;
	struct code_name *grown;

	if (n <= names->capacity)
		return 0;
	while (capacity < n)
		capacity *= 2;
	grown = reallocarray(names->names, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	names->names = grown;
	names->capacity = capacity;
	return 0;
}

int code_names__update(struct code_names *names, const struct session_pools *pools,
		       struct memory_reader *reader)
{
	uint32_t end = session_pools__n_codes(pools);
	int err = grow(names, end);

	if (err)
		return err;
	for (; names->n < end; names->n++) {
		const struct linger_code *code = &pools->codes[names->n];
		struct code_name *name = &names->names[names->n];

		/* Being written at this moment; next time. */
		if (!(__atomic_load_n(&code->flags, __ATOMIC_ACQUIRE) & CODE_READY))
			break;
		*name = (struct code_name){};
		take_record(name, pools, code);
		if (reader && (!name->function || !name->file || !name->line_table))
			complete(names, reader, code, name);
		name->started_at = names->layout->code_first_traceable == PY_NO_FIELD
					   ? INT32_MIN
					   : (int32_t)(code->first_traceable * 2u);
	}
	return 0;
}

static const struct code_name *find(const struct code_names *names, uint64_t frame)
{
	uint32_t id = LINGER_FRAME_CODE(frame);

	return id == LINGER_NO_CODE || id >= names->n ? NULL : &names->names[id];
}

bool code_names__has_started(const struct code_names *names, uint64_t frame)
{
	const struct code_name *name = find(names, frame);

	return !name || LINGER_FRAME_INSTR(frame) >= name->started_at;
}

struct profile_frame code_names__frame(const struct code_names *names, uint64_t frame)
{
	const struct code_name *name = find(names, frame);

	if (!name)
		return (struct profile_frame){.function = "[unknown]"};
	return (struct profile_frame){
		.function = name->function ? name->function : "[unknown]",
		.file = name->file ? name->file : "[unknown]",
		.line = line_at(names, name, LINGER_FRAME_INSTR(frame)),
		.first_line = name->first_line,
	};
}
