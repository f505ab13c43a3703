/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FUZZ_INPUT_H
#define LINGER_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * An input that is read from the front, for structures that are made of it. Behind its end there are zeros
 * and empty texts. The texts and arrays live until it is freed.
 */
struct input {
	const uint8_t *bytes;
	size_t n;
	struct arena arena;
};

/* Small numbers take one byte; all 64-bit numbers can occur. */
uint64_t input__number(struct input *input);

/* From 0 up to n - 1, in one byte. */
size_t input__below(struct input *input, size_t n);

/* Any bits: also infinities, and what is no number. */
double input__double(struct input *input);

/* What comes before the next 0; input__optional_text: NULL where that is nothing. */
char *input__text(struct input *input);
char *input__optional_text(struct input *input);

/* Zeros, aligned for anything. */
void *input__array(struct input *input, size_t n, size_t bytes);

void input__free(struct input *input);

/* Adds a seed: texts that mean something where they must not. */
void input__add_seed(void);

#endif /* LINGER_FUZZ_INPUT_H */
