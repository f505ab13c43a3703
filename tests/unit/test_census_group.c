/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "census_group.h"

#define HEAP_TYPE (1u << 9)
#define EXCEPTION_SUBCLASS (1u << 30)
#define MAX_TYPES 8

static struct census_type types[MAX_TYPES];
static size_t n_types;

static void add(const char *name, const char *module, uint64_t flags, uint64_t bytes)
{
	types[n_types] = (struct census_type){
		.type = {.address = 0x900000 + n_types * 0x400, .flags = flags},
		.name = strdup(name),
		.module = module ? strdup(module) : NULL,
		.n_types = 1,
		.objects = 10,
		.tracked = 5,
		.block_bytes = bytes,
		.owned = {1, 64},
		.owned_outside = {1, 1000},
		.outside = {2, 2000},
		.own_bytes = bytes,
		.owned_bytes = 7,
		.largest = {n_types, bytes},
		.longest = {n_types, 100 - bytes},
	};
	n_types++;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < n_types; i++) {
		free(types[i].name);
		free(types[i].module);
	}
	n_types = 0;
	return 0;
}

static void check_merged(const struct census_type *row)
{
	assert_int_equal(row->type.address, 0);
	assert_int_equal(row->n_types, 2);
	assert_int_equal(row->objects, 20);
	assert_int_equal(row->tracked, 10);
	assert_int_equal(row->block_bytes, 30);
	assert_int_equal(row->owned.blocks, 2);
	assert_int_equal(row->owned.bytes, 128);
	assert_int_equal(row->owned_outside.bytes, 2000);
	assert_int_equal(row->outside.bytes, 4000);
	assert_int_equal(row->own_bytes, 30);
	assert_int_equal(row->owned_bytes, 14);
	assert_int_equal(row->largest.amount, 20);
	assert_int_equal(row->longest.amount, 90);
}

static void test_modules(void **state)
{
	add("app.One", "app", HEAP_TYPE, 10);
	add("dict", "builtins", 0, 5);
	add("app.Two.Inner", "app", HEAP_TYPE, 20);
	add("?", NULL, HEAP_TYPE, 5);
	n_types = census_group__modules(types, n_types);
	assert_int_equal(n_types, 3);
	assert_string_equal(types[0].name, "app");
	check_merged(&types[0]);
	assert_string_equal(types[1].name, "builtins");
	assert_int_equal(types[1].n_types, 1);
	assert_string_equal(types[2].name, "[not known]");
}

static void test_classes(void **state)
{
	add("dict", NULL, 0, 10);
	add("app.One", NULL, HEAP_TYPE, 1);
	add("ValueError", NULL, EXCEPTION_SUBCLASS, 2);
	add("list", NULL, 0, 20);
	n_types = census_group__classes(types, n_types);
	assert_int_equal(n_types, 3);
	assert_string_equal(types[0].name, "app.One");
	assert_string_equal(types[1].name, "ValueError");
	assert_string_equal(types[2].name, "[other types]");
	check_merged(&types[2]);
}

static void test_classes_alone(void **state)
{
	add("app.One", NULL, HEAP_TYPE, 1);
	n_types = census_group__classes(types, n_types);
	assert_int_equal(n_types, 1);
	assert_string_equal(types[0].name, "app.One");
}

static void test_nothing(void **state)
{
	assert_int_equal(census_group__modules(types, 0), 0);
	assert_int_equal(census_group__classes(types, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_modules, teardown),
		cmocka_unit_test_teardown(test_classes, teardown),
		cmocka_unit_test_teardown(test_classes_alone, teardown),
		cmocka_unit_test_teardown(test_nothing, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
