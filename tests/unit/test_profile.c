/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profile.h"

static const struct profile_frame outer = {"outer", "/srv/a.py", 1};
static const struct profile_frame inner = {"inner", "/srv/a.py", 2};

static void test_equal_stacks_are_merged(void **state)
{
	struct profile *profile = profile__new();
	/* Equal text at other addresses. */
	char function[] = "inner", file[] = "/srv/a.py";
	struct profile_frame one[] = {outer, inner};
	struct profile_frame two[] = {outer, {function, file, 2}};
	const struct profile_sample *sample;

	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, one, 2, (uint64_t[]){1, 2, 3, 4}),
			 0);
	assert_int_equal(
		profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, two, 2, (uint64_t[]){10, 20, 30, 40}), 0);
	assert_int_equal(profile__n_samples(profile), 1);
	sample = profile__sample(profile, 0);
	assert_int_equal(sample->n_frames, 2);
	assert_string_equal(sample->frames[0]->function, "outer");
	assert_string_equal(sample->frames[1]->function, "inner");
	assert_int_equal(sample->values[PROFILE_INUSE_SPACE], 11);
	assert_int_equal(sample->values[PROFILE_INUSE_OBJECTS], 22);
	assert_int_equal(sample->values[PROFILE_ALLOC_SPACE], 33);
	assert_int_equal(sample->values[PROFILE_ALLOC_OBJECTS], 44);
	profile__free(profile);
}

/* A hostile target can make its counters say anything. */
static void test_totals_do_not_wrap(void **state)
{
	struct profile *profile = profile__new();
	const uint64_t values[] = {UINT64_MAX, 1, (uint64_t)INT64_MAX - 1, 2};

	for (int line = 1; line <= 2; line++)
		assert_int_equal(profile__add(profile, LINGER_DOMAIN_MAPPING, NULL,
					      &(struct profile_frame){"f", "/srv/a.py", line}, 1, values),
				 0);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_MAPPING, PROFILE_INUSE_SPACE), INT64_MAX);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_MAPPING, PROFILE_INUSE_OBJECTS), 2);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_MAPPING, PROFILE_ALLOC_SPACE), INT64_MAX);
	assert_int_equal(profile__sample(profile, 1)->values[PROFILE_INUSE_SPACE], 0);
	assert_int_equal(profile__sample(profile, 1)->values[PROFILE_ALLOC_SPACE], 1);
	profile__free(profile);
}

/* Each of these differs from the first in one thing only. */
static void test_different_stacks_are_kept_apart(void **state)
{
	struct profile *profile = profile__new();
	struct profile_frame frames[][2] = {
		{outer, inner},
		{outer, {"inner", "/srv/a.py", 3}},
		{outer, {"inner", "/srv/b.py", 2}},
		{outer, {"inner", NULL, 2}},
		{outer, {"other", "/srv/a.py", 2}},
		{inner, outer},
	};
	size_t n = sizeof(frames) / sizeof(*frames);
	uint64_t values[PROFILE_VALUES] = {1, 1, 1, 1};
	size_t i;

	for (i = 0; i < n; i++)
		assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, frames[i], 2, values), 0);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_MAPPING, NULL, frames[0], 2, values), 0);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, frames[0], 1, values), 0);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, NULL, 0, values), 0);
	assert_int_equal(profile__n_samples(profile), n + 3);
	for (i = 0; i < n + 3; i++)
		assert_int_equal(profile__sample(profile, i)->values[0], 1);
	profile__free(profile);
}

static void test_frames_are_interned(void **state)
{
	struct profile *profile = profile__new();
	struct profile_frame one[] = {outer, inner};
	struct profile_frame two[] = {inner, outer};
	uint64_t values[PROFILE_VALUES] = {1};

	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, one, 2, values), 0);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, two, 2, values), 0);
	assert_ptr_equal(profile__sample(profile, 0)->frames[0], profile__sample(profile, 1)->frames[1]);
	assert_ptr_equal(profile__sample(profile, 0)->frames[1], profile__sample(profile, 1)->frames[0]);
	assert_ptr_equal(profile__sample(profile, 0)->frames[0]->file,
			 profile__sample(profile, 0)->frames[1]->file);
	profile__free(profile);
}

