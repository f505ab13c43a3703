/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints where the CPython version whose headers it is compiled with keeps what linger reads, as the
 * initialisers that user/py_layouts.c holds. Compiled and run once per version by print_layouts.sh; it only
 * asks the compiler, nothing of the interpreter is linked.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <frameobject.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_stackref.h>
#elif PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#endif
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#elif PY_VERSION_HEX >= 0x03080000
#include <internal/pycore_pystate.h>
#else
#include <internal/pystate.h>
#endif

#define SHOW(name, value) printf("\t\t.%s = %zu,\n", name, (size_t)(value))
#define SHOW_WORD(name, word) printf("\t\t.%s = %s,\n", name, word)

#if PY_VERSION_HEX >= 0x030b0000
typedef struct _PyInterpreterFrame frame_struct;
#else
typedef PyFrameObject frame_struct;
#endif

static void show_thread_state(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	SHOW("tstate_frame", offsetof(PyThreadState, current_frame));
	SHOW_WORD("cframe_current", "PY_NO_FIELD");
#elif PY_VERSION_HEX >= 0x030b0000
	SHOW("tstate_frame", offsetof(PyThreadState, cframe));
	SHOW("cframe_current", offsetof(_PyCFrame, current_frame));
#else
	SHOW("tstate_frame", offsetof(PyThreadState, frame));
	SHOW_WORD("cframe_current", "PY_NO_FIELD");
#endif
}

static void show_frame_links(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	SHOW("frame_code", offsetof(frame_struct, f_executable));
#else
	SHOW("frame_code", offsetof(frame_struct, f_code));
#endif
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("frame_previous", offsetof(frame_struct, previous));
#else
	SHOW("frame_previous", offsetof(frame_struct, f_back));
#endif
#if PY_VERSION_HEX >= 0x030d0000
	SHOW("frame_instr", offsetof(frame_struct, instr_ptr));
#elif PY_VERSION_HEX >= 0x030b0000
	SHOW("frame_instr", offsetof(frame_struct, prev_instr));
#else
	SHOW("frame_instr", offsetof(frame_struct, f_lasti));
#endif
}

