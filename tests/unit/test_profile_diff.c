/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile_diff.h"
#include "render_test.h"

#define MAIN                                                                                                 \
	{                                                                                                    \
		"main", "/srv/main.py", 3, 1                                                                 \
	}
#define PUT                                                                                                  \
	{                                                                                                    \
		"put", "/srv/cache.py", 17, 16                                                               \
	}
#define GET                                                                                                  \
	{                                                                                                    \
		"get", "/srv/cache.py", 27, 26                                                               \
	}
#define GONE                                                                                                 \
	{                                                                                                    \
		"gone", "/srv/old.py", 7, 6                                                                  \
	}
#define CAME                                                                                                 \
	{                                                                                                    \
		"came", "/srv/new.py", 9, 8                                                                  \
	}

static struct profile *before_profile(void)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(1000, 10, 5000, 50), MAIN, PUT);
	ADD(profile, OBJECT, VALUES(3000, 30, 3000, 30), MAIN, GET);
	ADD(profile, OBJECT, VALUES(500, 5, 700, 7), MAIN, GONE);
	ADD(profile, OBJECT, VALUES(64, 1, 64, 1), MAIN);
	ADD(profile, MAPPING, VALUES(4096, 1, 4096, 1), MAIN);
	assert_int_equal(profile__add_note(profile, "first"), 0);
	return profile;
}

static struct profile *after_profile(void)
{
	struct profile *profile = profile__new();

	ADD(profile, OBJECT, VALUES(2000, 20, 9000, 90), MAIN, CAME);
	ADD(profile, OBJECT, VALUES(5000, 55, 5000, 55), MAIN, PUT);
	ADD(profile, OBJECT, VALUES(1000, 10, 9000, 90), MAIN, GET);
	ADD(profile, OBJECT, VALUES(64, 1, 64, 1), MAIN);
	ADD(profile, MAPPING, VALUES(4096, 1, 8192, 2), MAIN);
	assert_int_equal(profile__add_note(profile, "second"), 0);
	return profile;
}

static struct profile_diff *compared(struct profile *before, struct profile *after)
{
	struct profile_diff *diff;

	assert_int_equal(profile_diff__new(before, after, &diff), 0);
	profile__free(before);
	if (after != before)
		profile__free(after);
	return diff;
}

static uint64_t sum(const struct profile_diff *diff, enum linger_domain domain, enum profile_value value,
		    int what)
{
	uint64_t total = 0;

	for (size_t i = 0; i < profile_diff__n_pairs(diff); i++) {
		const struct profile_pair *pair = profile_diff__pair(diff, i);

		if (pair->stack->domain == domain)
			total += what == 0   ? pair->before[value]
				 : what == 1 ? pair->after[value]
					     : (uint64_t)profile_pair__change(pair, value);
	}
	return total;
}

/*
 * --- the difference --------------------------------------------------------------------------------------
 */

static void test_every_stack_once_with_both_values(void **state)
{
	struct profile_diff *diff = compared(before_profile(), after_profile());

	assert_int_equal(profile_diff__n_pairs(diff), 6);
	for (size_t i = 0; i < 6; i++) {
		const struct profile_pair *pair = profile_diff__pair(diff, i);
		const char *leaf = pair->stack->frames[pair->stack->n_frames - 1]->function;

		if (!strcmp(leaf, "put"))
			assert_int_equal(profile_pair__change(pair, PROFILE_INUSE_SPACE), 4000);
		if (!strcmp(leaf, "get"))
			assert_int_equal(profile_pair__change(pair, PROFILE_INUSE_SPACE), -2000);
		if (!strcmp(leaf, "gone"))
			assert_int_equal(pair->after[PROFILE_INUSE_SPACE], 0);
		if (!strcmp(leaf, "came"))
			assert_int_equal(pair->before[PROFILE_INUSE_SPACE], 0);
	}
	profile_diff__free(diff);
}

static void test_before_and_changes_are_after(void **state)
{
	struct profile *before = before_profile(), *after = after_profile();
	struct profile_diff *diff;

	assert_int_equal(profile_diff__new(before, after, &diff), 0);
	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		for (int value = 0; value < PROFILE_VALUES; value++) {
			assert_int_equal(sum(diff, domain, value, 0), profile__total(before, domain, value));
			assert_int_equal(sum(diff, domain, value, 1), profile__total(after, domain, value));
			assert_int_equal(sum(diff, domain, value, 0) + sum(diff, domain, value, 2),
					 sum(diff, domain, value, 1));
		}
	}
	profile__free(before);
	profile__free(after);
	profile_diff__free(diff);
}

static void test_with_itself_it_is_empty(void **state)
{
	struct profile *profile = before_profile();
	struct profile_diff *diff = compared(profile, profile);

	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		for (int value = 0; value < PROFILE_VALUES; value++)
			assert_int_equal(profile_diff__n_changes(diff, domain, value), 0);
	profile_diff__free(diff);
}

