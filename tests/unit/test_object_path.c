/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "object_path.h"

static void test_steps(void **state)
{
	struct object_path path;
	struct error error = {0};

	assert_int_equal(object_path__parse("app.cache['a.b'][-12].x[\"it's\"]", &path, &error), 0);
	assert_int_equal(path.n_steps, 6);
	assert_int_equal(path.steps[0].kind, STEP_NAME);
	assert_string_equal(path.steps[0].text, "app");
	assert_int_equal(path.steps[0].end, 3);
	assert_string_equal(path.steps[1].text, "cache");
	assert_int_equal(path.steps[1].end, 9);
	assert_int_equal(path.steps[2].kind, STEP_KEY);
	assert_string_equal(path.steps[2].text, "a.b");
	assert_int_equal(path.steps[3].kind, STEP_INDEX);
	assert_int_equal(path.steps[3].index, -12);
	assert_string_equal(path.steps[4].text, "x");
	assert_string_equal(path.steps[5].text, "it's");
	assert_int_equal(path.steps[5].end, strlen(path.text));
	object_path__free(&path);
}

static void test_no_paths(void **state)
{
	static const char *const texts[] = {"",
					    ".",
					    "a.",
					    "a..b",
					    "[0]",
					    "a[",
					    "a[]",
					    "a]",
					    "a[x]",
					    "a[1",
					    "a['b",
					    "a['b'",
					    "a['b'x]",
					    "a[1]b",
					    "a'b'",
					    "a[1.5]",
					    "a[\"b']",
					    ".a",
					    "a[99999999999999999999]"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct object_path path;
		struct error error = {0};

		assert_int_equal(object_path__parse(texts[i], &path, &error), -EINVAL);
		assert_non_null(strstr(error.message, "no path to an object"));
		assert_true(error.hint[0]);
	}
}

static void test_too_many_steps(void **state)
{
	char text[2 * MAX_PATH_STEPS + 2] = "a";
	struct object_path path;
	struct error error = {0};

	for (size_t i = 1; i < MAX_PATH_STEPS; i++)
		strcat(text, ".a");
	assert_int_equal(object_path__parse(text, &path, &error), 0);
	object_path__free(&path);
	strcat(text, ".a");
	assert_int_equal(object_path__parse(text, &path, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_no_paths),
		cmocka_unit_test(test_too_many_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
