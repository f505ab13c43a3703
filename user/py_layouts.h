/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PY_LAYOUTS_H
#define LINGER_PY_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "py_layout.h"

/* What user space alone needs to know of a version. */
struct py_runtime_layout {
	uint16_t auto_tss_key; /* _PyRuntime: pthread key of the thread state (3.7-3.11); PY_NO_FIELD later */
	uint16_t current_tstate; /* _PyRuntime: the thread state that holds the GIL (3.7-3.11); PY_NO_FIELD
				    later */
	uint16_t finalizing;     /* _PyRuntime: not NULL once the interpreter takes itself down */
	/* The lists of interpreters and of their threads: */
	uint16_t interpreters;      /* _PyRuntime: the first PyInterpreterState */
	uint16_t interp_next;       /* PyInterpreterState: the next one */
	uint16_t interp_threads;    /* PyInterpreterState: its first PyThreadState */
	uint16_t interp_modules;    /* PyInterpreterState: sys.modules, a dict */
	uint16_t interp_gil_locked; /* PyInterpreterState: int, whether its GIL is held; PY_NO_FIELD up
				       to 3.11 */
	uint16_t interp_gil_holder; /* PyInterpreterState: the thread state that held it last; the same */
	uint16_t tstate_next;       /* PyThreadState: the next one */
	uint16_t thread_id;         /* PyThreadState: pthread_self() of its thread */
	uint16_t native_thread_id;  /* PyThreadState: the kernel's id of its thread; PY_NO_FIELD up to 3.10 */
	/* Memory: */
	uint16_t pool_bytes;    /* pymalloc's pool size: 4096 up to 3.9, 16384 from 3.10 */
	uint16_t alignment;     /* step of the size classes: 16 */
	uint16_t gc_head_bytes; /* what the collector keeps in front of an object: 32 in 3.7, 16 later */
	uint16_t type_qualname; /* PyHeapTypeObject: str */
	uint16_t
		dict_keys_index; /* PyDictKeysObject: 40 up to 3.10 (with dk_size), 32 from 3.11 (its log2) */
};

/*
 * The layout of CPython 3.MINOR (3.7: from 3.7.4). For 3.7-3.12 `debug_offsets` is ignored; from 3.13 it is
 * the first `debug_offsets_len` bytes of the interpreter's _PyRuntime (struct _Py_DebugOffsets), which is not
 * trusted: every offset is checked against a bound.
 *
 * Returns 0; -ENOENT: no such version known; -EINVAL: the bytes are not a _Py_DebugOffsets of this version;
 * -EOPNOTSUPP: a free-threaded build (on Linux the same number as -ENOENT).
 */
int py_layouts__get(int minor, const uint8_t *debug_offsets, size_t debug_offsets_len,
		    struct py_layout *ret_layout, struct py_runtime_layout *ret_runtime);

/* How many bytes of _PyRuntime py_layouts__get reads at most. */
#define PY_DEBUG_OFFSETS_BYTES 1024

#endif /* LINGER_PY_LAYOUTS_H */
