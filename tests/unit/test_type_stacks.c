/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "type_stacks.h"

static const struct profile_frame young = {"[younger than 10 s]"};
static const struct profile_frame cache = {"put", "/srv/cache.py", 17, 10};
static const struct profile_frame queue = {"push", "/srv/queue.py", 4, 2};

static void add(struct profile *profile, const char *thread, size_t n, const struct profile_frame frames[],
		const struct profile_estimate *estimate)
{
	assert_int_equal(profile__add_estimate(profile, LINGER_DOMAIN_OBJECT, thread, frames, n,
					       (uint64_t[PROFILE_VALUES]){100, 1, 100, 1}, estimate),
			 0);
}

static void check(const struct type_stack *stack, const char *function, uint64_t survivors, double share)
{
	assert_int_equal(stack->stack->n_frames, 1);
	assert_string_equal(stack->stack->frames[0]->function, function);
	assert_int_equal(stack->survivors, survivors);
	assert_true(stack->share > share - 1e-9 && stack->share < share + 1e-9);
}

static void test_threads_and_groups_are_one_stack(void **state)
{
	const struct profile_estimate old = {.survivors = 9, .types = {{"str", 5}, {"dict", 4}}};
	const struct profile_estimate other = {.survivors = 9, .types = {{"str", 2}}};
	const struct profile_estimate recent = {.survivors = 9, .types = {{"str", 3}}};
	struct profile *profile = profile__new();
	struct type_stacks *stacks;
	const struct type_stack *found;
	size_t n;

	add(profile, "a", 1, &queue, &other);
	add(profile, "a", 1, &cache, &old);
	add(profile, "b", 1, &cache, &old);
	add(profile, "b", 2, (struct profile_frame[]){young, cache}, &recent);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_MAPPING, NULL, &cache, 1,
				      (uint64_t[PROFILE_VALUES]){1, 1, 1, 1}),
			 0);
	assert_int_equal(type_stacks__new(profile, &stacks), 0);
	profile__free(profile);
	found = type_stacks__find(stacks, "str", &n);
	assert_int_equal(n, 2);
	check(&found[0], "put", 13, 13.0 / 15);
	check(&found[1], "push", 2, 2.0 / 15);
	found = type_stacks__find(stacks, "dict", &n);
	assert_int_equal(n, 1);
	check(found, "put", 8, 1);
	assert_null(type_stacks__find(stacks, "list", &n));
	type_stacks__free(stacks);
}

static void test_profiles_without_types(void **state)
{
	const struct profile_estimate storage = {.survivors = 9};
	struct profile *profile = profile__new();
	struct type_stacks *stacks;

	assert_int_equal(type_stacks__new(profile, &stacks), -ENODATA);
	add(profile, NULL, 1, &cache, &storage);
	assert_int_equal(type_stacks__new(profile, &stacks), -ENODATA);
	profile__free(profile);
	type_stacks__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_and_groups_are_one_stack),
		cmocka_unit_test(test_profiles_without_types),
	};

	return cmocka_run_group_tests_name("type_stacks", tests, NULL, NULL);
}
