// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/types.h>

#include "thread_path.h"

#define KEYS 100 /* more than the first block holds */

/* Follows a path as the frame walk does. */
static void *follow(uint64_t path)
{
	char *p;

	__asm__("mov %%fs:0, %0" : "=r"(p));
	p = *(char **)(p + (uint32_t)path);
	return THREAD_PATH_IS_BEHIND(path) ? *(void **)(p + THREAD_PATH_OFFSET(path)) : p;
}

static void test_own_keys(void **state)
{
	pthread_key_t keys[KEYS];

	for (long i = 0; i < KEYS; i++) {
		assert_int_equal(pthread_key_create(&keys[i], NULL), 0);
		assert_int_equal(pthread_setspecific(keys[i], (void *)(i + 1)), 0);
	}
	for (long i = 0; i < KEYS; i++)
		assert_int_equal((long)follow(thread_path__of_key(keys[i], THREADS_OF_GLIBC)), i + 1);
	for (long i = 0; i < KEYS; i++)
		pthread_key_delete(keys[i]);
}

static void test_no_key(void **state)
{
	assert_int_not_equal(thread_path__of_key(0, THREADS_OF_GLIBC), 0);
	assert_int_not_equal(thread_path__of_key(1023, THREADS_OF_GLIBC), 0);
	assert_int_equal(thread_path__of_key(1024, THREADS_OF_GLIBC), 0);
	assert_int_equal(thread_path__of_key(UINT32_MAX, THREADS_OF_GLIBC), 0);
	assert_int_equal(thread_path__of_key(128, THREADS_OF_MUSL), 0);
}

/* mov %fs:0,%rax; mov 0x80(%rax),%rax; mov (%rax,%rdi,8),%rax (pthread_getspecific, musl 1.2.3) */
static void test_musl(void **state)
{
	uint64_t path = thread_path__of_key(0, THREADS_OF_MUSL);

	assert_int_equal(THREAD_PATH_FIRST(path), 0x80);
	assert_true(THREAD_PATH_IS_BEHIND(path));
	assert_int_equal(THREAD_PATH_OFFSET(path), 0);
	assert_int_equal(THREAD_PATH_OFFSET(thread_path__of_key(127, THREADS_OF_MUSL)), 127 * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_keys),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_musl),
	};

	return cmocka_run_group_tests_name("thread_path", tests, NULL, NULL);
}
