/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render_test.h"

#define HEAD "\n\n      live    share    live blocks   allocated  where\n"

static void test_table(void **state)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(3 << 20, 1234567, 1ull << 40, 9), {"main", "/srv/main.py", 3},
	    {"put", "/srv/cache.py", 17});
	ADD(profile, OBJECT, VALUES(1 << 20, 1, 1 << 20, 1), {"main", "/srv/main.py", 3},
	    {"get", "/usr/lib/python3/dist-packages/requests/api.py", 5},
	    {"loads", "/usr/lib/python3.11/json/x.py", 9});
	ADD(profile, OBJECT, VALUES(0, 0, 1023, 2), {"freed", "/srv/main.py", 4});
	ADD(profile, MAPPING, VALUES(1, 1, 1, 1), {"[unknown]", NULL, 0});
	assert_int_equal(profile__add_note(profile, "coverage: 99.3 %"), 0);
	assert_int_equal(profile__add_note(profile, "dropped \x1b[31m"), 0);
	assert_rendered(&render_text, profile, PROFILE_INUSE_SPACE,
			"object: largest stacks by bytes allocated and still alive" HEAD
			"   3.0 MiB   75.0 %      1,234,567     1.0 TiB  put (/srv/cache.py:17)\n"
			"   1.0 MiB   25.0 %              1     1.0 MiB  main (/srv/main.py:3)\n"
			"                                                  via loads "
			"(/usr/lib/python3.11/json/x.py:9)\n"
			"       0 B    0.0 %              0      1023 B  other: 1 stack\n"
			"   4.0 MiB  100.0 %      1,234,568     1.0 TiB  total: 3 stacks\n"
			"\n"
			"mapping: largest stacks by bytes allocated and still alive" HEAD
			"       1 B  100.0 %              1         1 B  [unknown]\n"
			"       1 B  100.0 %              1         1 B  total: 1 stack\n"
			"\n"
			"note: coverage: 99.3 %\n"
			"note: dropped _[31m\n");
}

/* The place of a stack: what its row says after the numbers. */
static void assert_place(const struct profile_frame *frames, size_t n_frames, const char *expected)
{
	struct profile *profile = profile__new();
	const char *row;
	char *text;

	assert_int_equal(
		profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, frames, n_frames, VALUES(1, 1, 1, 1)), 0);
	text = rendered(&render_text, profile, PROFILE_INUSE_SPACE);
	row = strstr(text, "where\n") + strlen("where\n") + 48;
	if (strncmp(row, expected, strlen(expected)) || row[strlen(expected)] != '\n')
		fail_msg("expected '%s' in:\n%s", expected, text);
	free(text);
}

static void test_library_is_not_the_place(void **state)
{
	static const char *const library[] = {
		"/usr/lib/python3.11/json/__init__.py",
		"/root/.pyenv/versions/3.13.1t/lib/python3.13t/ast.py",
		"/app/lib/python3.x/lib/python3.9/a.py",
		"/opt/venv/lib64/site-packages/a.py",
		"/usr/lib/python3/dist-packages/a.py",
		"<frozen importlib._bootstrap>",
		NULL,
	};
	static const char *const own[] = {
		"/srv/python3.11/a.py", "/srv/lib/python3.11", "/lib/python3.x/a.py", "<string>", "a.py",
	};
	struct profile_frame frames[] = {{"main", "/srv/main.py", 3}, {"f", NULL, 1}};
	char expected[128];
	size_t i;

	for (i = 0; i < sizeof(library) / sizeof(*library); i++) {
		frames[1].file = library[i];
		assert_place(frames, 2, "main (/srv/main.py:3)");
	}
	for (i = 0; i < sizeof(own) / sizeof(*own); i++) {
		frames[1].file = own[i];
		snprintf(expected, sizeof(expected), "f (%s:1)", own[i]);
		assert_place(frames, 2, expected);
	}
	frames[0].file = "<frozen runpy>";
	frames[1].file = "/usr/lib/python3.11/ast.py";
	assert_place(frames, 2, "f (/usr/lib/python3.11/ast.py:1)");
	assert_place(frames, 0, "[no stack]");
}

static void test_long_places_are_cut(void **state)
{
	const struct profile_frame deep = {"handler",
					   "/srv/application/releases/20240101/src/package/module.py", 12};
	const struct profile_frame flat = {"handler_with_a_really_long_name_that_fills_the_line",
					   "/srv/module.py", 12};
	const struct profile_frame wide = {
		"\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93",
		"/srv/a/bbbbbbbbbbbbbbbbbbbbbbbbbbbbb.py", 12};

	assert_place(&deep, 1, "handler (\xe2\x80\xa6/20240101/src/package/module.py:12)");
	assert_place(&flat, 1, "handler_with_a_really_long_name_that_fills_the_line\xe2\x80\xa6");
	/* Two columns each: 12 + 2 + 1 + 33 + 3 + 1 = 52 columns fit. */
	assert_place(&wide, 1,
		     "\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93\xe7\xbc\x93"
		     " (\xe2\x80\xa6/bbbbbbbbbbbbbbbbbbbbbbbbbbbbb.py:12)");
}

static void test_what_has_no_row_is_summed(void **state)
{
	struct profile *profile = profile__new();
	const char *line;
	char *text;
	int i, rows = 0;

	for (i = 1; i <= 23; i++)
		ADD(profile, OBJECT, VALUES(100, 1, 200, i), {"f", "/a.py", i});
	text = rendered(&render_text, profile, PROFILE_ALLOC_OBJECTS);
	for (line = strstr(text, "f (/a.py:"); line; line = strstr(line + 1, "f (/a.py:"))
		rows++;
	assert_int_equal(rows, 20);
	assert_non_null(strstr(text, "object: largest stacks by blocks allocated\n"));
	assert_non_null(strstr(text, "     100 B    8.3 %              1       200 B  f (/a.py:23)\n"));
	assert_null(strstr(text, "f (/a.py:3)"));
	/* 1 + 2 + 3 of 276 */
	assert_non_null(strstr(text, "     300 B    2.2 %              3       600 B  other: 3 stacks\n"
				     "   2.2 KiB  100.0 %             23     4.5 KiB  total: 23 stacks\n"));
	free(text);
}

static void test_empty_profile(void **state)
{
	assert_rendered(&render_text, profile__new(), PROFILE_INUSE_SPACE,
			"no allocations in this profile\n\n");
}

static void test_full_device(void **state)
{
	assert_fails_on_full_device(&render_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_library_is_not_the_place),
		cmocka_unit_test(test_long_places_are_cut),
		cmocka_unit_test(test_what_has_no_row_is_summed),
		cmocka_unit_test(test_empty_profile),
		cmocka_unit_test(test_full_device),
	};

	return cmocka_run_group_tests_name("render_text", tests, NULL, NULL);
}
