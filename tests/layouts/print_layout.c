/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints where the CPython version whose headers it is compiled with keeps what linger reads, as the
 * initialisers that user/py_layouts.c and user/object_layout.c hold. Compiled and run once per version by
 * print_layouts.sh; it only asks the compiler, nothing of the interpreter is linked.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <frameobject.h>
#include <structmember.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_frame.h>
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_stackref.h>
#elif PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_dict.h>
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
	SHOW_POSITION("INTERP_MODULES", interpreter_state.imports_modules);
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
	SHOW("interp_modules", offsetof(PyInterpreterState, imports.modules));
#else
	SHOW("interp_modules", offsetof(PyInterpreterState, modules));
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

/* --- objects ----------------------------------------------------------------------------------------- */

/* The headers up to 3.10 keep to themselves what dicts are made of (Objects/dict-common.h). */
#if PY_VERSION_HEX < 0x030b0000
struct _dictkeysobject {
	Py_ssize_t dk_refcnt;
	Py_ssize_t dk_size;
	void *dk_lookup;
	Py_ssize_t dk_usable;
	Py_ssize_t dk_nentries;
	char dk_indices[];
};
#endif

static void show_containers(void)
{
	SHOW("var_size", offsetof(PyVarObject, ob_size));
	SHOW("dict_used", offsetof(PyDictObject, ma_used));
	SHOW("dict_keys", offsetof(PyDictObject, ma_keys));
	SHOW("dict_values", offsetof(PyDictObject, ma_values));
	SHOW("keys_references", offsetof(struct _dictkeysobject, dk_refcnt));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("keys_size", offsetof(struct _dictkeysobject, dk_log2_size));
	SHOW("keys_index_bytes", offsetof(struct _dictkeysobject, dk_log2_index_bytes));
	SHOW("keys_kind", offsetof(struct _dictkeysobject, dk_kind));
#else
	SHOW("keys_size", offsetof(struct _dictkeysobject, dk_size));
	SHOW_WORD("keys_index_bytes", "PY_NO_FIELD");
	SHOW_WORD("keys_kind", "PY_NO_FIELD");
#endif
	SHOW("keys_usable", offsetof(struct _dictkeysobject, dk_usable));
	SHOW("keys_entries", offsetof(struct _dictkeysobject, dk_nentries));
	SHOW("keys_index", offsetof(struct _dictkeysobject, dk_indices));
	SHOW("list_items", offsetof(PyListObject, ob_item));
	SHOW("list_allocated", offsetof(PyListObject, allocated));
	SHOW("tuple_items", offsetof(PyTupleObject, ob_item));
	SHOW("set_used", offsetof(PySetObject, used));
	SHOW("set_mask", offsetof(PySetObject, mask));
	SHOW("set_table", offsetof(PySetObject, table));
	SHOW("set_small_table", offsetof(PySetObject, smalltable));
	SHOW("bytearray_allocated", offsetof(PyByteArrayObject, ob_alloc));
	SHOW("bytearray_bytes", offsetof(PyByteArrayObject, ob_bytes));
	SHOW("float_value", offsetof(PyFloatObject, ob_fval));
#if PY_VERSION_HEX >= 0x030c0000
	SHOW("long_size", offsetof(PyLongObject, long_value.lv_tag));
	SHOW("long_tag_bits", 3);
	SHOW("long_digits", offsetof(PyLongObject, long_value.ob_digit));
#else
	SHOW("long_size", offsetof(PyVarObject, ob_size));
	SHOW("long_tag_bits", 0);
	SHOW("long_digits", offsetof(PyLongObject, ob_digit));
#endif
}

