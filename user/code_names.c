// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "code_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code_object.h"
#include "utf8.h"

struct code_names {
	const struct py_layout *layout;
	struct code_object *codes; /* by code id */
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
	for (size_t i = LINGER_NO_CODE + 1; i < names->n; i++)
		code_object__free(&names->codes[i]);
	free(names->codes);
	free(names);
}

/* --- from the kernel's pool -------------------------------------------------------------------------- */

static char *pool_string(const struct session_pools *pools, const struct text_ref *ref, uint8_t kind)
{
	const char *characters = session_pools__text(pools, ref);

	if (!characters || (kind != 1 && kind != 2 && kind != 4))
		return NULL;
	return utf8__from_python(characters, ref->bytes / kind, kind);
}

static void take_record(const struct code_names *names, const struct session_pools *pools,
			const struct linger_code *record, struct code_object *code)
{
	const char *table = session_pools__text(pools, &record->line_table);

	code->first_line = record->first_line;
	code_object__set_start(code, names->layout, record->first_traceable);
	if (!(record->flags & CODE_NAME_UNREAD))
		code->function = pool_string(pools, &record->name, record->name_kind);
	if (!(record->flags & CODE_FILE_UNREAD))
		code->file = pool_string(pools, &record->filename, record->filename_kind);
	if (table && !(record->flags & CODE_TABLE_UNREAD))
		code_object__set_line_table(code, table, record->line_table.bytes);
}

/* --- from the target's memory ------------------------------------------------------------------------ */

/*
 * Reads what the record lacks. The code object may have ended since; its first line must still be the same.
 */
static void complete(const struct code_names *names, struct memory_reader *reader,
		     const struct linger_code *record, struct code_object *code)
{
	const struct py_layout *py = names->layout;
	int32_t first_line;

	if (memory_reader__read(reader, record->address + py->code_first_line, &first_line,
				sizeof(first_line)) ||
	    (record->first_line && first_line != record->first_line))
		return;
	code->first_line = first_line;
	code_object__read_texts(code, py, reader, record->address);
}

/* --- the module -------------------------------------------------------------------------------------- */

static int grow(struct code_names *names, size_t n)
{
	size_t capacity = names->capacity ? names->capacity : 1024;
	struct code_object *grown;

	if (n <= names->capacity)
		return 0;
	while (capacity < n)
		capacity *= 2;
	grown = reallocarray(names->codes, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	names->codes = grown;
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
		const struct linger_code *record = &pools->codes[names->n];
		struct code_object *code = &names->codes[names->n];

		/* Being written at this moment; next time. */
		if (!(__atomic_load_n(&record->flags, __ATOMIC_ACQUIRE) & CODE_READY))
			break;
		*code = (struct code_object){};
		take_record(names, pools, record, code);
		if (reader && (!code->function || !code->file || !code->line_table))
			complete(names, reader, record, code);
	}
	return 0;
}

static const struct code_object *find(const struct code_names *names, uint64_t frame)
{
	uint32_t id = LINGER_FRAME_CODE(frame);

	return id == LINGER_NO_CODE || id >= names->n ? NULL : &names->codes[id];
}

bool code_names__has_started(const struct code_names *names, uint64_t frame)
{
	const struct code_object *code = find(names, frame);

	return !code || code_object__has_started(code, LINGER_FRAME_INSTR(frame));
}

struct profile_frame code_names__frame(const struct code_names *names, uint64_t frame)
{
	const struct code_object *code = find(names, frame);

	if (!code)
		return (struct profile_frame){.function = "[unknown]"};
	return code_object__frame(code, names->layout, LINGER_FRAME_INSTR(frame));
}
