/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PYTHON_H
#define LINGER_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "elf_image.h"
#include "error.h"
#include "memory_reader.h"
#include "py_layouts.h"
#include "target.h"
#include "thread_path.h"
#include "trace.h"

/* Which allocator serves the object domain. */
enum python_allocator {
	PYTHON_PYMALLOC,
	PYTHON_PYMALLOC_HOOKED, /* pymalloc behind hooks: PYTHONMALLOC=debug, tracemalloc, -X dev */
	PYTHON_MALLOC,          /* PYTHONMALLOC=malloc: no pymalloc blocks at all */
	PYTHON_MALLOC_HOOKED,
	PYTHON_ALLOCATOR_UNKNOWN,
};

/* The interpreter of a target. */
struct python {
	struct elf_image *image; /* the file that contains the interpreter */
	char *path;              /* its name, as the target sees it */
	uint64_t bias;           /* run-time minus link-time address */
	char version[32];        /* "3.11.2" */
	int minor;
	struct py_layout layout;
	struct py_runtime_layout runtime;
	uint64_t finalizing;   /* run-time address of what is not 0 once it takes itself down */
	uint64_t interpreters; /* run-time address of the pointer to the first interpreter's state */
	enum thread_library thread_library;
	uint64_t thread_key;     /* run-time address of the struct py_tss of the thread states */
	uint64_t current_tstate; /* run-time address of the pointer to the GIL holder's thread state; 0: not
				    used */
	uint64_t code_dealloc;   /* link-time address of the code object's deallocator; 0: not known */
	struct {
		uint64_t object; /* run-time address of its PyMemAllocatorEx; 0: not known */
		uint64_t pymalloc, malloc;
	} allocator; /* who may serve the object domain */
};

/*
 * Works from the moment on at which the interpreter is mapped, before it has run. 0; -ENOEXEC: no interpreter
 * is mapped; -EOPNOTSUPP: not a CPython that linger knows; both with the sentence that says so; other errors.
 */
int python__inspect(const struct target *target, struct memory_reader *reader, struct python *ret_python,
		    struct error *error);
void python__free(struct python *python);

/* 0; -EAGAIN: the interpreter has not initialised itself yet; -EOPNOTSUPP: what it says makes no sense. */
int python__check_started(const struct python *python, struct memory_reader *reader, struct error *error);

/* Who serves the object domain now. The choice is made while the interpreter starts, and may change later. */
enum python_allocator python__allocator(const struct python *python, struct memory_reader *reader);

/* Whether the interpreter takes itself down; also where nobody can tell any more. */
bool python__is_finalizing(const struct python *python, struct memory_reader *reader);

/* Where in a frame the fields that the walk needs begin, and the bytes from there to the end of the last. */
struct frame_extent {
	uint32_t start;
	uint32_t bytes;
};
struct frame_extent python__frame_extent(const struct py_layout *py);

const char *python_allocator__name(enum python_allocator allocator);

#endif /* LINGER_PYTHON_H */
