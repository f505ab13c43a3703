/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PPROF_TEST_H
#define LINGER_PPROF_TEST_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pprof_read.h"
#include "render_test.h"

/* What the tests of pprof files share: include after cmocka.h. */

#define ALL_DOMAINS ((1u << LINGER_DOMAINS) - 1)

/* A file with these bytes; to be unlinked. */
static inline void write_file(char path[static 32], const void *bytes, size_t len)
{
	int fd;

	strcpy(path, "/tmp/linger-unit-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline int read_bytes(const void *bytes, size_t len, uint32_t domains,
			     struct pprof_content *ret_content, struct error *error)
{
	char path[32];
	int err;

	write_file(path, bytes, len);
	err = pprof_read__file(path, domains, ret_content, error);
	unlink(path);
	return err;
}

/* The profile in pprof's format; free() it. */
static inline char *pprof_bytes(const struct profile *profile, enum profile_value value, size_t *ret_len)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_len);

	assert_non_null(out);
	assert_int_equal(render_pprof.render(profile, value, out), 0);
	assert_int_equal(fclose(out), 0);
	return bytes;
}

#endif /* LINGER_PPROF_TEST_H */
