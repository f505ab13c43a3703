/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PYTHON_CODE_H
#define LINGER_PYTHON_CODE_H

#include <stdint.h>

#include <linux/types.h>

#include "elf_image.h"
#include "trace.h"

/*
 * What an interpreter's own machine code tells about it: small exported functions, which stripped builds
 * keep, refer to things that have no symbol. Only the file is read, so this works before the program runs.
 */
struct python_code;

struct python_code *python_code__new(struct elf_image *image);
void python_code__free(struct python_code *code);

/* The string that Py_GetVersion begins with, "3.9.2+" say. 0, -ENOENT. */
int python_code__version(struct python_code *code, char *buf, size_t len);

/*
 * The link-time address of _PyRuntime's Py_tss_t for thread states (an int that tells whether it is in use,
 * then the pthread key), from 3.12 on. 0, -ENOENT.
 */
int python_code__thread_key(struct python_code *code, uint64_t runtime, uint64_t *ret_address);

/* The link-time address of the PyMemAllocatorEx that PyObject_Malloc, or another such function, goes through.
 * 0, -ENOENT. */
int python_code__allocator(struct python_code *code, const char *function, uint64_t *ret_address);

#endif /* LINGER_PYTHON_CODE_H */
