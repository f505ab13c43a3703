/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SPECIAL_FILE_H
#define LINGER_SPECIAL_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"

/*
 * Devices and pipes to write to. They cannot be replaced by a renamed file, so they are opened as they are;
 * but only where nobody else can have put them, as a link to a disk does harm and a pipe may hold up for
 * ever.
 */

/* Whether there is one, or a link to one. */
bool special_file__is_at(const char *path);

/* Whether it may be opened. 0 or a negative errno, with its sentence. */
int special_file__check(const char *path, struct error *error);
int special_file__open(const char *path, FILE **ret_stream, struct error *error);

#endif /* LINGER_SPECIAL_FILE_H */
