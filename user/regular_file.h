/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_REGULAR_FILE_H
#define LINGER_REGULAR_FILE_H

#include <stdint.h>

/*
 * Opens files for reading that somebody else has put where they are: none but regular ones, since to open a
 * pipe may take for ever and to open a device may do something. A descriptor or a negative errno; -ESTALE: it
 * is no regular file.
 */

/* What a descriptor that was opened with O_PATH stands for. */
int regular_file__open(int place);

/* A path as a process sees it whose root directory that is: no link leads out of it. resolve: further
 * restrictions (RESOLVE_... of openat2). */
int regular_file__open_below(int root, const char *path, uint64_t resolve);

#endif /* LINGER_REGULAR_FILE_H */
