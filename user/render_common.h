/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_COMMON_H
#define LINGER_RENDER_COMMON_H

#include <stdint.h>
#include <stdio.h>

#include "profile.h"
#include "profile_diff.h"

/*
 * What the renderers share: clean text, numbers for people, and the order of samples.
 *
 * Names come from the target and are not trusted. Every renderer writes them through a put function, code
 * point by code point, after cleaning: bytes that are not UTF-8 become U+FFFD; control characters (and with
 * them terminal escapes, line ends and marks that change the direction of text) become '_'.
 */
typedef void render_put(FILE *out, uint32_t code_point);

void render_put_utf8(FILE *out, uint32_t code_point);

void render_string(FILE *out, const char *string, render_put *put);

/* The same as a string of its own; free() it. NULL when out of memory. */
char *render_cleaned(const char *string);

/* How many columns of a fixed-width font it takes. */
size_t render_string_columns(const char *string);

/* `function (file:line)`, `function (file)` without a line, `function` without a file. */
void render_frame(FILE *out, const struct profile_frame *frame, render_put *put);

/* The same in at most so many columns: leading directories go first, then the end of what is left. */
void render_frame_fitted(FILE *out, const struct profile_frame *frame, size_t columns, render_put *put);

/*
 * The place to look at first, and a line end: the innermost frame of the program's own code. When the
 * allocation happened deeper, in a library, a second line, indented, says where. Both end at so many columns.
 */
void render_place(FILE *out, const struct profile_sample *stack, size_t indent, size_t columns);

/* The same with a text in ASCII at the begin of the second line; that is left out if it would be empty. */
void render_place_beside(FILE *out, const struct profile_sample *stack, const char *beside, size_t indent,
			 size_t columns);

/* "note: ..." and a line end. */
void render_note(FILE *out, const char *note);

/* "12.3 MiB" and "12,345,678", written to the buffer and returned; of a change "+12,345", "-12,345", "0". */
#define RENDER_NUMBER_BYTES 32
const char *render_bytes(uint64_t bytes, char buffer[static RENDER_NUMBER_BYTES]);
const char *render_count(uint64_t count, char buffer[static RENDER_NUMBER_BYTES]);
const char *render_change(int64_t change, char buffer[static RENDER_NUMBER_BYTES]);

/* "3.1 - 4.8 MiB": both in the unit of the second. */
const char *render_byte_range(uint64_t low, uint64_t high, char buffer[static RENDER_NUMBER_BYTES]);

/* "12.3 MiB (12,345,678 bytes) in 1,234 blocks" */
void render_amount(FILE *out, uint64_t bytes, uint64_t blocks);

/* In per cent; 0 of nothing. */
double render_share(uint64_t part, uint64_t whole);

/* "bytes allocated and still alive" */
const char *render_value_text(enum profile_value value);

/* The values to show as bytes and as blocks beside this one: both in use or both allocated. */
enum profile_value render_value_bytes(enum profile_value value);
enum profile_value render_value_blocks(enum profile_value value);

/* The bytes of blocks, the blocks of bytes. */
enum profile_value render_value_other(enum profile_value value);

/* Orders stacks by name from the root; a stack comes before those that continue it. For qsort of pointers. */
int render_compare_stacks(const void *a, const void *b);

/* Orders by an enum profile_value, the largest first, and then as above. For qsort_r. */
int render_compare_values(const void *a, const void *b, void *value);

/*
 * The samples of a domain whose value is not zero, in the order of render_compare_stacks; free() the array.
 */
int render_samples(const struct profile *profile, enum linger_domain domain, enum profile_value value,
		   const struct profile_sample ***ret_samples, size_t *ret_n);

/* All pairs of a domain, in that order; free() the array. */
int render_pairs(const struct profile_diff *diff, enum linger_domain domain,
		 const struct profile_pair ***ret_pairs, size_t *ret_n);

/* 0, or why something written to the stream was lost: a negative errno. */
int render_finish(FILE *out);

#endif /* LINGER_RENDER_COMMON_H */