static void test_strings_are_copied(void **state)
{
	struct profile *profile = profile__new();
	char function[] = "before", file[] = "/before.py";
	struct profile_frame frame = {function, file, 7};

	assert_int_equal(
		profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &frame, 1, (uint64_t[PROFILE_VALUES]){1}),
		0);
	memset(function, 'x', strlen(function));
	memset(file, 'x', strlen(file));
	assert_string_equal(profile__sample(profile, 0)->frames[0]->function, "before");
	assert_string_equal(profile__sample(profile, 0)->frames[0]->file, "/before.py");
	profile__free(profile);
}

static void test_threads_and_first_lines_tell_stacks_apart(void **state)
{
	struct profile *profile = profile__new(), *merged = profile__new();
	const struct profile_frame other = {"outer", "/srv/a.py", 1, 1},
				   *frames[] = {&outer, &outer, &outer, &other};
	const char *const threads[] = {NULL, "a", "b", "a"};
	size_t i;

	for (i = 0; i < 4; i++)
		assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, threads[i], frames[i], 1,
					      (uint64_t[PROFILE_VALUES]){1, 1, 1, 1}),
				 0);
	assert_int_equal(profile__n_samples(profile), 4);
	assert_string_equal(profile__sample(profile, 2)->thread, "b");
	assert_int_equal(profile__sample(profile, 2)->index, 2);
	assert_int_equal(profile__merge_threads(profile, merged), 0);
	assert_int_equal(profile__n_samples(merged), 1);
	assert_null(profile__sample(merged, 0)->thread);
	assert_int_equal(profile__sample(merged, 0)->frames[0]->first_line, 0);
	assert_int_equal(profile__sample(merged, 0)->values[PROFILE_ALLOC_SPACE], 4);
	profile__free(profile);
	profile__free(merged);
}

static void test_frames_without_a_file_have_no_line(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_frame frames[] = {{"f", "", 7, 6}, {"f", NULL, 8, 0}};
	size_t i;

	for (i = 0; i < 2; i++)
		assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &frames[i], 1,
					      (uint64_t[PROFILE_VALUES]){1}),
				 0);
	assert_int_equal(profile__n_samples(profile), 1);
	assert_null(profile__sample(profile, 0)->frames[0]->file);
	assert_int_equal(profile__sample(profile, 0)->frames[0]->line, 0);
	profile__free(profile);
}

static void test_totals_are_of_one_domain(void **state)
{
	struct profile *profile = profile__new();

	profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &outer, 1, (uint64_t[]){1, 2, 3, 4});
	profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &inner, 1, (uint64_t[]){10, 20, 30, 40});
	profile__add(profile, LINGER_DOMAIN_MAPPING, NULL, &inner, 1, (uint64_t[]){5, 6, 7, 8});
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_OBJECT, PROFILE_INUSE_SPACE), 11);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_OBJECT, PROFILE_ALLOC_OBJECTS), 44);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_MAPPING, PROFILE_INUSE_OBJECTS), 6);
	profile__free(profile);
}

/*
 * --- estimates -------------------------------------------------------------------------------------------
 */

static void add_estimate(struct profile *profile, const char *thread, const struct profile_frame *frame,
			 uint64_t bytes, const struct profile_estimate *estimate)
{
	assert_int_equal(profile__add_estimate(profile, LINGER_DOMAIN_OBJECT, thread, frame, 1,
					       (uint64_t[]){bytes, 1, 2 * bytes, 2}, estimate),
			 0);
}

static const struct profile_estimate minute = {PROFILE_UNDER_1MIN, 5, 4, 20000, 9, 16};
static const struct profile_estimate minute_again = {PROFILE_UNDER_1MIN, 7, 6, 15000, 16, 9};
static const struct profile_estimate older = {PROFILE_OLDER, 3, 2, 700000, 144, 0};

