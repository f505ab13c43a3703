/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   layout_driver MINOR < first bytes of _PyRuntime
 *
 * Prints the layout that user/py_layouts.c has for CPython 3.MINOR as "name value" lines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "py_layouts.h"

#define SHOW(from, field) printf(#field " %u\n", (from).field)

static void show(struct py_layout layout, struct py_runtime_layout runtime)
{
	SHOW(layout, tstate_frame);
	SHOW(layout, cframe_current);
	SHOW(layout, frame_code);
	SHOW(layout, frame_previous);
	SHOW(layout, frame_instr);
	SHOW(layout, frame_owner);
	SHOW(layout, owner_c_stack);
	SHOW(layout, instr_kind);
	SHOW(layout, code_tag_mask);
	SHOW(layout, code_first_line);
	SHOW(layout, code_name);
	SHOW(layout, code_filename);
	SHOW(layout, code_line_table);
	SHOW(layout, code_first_traceable);
	SHOW(layout, code_instrs);
	SHOW(layout, unicode_length);
	SHOW(layout, unicode_state);
	SHOW(layout, unicode_ascii);
	SHOW(layout, unicode_compact);
	SHOW(layout, unicode_kind_shift);
	SHOW(layout, unicode_ascii_shift);
	SHOW(layout, bytes_size);
	SHOW(layout, bytes_data);
	SHOW(layout, type_dealloc);
	SHOW(runtime, auto_tss_key);
	SHOW(runtime, current_tstate);
	SHOW(runtime, finalizing);
	SHOW(runtime, interpreters);
	SHOW(runtime, interp_next);
	SHOW(runtime, interp_threads);
	SHOW(runtime, interp_modules);
	SHOW(runtime, interp_gil_locked);
	SHOW(runtime, interp_gil_holder);
	SHOW(runtime, tstate_next);
	SHOW(runtime, thread_id);
	SHOW(runtime, native_thread_id);
	SHOW(runtime, alignment);
	SHOW(runtime, gc_head_bytes);
	SHOW(runtime, type_qualname);
}

int main(int argc, char **argv)
{
	uint8_t bytes[PY_DEBUG_OFFSETS_BYTES];
	struct py_runtime_layout runtime;
	struct py_layout layout;
	size_t len;
	int err;

	if (argc != 2)
		return 2;
	len = fread(bytes, 1, sizeof(bytes), stdin);
	err = py_layouts__get(atoi(argv[1]), bytes, len, &layout, &runtime);
	if (err) {
		fprintf(stderr, "py_layouts__get: %d\n", err);
		return 1;
	}
	show(layout, runtime);
	return 0;
}
