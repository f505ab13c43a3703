/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RAW_ALLOCATOR_H
#define LINGER_RAW_ALLOCATOR_H

#include "elf_image.h"
#include "error.h"
#include "memory_reader.h"
#include "python.h"
#include "target.h"

/* The library that serves a target's malloc: libc, or what was preloaded or linked in its place. */
struct raw_allocator {
	struct elf_image *image;
	char *path;       /* as the target sees it */
	const char *name; /* "glibc", "musl", "jemalloc", "tcmalloc", "mimalloc" or "unknown" */
};

/*
 * Asks the interpreter's own, resolved reference to malloc; where there is none yet, the order in which the
 * dynamic linker looks. 0; -EOPNOTSUPP: no mapped file defines malloc; -ENOMEM, -EACCES, -ESRCH.
 */
int raw_allocator__find(const struct target *target, const struct python *python,
			struct memory_reader *reader, struct raw_allocator *ret_allocator,
			struct error *error);

/* The same for a program whose dynamic linker is about to map this C library. */
int raw_allocator__find_at_start(const struct target *target, int libc_file,
				 struct raw_allocator *ret_allocator, struct error *error);
void raw_allocator__free(struct raw_allocator *allocator);

#endif /* LINGER_RAW_ALLOCATOR_H */
