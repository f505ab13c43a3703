/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_UTF8_H
#define LINGER_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The characters of a Python str (kind 1: Latin-1, 2: UCS-2, 4: UCS-4) as UTF-8. Surrogates and what is
 * beyond Unicode become U+FFFD. A new string, NULL when memory is short. */
char *utf8__from_python(const void *characters, size_t n, uint8_t kind);

/* Replaces every byte that is not part of a UTF-8 character by a question mark. */
void utf8__repair(char *text);

#endif /* LINGER_UTF8_H */
