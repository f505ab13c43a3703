/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render_test.h"

#define SECOND 1000000000ull
#define HEAD "\n      live       95 % interval    share  survivors  growth              where\n"

static const struct profile_frame main_frame = {"main", "/srv/main.py", 3};
static const struct profile_frame put_frame = {"put", "/srv/cache.py", 17};
static const struct profile_frame loads_frame = {"loads", "/usr/lib/python3.11/json/x.py", 9};

/* What a terminal shows, as renderer__render prepares it; frees the profile. */
static char *shown(struct profile *profile, enum profile_value value)
{
	struct profile *merged = profile__new();

	assert_int_equal(profile__merge_threads(profile, merged), 0);
	profile__free(profile);
	return rendered(&render_text, merged, value);
}

static void assert_shown(struct profile *profile, enum profile_value value, const char *expected)
{
	char *text = shown(profile, value);

	assert_string_equal(text, expected);
	free(text);
}

static void test_table(void **state)
{
	struct profile *profile = profile__new();

	profile__set_time(profile, 1, 600 * SECOND);
	ADD_ESTIMATE(profile, OBJECT, VALUES(1 << 20, 10000, 1 << 22, 9),
		     ESTIMATE(PROFILE_UNDER_1MIN, 20, 10, 12000, 9e10, 16e10, .types = {{"str", 20}}),
		     main_frame, put_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(3 << 20, 30000, 0, 0),
		     ESTIMATE(PROFILE_UNDER_10MIN, 60, 30, 61000, 16e10, 9e10,
			      .types = {{"cache.Entry", 40}, {"str", 12}, {"d\x1b", 8}}),
		     main_frame, put_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(1000, 1, 0, 0), ESTIMATE(PROFILE_UNDER_10MIN, 9, 9, 300000),
		     main_frame, loads_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(600, 6, 0, 0),
		     ESTIMATE(PROFILE_UNDER_10S, 2, 2, 100, 10000, 10000), {"[younger than 10 s]"},
		     main_frame, put_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(400, 4, 0, 0),
		     ESTIMATE(PROFILE_UNDER_10S, 2, 2, 100, 10000, 10000), {"[younger than 10 s]"},
		     main_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(48, 1, 0, 0),
		     ESTIMATE(PROFILE_UNDER_1MIN, 1, 1, 20000, 1e9, 2500), {"[too few survivors]"},
		     main_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(512, 2, 0, 0), ESTIMATE(0, 0, 0, UINT64_MAX),
		     {"[no survivor sampled]"});
	/* All of it has gone. */
	ADD_ESTIMATE(profile, OBJECT, VALUES(0, 0, 1 << 20, 991), ESTIMATE(0, 0, 0, UINT64_MAX), main_frame);
	assert_int_equal(profile__add_note(profile, "windows: 40"), 0);
	assert_shown(
		profile, PROFILE_INUSE_SPACE,
		"object: largest stacks by bytes allocated and still alive, estimated from 94 survivors\n"
		"apart, as sums: younger than 10 s, too few survivors, no survivor sampled\n" HEAD
		"   4.0 MiB       3.5 - 4.5 MiB   99.9 %         80  growing             put "
		"(/srv/cache.py:17)\n"
		"    40,000 blocks, age 10s-1min 25 %, 1-10min 75 %\n"
		"           of type cache.Entry 50 %, str 40 %, d_ 10 %\n"
		"    1000 B                        0.0 %          9  stopped 5 min ago   main "
		"(/srv/main.py:3)\n"
		"         1 block, age 1-10min                                             via loads "
		"(\xe2\x80\xa6/python3.11/json/x.py:9)\n"
		"    1000 B       0.8 - 1.1 KiB    0.0 %          4                      younger than 10 s: "
		"2 "
		"stacks\n"
		"        10 blocks, age <10s\n"
		"      48 B            0 - 98 B    0.0 %          1                      too few survivors: "
		"1 "
		"stack\n"
		"         1 block, age 10s-1min\n"
		"     512 B                        0.0 %          0                      no survivor "
		"sampled\n"
		"         2 blocks\n"
		"   4.0 MiB                      100.0 %         94                      total\n"
		"    40,014 blocks, age <10s 0 %, 10s-1min 25 %, 1-10min 75 %\n"
		"   5.0 MiB  allocated in all, in 1,000 blocks: what the windows saw, scaled up to the whole "
		"time\n\n"
		"note: windows: 40\n");
}

