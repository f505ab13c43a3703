/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "type_match.h"

static const struct census_type types[] = {
	{.name = "dict"},        {.name = "app.Session"},
	{.name = NULL},          {.name = "app.SessionPool"},
	{.name = "web.Request"}, {.name = "app.Request"},
	{.name = "app.Session"}, {.name = "app.Table.Row"},
};

static struct type_match find(const char *name)
{
	return type_match__find(types, sizeof(types) / sizeof(types[0]), name);
}

static void test_whole_names(void **state)
{
	assert_string_equal(find("dict").name, "dict");
	assert_string_equal(find("app.Request").name, "app.Request");
}

static void test_bare_names(void **state)
{
	assert_string_equal(find("Session").name, "app.Session");
	assert_string_equal(find("Row").name, "app.Table.Row");
}

static void test_a_bare_name_of_several(void **state)
{
	struct type_match match = find("Request");

	assert_null(match.name);
	assert_true(match.is_ambiguous);
	assert_int_equal(match.n_others, 2);
	assert_string_equal(match.others[0], "web.Request");
	assert_string_equal(match.others[1], "app.Request");
}

static void test_near_names(void **state)
{
	struct type_match match = find("sesion");

	assert_null(match.name);
	assert_false(match.is_ambiguous);
	assert_int_equal(match.n_others, 1);
	assert_string_equal(match.others[0], "app.Session");
	match = find("app.Sessions");
	assert_int_equal(match.n_others, 2);
	assert_string_equal(match.others[0], "app.Session");
	assert_string_equal(match.others[1], "app.SessionPool");
	match = find("Pool");
	assert_int_equal(match.n_others, 1);
	assert_string_equal(match.others[0], "app.SessionPool");
}

static void test_nothing_near(void **state)
{
	char name[1001];

	memset(name, 'x', 1000);
	name[1000] = '\0';
	assert_int_equal(find("Elephant").n_others, 0);
	assert_int_equal(find(name).n_others, 0);
	assert_null(find(name).name);
	assert_null(find("").name);
	assert_int_equal(type_match__find(NULL, 0, "dict").n_others, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_names),
		cmocka_unit_test(test_bare_names),
		cmocka_unit_test(test_a_bare_name_of_several),
		cmocka_unit_test(test_near_names),
		cmocka_unit_test(test_nothing_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
