/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
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
	return path >> 32 ? *(void **)(p + (path >> 32)) : p;
}

static void test_own_keys(void **state)
{
	pthread_key_t keys[KEYS];

	for (long i = 0; i < KEYS; i++) {
		assert_int_equal(pthread_key_create(&keys[i], NULL), 0);
		assert_int_equal(pthread_setspecific(keys[i], (void *)(i + 1)), 0);
	}
	for (long i = 0; i < KEYS; i++)
		assert_int_equal((long)follow(thread_path__of_key(keys[i])), i + 1);
	for (long i = 0; i < KEYS; i++)
		pthread_key_delete(keys[i]);
}

static void test_no_key(void **state)
{
	assert_int_not_equal(thread_path__of_key(0), 0);
	assert_int_not_equal(thread_path__of_key(1023), 0);
	assert_int_equal(thread_path__of_key(1024), 0);
	assert_int_equal(thread_path__of_key(UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_keys),
		cmocka_unit_test(test_no_key),
	};

	return cmocka_run_group_tests_name("thread_path", tests, NULL, NULL);
}
