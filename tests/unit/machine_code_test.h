/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_MACHINE_CODE_TEST_H
#define LINGER_MACHINE_CODE_TEST_H

/* What the tests of machine code and of ELF files share: include after cmocka.h. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not cmocka's fail_msg: that calls a print_error, and linger has one of its own (user/cmd.h). */
static inline void __attribute__((format(printf, 1, 2))) fail_with(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fail();
}

/* Hexadecimal digits as bytes in an allocation of their exact size, so that a read past the end is seen. */
static inline uint8_t *bytes_of_hex(const char *hex, size_t *ret_len)
{
	size_t len = strlen(hex) / 2;
	uint8_t *bytes = malloc(len ? len : 1);

	for (size_t i = 0; i < len; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + i * 2, "%2x", &byte), 1);
		bytes[i] = byte;
	}
	*ret_len = len;
	return bytes;
}

/* Marsaglia's xorshift: the same numbers in every run. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
	return next_random(state) % n;
}

static inline void fill_random(uint64_t *state, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = next_random(state) >> 32;
}

/* A file that exists only as a descriptor. */
static inline int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("linger-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

static inline uint8_t *read_own_executable(size_t *ret_len)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t *bytes;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc(st.st_size);
	assert_non_null(bytes);
	for (off_t at = 0; at < st.st_size;) {
		ssize_t n = pread(fd, bytes + at, st.st_size - at, at);

		assert_true(n > 0);
		at += n;
	}
	close(fd);
	*ret_len = st.st_size;
	return bytes;
}

#endif /* LINGER_MACHINE_CODE_TEST_H */