static void show_types(void)
{
	SHOW("type_name", offsetof(PyTypeObject, tp_name));
	SHOW("type_basic_bytes", offsetof(PyTypeObject, tp_basicsize));
	SHOW("type_item_bytes", offsetof(PyTypeObject, tp_itemsize));
	SHOW("type_flags", offsetof(PyTypeObject, tp_flags));
	SHOW("type_weaklist_offset", offsetof(PyTypeObject, tp_weaklistoffset));
	SHOW("type_members", offsetof(PyTypeObject, tp_members));
	SHOW("type_base", offsetof(PyTypeObject, tp_base));
	SHOW("type_dict", offsetof(PyTypeObject, tp_dict));
	SHOW("type_dict_offset", offsetof(PyTypeObject, tp_dictoffset));
	SHOW("type_bases", offsetof(PyTypeObject, tp_bases));
	SHOW("type_mro", offsetof(PyTypeObject, tp_mro));
	SHOW("type_cache", offsetof(PyTypeObject, tp_cache));
	SHOW("type_bytes", sizeof(PyTypeObject));
	SHOW("class_name", offsetof(PyHeapTypeObject, ht_name));
	SHOW("class_qualname", offsetof(PyHeapTypeObject, ht_qualname));
	SHOW("class_keys", offsetof(PyHeapTypeObject, ht_cached_keys));
#if PY_VERSION_HEX >= 0x03090000
	SHOW("class_module", offsetof(PyHeapTypeObject, ht_module));
#else
	SHOW_WORD("class_module", "PY_NO_FIELD");
#endif
}

/* Some structures are in no header of some versions: PyModuleObject up to 3.9 begins as later. */
static void show_small_objects(void)
{
	SHOW("module_dict", sizeof(PyObject));
	SHOW("module_name", sizeof(PyObject) + 4 * sizeof(void *));
	SHOW("cell_contents", offsetof(PyCellObject, ob_ref));
	SHOW("method_function", offsetof(PyMethodObject, im_func));
	SHOW("method_self", offsetof(PyMethodObject, im_self));
	SHOW("builtin_self", offsetof(PyCFunctionObject, m_self));
	SHOW("builtin_module", offsetof(PyCFunctionObject, m_module));
	SHOW("weakref_callback", offsetof(PyWeakReference, wr_callback));
}

