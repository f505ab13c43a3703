/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FUZZ_H
#define LINGER_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/*
 * What fuzzers share. A fuzzer is one file, fuzz_NAME.c, which defines the function that libFuzzer calls with
 * each input, and seeds if it needs some to get anywhere.
 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Called before the first input; adds seeds. Need not be defined. */
void fuzz__add_seeds(void) __attribute__((weak));
void fuzz__add_seed(const void *bytes, size_t n);

/* Ends the program, which libFuzzer reports as a failure. */
void fuzz__check(int is_so, const char *what);

/* A descriptor of a file with these bytes, and the path by which this process can open it. */
#define FUZZ_PATH_BYTES 32
int fuzz__open_file(const uint8_t *bytes, size_t n, char ret_path[static FUZZ_PATH_BYTES]);

#endif /* LINGER_FUZZ_H */
