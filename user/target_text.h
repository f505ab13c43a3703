/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TARGET_TEXT_H
#define LINGER_TARGET_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "py_layout.h"

#define TARGET_TEXT_MAX_BYTES 512

/*
 * Text in the target's memory: up to TARGET_TEXT_MAX_BYTES of it, as UTF-8, not cleaned. A new string; NULL:
 * it cannot be read, is none, or memory is short.
 */

/* A C string that is not empty; up to the end of its page where nothing can be read behind that. */
char *target_text__c_string(struct memory_reader *reader, uint64_t address);

/* A str. */
char *target_text__str(struct memory_reader *reader, const struct py_layout *py, uint64_t address);

/* So many of its first characters at most. */
char *target_text__str_start(struct memory_reader *reader, const struct py_layout *py, uint64_t address,
			     uint64_t max_length);

#endif /* LINGER_TARGET_TEXT_H */
