/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the file says; what a browser makes of it is in tests/integration/test_svg_browser.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render_test.h"

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("expected:\n%s\nin:\n%s", part, text);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (text = strstr(text, part); text; text = strstr(text + 1, part))
		n++;
	return n;
}

static char *svg(struct profile *profile, enum profile_value value)
{
	char *text = rendered(&render_svg, profile, value);
	char *style = strstr(text, "</style>");
	char *script = strstr(text, "<script>");

	/* What is left is the picture. */
	assert_non_null(style);
	assert_non_null(script);
	*script = '\0';
	return text;
}

static void test_frames_of_two_domains(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(750, 3, 7500, 30), {"main", "/a.py", 1}, {"x", "/a.py", 2});
	ADD(profile, OBJECT, VALUES(250, 1, 2500, 10), {"main", "/a.py", 1}, {"y", "/a.py", 3});
	ADD(profile, MAPPING, VALUES(4096, 1, 8192, 2), {"main", "/a.py", 1});
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, ">linger: bytes allocated and still alive</text>");
	assert_contains(text, ">object: 1000 B (1,000 bytes) in 4 blocks<");
	assert_contains(text, ">mapping: 4.0 KiB (4,096 bytes) in 1 block<");
	assert_contains(text, "<g class=\"f root\" data-f=\"0 1000 0\"><title>[object]\n"
			      "1000 B (1,000 bytes) in 4 blocks\n"
			      "100.00 % of object by bytes allocated and still alive</title>"
			      "<rect x=\"10.0\" y=\"36\" width=\"1179.5\" height=\"17\"/>"
			      "<text x=\"13.0\" y=\"49\">[object]</text></g>");
	assert_contains(text, " data-f=\"0 1000 1\"><title>main (/a.py:1)\n");
	assert_contains(text, " data-f=\"750 250 2\"><title>y (/a.py:3)\n"
			      "250 B (250 bytes) in 1 block\n"
			      "25.00 % of object by bytes allocated and still alive</title>"
			      "<rect x=\"895.0\" y=\"0\" width=\"294.5\" height=\"17\"/>"
			      "<text x=\"898.0\" y=\"13\">y (/a.py:3)</text></g>");
	assert_contains(text, " data-f=\"0 4096 1\"><title>main (/a.py:1)\n4.0 KiB");
	assert_int_equal(count(text, "<g class=\"f "), 6);
	free(text);
}

static void test_estimates_are_called_so(void **state)
{
	const struct profile_frame frame = {"main", "/a.py", 1};
	const struct profile_estimate estimate = {.age = PROFILE_UNDER_1MIN, .survivors = 5, .windows = 2};
	struct profile *profile = profile__new();
	char *text;

	assert_int_equal(profile__add_estimate(profile, LINGER_DOMAIN_OBJECT, NULL, &frame, 1,
					       VALUES(1000, 4, 0, 0), &estimate),
			 0);
	ADD(profile, MAPPING, VALUES(4096, 1, 8192, 2), {"main", "/a.py", 1});
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, ">object: estimated 1000 B (1,000 bytes) in 4 blocks<");
	assert_contains(text, ">mapping: 4.0 KiB (4,096 bytes) in 1 block<");
	free(text);
}

static void test_blocks_set_the_width_and_bytes_stay(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(750, 3, 7500, 10), {"x", "/a.py", 2});
	ADD(profile, OBJECT, VALUES(0, 0, 2500, 30), {"y", "/a.py", 3});
	text = svg(profile, PROFILE_ALLOC_OBJECTS);
	assert_contains(text, " data-f=\"10 30 1\"><title>y (/a.py:3)\n"
			      "2.4 KiB (2,500 bytes) in 30 blocks\n"
			      "75.00 % of object by blocks allocated</title>");
	free(text);
}

static void test_a_recursive_frame_is_not_merged(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(10, 1), {"f", "/a.py", 1}, {"f", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(20, 1), {"f", "/a.py", 1});
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, " data-f=\"0 30 1\"><title>f (/a.py:1)\n30 B (30 bytes) in 2 blocks\n");
	assert_contains(text, " data-f=\"20 10 2\"><title>f (/a.py:1)\n10 B (10 bytes) in 1 block\n");
	free(text);
}