static void test_ages_tell_stacks_apart(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_sample *sample;

	add_estimate(profile, NULL, &outer, 100, &minute);
	add_estimate(profile, NULL, &outer, 1000, &older);
	add_estimate(profile, NULL, &outer, 200, &minute_again);
	assert_int_equal(profile__n_samples(profile), 2);
	sample = profile__sample(profile, 0);
	assert_int_equal(sample->values[PROFILE_INUSE_SPACE], 300);
	assert_int_equal(sample->estimate->age, PROFILE_UNDER_1MIN);
	assert_int_equal(sample->estimate->survivors, 12);
	assert_int_equal(sample->estimate->windows, 6);
	assert_int_equal(sample->estimate->newest_ms, 15000);
	assert_true(sample->estimate->below_sq == 25 && sample->estimate->above_sq == 25);
	assert_int_equal(profile__sample(profile, 1)->estimate->age, PROFILE_OLDER);
	assert_true(profile__is_estimate(profile, LINGER_DOMAIN_OBJECT));
	assert_false(profile__is_estimate(profile, LINGER_DOMAIN_RAW));
	profile__free(profile);
}

static void add_types(struct profile *profile, const char *thread,
		      const struct profile_type types[PROFILE_TYPES])
{
	struct profile_estimate estimate = minute;

	memcpy(estimate.types, types, sizeof(estimate.types));
	add_estimate(profile, thread, &outer, 100, &estimate);
}

#define TYPES(...) ((const struct profile_type[PROFILE_TYPES]){__VA_ARGS__})

static void assert_type(const struct profile_type *type, const char *name, uint64_t survivors)
{
	assert_string_equal(type->name, name);
	assert_int_equal(type->survivors, survivors);
}

static void test_types_are_added_up(void **state)
{
	struct profile *profile = profile__new(), *merged = profile__new();
	const struct profile_type *types;

	add_types(profile, "a", TYPES({"dict", 5}, {"str", 3}));
	add_types(profile, "a", TYPES({"str", 4}, {"a.B", 1}));
	add_types(profile, "b", TYPES({"a.B", 7}));
	types = profile__sample(profile, 0)->estimate->types;
	assert_type(&types[0], "str", 7);
	assert_type(&types[1], "dict", 5);
	assert_type(&types[2], "a.B", 1);
	assert_int_equal(types[3].survivors, 0);
	assert_int_equal(profile__merge_threads(profile, merged), 0);
	types = profile__sample(merged, 0)->estimate->types;
	assert_type(&types[0], "a.B", 8);
	assert_type(&types[1], "str", 7);
	assert_type(&types[2], "dict", 5);
	assert_ptr_not_equal(types[1].name, profile__sample(profile, 0)->estimate->types[0].name);
	profile__free(profile);
	profile__free(merged);
}

static void test_the_rarest_types_go(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_type *types;

	_Static_assert(PROFILE_TYPES == 8, "as many as are added");
	add_types(
		profile, NULL,
		TYPES({"a", 20}, {"b", 19}, {"c", 18}, {"d", 17}, {"e", 16}, {"f", 15}, {"g", 14}, {"h", 2}));
	add_types(profile, NULL, TYPES({"rare", 2}));
	add_types(profile, NULL, TYPES({"new", 30}));
	types = profile__sample(profile, 0)->estimate->types;
	assert_type(&types[0], "new", 30);
	assert_type(&types[1], "a", 20);
	assert_type(&types[7], "g", 14);
	profile__free(profile);
}

