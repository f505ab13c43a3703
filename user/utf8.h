/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_UTF8_H
#define LINGER_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The characters of a Python str (kind 1: Latin-1, 2: UCS-2, 4: UCS-4) as UTF-8. Surrogates and what is
 * beyond Unicode become U+FFFD. A new string, NULL when memory is short. */
char *utf8__from_python(const void *characters, size_t n, uint8_t kind);

/* The other way round: the characters of a str with this text, of the narrowest kind, *ret_n of them. What is
 * no UTF-8 becomes a question mark. A new array, NULL when memory is short. */
void *utf8__to_python(const char *text, size_t *ret_n, uint8_t *ret_kind);

/* Replaces every byte that is not part of a UTF-8 character by a question mark. */
void utf8__repair(char *text);

#endif /* LINGER_UTF8_H */
