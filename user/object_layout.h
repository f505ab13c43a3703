/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_LAYOUT_H
#define LINGER_OBJECT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "py_layout.h"

/* Where the attribute values of an instance without a dict are. */
enum attribute_values {
	ATTRIBUTES_IN_DICT,   /* up to 3.10 there is always a dict */
	ATTRIBUTES_BESIDE,    /* 3.11: one word in front of the object leads to them, another to the dict */
	ATTRIBUTES_OR_DICT,   /* 3.12: one word leads to the one or, with bit 0 set, the other */
	ATTRIBUTES_IN_OBJECT, /* 3.13: in the object itself, behind its fields; a word leads to the dict */
};

/* Byte offsets in the objects of one version; PY_NO_FIELD: it has no such thing. */
struct object_layout {
	uint16_t var_size; /* PyVarObject: ob_size */
	/* PyDictObject */
	uint16_t dict_used, dict_keys, dict_values;
	/* PyDictKeysObject: a head, then an index, then the entries */
	uint16_t keys_references;
	uint16_t keys_size;        /* slots of the index; its logarithm, a byte, where there is keys_kind */
	uint16_t keys_index_bytes; /* logarithm, a byte */
	uint16_t keys_kind;        /* a byte; 0: entries have hashes */
	uint16_t keys_usable, keys_entries;
	uint16_t keys_index;
	/* PyListObject, PyTupleObject */
	uint16_t list_items, list_allocated, tuple_items;
	/* PySetObject */
	uint16_t set_used, set_mask, set_table, set_small_table;
	/* PyByteArrayObject */
	uint16_t bytearray_allocated, bytearray_bytes;
	/* PyFloatObject, PyLongObject */
	uint16_t float_value, long_size, long_digits;
	uint16_t long_tag_bits; /* what the size is shifted by, the sign in it; 0: the size has the sign */
	/* PyTypeObject, and PyHeapTypeObject, which a class statement makes */
	uint16_t type_name, type_basic_bytes, type_item_bytes, type_flags, type_weaklist_offset, type_members;
	uint16_t type_base, type_dict, type_dict_offset, type_bases, type_mro, type_cache;
	uint16_t type_bytes; /* size of PyTypeObject */
	uint16_t class_name, class_qualname, class_keys, class_module;
	/* PyModuleObject */
	uint16_t module_dict, module_name;
	/* PyCellObject, PyMethodObject, PyCFunctionObject, PyWeakReference */
	uint16_t cell_contents, method_function, method_self, builtin_self, builtin_module, weakref_callback;
	/* PyFunctionObject */
	uint16_t function_code, function_globals, function_builtins, function_name, function_qualname;
	uint16_t function_defaults, function_keyword_defaults, function_closure, function_doc,
		function_module;
	uint16_t function_annotations, function_annotate, function_type_parameters;
	/* PyBaseExceptionObject, PyTracebackObject */
	uint16_t exception_args, exception_notes, exception_traceback, exception_context, exception_cause;
	uint16_t traceback_next, traceback_frame;
	/* PyGenObject, with which coroutines and asynchronous generators begin; up to 3.10 it has a
	 * PyFrameObject, later it ends in an interpreter frame, while generator_state is below
	 * GENERATOR_CLEARED */
	uint16_t generator_frame, generator_code, generator_name, generator_qualname, generator_exception;
	uint16_t generator_origin, generator_inner_frame, generator_state;
	/* PyFrameObject */
	uint16_t frame_back, frame_code, frame_builtins, frame_globals, frame_locals, frame_trace;
	uint16_t frame_extra_locals, frame_locals_cache, frame_overwritten_locals;
	uint16_t frame_value_stack; /* up to 3.10: where the fast locals end */
	uint16_t frame_stack_top;   /* up to 3.9: where the temporary values end */
	uint16_t frame_stack_depth; /* 3.10: int, how many of them there are */
	uint16_t frame_fast_locals; /* up to 3.10 */
	uint16_t frame_inner;       /* from 3.11 on: its interpreter frame, wherever it is */
	/* _PyInterpreterFrame, from 3.11 on */
	uint16_t inner_code, inner_function, inner_locals, inner_frame_object;
	uint16_t inner_stack_depth; /* up to 3.13: int, how many fast locals and temporary values */
	uint16_t inner_stack_top;   /* from 3.14 on: where they end */
	uint16_t inner_fast_locals;
	/* PyCodeObject */
	uint16_t code_constants, code_names;
	uint16_t code_n_fast; /* int: locals, cells and free variables; from 3.11 on */
	uint16_t code_n_locals;
	uint16_t code_local_names;                 /* tuple of str; from 3.11 on of all fast locals */
	uint16_t code_cell_names, code_free_names; /* up to 3.10 */
	uint16_t code_local_kinds;                 /* bytes, one for each; from 3.11 on */

	uint8_t attribute_values; /* enum attribute_values */
};

#define GENERATOR_CLEARED 4 /* FRAME_CLEARED */

/* Of CPython 3.MINOR, 3.8-3.14. NULL: not known. */
const struct object_layout *object_layout__get(int minor);

/* --- types that are known by their name -------------------------------------------------------------- */

/* What there is to an object besides fields at fixed places. */
enum object_kind {
	OBJECT_PLAIN,
	OBJECT_NONE,
	OBJECT_INT,
	OBJECT_BOOL,
	OBJECT_FLOAT,
	OBJECT_STR,
	OBJECT_BYTES,
	OBJECT_CELL,
	OBJECT_MODULE,
	OBJECT_FUNCTION,
	/* From here on they lead to more: */
	OBJECT_LIST,
	OBJECT_TUPLE,
	OBJECT_DICT,
	OBJECT_SET,
	OBJECT_DEQUE,
	OBJECT_BYTEARRAY,
	OBJECT_TYPE,
	OBJECT_GENERATOR, /* also coroutine, async_generator */
	OBJECT_FRAME,
};

/* A field that refers to an object. */
struct object_field {
	const char *name; /* as Python programs see it; NULL: they do not */
	uint16_t layout;  /* where struct object_layout has its offset */
};

#define KNOWN_TYPE_FIELDS 16

struct known_type {
	const char *name; /* tp_name */
	enum object_kind kind;
	struct object_field fields[KNOWN_TYPE_FIELDS]; /* all that there are; layout 0 ends them */
};

/* NULL: no such type is known. */
const struct known_type *known_type__find(const char *name);

/* The offset of a field in objects of this version; PY_NO_FIELD. */
uint16_t object_field__offset(const struct object_field *field, const struct object_layout *layout);

#endif /* LINGER_OBJECT_LAYOUT_H */