/* Threads may have shared their windows, ages cannot. */
static void test_shown_ages_and_threads_are_one(void **state)
{
	struct profile *profile = profile__new(), *merged = profile__new();
	const struct profile_estimate *estimate;

	add_estimate(profile, "a", &outer, 100, &minute);
	add_estimate(profile, "b", &outer, 200, &minute_again);
	add_estimate(profile, "b", &outer, 1000, &older);
	profile__set_time(profile, 5, 6);
	assert_int_equal(profile__merge_threads(profile, merged), 0);
	assert_int_equal(profile__n_samples(merged), 1);
	assert_int_equal(profile__sample(merged, 0)->values[PROFILE_INUSE_SPACE], 1300);
	estimate = profile__sample(merged, 0)->estimate;
	assert_int_equal(estimate->age, PROFILE_AGE_UNKNOWN);
	assert_int_equal(estimate->survivors, 15);
	assert_int_equal(estimate->windows, 6 + 2);
	assert_int_equal(estimate->newest_ms, 15000);
	assert_int_equal(estimate->bands[PROFILE_UNDER_1MIN].inuse_bytes, 300);
	assert_int_equal(estimate->bands[PROFILE_OLDER].inuse_bytes, 1000);
	assert_int_equal(profile_sample__interval(profile__sample(merged, 0)).low_bytes, 1300 - 13);
	assert_int_equal(profile_sample__interval(profile__sample(merged, 0)).high_bytes, 1300 + 5);
	assert_int_equal(profile__duration_ns(merged), 6);
	profile__free(profile);
	profile__free(merged);
}

static void test_intervals_stay_in_range(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_estimate wide = {.below_sq = 101 * 101, .above_sq = 1e60};
	struct profile_interval interval;

	add_estimate(profile, NULL, &outer, 100, &wide);
	interval = profile_sample__interval(profile__sample(profile, 0));
	assert_int_equal(interval.low_bytes, 0);
	assert_int_equal(interval.high_bytes, INT64_MAX);
	profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &inner, 1, (uint64_t[]){100, 1, 1, 1});
	assert_null(profile__sample(profile, 1)->estimate);
	interval = profile_sample__interval(profile__sample(profile, 1));
	assert_int_equal(interval.low_bytes, 100);
	assert_int_equal(interval.high_bytes, 100);
	profile__free(profile);
}

static void assert_group(const char *function, const char *file, enum profile_group expected)
{
	struct profile *profile = profile__new();
	const struct profile_frame frame = {function, file, 1};

	add_estimate(profile, NULL, &frame, 1, &minute);
	assert_int_equal(profile_sample__group(profile__sample(profile, 0)), expected);
	profile__free(profile);
}

static void test_groups_are_told_by_their_root(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_frame exact = {"[too few survivors]"};

	assert_group("[younger than 10 s]", NULL, PROFILE_YOUNG);
	assert_group("[younger than 2.5 s]", NULL, PROFILE_YOUNG);
	assert_group("[too few survivors]", NULL, PROFILE_TOO_FEW);
	assert_group("[no survivor sampled]", NULL, PROFILE_NO_SURVIVOR);
	assert_group("[outlived its window]", NULL, PROFILE_OUTLIVED);
	assert_group("[too few survivors]", "/a.py", PROFILE_NO_GROUP);
	assert_group("[younger than 10 s", NULL, PROFILE_NO_GROUP);
	assert_group("[younger than 10 s] ", NULL, PROFILE_NO_GROUP);
	assert_group("[younger than many s]", NULL, PROFILE_NO_GROUP);
	assert_group("[unknown]", NULL, PROFILE_NO_GROUP);
	profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, &exact, 1, (uint64_t[]){1, 1, 1, 1});
	assert_int_equal(profile_sample__group(profile__sample(profile, 0)), PROFILE_NO_GROUP);
	profile__free(profile);
}

/*
 * --- size, notes, names ----------------------------------------------------------------------------------
 */

/* Stack number i of the hundred thousand below: 40 frames, the last five of its own. */
static void make_stack(unsigned int i, struct profile_frame frames[40], char names[40][32])
{
	unsigned int j;

	for (j = 0; j < 40; j++) {
		snprintf(names[j], sizeof(names[j]), "function_%u",
			 j < 35 ? j : (i >> (j - 35) * 4 & 15) + j * 100);
		frames[j] = (struct profile_frame){names[j], "/srv/application/module.py", j};
	}
}