static void test_changes_are_counted_by_value(void **state)
{
	struct profile_diff *diff = compared(before_profile(), after_profile());

	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_OBJECT, PROFILE_INUSE_SPACE), 4);
	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_OBJECT, PROFILE_ALLOC_SPACE), 3);
	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_MAPPING, PROFILE_INUSE_SPACE), 0);
	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_MAPPING, PROFILE_ALLOC_SPACE), 1);
	profile_diff__free(diff);
}

/* A pool of threads does not make a stack another one, nor does an edit above it. */
static void test_threads_and_first_lines_do_not_count(void **state)
{
	struct profile *before = profile__new(), *after = profile__new();
	const struct profile_frame frame = {"f", "/a.py", 5, 1}, moved = {"f", "/a.py", 5, 2};
	struct profile_diff *diff;

	profile__add(before, LINGER_DOMAIN_OBJECT, "one", &frame, 1, VALUES(1, 1, 1, 1));
	profile__add(before, LINGER_DOMAIN_OBJECT, "two", &frame, 1, VALUES(2, 2, 2, 2));
	profile__add(after, LINGER_DOMAIN_OBJECT, NULL, &moved, 1, VALUES(3, 3, 3, 3));
	diff = compared(before, after);
	assert_int_equal(profile_diff__n_pairs(diff), 1);
	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_OBJECT, PROFILE_INUSE_SPACE), 0);
	profile_diff__free(diff);
}

/* A stack that grows older is the same stack. */
static void test_ages_do_not_count(void **state)
{
	struct profile *before = profile__new(), *after = profile__new();
	struct profile_diff *diff;

	ADD_ESTIMATE(before, OBJECT, VALUES(10, 1, 10, 1), ESTIMATE(PROFILE_UNDER_1MIN, 1, 1, 30000),
		     {"f", "/a.py", 5});
	ADD_ESTIMATE(before, OBJECT, VALUES(20, 2, 20, 2), ESTIMATE(PROFILE_UNDER_10MIN, 2, 2, 90000),
		     {"f", "/a.py", 5});
	ADD_ESTIMATE(after, OBJECT, VALUES(30, 3, 30, 3), ESTIMATE(PROFILE_OLDER, 3, 3, 900000),
		     {"f", "/a.py", 5});
	diff = compared(before, after);
	assert_int_equal(profile_diff__n_pairs(diff), 1);
	assert_int_equal(profile_diff__n_changes(diff, LINGER_DOMAIN_OBJECT, PROFILE_INUSE_SPACE), 0);
	profile_diff__free(diff);
}

static void test_notes_say_whose_they_are(void **state)
{
	struct profile_diff *diff = compared(before_profile(), after_profile());

	assert_int_equal(profile_diff__n_notes(diff), 2);
	assert_string_equal(profile_diff__note(diff, 0), "before: first");
	assert_string_equal(profile_diff__note(diff, 1), "after: second");
	profile_diff__free(diff);
}

static void test_many_stacks(void **state)
{
	struct profile *before = profile__new(), *after = profile__new();
	struct profile_diff *diff;

	for (int i = 0; i < 30000; i++) {
		struct profile_frame frames[] = {MAIN, {"f", "/a.py", i}};

		profile__add(i % 3 ? before : after, LINGER_DOMAIN_OBJECT, NULL, frames, 2,
			     VALUES(i, 1, i, 1));
		if (i % 2)
			profile__add(after, LINGER_DOMAIN_OBJECT, NULL, frames, 2, VALUES(1, 1, 1, 1));
	}
	diff = compared(before, after);
	assert_int_equal(profile_diff__n_pairs(diff), 30000);
	profile_diff__free(diff);
}

/*
 * --- how it is shown -------------------------------------------------------------------------------------
 */

static char *shown(const struct renderer *renderer, struct profile_diff *diff, enum profile_value value)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	assert_int_equal(renderer->render_diff(diff, value, out), 0);
	fclose(out);
	profile_diff__free(diff);
	return text;
}

static void assert_shown(const struct renderer *renderer, struct profile_diff *diff, enum profile_value value,
			 const char *expected)
{
	char *text = shown(renderer, diff, value);

	assert_string_equal(text, expected);
	free(text);
}

static void test_folded(void **state)
{
	assert_shown(&render_folded, compared(before_profile(), after_profile()), PROFILE_INUSE_SPACE,
		     "[object];main (/srv/main.py:3);came (/srv/new.py:9) 0 2000\n"
		     "[object];main (/srv/main.py:3);get (/srv/cache.py:27) 3000 1000\n"
		     "[object];main (/srv/main.py:3);gone (/srv/old.py:7) 500 0\n"
		     "[object];main (/srv/main.py:3);put (/srv/cache.py:17) 1000 5000\n");
}