static void show_frame_kinds(void)
{
#if PY_VERSION_HEX >= 0x030e0000
	SHOW("frame_owner", offsetof(frame_struct, owner));
	SHOW("owner_c_stack", FRAME_OWNED_BY_INTERPRETER);
#elif PY_VERSION_HEX >= 0x030c0000
	SHOW("frame_owner", offsetof(frame_struct, owner));
	SHOW("owner_c_stack", FRAME_OWNED_BY_CSTACK);
#else
	SHOW_WORD("frame_owner", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX >= 0x030b0000
	SHOW_WORD("instr_kind", "PY_INSTR_POINTER");
	SHOW_WORD("line_table_kind", "PY_LINES_LOCATIONS");
#elif PY_VERSION_HEX >= 0x030a0000
	SHOW_WORD("instr_kind", "PY_INSTR_UNIT_INDEX");
	SHOW_WORD("line_table_kind", "PY_LINES_310");
#else
	SHOW_WORD("instr_kind", "PY_INSTR_BYTE_INDEX");
	SHOW_WORD("line_table_kind", "PY_LINES_LNOTAB");
#endif
#if PY_VERSION_HEX >= 0x030e0000
	SHOW("code_tag_mask", Py_TAG_REFCNT);
#endif
}

static void show_code(void)
{
	SHOW("code_first_line", offsetof(PyCodeObject, co_firstlineno));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("code_name", offsetof(PyCodeObject, co_qualname));
#else
	SHOW("code_name", offsetof(PyCodeObject, co_name));
#endif
	SHOW("code_filename", offsetof(PyCodeObject, co_filename));
#if PY_VERSION_HEX >= 0x030a0000
	SHOW("code_line_table", offsetof(PyCodeObject, co_linetable));
#else
	SHOW("code_line_table", offsetof(PyCodeObject, co_lnotab));
#endif
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("code_first_traceable", offsetof(PyCodeObject, _co_firsttraceable));
	SHOW("code_instrs", offsetof(PyCodeObject, co_code_adaptive));
#else
	SHOW_WORD("code_first_traceable", "PY_NO_FIELD");
	SHOW_WORD("code_instrs", "PY_NO_FIELD");
#endif
}

/* Bit fields have no offsetof: set one and look where the bits went. */
static size_t lowest_bit(const PyASCIIObject *object)
{
	unsigned int state;

	memcpy(&state, &object->state, sizeof(state));
	return (size_t)__builtin_ctz(state);
}

static void show_builtin_types(void)
{
	PyASCIIObject kind, ascii;

	memset(&kind, 0, sizeof(kind));
	memset(&ascii, 0, sizeof(ascii));
	kind.state.kind = 7;
	ascii.state.ascii = 1;
	SHOW("unicode_length", offsetof(PyASCIIObject, length));
	SHOW("unicode_state", offsetof(PyASCIIObject, state));
	SHOW("unicode_ascii", sizeof(PyASCIIObject));
	SHOW("unicode_compact", sizeof(PyCompactUnicodeObject));
	SHOW("unicode_kind_shift", lowest_bit(&kind));
	SHOW("unicode_ascii_shift", lowest_bit(&ascii));
	SHOW("bytes_size", offsetof(PyBytesObject, ob_base.ob_size));
	SHOW("bytes_data", offsetof(PyBytesObject, ob_sval));
	SHOW("type_dealloc", offsetof(PyTypeObject, tp_dealloc));
}

#if PY_VERSION_HEX >= 0x030d0000
#define SHOW_POSITION(name, member)                                                                          \
	printf("\t\t[%s] = %zu,\n", name, offsetof(struct _Py_DebugOffsets, member))

/* Where _Py_DebugOffsets holds each offset; user/py_layouts.c adds the two distances checked here. */
static void show_debug_positions(void)
{
	_Static_assert(offsetof(PyTypeObject, tp_dealloc) - offsetof(PyTypeObject, tp_name) == 24, "");
	_Static_assert(sizeof(PyCompactUnicodeObject) - sizeof(PyASCIIObject) == 16, "");
	_Static_assert(offsetof(struct _Py_DebugOffsets, version) == 8, "");
	_Static_assert(offsetof(struct _Py_DebugOffsets, free_threaded) == 16, "");

	printf("\t/* 3.%d: positions in _Py_DebugOffsets (%zu bytes) */\n", PY_MINOR_VERSION,
	       sizeof(struct _Py_DebugOffsets));
	printf("\t[%d - FIRST_DEBUG_MINOR] = {\n", PY_MINOR_VERSION);
	SHOW_POSITION("TSTATE_FRAME", thread_state.current_frame);
	SHOW_POSITION("FRAME_CODE", interpreter_frame.executable);
	SHOW_POSITION("FRAME_PREVIOUS", interpreter_frame.previous);
	SHOW_POSITION("FRAME_INSTR", interpreter_frame.instr_ptr);
	SHOW_POSITION("FRAME_OWNER", interpreter_frame.owner);
	SHOW_POSITION("CODE_FIRST_LINE", code_object.firstlineno);
	SHOW_POSITION("CODE_NAME", code_object.qualname);
	SHOW_POSITION("CODE_FILENAME", code_object.filename);
	SHOW_POSITION("CODE_LINE_TABLE", code_object.linetable);
	SHOW_POSITION("CODE_INSTRS", code_object.co_code_adaptive);
	SHOW_POSITION("UNICODE_LENGTH", unicode_object.length);
	SHOW_POSITION("UNICODE_STATE", unicode_object.state);
	SHOW_POSITION("UNICODE_ASCII", unicode_object.asciiobject_size);
	SHOW_POSITION("UNICODE_COMPACT", unicode_object.asciiobject_size);
	SHOW_POSITION("BYTES_SIZE", bytes_object.ob_size);
	SHOW_POSITION("BYTES_DATA", bytes_object.ob_sval);
	SHOW_POSITION("TYPE_DEALLOC", type_object.tp_name);
	SHOW_POSITION("FINALIZING", runtime_state.finalizing);
	SHOW_POSITION("INTERPRETERS", runtime_state.interpreters_head);
	SHOW_POSITION("INTERP_NEXT", interpreter_state.next);
	SHOW_POSITION("INTERP_THREADS", interpreter_state.threads_head);
	SHOW_POSITION("INTERP_GIL_LOCKED", interpreter_state.gil_runtime_state_locked);
	SHOW_POSITION("INTERP_GIL_HOLDER", interpreter_state.gil_runtime_state_holder);
	SHOW_POSITION("TSTATE_NEXT", thread_state.next);
	SHOW_POSITION("THREAD_ID", thread_state.thread_id);
	SHOW_POSITION("NATIVE_THREAD_ID", thread_state.native_thread_id);
	printf("\t},\n");
}
#endif

/* The members of a version's thread_lists; from 3.13 _Py_DebugOffsets has them. */
static void show_thread_lists(void)
{
#if PY_VERSION_HEX < 0x030d0000
	printf("\t/* 3.%d: thread_lists */\n\t[%d] = {\n", PY_MINOR_VERSION, PY_MINOR_VERSION);
	SHOW("interpreters", offsetof(_PyRuntimeState, interpreters.head));
	SHOW("interp_next", offsetof(PyInterpreterState, next));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("interp_threads", offsetof(PyInterpreterState, threads.head));
#else
	SHOW("interp_threads", offsetof(PyInterpreterState, tstate_head));
#endif
#if PY_VERSION_HEX >= 0x030c0000
	SHOW("interp_gil_locked", offsetof(PyInterpreterState, _gil.locked));
	SHOW("interp_gil_holder", offsetof(PyInterpreterState, _gil.last_holder));
#else
	SHOW_WORD("interp_gil_locked", "PY_NO_FIELD");
	SHOW_WORD("interp_gil_holder", "PY_NO_FIELD");
#endif
	SHOW("tstate_next", offsetof(PyThreadState, next));
	SHOW("thread_id", offsetof(PyThreadState, thread_id));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("native_thread_id", offsetof(PyThreadState, native_thread_id));
#else
	SHOW_WORD("native_thread_id", "PY_NO_FIELD");
#endif
	printf("\t},\n");
#endif
}

static void show_runtime(void)
{
	printf("\t/* 3.%d: ht_qualname */\n\t[%d] = %zu,\n", PY_MINOR_VERSION, PY_MINOR_VERSION,
	       offsetof(PyHeapTypeObject, ht_qualname));
#if PY_VERSION_HEX < 0x030d0000
	printf("\t/* 3.%d: _PyRuntime._finalizing */\n\t[%d] = %zu,\n", PY_MINOR_VERSION, PY_MINOR_VERSION,
#if PY_VERSION_HEX >= 0x03090000
	       offsetof(_PyRuntimeState, _finalizing));
#else
	       offsetof(_PyRuntimeState, finalizing));
#endif
#endif
#if PY_VERSION_HEX < 0x030c0000
	printf("\t/* 3.%d: _PyRuntime */\n\t[%d] = {%zu, %zu},\n", PY_MINOR_VERSION, PY_MINOR_VERSION,
	       offsetof(_PyRuntimeState, gilstate.autoTSSkey._key),
	       offsetof(_PyRuntimeState, gilstate.tstate_current));
#endif
}

int main(void)
{
	printf("\t/* 3.%d: struct py_layout, headers of %s */\n", PY_MINOR_VERSION, PY_VERSION);
	printf("\t[%d] = {\n", PY_MINOR_VERSION);
	show_thread_state();
	show_frame_links();
	show_frame_kinds();
	show_code();
	show_builtin_types();
	printf("\t},\n");
	show_runtime();
	show_thread_lists();
#if PY_VERSION_HEX >= 0x030d0000
	show_debug_positions();
#endif
	return 0;
}