static void test_raw_blocks_outlived_their_window(void **state)
{
	struct profile *profile = profile__new();

	profile__set_time(profile, 1, 60 * SECOND);
	ADD_ESTIMATE(profile, RAW, VALUES(4096, 1, 4096, 1), ESTIMATE(0, 1, 1, 50000),
		     {"[outlived its window]"}, main_frame);
	assert_shown(profile, PROFILE_INUSE_OBJECTS,
		     "raw: largest stacks by blocks allocated and still alive at the end of their window, "
		     "estimated from 1 survivor\n" HEAD "   4.0 KiB                      100.0 %          1  "
		     "                    main (/srv/main.py:3)\n"
		     "         1 block\n"
		     "   4.0 KiB                      100.0 %          1                      total\n"
		     "         1 block\n"
		     "   4.0 KiB  allocated in all, in 1 block: what the windows saw, scaled up to the whole "
		     "time\n\n");
}

static void test_allocated_values_have_no_survivors(void **state)
{
	struct profile *profile = profile__new();

	ADD_ESTIMATE(profile, OBJECT, VALUES(100, 1, 200, 2), ESTIMATE(PROFILE_UNDER_1MIN, 1, 1, 20000),
		     main_frame);
	assert_shown(profile, PROFILE_ALLOC_SPACE,
		     "object: largest stacks by bytes allocated, estimated\n\n"
		     "      live    share    live blocks   allocated  where\n"
		     "     100 B  100.0 %              1       200 B  main (/srv/main.py:3)\n"
		     "     100 B  100.0 %              1       200 B  total: 1 stack\n\n");
}

/* The growth that is shown for a stack of so many windows in a recording of 100 s. */
static void assert_growth(uint64_t windows, uint64_t newest_ms, const char *expected)
{
	struct profile *profile = profile__new();
	char *text, *row;

	profile__set_time(profile, 1, 100 * SECOND);
	ADD_ESTIMATE(profile, OBJECT, VALUES(100, 1, 100, 1),
		     ESTIMATE(PROFILE_UNDER_10MIN, 1000, windows, newest_ms), main_frame);
	ADD_ESTIMATE(profile, OBJECT, VALUES(1, 1, 1, 1), ESTIMATE(PROFILE_UNDER_10S, 1, 1, 0),
		     {"[younger than 20 s]"}, main_frame);
	text = shown(profile, PROFILE_INUSE_SPACE);
	row = strstr(text, "      1,000  ") + strlen("      1,000  ");
	strstr(row, "  main")[0] = '\0';
	while (*row && row[strlen(row) - 1] == ' ')
		row[strlen(row) - 1] = '\0';
	assert_string_equal(row, expected);
	free(text);
}

/* Survivors older than 20 s lie in 80 s of the recording. */
static void test_growth(void **state)
{
	assert_growth(1000, 5000, "growing");
	assert_growth(1000, 20000, "growing");
	assert_growth(1000, 21000, "stopped 21 s ago");
	/* 0.5 to the fifth is less than 0.05, to the fourth it is not, but three in 40 s and then none is
	 * odd. */
	assert_growth(2, 60000, "growing");
	assert_growth(4, 60000, "last 60 s ago");
	assert_growth(5, 60000, "stopped 60 s ago");
	assert_growth(1, 95000, "last 95 s ago");
	assert_growth(1, 97000, "stopped 97 s ago");
	assert_growth(1, 200000, "stopped 3 min ago");
	assert_growth(1, 4 * 3600000, "stopped 4 h ago");
	assert_growth(0, 60000, "");
	assert_growth(1, UINT64_MAX, "");
}

static void test_what_has_no_row_is_summed(void **state)
{
	struct profile *profile = profile__new();
	const char *line;
	char *text;
	int rows = 0;

	for (int i = 1; i <= 23; i++)
		ADD_ESTIMATE(profile, OBJECT, VALUES(i, 1, 1, 1), ESTIMATE(PROFILE_OLDER, 2, 1, 900000, 1, 1),
			     {"f", "/a.py", i});
	/* A loss, which is exact. */
	ADD(profile, OBJECT, VALUES(1, 1, 1, 1), {"[dropped: live set full]"});
	text = shown(profile, PROFILE_INUSE_SPACE);
	for (line = strstr(text, "f (/a.py:"); line; line = strstr(line + 1, "f (/a.py:"))
		rows++;
	assert_int_equal(rows, 20);
	assert_non_null(strstr(text,
			       "       7 B             5 - 9 B    2.5 %          6                      "
			       "other: 4 stacks\n         4 blocks, age >10min 86 %\n"));
	assert_non_null(strstr(text, "survivors\n\n      live")); /* nothing is apart */
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_raw_blocks_outlived_their_window),
		cmocka_unit_test(test_allocated_values_have_no_survivors),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_what_has_no_row_is_summed),
	};

	return cmocka_run_group_tests_name("render_text_estimate", tests, NULL, NULL);
}