static void test_text(void **state)
{
	assert_shown(&render_text, compared(before_profile(), after_profile()), PROFILE_INUSE_SPACE,
		     "object: stacks that grew and stacks that shrank, by bytes allocated and still alive\n"
		     "\n"
		     "       before          after          change       blocks  where\n"
		     "        1,000          5,000          +4,000          +45  put (/srv/cache.py:17)\n"
		     "            0          2,000          +2,000          +20  came (/srv/new.py:9)\n"
		     "        3,000          1,000          -2,000          -20  get (/srv/cache.py:27)\n"
		     "          500              0            -500           -5  gone (/srv/old.py:7)\n"
		     "           64             64               0            0  unchanged: 1 stack\n"
		     "        4,564          8,064          +3,500          +40  total: 5 stacks\n"
		     "\n"
		     "note: before: first\n"
		     "note: after: second\n");
}

static void test_text_by_blocks(void **state)
{
	char *text = shown(&render_text, compared(before_profile(), after_profile()), PROFILE_INUSE_OBJECTS);

	assert_non_null(strstr(text, "       before          after          change        bytes  where\n"
				     "           10             55             +45       +4,000  put ("));
	free(text);
}

/* 40 grow and 30 shrink; what has no row of its own is in the sums. */
static void test_text_adds_up_what_it_leaves_out(void **state)
{
	struct profile *before = profile__new(), *after = profile__new();
	char *text;

	for (int i = 0; i < 70; i++) {
		struct profile_frame frame = {"f", "/a.py", i + 1};

		profile__add(i < 40 ? after : before, LINGER_DOMAIN_OBJECT, NULL, &frame, 1,
			     VALUES(i + 1, 1, i + 1, 1));
	}
	text = shown(&render_text, compared(before, after), PROFILE_INUSE_SPACE);
	assert_non_null(strstr(text, "            0            465            +465          +30  "
				     "others that grew: 30 stacks\n"));
	assert_non_null(strstr(text, "        1,010              0          -1,010          -20  "
				     "others that shrank: 20 stacks\n"));
	assert_non_null(strstr(text, "        1,665            820            -845          +10  "
				     "total: 70 stacks\n"));
	free(text);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_svg_colours_say_the_direction(void **state)
{
	char *text = shown(&render_svg, compared(before_profile(), after_profile()), PROFILE_INUSE_SPACE);

	assert_non_null(strstr(text, "<g class=\"f grown6\" data-f=\"5564 5000 2\"><title>put"));
	assert_non_null(strstr(text, "<g class=\"f grown3\" data-f=\"64 2000 2\"><title>came"));
	assert_non_null(strstr(text, "<g class=\"f shrunk3\" data-f=\"2064 3000 2\"><title>get"));
	assert_non_null(strstr(text, "<g class=\"f shrunk1\" data-f=\"5064 500 2\"><title>gone"));
	assert_non_null(strstr(text, "<g class=\"f grown6\" data-f=\"0 10564 1\"><title>main"));
	assert_non_null(strstr(text, "before: 1000 B (1,000 bytes) in 10 blocks\n"
				     "after: 4.9 KiB (5,000 bytes) in 55 blocks\n"
				     "change: +3.9 KiB (+4,000 bytes), +45 blocks</title>"));
	/* The mapping domain did not change. */
	assert_int_equal(count(text, "class=\"graph\""), 1);
	free(text);
}

static void test_nothing_changed(void **state)
{
	const struct renderer *const renderers[] = {&render_folded, &render_text, &render_svg};
	const char *const expected[] = {
		"", "no change: every stack has the same bytes allocated and still alive in "
		    "both profiles\n"};

	for (int i = 0; i < 3; i++) {
		struct profile *profile = before_profile();
		char *text = shown(renderers[i], compared(profile, profile), PROFILE_INUSE_SPACE);

		if (i < 2)
			assert_string_equal(text, expected[i]);
		else
			assert_non_null(strstr(text, ">No change.</text>"));
		free(text);
	}
}

static void test_empty_profiles(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct profile *profile = profile__new();

		free(shown(i ? &render_svg : &render_text, compared(profile, profile),
			   PROFILE_ALLOC_OBJECTS));
	}
}

static void test_free_takes_null(void **state)
{
	profile_diff__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_stack_once_with_both_values),
		cmocka_unit_test(test_before_and_changes_are_after),
		cmocka_unit_test(test_with_itself_it_is_empty),
		cmocka_unit_test(test_changes_are_counted_by_value),
		cmocka_unit_test(test_threads_and_first_lines_do_not_count),
		cmocka_unit_test(test_ages_do_not_count),
		cmocka_unit_test(test_notes_say_whose_they_are),
		cmocka_unit_test(test_many_stacks),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_by_blocks),
		cmocka_unit_test(test_text_adds_up_what_it_leaves_out),
		cmocka_unit_test(test_svg_colours_say_the_direction),
		cmocka_unit_test(test_nothing_changed),
		cmocka_unit_test(test_empty_profiles),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests_name("profile_diff", tests, NULL, NULL);
}
