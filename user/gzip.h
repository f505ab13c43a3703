/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_GZIP_H
#define LINGER_GZIP_H

#include <stddef.h>
#include <stdio.h>

/* Compresses into a stream, piece by piece. */
struct gzip_writer;

/* NULL when out of memory. The stream stays the caller's. */
struct gzip_writer *gzip_writer__new(FILE *out);
void gzip_writer__free(struct gzip_writer *writer);

/* 0, or -EIO when the stream failed. */
int gzip_writer__put(struct gzip_writer *writer, const void *bytes, size_t len);

/* The end of the file; nothing can be put afterwards. 0 or -EIO. */
int gzip_writer__finish(struct gzip_writer *writer);

/*
 * The content of a file, compressed or not; free() it. 0, -EFBIG: it has more than max_bytes; -EBADMSG: what
 * is compressed is damaged or cut off; other errors of reading.
 */
int gzip__read(const char *path, size_t max_bytes, unsigned char **ret_bytes, size_t *ret_len);

#endif /* LINGER_GZIP_H */
