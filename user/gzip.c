/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#define BUFFER_BYTES (64 * 1024)
#define FIRST_READ_BYTES (256 * 1024)
#define GZIP_HEADER 16 /* to be added to zlib's window bits */

/* Of a hundred thousand stacks level 6 makes a file that is 2 % smaller, and takes a third longer. */
#define LEVEL 3

struct gzip_writer {
	FILE *out;
	z_stream stream;
	size_t n_in;
	unsigned char in[BUFFER_BYTES]; /* pieces are small: zlib is given many at a time */
	unsigned char compressed[BUFFER_BYTES];
};

/*
 * --- writing ---------------------------------------------------------------------------------------------
 */

struct gzip_writer *gzip_writer__new(FILE *out)
{
	struct gzip_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return NULL;
	writer->out = out;
	if (deflateInit2(&writer->stream, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_HEADER, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(writer);
		return NULL;
	}
	return writer;
}

void gzip_writer__free(struct gzip_writer *writer)
{
	if (!writer)
		return;
	deflateEnd(&writer->stream);
	free(writer);
}

static int compress_buffer(struct gzip_writer *writer, int flush)
{
	z_stream *stream = &writer->stream;

	stream->next_in = writer->in;
	stream->avail_in = writer->n_in;
	writer->n_in = 0;
	do {
		size_t len;

		stream->next_out = writer->compressed;
		stream->avail_out = BUFFER_BYTES;
		deflate(stream, flush);
		len = BUFFER_BYTES - stream->avail_out;
		if (fwrite(writer->compressed, 1, len, writer->out) != len)
			return -errno;
	} while (!stream->avail_out);
	return 0;
}

int gzip_writer__put(struct gzip_writer *writer, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	int err = 0;

	while (len && !err) {
		size_t room = BUFFER_BYTES - writer->n_in;
		size_t n = len < room ? len : room;

		memcpy(writer->in + writer->n_in, from, n);
		writer->n_in += n;
		from += n;
		len -= n;
		if (writer->n_in == BUFFER_BYTES)
			err = compress_buffer(writer, Z_NO_FLUSH);
	}
	return err;
}

int gzip_writer__finish(struct gzip_writer *writer)
{
	return compress_buffer(writer, Z_FINISH);
}

/*
 * --- reading ---------------------------------------------------------------------------------------------
 */

/* Bytes read, 0 at the end, or a negative errno. */
static int read_some(gzFile file, unsigned char *bytes, size_t len)
{
	int n, code;

	errno = 0;
	n = gzread(file, bytes, len);
	if (n > 0)
		return n;
	gzerror(file, &code);
	if (code == Z_OK || code == Z_STREAM_END)
		return 0;
	if (code == Z_MEM_ERROR)
		return -ENOMEM;
	return code == Z_ERRNO && errno ? -errno : -EBADMSG;
}

/* What has been read of a file so far. */
struct content {
	unsigned char *bytes;
	size_t len, room, max_bytes;
};

/* One byte too many tells a file that is too large from one that just fits. */
static int content__grow(struct content *content)
{
	size_t room = content->room ? content->room * 2 : FIRST_READ_BYTES;
	unsigned char *grown;

	if (room > content->max_bytes)
		room = content->max_bytes + 1;
	grown = realloc(content->bytes, room);
	if (!grown)
		return -ENOMEM;
	content->bytes = grown;
	content->room = room;
	return 0;
}

static int read_all(gzFile file, struct content *content)
{
	int n = 1, err = 0;

	while (n > 0 && !err) {
		if (content->len == content->room)
			err = content__grow(content);
		n = err ? 0 : read_some(file, content->bytes + content->len, content->room - content->len);
		if (n > 0)
			content->len += n;
		if (content->len > content->max_bytes)
			err = -EFBIG;
	}
	return err ? err : n;
}

int gzip__read(const char *path, size_t max_bytes, unsigned char **ret_bytes, size_t *ret_len)
{
	struct content content = {.max_bytes = max_bytes};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	gzFile file;
	int err;

	if (fd < 0)
		return -errno;
	file = gzdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	err = read_all(file, &content);
	gzclose_r(file);
	if (err) {
		free(content.bytes);
		return err;
	}
	*ret_bytes = content.bytes;
	*ret_len = content.len;
	return 0;
}