static void show_functions(void)
{
	SHOW("function_code", offsetof(PyFunctionObject, func_code));
	SHOW("function_globals", offsetof(PyFunctionObject, func_globals));
#if PY_VERSION_HEX >= 0x030a0000
	SHOW("function_builtins", offsetof(PyFunctionObject, func_builtins));
#else
	SHOW_WORD("function_builtins", "PY_NO_FIELD");
#endif
	SHOW("function_name", offsetof(PyFunctionObject, func_name));
	SHOW("function_qualname", offsetof(PyFunctionObject, func_qualname));
	SHOW("function_defaults", offsetof(PyFunctionObject, func_defaults));
	SHOW("function_keyword_defaults", offsetof(PyFunctionObject, func_kwdefaults));
	SHOW("function_closure", offsetof(PyFunctionObject, func_closure));
	SHOW("function_doc", offsetof(PyFunctionObject, func_doc));
	SHOW("function_module", offsetof(PyFunctionObject, func_module));
	SHOW("function_annotations", offsetof(PyFunctionObject, func_annotations));
#if PY_VERSION_HEX >= 0x030e0000
	SHOW("function_annotate", offsetof(PyFunctionObject, func_annotate));
#else
	SHOW_WORD("function_annotate", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX >= 0x030c0000
	SHOW("function_type_parameters", offsetof(PyFunctionObject, func_typeparams));
#else
	SHOW_WORD("function_type_parameters", "PY_NO_FIELD");
#endif
}

static void show_exceptions(void)
{
	SHOW("exception_args", offsetof(PyBaseExceptionObject, args));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("exception_notes", offsetof(PyBaseExceptionObject, notes));
#else
	SHOW_WORD("exception_notes", "PY_NO_FIELD");
#endif
	SHOW("exception_traceback", offsetof(PyBaseExceptionObject, traceback));
	SHOW("exception_context", offsetof(PyBaseExceptionObject, context));
	SHOW("exception_cause", offsetof(PyBaseExceptionObject, cause));
	SHOW("traceback_next", offsetof(PyTracebackObject, tb_next));
	SHOW("traceback_frame", offsetof(PyTracebackObject, tb_frame));
}

static void show_generators(void)
{
#if PY_VERSION_HEX < 0x030b0000
	SHOW("generator_frame", offsetof(PyGenObject, gi_frame));
#else
	SHOW_WORD("generator_frame", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX < 0x030c0000
	SHOW("generator_code", offsetof(PyGenObject, gi_code));
#else
	SHOW_WORD("generator_code", "PY_NO_FIELD");
#endif
	SHOW("generator_name", offsetof(PyGenObject, gi_name));
	SHOW("generator_qualname", offsetof(PyGenObject, gi_qualname));
	SHOW("generator_exception", offsetof(PyGenObject, gi_exc_state.exc_value));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("generator_origin", offsetof(PyGenObject, gi_origin_or_finalizer));
	SHOW("generator_inner_frame", offsetof(PyGenObject, gi_iframe));
	SHOW("generator_state", offsetof(PyGenObject, gi_frame_state));
#else
	SHOW("generator_origin", offsetof(PyCoroObject, cr_origin));
	SHOW_WORD("generator_inner_frame", "PY_NO_FIELD");
	SHOW_WORD("generator_state", "PY_NO_FIELD");
#endif
}

#if PY_VERSION_HEX >= 0x030b0000
static void show_frames(void)
{
	SHOW("frame_back", offsetof(PyFrameObject, f_back));
	SHOW_WORD("frame_code", "PY_NO_FIELD");
	SHOW_WORD("frame_builtins", "PY_NO_FIELD");
	SHOW_WORD("frame_globals", "PY_NO_FIELD");
	SHOW_WORD("frame_locals", "PY_NO_FIELD");
	SHOW("frame_trace", offsetof(PyFrameObject, f_trace));
#if PY_VERSION_HEX >= 0x030d0000
	SHOW("frame_extra_locals", offsetof(PyFrameObject, f_extra_locals));
	SHOW("frame_locals_cache", offsetof(PyFrameObject, f_locals_cache));
#else
	SHOW_WORD("frame_extra_locals", "PY_NO_FIELD");
	SHOW_WORD("frame_locals_cache", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX >= 0x030e0000
	SHOW("frame_overwritten_locals", offsetof(PyFrameObject, f_overwritten_fast_locals));
#else
	SHOW_WORD("frame_overwritten_locals", "PY_NO_FIELD");
#endif
	SHOW_WORD("frame_value_stack", "PY_NO_FIELD");
	SHOW_WORD("frame_stack_top", "PY_NO_FIELD");
	SHOW_WORD("frame_stack_depth", "PY_NO_FIELD");
	SHOW_WORD("frame_fast_locals", "PY_NO_FIELD");
	SHOW("frame_inner", offsetof(PyFrameObject, f_frame));
}
#else
static void show_frames(void)
{
	SHOW("frame_back", offsetof(PyFrameObject, f_back));
	SHOW("frame_code", offsetof(PyFrameObject, f_code));
	SHOW("frame_builtins", offsetof(PyFrameObject, f_builtins));
	SHOW("frame_globals", offsetof(PyFrameObject, f_globals));
	SHOW("frame_locals", offsetof(PyFrameObject, f_locals));
	SHOW("frame_trace", offsetof(PyFrameObject, f_trace));
	SHOW_WORD("frame_extra_locals", "PY_NO_FIELD");
	SHOW_WORD("frame_locals_cache", "PY_NO_FIELD");
	SHOW_WORD("frame_overwritten_locals", "PY_NO_FIELD");
	SHOW("frame_value_stack", offsetof(PyFrameObject, f_valuestack));
#if PY_VERSION_HEX >= 0x030a0000
	SHOW_WORD("frame_stack_top", "PY_NO_FIELD");
	SHOW("frame_stack_depth", offsetof(PyFrameObject, f_stackdepth));
#else
	SHOW("frame_stack_top", offsetof(PyFrameObject, f_stacktop));
	SHOW_WORD("frame_stack_depth", "PY_NO_FIELD");
#endif
	SHOW("frame_fast_locals", offsetof(PyFrameObject, f_localsplus));
	SHOW_WORD("frame_inner", "PY_NO_FIELD");
}
#endif

static void show_inner_frames(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	SHOW("inner_code", offsetof(frame_struct, f_executable));
#elif PY_VERSION_HEX >= 0x030b0000
	SHOW("inner_code", offsetof(frame_struct, f_code));
#else
	SHOW_WORD("inner_code", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX >= 0x030c0000
	SHOW("inner_function", offsetof(frame_struct, f_funcobj));
#elif PY_VERSION_HEX >= 0x030b0000
	SHOW("inner_function", offsetof(frame_struct, f_func));
#else
	SHOW_WORD("inner_function", "PY_NO_FIELD");
#endif
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("inner_locals", offsetof(frame_struct, f_locals));
	SHOW("inner_frame_object", offsetof(frame_struct, frame_obj));
#if PY_VERSION_HEX >= 0x030e0000
	SHOW_WORD("inner_stack_depth", "PY_NO_FIELD");
	SHOW("inner_stack_top", offsetof(frame_struct, stackpointer));
#else
	SHOW("inner_stack_depth", offsetof(frame_struct, stacktop));
	SHOW_WORD("inner_stack_top", "PY_NO_FIELD");
#endif
	SHOW("inner_fast_locals", offsetof(frame_struct, localsplus));
#else
	SHOW_WORD("inner_locals", "PY_NO_FIELD");
	SHOW_WORD("inner_frame_object", "PY_NO_FIELD");
	SHOW_WORD("inner_stack_depth", "PY_NO_FIELD");
	SHOW_WORD("inner_stack_top", "PY_NO_FIELD");
	SHOW_WORD("inner_fast_locals", "PY_NO_FIELD");
#endif
}

static void show_code_names(void)
{
	SHOW("code_constants", offsetof(PyCodeObject, co_consts));
	SHOW("code_names", offsetof(PyCodeObject, co_names));
	SHOW("code_n_locals", offsetof(PyCodeObject, co_nlocals));
#if PY_VERSION_HEX >= 0x030b0000
	SHOW("code_n_fast", offsetof(PyCodeObject, co_nlocalsplus));
	SHOW("code_local_names", offsetof(PyCodeObject, co_localsplusnames));
	SHOW_WORD("code_cell_names", "PY_NO_FIELD");
	SHOW_WORD("code_free_names", "PY_NO_FIELD");
	SHOW("code_local_kinds", offsetof(PyCodeObject, co_localspluskinds));
#else
	SHOW_WORD("code_n_fast", "PY_NO_FIELD");
	SHOW("code_local_names", offsetof(PyCodeObject, co_varnames));
	SHOW("code_cell_names", offsetof(PyCodeObject, co_cellvars));
	SHOW("code_free_names", offsetof(PyCodeObject, co_freevars));
	SHOW_WORD("code_local_kinds", "PY_NO_FIELD");
#endif
}

/* A row of user/object_layout.c. */
static void show_objects(void)
{
	printf("\t/* %s */\n\t[%d - FIRST_MINOR] = {\n", PY_VERSION, PY_MINOR_VERSION);
	show_containers();
	show_types();
	show_small_objects();
	show_functions();
	show_exceptions();
	show_generators();
	show_frames();
	show_inner_frames();
	show_code_names();
#if PY_VERSION_HEX >= 0x030d0000
	SHOW_WORD("attribute_values", "ATTRIBUTES_IN_OBJECT");
#elif PY_VERSION_HEX >= 0x030c0000
	SHOW_WORD("attribute_values", "ATTRIBUTES_OR_DICT");
#elif PY_VERSION_HEX >= 0x030b0000
	SHOW_WORD("attribute_values", "ATTRIBUTES_BESIDE");
#else
	SHOW_WORD("attribute_values", "ATTRIBUTES_IN_DICT");
#endif
	printf("\t},\n");
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
#if PY_VERSION_HEX >= 0x03080000
	show_objects();
#endif
	return 0;
}
