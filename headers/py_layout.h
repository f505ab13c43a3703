/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PY_LAYOUT_H
#define LINGER_PY_LAYOUT_H

/*
 * Where a CPython interpreter keeps what the frame walk needs: byte offsets into its structures. Interpreter
 * versions are data: static tables for 3.7-3.12 (user/py_layouts.c, printed by tests/layouts/), the
 * interpreter's own _Py_DebugOffsets from 3.13. Both the BPF programs and user space compile this header.
 */

/* An offset that this version does not have. */
#define PY_NO_FIELD 0xffffu

/* How a code object maps instruction offsets to lines. */
enum py_line_table {
	PY_LINES_LNOTAB,    /* co_lnotab, up to 3.9 */
	PY_LINES_310,       /* co_linetable of 3.10 */
	PY_LINES_LOCATIONS, /* co_linetable of 3.11 and later */
};

/* What a frame's instruction field holds. */
enum py_instr_kind {
	PY_INSTR_BYTE_INDEX, /* int, bytes from the start of the code (up to 3.9) */
	PY_INSTR_UNIT_INDEX, /* int, units of two bytes (3.10) */
	PY_INSTR_POINTER,    /* pointer into the code object's instructions (3.11 and later) */
};

/* The frame's fields lie within so many bytes of the first of them: one read gets them all. */
#define PY_FRAME_BYTES 88

struct py_layout {
	/* PyThreadState: the current frame, directly or through the _PyCFrame between them (3.11, 3.12) */
	__u16 tstate_frame;   /* offset of the frame pointer, or of the cframe pointer */
	__u16 cframe_current; /* offset in _PyCFrame of the frame pointer; PY_NO_FIELD: there is no cframe */

	/* PyFrameObject (up to 3.10) or _PyInterpreterFrame */
	__u16 frame_code;     /* code object */
	__u16 frame_previous; /* calling frame */
	__u16 frame_instr;    /* see instr_kind */
	__u16 frame_owner;    /* one byte; PY_NO_FIELD up to 3.11 */
	__u8 owner_c_stack;   /* an owner of this value or more: the frame only marks a C call */
	__u8 instr_kind;      /* enum py_instr_kind */
	__u8 line_table_kind; /* enum py_line_table */
	__u8 code_tag_mask;   /* bits to clear in frame_code and frame_previous (1 on 3.14: tagged references)
			       */

	/* PyCodeObject */
	__u16 code_first_line;      /* int */
	__u16 code_name;            /* str: co_qualname where the version has it, else co_name */
	__u16 code_filename;        /* str */
	__u16 code_line_table;      /* bytes */
	__u16 code_first_traceable; /* int, units of two bytes: where a frame counts as running; PY_NO_FIELD
				       up to 3.10 */
	__u16 code_instrs;          /* first instruction inside the code object; PY_NO_FIELD up to 3.10 */

	/* PyUnicodeObject, compact forms only (names in code objects always are) */
	__u16 unicode_length;     /* Py_ssize_t, code points */
	__u16 unicode_state;      /* u32 bit field */
	__u16 unicode_ascii;      /* characters of an ASCII string */
	__u16 unicode_compact;    /* characters of any other string */
	__u8 unicode_kind_shift;  /* state >> shift & 7 = bytes per character */
	__u8 unicode_ascii_shift; /* state >> shift & 1 = all ASCII */

	/* PyBytesObject */
	__u16 bytes_size; /* Py_ssize_t */
	__u16 bytes_data;

	/* PyTypeObject: the deallocator, which tells when a code object ends */
	__u16 type_dealloc;
	__u16 pad[2];
};

_Static_assert(sizeof(struct py_layout) == 48, "py_layout is shared with BPF");

#endif /* LINGER_PY_LAYOUT_H */
