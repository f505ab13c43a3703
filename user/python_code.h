/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PYTHON_CODE_H
#define LINGER_PYTHON_CODE_H

#include <stdint.h>

#include <linux/types.h>

#include "elf_image.h"
#include "memory_reader.h"
#include "trace.h"

/*
 * What an interpreter's own machine code tells about it: small exported functions, which stripped builds keep,
 * refer to things that have no symbol.
 */
struct python_code;

struct python_code *python_code__new(struct elf_image *image, uint64_t bias, struct memory_reader *reader);
void python_code__free(struct python_code *code);

/* The string that Py_GetVersion begins with, "3.9.2+" say. 0, -ENOENT. */
int python_code__version(struct python_code *code, char *buf, size_t len);

/* From the fs base to the thread state (3.12 and later: a thread-local variable). 0, -ENOENT, -EFAULT. */
int python_code__tls_path(struct python_code *code, struct py_tls_path *ret_path);

/* The link-time address of the PyMemAllocatorEx that PyObject_Malloc, or another such function, goes through.
 * 0, -ENOENT. */
int python_code__allocator(struct python_code *code, const char *function, uint64_t *ret_address);

#endif /* LINGER_PYTHON_CODE_H */
