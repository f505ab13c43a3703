/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render_test.h"

static void assert_folded(struct profile *profile, const char *expected)
{
	assert_rendered(&render_folded, profile, PROFILE_INUSE_SPACE, expected);
}

/* One frame without a file: its name as it comes out. */
static void assert_name(const char *function, const char *expected)
{
	struct profile *profile = profile__new();
	char line[256];

	ADD(profile, OBJECT, VALUES(1), {function, NULL, 0});
	snprintf(line, sizeof(line), "[object];%s 1\n", expected);
	assert_folded(profile, line);
}

static void test_stacks_are_sorted_by_name(void **state)
{
	struct profile *profile = profile__new();

	ADD(profile, MAPPING, VALUES(5), {"main", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(4), {"main", "/a.py", 1}, {"b", "/a.py", 10});
	ADD(profile, OBJECT, VALUES(3), {"main", "/a.py", 1}, {"b", "/a.py", 9});
	ADD(profile, OBJECT, VALUES(2), {"main", "/a.py", 1}, {"a", "/b.py", 1}, {"z", "/b.py", 1});
	ADD(profile, OBJECT, VALUES(1), {"main", "/a.py", 1}, {"a", "/b.py", 1});
	ADD(profile, OBJECT, VALUES(6), {"main", "/a.py", 1}, {"a", "/a.py", 1});
	assert_folded(profile, "[object];main (/a.py:1);a (/a.py:1) 6\n"
			       "[object];main (/a.py:1);a (/b.py:1) 1\n"
			       "[object];main (/a.py:1);a (/b.py:1);z (/b.py:1) 2\n"
			       "[object];main (/a.py:1);b (/a.py:9) 3\n"
			       "[object];main (/a.py:1);b (/a.py:10) 4\n"
			       "[mapping];main (/a.py:1) 5\n");
}

static void test_the_value_chooses_weights_and_stacks(void **state)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(0, 0, 30, 3), {"freed", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(10, 1, 20, 2), {"kept", "/a.py", 1});
	assert_rendered(&render_folded, profile, PROFILE_INUSE_OBJECTS, "[object];kept (/a.py:1) 1\n");

	profile = profile__new();
	ADD(profile, OBJECT, VALUES(0, 0, 30, 3), {"freed", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(10, 1, 20, 2), {"kept", "/a.py", 1});
	assert_rendered(&render_folded, profile, PROFILE_ALLOC_SPACE,
			"[object];freed (/a.py:1) 30\n[object];kept (/a.py:1) 20\n");
}

static void test_frames_without_line_file_or_stack(void **state)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(1), {"[truncated]", NULL, 0}, {"f", "/a.py", 0});
	ADD(profile, OBJECT, VALUES(INT64_MAX - 8), {"[stack table full]", NULL, 0});
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_MAPPING, NULL, NULL, 0, VALUES(7)), 0);
	assert_folded(profile, "[object];[stack table full] 9223372036854775799\n"
			       "[object];[truncated];f (/a.py) 1\n"
			       "[mapping] 7\n");
	assert_name("", "?");
}

static void test_separators_in_names_are_replaced(void **state)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(1), {"a;b\nc\td\x1b[31m\x7f", "/x;y\r\n.py", 3});
	assert_folded(profile, "[object];a:b_c_d_[31m_ (/x:y__.py:3) 1\n");
	assert_name("line\xe2\x80\xa8separator", "line_separator"); /* U+2028 ends a line for speedscope */
	assert_name("\xc2\x9b"
		    "31m",
		    "_31m"); /* U+009B is a terminal's one-character escape */
	assert_name("a\xe2\x80\xae"
		    "b",
		    "a_b"); /* U+202E turns the direction of text */
}

static void test_no_name_ends_in_a_weight(void **state)
{
	assert_name("f 12", "f_12");
	assert_name("a b 1.5", "a_b_1.5");
	assert_name("f 12 ", "f_12_");
	assert_name("f12", "f12");
	assert_name("f 12 g", "f 12 g");
}

static void test_output_is_utf8(void **state)
{
	assert_name("\xc3\xa9\xe7\xbc\x93\xf0\x9f\x98\x80", "\xc3\xa9\xe7\xbc\x93\xf0\x9f\x98\x80");
	assert_name("a\xff", "a\xef\xbf\xbd");
	assert_name("a\xc3", "a\xef\xbf\xbd");                               /* cut */
	assert_name("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong '/' */
	assert_name("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
	assert_name("\xf4\x90\x80\x80",
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* past U+10FFFF */
	assert_name("\xef\xbf\xbf", "\xef\xbf\xbd");                     /* U+FFFF is no character */
}

static void test_empty_profile(void **state)
{
	assert_folded(profile__new(), "");
}

static void test_full_device(void **state)
{
	assert_fails_on_full_device(&render_folded);
}

static void test_renderer_is_found(void **state)
{
	assert_ptr_equal(renderer__by_name("folded"), &render_folded);
	assert_ptr_equal(renderer__by_name("svg"), &render_svg);
	assert_ptr_equal(renderer__by_name("text"), &render_text);
	assert_null(renderer__by_name("SVG"));
	assert_null(renderer__by_name(""));
	assert_ptr_equal(renderer__by_path("/tmp/x.svg/out.folded"), &render_folded);
	assert_ptr_equal(renderer__by_path("out.svg"), &render_svg);
	assert_ptr_equal(renderer__by_path("out.txt"), &render_text);
	assert_null(renderer__by_path("out.svg.gz"));
	assert_null(renderer__by_path("svg"));
	assert_null(renderer__by_path(".svg"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_are_sorted_by_name),
		cmocka_unit_test(test_the_value_chooses_weights_and_stacks),
		cmocka_unit_test(test_frames_without_line_file_or_stack),
		cmocka_unit_test(test_separators_in_names_are_replaced),
		cmocka_unit_test(test_no_name_ends_in_a_weight),
		cmocka_unit_test(test_output_is_utf8),
		cmocka_unit_test(test_empty_profile),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_renderer_is_found),
	};

	return cmocka_run_group_tests_name("render_folded", tests, NULL, NULL);
}
