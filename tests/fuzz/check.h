/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FUZZ_CHECK_H
#define LINGER_FUZZ_CHECK_H

#include <stddef.h>
#include <stdio.h>

/*
 * What holds of every output, whatever names are in it. A check that fails ends the program. None shares code
 * with what it checks.
 */

/* A stream in memory, and what was written to it. It stays where it is. */
struct page {
	FILE *out;
	char *text; /* once it is finished */
	size_t bytes;
};

void page__open(struct page *page);
/* err: what the renderer returned, which has to be 0. */
void page__finish(struct page *page, int err);
void page__free(struct page *page);

/* UTF-8 without control characters but line ends, and without what changes the direction of text. */
void check__text(const struct page *page);

/* A text, and a JSON object. */
void check__json(const struct page *page);

/* A text of lines `frames count`, or with more counts. */
void check__folded(const struct page *page, int n_counts);

/* XML with our own elements, attributes, script and style alone; its texts are as above. */
void check__svg(const struct page *page);

/* A graph of graphviz with all names in quotes, which are texts as above. */
void check__dot(const struct page *page);

#endif /* LINGER_FUZZ_CHECK_H */