static void test_a_hundred_thousand_stacks(void **state)
{
	struct profile *profile = profile__new();
	struct profile_frame frames[40];
	char names[40][32];
	uint64_t sum = 0;
	unsigned int round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < 100000; i++) {
			make_stack(i, frames, names);
			assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, frames, 40,
						      (uint64_t[]){i, 1, i, 1}),
					 0);
			sum += i;
		}
	}
	assert_int_equal(profile__n_samples(profile), 100000);
	assert_int_equal(profile__total(profile, LINGER_DOMAIN_OBJECT, PROFILE_INUSE_SPACE), sum);
	for (i = 0; i < 100000; i++) {
		assert_int_equal(profile__sample(profile, i)->values[PROFILE_INUSE_SPACE], 2 * i);
		assert_int_equal(profile__sample(profile, i)->values[PROFILE_INUSE_OBJECTS], 2);
	}
	profile__free(profile);
}

static void test_notes_keep_their_order(void **state)
{
	struct profile *profile = profile__new();
	char note[] = "coverage: 99 %";

	assert_int_equal(profile__n_notes(profile), 0);
	assert_int_equal(profile__add_note(profile, note), 0);
	assert_int_equal(profile__add_note(profile, "dropped: 3"), 0);
	note[0] = 'x';
	assert_int_equal(profile__n_notes(profile), 2);
	assert_string_equal(profile__note(profile, 0), "coverage: 99 %");
	assert_string_equal(profile__note(profile, 1), "dropped: 3");
	profile__free(profile);
}

static void test_names(void **state)
{
	enum profile_value value = PROFILE_ALLOC_SPACE;
	enum profile_age age;
	int i;

	assert_string_equal(profile_value__name(PROFILE_INUSE_SPACE), "inuse_space");
	assert_string_equal(profile_value__name(PROFILE_ALLOC_OBJECTS), "alloc_objects");
	assert_string_equal(linger_domain__name(LINGER_DOMAIN_OBJECT), "object");
	assert_string_equal(linger_domain__name(LINGER_DOMAIN_MAPPING), "mapping");
	for (i = 0; i < PROFILE_VALUES; i++) {
		assert_int_equal(profile_value__parse(profile_value__name(i), &value), 0);
		assert_int_equal(value, i);
	}
	for (i = 0; i < PROFILE_AGES; i++) {
		assert_int_equal(profile_age__parse(profile_age__name(i), &age), 0);
		assert_int_equal(age, i);
	}
	assert_string_equal(profile_age__name(PROFILE_UNDER_1MIN), "10s-1min");
	assert_int_equal(profile_age__parse("<5s", &age), -EINVAL);
	value = PROFILE_ALLOC_SPACE;
	assert_int_equal(profile_value__parse("inuse", &value), -EINVAL);
	assert_int_equal(profile_value__parse("", &value), -EINVAL);
	assert_int_equal(value, PROFILE_ALLOC_SPACE);
}

static void test_free_takes_null(void **state)
{
	profile__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_stacks_are_merged),
		cmocka_unit_test(test_totals_do_not_wrap),
		cmocka_unit_test(test_different_stacks_are_kept_apart),
		cmocka_unit_test(test_frames_are_interned),
		cmocka_unit_test(test_strings_are_copied),
		cmocka_unit_test(test_threads_and_first_lines_tell_stacks_apart),
		cmocka_unit_test(test_frames_without_a_file_have_no_line),
		cmocka_unit_test(test_totals_are_of_one_domain),
		cmocka_unit_test(test_ages_tell_stacks_apart),
		cmocka_unit_test(test_types_are_added_up),
		cmocka_unit_test(test_the_rarest_types_go),
		cmocka_unit_test(test_shown_ages_and_threads_are_one),
		cmocka_unit_test(test_intervals_stay_in_range),
		cmocka_unit_test(test_groups_are_told_by_their_root),
		cmocka_unit_test(test_a_hundred_thousand_stacks),
		cmocka_unit_test(test_notes_keep_their_order),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