/* 99 of 1,000,000 is left out, 100 is drawn; the caller's width has both. */
static void test_narrow_frames_count_in_their_callers(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(999801, 1), {"main", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(100, 1), {"main", "/a.py", 1}, {"drawn", "/a.py", 1});
	ADD(profile, OBJECT, VALUES(99, 1), {"main", "/a.py", 1}, {"hidden", "/a.py", 1},
	    {"below", "/a.py", 1});
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, " data-f=\"0 1000000 1\"><title>main (/a.py:1)\n");
	assert_contains(text, "<title>drawn (/a.py:1)\n");
	assert_null(strstr(text, "hidden"));
	assert_null(strstr(text, "below ("));
	assert_contains(
		text, ">Not drawn: 2 frames below 0.01 % of the domain; the callers' widths include them.<");
	assert_contains(text, "<g class=\"graph\" data-depth=\"2\"");
	free(text);
}

static void test_names_are_cut_to_their_frame(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(800, 1), {"rest", NULL, 0});
	ADD(profile, OBJECT, VALUES(200, 1), {"function", "/srv/application/package/module.py", 7});
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, "<title>function (/srv/application/package/module.py:7)\n");
	assert_contains(text, ">function (\xe2\x80\xa6/module.py:7)</text>");
	free(text);
}

static void test_hostile_names_are_escaped(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(1, 1), {"</title><script>\"&]]>\x01\xff", "/<b>.py", 1});
	assert_int_equal(profile__add_note(profile, "</text><script>alert(1)</script>"), 0);
	text = rendered(&render_svg, profile, PROFILE_INUSE_SPACE);
	assert_contains(
		text,
		"<title>&lt;/title&gt;&lt;script&gt;&quot;&amp;]]&gt;_\xef\xbf\xbd (/&lt;b&gt;.py:1)\n");
	assert_contains(text, ">&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;</text>");
	assert_int_equal(count(text, "<script"), 1);
	assert_int_equal(count(text, "]]>"), 1);
	free(text);
}

/* No address but the names of the two XML languages. */
static void test_file_refers_to_nothing_else(void **state)
{
	struct profile *profile = profile__new();
	char *text;

	ADD(profile, OBJECT, VALUES(1, 1), {"f", "/a.py", 1});
	text = rendered(&render_svg, profile, PROFILE_INUSE_SPACE);
	assert_int_equal(count(text, "://"), 3);
	assert_int_equal(count(text, "\"http://www.w3.org/2000/svg\""), 2);
	assert_int_equal(count(text, "\"http://www.w3.org/1999/xhtml\""), 1);
	assert_int_equal(count(text, "href"), 0);
	assert_int_equal(count(text, "url("), 0);
	assert_int_equal(count(text, "@import"), 0);
	free(text);
}

static void test_notes_are_broken_into_lines(void **state)
{
	struct profile *profile = profile__new();
	char note[120];
	char *text;

	memset(note, 'a', sizeof(note));
	strcpy(note + 100, " second line");
	assert_int_equal(profile__add_note(profile, note), 0);
	memset(note, 'b', 110);
	note[110] = '\0';
	assert_int_equal(profile__add_note(profile, note), 0);
	strcpy(note + 107, "\xc3\xa9");
	assert_int_equal(profile__add_note(profile, note), 0);
	text = svg(profile, PROFILE_INUSE_SPACE);
	assert_contains(text, ">No allocations in this profile.</text>");
	assert_contains(text, "a second</text>\n<text class=\"remark\" x=\"10\" y=\"128\">line</text>\n");
	assert_contains(text, "b</text>\n<text class=\"remark\" x=\"10\" y=\"160\">bb</text>\n");
	assert_contains(text, "b</text>\n<text class=\"remark\" x=\"10\" y=\"192\">\xc3\xa9</text>\n");
	free(text);
}

static void test_full_device(void **state)
{
	assert_fails_on_full_device(&render_svg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_of_two_domains),
		cmocka_unit_test(test_estimates_are_called_so),
		cmocka_unit_test(test_blocks_set_the_width_and_bytes_stay),
		cmocka_unit_test(test_a_recursive_frame_is_not_merged),
		cmocka_unit_test(test_narrow_frames_count_in_their_callers),
		cmocka_unit_test(test_names_are_cut_to_their_frame),
		cmocka_unit_test(test_hostile_names_are_escaped),
		cmocka_unit_test(test_file_refers_to_nothing_else),
		cmocka_unit_test(test_notes_are_broken_into_lines),
		cmocka_unit_test(test_full_device),
	};

	return cmocka_run_group_tests_name("render_svg", tests, NULL, NULL);
}
