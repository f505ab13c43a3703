/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "py_layouts.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/*
 * Two sources of offsets.
 *
 * For 3.7-3.12: tables in this file, printed by tests/layouts/print_layouts.sh from the headers of the
 * version named above each. They hold for release builds (Py_TRACE_REFS lengthens the head of every object),
 * and 3.7 means 3.7.4 and later: before, _PyRuntime was 88 bytes shorter and pymalloc's size classes had
 * steps of 8.
 *
 * From 3.13: struct _Py_DebugOffsets, with which the interpreter's own _PyRuntime begins (pycore_runtime.h in
 * 3.13, pycore_debug_offsets.h in 3.14). It describes the very binary that runs, but where in it each offset
 * is stored differs between minor versions: that is the table of positions here, printed by the same script.
 */
enum { FIRST_MINOR = 7, LAST_STATIC_MINOR = 12, FIRST_DEBUG_MINOR = 13, LAST_MINOR = 14 };

static const struct py_layout static_layouts[] = {
	/* 3.7.16 */
	[7 - FIRST_MINOR] =
		{
			.tstate_frame = 24,
			.cframe_current = PY_NO_FIELD,
			.frame_code = 32,
			.frame_previous = 24,
			.frame_instr = 104,
			.frame_owner = PY_NO_FIELD,
			.instr_kind = PY_INSTR_BYTE_INDEX,
			.line_table_kind = PY_LINES_LNOTAB,
			.code_first_line = 36,
			.code_name = 104,
			.code_filename = 96,
			.code_line_table = 112,
			.code_first_traceable = PY_NO_FIELD,
			.code_instrs = PY_NO_FIELD,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
	/* 3.8.18 */
	[8 - FIRST_MINOR] =
		{
			.tstate_frame = 24,
			.cframe_current = PY_NO_FIELD,
			.frame_code = 32,
			.frame_previous = 24,
			.frame_instr = 104,
			.frame_owner = PY_NO_FIELD,
			.instr_kind = PY_INSTR_BYTE_INDEX,
			.line_table_kind = PY_LINES_LNOTAB,
			.code_first_line = 40,
			.code_name = 112,
			.code_filename = 104,
			.code_line_table = 120,
			.code_first_traceable = PY_NO_FIELD,
			.code_instrs = PY_NO_FIELD,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
	/* 3.9.18 */
	[9 - FIRST_MINOR] =
		{
			.tstate_frame = 24,
			.cframe_current = PY_NO_FIELD,
			.frame_code = 32,
			.frame_previous = 24,
			.frame_instr = 104,
			.frame_owner = PY_NO_FIELD,
			.instr_kind = PY_INSTR_BYTE_INDEX,
			.line_table_kind = PY_LINES_LNOTAB,
			.code_first_line = 40,
			.code_name = 112,
			.code_filename = 104,
			.code_line_table = 120,
			.code_first_traceable = PY_NO_FIELD,
			.code_instrs = PY_NO_FIELD,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
	/* 3.10.13 */
	[10 - FIRST_MINOR] =
		{
			.tstate_frame = 24,
			.cframe_current = PY_NO_FIELD,
			.frame_code = 32,
			.frame_previous = 24,
			.frame_instr = 96,
			.frame_owner = PY_NO_FIELD,
			.instr_kind = PY_INSTR_UNIT_INDEX,
			.line_table_kind = PY_LINES_310,
			.code_first_line = 40,
			.code_name = 112,
			.code_filename = 104,
			.code_line_table = 120,
			.code_first_traceable = PY_NO_FIELD,
			.code_instrs = PY_NO_FIELD,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
	/* 3.11.7 */
	[11 - FIRST_MINOR] =
		{
			.tstate_frame = 56,
			.cframe_current = 8,
			.frame_code = 32,
			.frame_previous = 48,
			.frame_instr = 56,
			.frame_owner = PY_NO_FIELD,
			.instr_kind = PY_INSTR_POINTER,
			.line_table_kind = PY_LINES_LOCATIONS,
			.code_first_line = 72,
			.code_name = 128,
			.code_filename = 112,
			.code_line_table = 136,
			.code_first_traceable = 168,
			.code_instrs = 184,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
	/* 3.12.1 */
	[12 - FIRST_MINOR] =
		{
			.tstate_frame = 56,
			.cframe_current = 0,
			.frame_code = 0,
			.frame_previous = 8,
			.frame_instr = 56,
			.frame_owner = 70,
			.owner_c_stack = 3,
			.instr_kind = PY_INSTR_POINTER,
			.line_table_kind = PY_LINES_LOCATIONS,
			.code_first_line = 68,
			.code_name = 128,
			.code_filename = 112,
			.code_line_table = 136,
			.code_first_traceable = 176,
			.code_instrs = 192,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 40,
			.unicode_compact = 56,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
			.bytes_size = 16,
			.bytes_data = 32,
			.type_dealloc = 48,
		},
};

_Static_assert(sizeof(static_layouts) / sizeof(static_layouts[0]) == LAST_STATIC_MINOR - FIRST_MINOR + 1,
	       "one layout per version");

/*
 * _PyRuntime.gilstate up to 3.11: autoTSSkey._key, the pthread key, which follows the int _is_initialized;
 * and tstate_current.
 */
static const struct {
	uint16_t auto_tss_key;
	uint16_t current_tstate;
} gilstates[] = {
	[7 - FIRST_MINOR] = {1508, 1480}, /* 3.7.16 */
	[8 - FIRST_MINOR] = {1396, 1368}, /* 3.8.18 */
	[9 - FIRST_MINOR] = {588, 568},   /* 3.9.18 */
	[10 - FIRST_MINOR] = {588, 568},  /* 3.10.13 */
	[11 - FIRST_MINOR] = {596, 576},  /* 3.11.7 */
};

/* _PyRuntime._finalizing up to 3.12, a pointer. */
static const uint16_t finalizings[] = {
	[7 - FIRST_MINOR] = 8,   /* 3.7.16 */
	[8 - FIRST_MINOR] = 16,  /* 3.8.18 */
	[9 - FIRST_MINOR] = 16,  /* 3.9.18 */
	[10 - FIRST_MINOR] = 16, /* 3.10.13 */
	[11 - FIRST_MINOR] = 24, /* 3.11.7 */
	[12 - FIRST_MINOR] = 24, /* 3.12.1 */
};

/* PyHeapTypeObject.ht_qualname, which no _Py_DebugOffsets holds. */
static const uint16_t type_qualnames[] = {
	[7 - FIRST_MINOR] = 848,  /* 3.7.16 */
	[8 - FIRST_MINOR] = 864,  /* 3.8.18 */
	[9 - FIRST_MINOR] = 856,  /* 3.9.18 */
	[10 - FIRST_MINOR] = 864, /* 3.10.13 */
	[11 - FIRST_MINOR] = 864, /* 3.11.7 */
	[12 - FIRST_MINOR] = 872, /* 3.12.1 */
	[13 - FIRST_MINOR] = 872, /* 3.13.0 */
	[14 - FIRST_MINOR] = 872, /* as 3.13; tried out by tests/integration/test_census.py */
};

/* The lists of interpreters and of their threads up to 3.12: these members of struct py_runtime_layout. */
static const struct py_runtime_layout thread_lists[] = {
	/* 3.7.16 */
	[7 - FIRST_MINOR] =
		{
			.interpreters = 24,
			.interp_next = 0,
			.interp_threads = 8,
			.interp_modules = 40,
			.interp_gil_locked = PY_NO_FIELD,
			.interp_gil_holder = PY_NO_FIELD,
			.tstate_next = 8,
			.thread_id = 176,
			.native_thread_id = PY_NO_FIELD,
		},
	/* 3.8.18 */
	[8 - FIRST_MINOR] =
		{
			.interpreters = 32,
			.interp_next = 0,
			.interp_threads = 8,
			.interp_modules = 56,
			.interp_gil_locked = PY_NO_FIELD,
			.interp_gil_holder = PY_NO_FIELD,
			.tstate_next = 8,
			.thread_id = 176,
			.native_thread_id = PY_NO_FIELD,
		},
	/* 3.9.18 */
	[9 - FIRST_MINOR] =
		{
			.interpreters = 32,
			.interp_next = 0,
			.interp_threads = 8,
			.interp_modules = 856,
			.interp_gil_locked = PY_NO_FIELD,
			.interp_gil_holder = PY_NO_FIELD,
			.tstate_next = 8,
			.thread_id = 176,
			.native_thread_id = PY_NO_FIELD,
		},
	/* 3.10.13 */
	[10 - FIRST_MINOR] =
		{
			.interpreters = 32,
			.interp_next = 0,
			.interp_threads = 8,
			.interp_modules = 856,
			.interp_gil_locked = PY_NO_FIELD,
			.interp_gil_holder = PY_NO_FIELD,
			.tstate_next = 8,
			.thread_id = 176,
			.native_thread_id = PY_NO_FIELD,
		},
	/* 3.11.7 */
	[11 - FIRST_MINOR] =
		{
			.interpreters = 40,
			.interp_next = 0,
			.interp_threads = 16,
			.interp_modules = 888,
			.interp_gil_locked = PY_NO_FIELD,
			.interp_gil_holder = PY_NO_FIELD,
			.tstate_next = 8,
			.thread_id = 152,
			.native_thread_id = 160,
		},
	/* 3.12.1 */
	[12 - FIRST_MINOR] =
		{
			.interpreters = 40,
			.interp_next = 0,
			.interp_threads = 72,
			.interp_modules = 944,
			.interp_gil_locked = 1056,
			.interp_gil_holder = 1048,
			.tstate_next = 8,
			.thread_id = 136,
			.native_thread_id = 144,
		},
};

_Static_assert(sizeof(thread_lists) / sizeof(thread_lists[0]) == LAST_STATIC_MINOR - FIRST_MINOR + 1,
	       "one row per version");

/* What is read from a _Py_DebugOffsets. */
enum debug_field {
	TSTATE_FRAME,
	FRAME_CODE,
	FRAME_PREVIOUS,
	FRAME_INSTR,
	FRAME_OWNER,
	CODE_FIRST_LINE,
	CODE_NAME,
	CODE_FILENAME,
	CODE_LINE_TABLE,
	CODE_FIRST_TRACEABLE,
	CODE_INSTRS,
	UNICODE_LENGTH,
	UNICODE_STATE,
	UNICODE_ASCII,
	UNICODE_COMPACT,
	BYTES_SIZE,
	BYTES_DATA,
	TYPE_DEALLOC,
	LAYOUT_FIELDS,
	FINALIZING = LAYOUT_FIELDS,
	INTERPRETERS,
	INTERP_NEXT,
	INTERP_THREADS,
	INTERP_MODULES,
	INTERP_GIL_LOCKED,
	INTERP_GIL_HOLDER,
	TSTATE_NEXT,
	THREAD_ID,
	NATIVE_THREAD_ID,
	DEBUG_FIELDS
};

/*
 * Where each goes, and what a sane value is aligned to. Three fields are not stored themselves, but lie at a
 * fixed distance from one that is: the characters of a non-ASCII string follow its utf8_length and utf8,
 * which follow the ASCII form (PyCompactUnicodeObject); tp_dealloc comes three words after tp_name
 * (PyTypeObject); _co_firsttraceable comes two words before the instructions (PyCodeObject).
 */
static const struct {
	uint16_t target; /* offset in struct py_layout; from LAYOUT_FIELDS on in struct py_runtime_layout */
	uint16_t alignment;
	int16_t distance;
} debug_fields[DEBUG_FIELDS] = {
	[TSTATE_FRAME] = {offsetof(struct py_layout, tstate_frame), 8, 0},
	[FRAME_CODE] = {offsetof(struct py_layout, frame_code), 8, 0},
	[FRAME_PREVIOUS] = {offsetof(struct py_layout, frame_previous), 8, 0},
	[FRAME_INSTR] = {offsetof(struct py_layout, frame_instr), 8, 0},
	[FRAME_OWNER] = {offsetof(struct py_layout, frame_owner), 1, 0},
	[CODE_FIRST_LINE] = {offsetof(struct py_layout, code_first_line), 4, 0},
	[CODE_NAME] = {offsetof(struct py_layout, code_name), 8, 0},
	[CODE_FILENAME] = {offsetof(struct py_layout, code_filename), 8, 0},
	[CODE_LINE_TABLE] = {offsetof(struct py_layout, code_line_table), 8, 0},
	[CODE_FIRST_TRACEABLE] = {offsetof(struct py_layout, code_first_traceable), 4, -16},
	[CODE_INSTRS] = {offsetof(struct py_layout, code_instrs), 2, 0},
	[UNICODE_LENGTH] = {offsetof(struct py_layout, unicode_length), 8, 0},
	[UNICODE_STATE] = {offsetof(struct py_layout, unicode_state), 4, 0},
	[UNICODE_ASCII] = {offsetof(struct py_layout, unicode_ascii), 4, 0},
	[UNICODE_COMPACT] = {offsetof(struct py_layout, unicode_compact), 4, 16},
	[BYTES_SIZE] = {offsetof(struct py_layout, bytes_size), 8, 0},
	[BYTES_DATA] = {offsetof(struct py_layout, bytes_data), 1, 0},
	[TYPE_DEALLOC] = {offsetof(struct py_layout, type_dealloc), 8, 24},
	[FINALIZING] = {offsetof(struct py_runtime_layout, finalizing), 8, 0},
	[INTERPRETERS] = {offsetof(struct py_runtime_layout, interpreters), 8, 0},
	[INTERP_NEXT] = {offsetof(struct py_runtime_layout, interp_next), 8, 0},
	[INTERP_THREADS] = {offsetof(struct py_runtime_layout, interp_threads), 8, 0},
	[INTERP_MODULES] = {offsetof(struct py_runtime_layout, interp_modules), 8, 0},
	[INTERP_GIL_LOCKED] = {offsetof(struct py_runtime_layout, interp_gil_locked), 4, 0},
	[INTERP_GIL_HOLDER] = {offsetof(struct py_runtime_layout, interp_gil_holder), 8, 0},
	[TSTATE_NEXT] = {offsetof(struct py_runtime_layout, tstate_next), 8, 0},
	[THREAD_ID] = {offsetof(struct py_runtime_layout, thread_id), 8, 0},
	[NATIVE_THREAD_ID] = {offsetof(struct py_runtime_layout, native_thread_id), 8, 0},
};

static const uint16_t debug_positions[][DEBUG_FIELDS] = {
	/* 3.13: positions in _Py_DebugOffsets (584 bytes) */
	[13 - FIRST_DEBUG_MINOR] =
		{
			[TSTATE_FRAME] = 184,      [FRAME_CODE] = 240,
			[FRAME_PREVIOUS] = 232,    [FRAME_INSTR] = 248,
			[FRAME_OWNER] = 264,       [CODE_FIRST_LINE] = 312,
			[CODE_NAME] = 296,         [CODE_FILENAME] = 280,
			[CODE_LINE_TABLE] = 304,   [CODE_FIRST_TRACEABLE] = 344,
			[CODE_INSTRS] = 344,       [UNICODE_LENGTH] = 552,
			[UNICODE_STATE] = 544,     [UNICODE_ASCII] = 560,
			[UNICODE_COMPACT] = 560,   [BYTES_SIZE] = 520,
			[BYTES_DATA] = 528,        [TYPE_DEALLOC] = 376,
			[FINALIZING] = 32,         [INTERPRETERS] = 40,
			[INTERP_NEXT] = 64,        [INTERP_THREADS] = 72,
			[INTERP_GIL_LOCKED] = 136, [INTERP_GIL_HOLDER] = 144,
			[TSTATE_NEXT] = 168,       [THREAD_ID] = 192,
			[NATIVE_THREAD_ID] = 200,  [INTERP_MODULES] = 88,
		},
	/* 3.14: positions in _Py_DebugOffsets (760 bytes) */
	[14 - FIRST_DEBUG_MINOR] =
		{
			[TSTATE_FRAME] = 208,      [FRAME_CODE] = 264,
			[FRAME_PREVIOUS] = 256,    [FRAME_INSTR] = 272,
			[FRAME_OWNER] = 288,       [CODE_FIRST_LINE] = 352,
			[CODE_NAME] = 336,         [CODE_FILENAME] = 320,
			[CODE_LINE_TABLE] = 344,   [CODE_FIRST_TRACEABLE] = 384,
			[CODE_INSTRS] = 384,       [UNICODE_LENGTH] = 632,
			[UNICODE_STATE] = 624,     [UNICODE_ASCII] = 640,
			[UNICODE_COMPACT] = 640,   [BYTES_SIZE] = 600,
			[BYTES_DATA] = 608,        [TYPE_DEALLOC] = 424,
			[FINALIZING] = 32,         [INTERPRETERS] = 40,
			[INTERP_NEXT] = 64,        [INTERP_THREADS] = 72,
			[INTERP_GIL_LOCKED] = 144, [INTERP_GIL_HOLDER] = 152,
			[TSTATE_NEXT] = 192,       [THREAD_ID] = 216,
			[NATIVE_THREAD_ID] = 224,  [INTERP_MODULES] = 96,
		},
};

/*
 * What _Py_DebugOffsets does not hold. The owner of a frame that only marks a C call is FRAME_OWNED_BY_CSTACK
 * in 3.12 and 3.13 and FRAME_OWNED_BY_INTERPRETER in 3.14, which is the same number.
 */
static const struct py_layout beyond_debug[] = {
	[13 - FIRST_DEBUG_MINOR] =
		{
			.cframe_current = PY_NO_FIELD,
			.owner_c_stack = 3,
			.instr_kind = PY_INSTR_POINTER,
			.line_table_kind = PY_LINES_LOCATIONS,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
		},
	[14 - FIRST_DEBUG_MINOR] =
		{
			.cframe_current = PY_NO_FIELD,
			.owner_c_stack = 3,
			.instr_kind = PY_INSTR_POINTER,
			.line_table_kind = PY_LINES_LOCATIONS,
			.code_tag_mask = 1,
			.unicode_kind_shift = 2,
			.unicode_ascii_shift = 6,
		},
};

_Static_assert(sizeof(debug_positions) / sizeof(debug_positions[0]) == LAST_MINOR - FIRST_DEBUG_MINOR + 1,
	       "one table of positions per version");
_Static_assert(sizeof(beyond_debug) / sizeof(beyond_debug[0]) == LAST_MINOR - FIRST_DEBUG_MINOR + 1,
	       "one remainder per version");

/* The head of _Py_DebugOffsets, the same in every version. */
static const uint8_t debug_cookie[8] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};
enum { VERSION_POSITION = 8, FREE_THREADED_POSITION = 16, DEBUG_HEAD_BYTES = 24 };

/* Generous bounds: of the offsets of 3.13 and 3.14 that are read those of the layout are below 1024, the
 * others below 8192. */
enum { LAYOUT_BOUND = 4096, RUNTIME_BOUND = 32768 };

/* PY_VERSION_HEX has the release level in bits 4-7; the alphas and betas (0xa, 0xb) had other positions. */
enum { RELEASE_CANDIDATE = 0xc };

static uint64_t read_u64(const uint8_t *bytes, size_t position)
{
	uint64_t value;

	memcpy(&value, bytes + position, sizeof(value));
	return value;
}

static int check_debug_head(int minor, const uint8_t *bytes, size_t len)
{
	uint64_t version;

	if (!bytes || len < DEBUG_HEAD_BYTES || memcmp(bytes, debug_cookie, sizeof(debug_cookie)))
		return -EINVAL;
	version = read_u64(bytes, VERSION_POSITION);
	if (version >> 16 != (0x300u | (unsigned int)minor) || (version >> 4 & 0xf) < RELEASE_CANDIDATE)
		return -EINVAL;
	return read_u64(bytes, FREE_THREADED_POSITION) ? -EOPNOTSUPP : 0;
}

static int read_debug_field(enum debug_field field, uint16_t position, const uint8_t *bytes, size_t len,
			    struct py_layout *layout, struct py_runtime_layout *runtime)
{
	uint8_t *to = field < LAYOUT_FIELDS ? (uint8_t *)layout : (uint8_t *)runtime;
	uint64_t stored, bound = field < LAYOUT_FIELDS ? LAYOUT_BOUND : RUNTIME_BOUND;
	uint16_t offset;

	if (position + sizeof(stored) > len)
		return -EINVAL;
	stored = read_u64(bytes, position);
	if (stored >= bound || stored % debug_fields[field].alignment ||
	    (int64_t)stored + debug_fields[field].distance < 0)
		return -EINVAL;
	offset = (uint16_t)(stored + debug_fields[field].distance);
	memcpy(to + debug_fields[field].target, &offset, sizeof(offset));
	return 0;
}

static int read_debug_offsets(int minor, const uint8_t *bytes, size_t len, struct py_layout *layout,
			      struct py_runtime_layout *runtime)
{
	const uint16_t *positions = debug_positions[minor - FIRST_DEBUG_MINOR];
	int err = check_debug_head(minor, bytes, len);

	*layout = beyond_debug[minor - FIRST_DEBUG_MINOR];
	*runtime = (struct py_runtime_layout){.auto_tss_key = PY_NO_FIELD, .current_tstate = PY_NO_FIELD};
	for (int field = 0; field < DEBUG_FIELDS && !err; field++)
		err = read_debug_field(field, positions[field], bytes, len, layout, runtime);
	return err;
}

static void take_static(int minor, struct py_layout *layout, struct py_runtime_layout *runtime)
{
	size_t i = (size_t)(minor - FIRST_MINOR);
	bool has_gilstate = i < sizeof(gilstates) / sizeof(gilstates[0]);

	*layout = static_layouts[i];
	*runtime = thread_lists[i];
	runtime->finalizing = finalizings[i];
	runtime->auto_tss_key = has_gilstate ? gilstates[i].auto_tss_key : PY_NO_FIELD;
	runtime->current_tstate = has_gilstate ? gilstates[i].current_tstate : PY_NO_FIELD;
}

/* pymalloc's sizes: Objects/obmalloc.c (POOL_BITS, ALIGNMENT); they are in no header before 3.12. */
static void add_memory_layout(int minor, struct py_runtime_layout *runtime)
{
	runtime->pool_bytes = minor <= 9 ? 4096 : 16384;
	runtime->alignment = 16;
	runtime->gc_head_bytes = minor <= 7 ? 32 : 16;
	runtime->type_qualname = type_qualnames[minor - FIRST_MINOR];
	runtime->dict_keys_index = minor <= 10 ? 40 : 32;
}

int py_layouts__get(int minor, const uint8_t *debug_offsets, size_t debug_offsets_len,
		    struct py_layout *ret_layout, struct py_runtime_layout *ret_runtime)
{
	struct py_runtime_layout runtime;
	struct py_layout layout;
	int err = 0;

	if (minor < FIRST_MINOR || minor > LAST_MINOR)
		return -ENOENT;
	if (minor <= LAST_STATIC_MINOR)
		take_static(minor, &layout, &runtime);
	else
		err = read_debug_offsets(minor, debug_offsets, debug_offsets_len, &layout, &runtime);
	if (err)
		return err;
	add_memory_layout(minor, &runtime);
	*ret_layout = layout;
	*ret_runtime = runtime;
	return 0;
}
