/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OUTPUT_H
#define LINGER_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"

/*
 * A file that is there whole or not at all: it is written under another name beside its place and renamed
 * when it is complete. What was there before stays untouched until then.
 */
struct output;

/* Whether a file could be written there, as far as one can tell without doing it; so that a long recording
 * does not end in a refusal. 0; -EEXIST: there is such a file and force is false; other errors. */
int output__check(const char *path, bool force, struct error *error);

/* path NULL: standard output. */
int output__open(const char *path, bool force, struct output **ret_output, struct error *error);
FILE *output__stream(struct output *output);

/*
 * Puts the file in its place. After a failure nothing of it is left, except where it is complete and only its
 * place is taken: then the hint tells where it is. Frees the output either way.
 */
int output__commit(struct output *output, struct error *error);

/* Drops what was written. NULL is fine. */
void output__abandon(struct output *output);

/* The one or the other, by whether writing it succeeded: err is 0 or a negative errno, which is returned. */
int output__finish(struct output *output, int err, struct error *error);

#endif /* LINGER_OUTPUT_H */
