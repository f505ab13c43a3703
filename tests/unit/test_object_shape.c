/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "object_shape.h"

#define HEAP_TYPE (1u << 9)
#define MANAGED_DICT (1u << 4)
#define INLINE_VALUES (1u << 2)
#define TYPE_ADDRESS 0x500000

static uint8_t bytes[512];
static const struct object_layout *layout;

static void put(uint16_t offset, uint64_t word)
{
	memcpy(bytes + offset, &word, sizeof(word));
}

static struct type_parts make_parts(int minor, const char *name, uint64_t basic_bytes, uint64_t flags)
{
	layout = object_layout__get(minor);
	memset(bytes, 0, sizeof(bytes));
	put(layout->type_basic_bytes, basic_bytes);
	put(layout->type_flags, flags);
	return (struct type_parts){.address = TYPE_ADDRESS, .bytes = bytes, .name = name};
}

static struct object_shape make(const struct type_parts *parts)
{
	struct object_shape shape;

	assert_int_equal(object_shape__make(parts, layout, &shape), 0);
	assert_int_equal(shape.type, TYPE_ADDRESS);
	return shape;
}

static void test_known_type(void **state)
{
	struct type_parts parts = make_parts(11, "traceback", 48, 0);
	struct object_shape shape = make(&parts);

	assert_int_equal(shape.kind, OBJECT_PLAIN);
	assert_false(shape.is_class);
	assert_int_equal(shape.n_words, 4);
	assert_int_equal(shape.words[2], WORD_FIELD);
	assert_int_equal(shape.words[3], WORD_FIELD);
	object_shape__free(&shape);
}

/* A class may have the name of a known type, but not its objects; types in C that are made at run time may.
 */
static void test_names_of_classes(void **state)
{
	struct type_parts parts = make_parts(13, "cell", 24, HEAP_TYPE);
	struct object_shape shape = make(&parts);

	assert_int_equal(shape.kind, OBJECT_PLAIN);
	assert_true(shape.is_class);
	assert_int_equal(shape.words[2], WORD_UNKNOWN);
	object_shape__free(&shape);
	parts = make_parts(13, "collections.deque", 80, HEAP_TYPE);
	shape = make(&parts);
	assert_int_equal(shape.kind, OBJECT_DEQUE);
	object_shape__free(&shape);
}

/* A list with two slots, a dict and weak references behind it. */
static void test_derived_class(void **state)
{
	const struct type_member members[] = {
		{.name = 1, .type = 16, .offset = 40},
		{.name = 1, .type = 6, .offset = 48},
		{.name = 1, .type = 6, .offset = 1 << 20},
		{.name = 1, .type = 19, .offset = 72},
	};
	struct type_parts parts = make_parts(9, "list", 40, 0);
	struct object_shape base = make(&parts), shape;

	parts = make_parts(9, "Items", 80, HEAP_TYPE);
	put(layout->type_dict_offset, 56);
	put(layout->type_weaklist_offset, 64);
	parts.base = &base;
	parts.members = members;
	parts.n_members = 4;
	shape = make(&parts);
	assert_int_equal(shape.kind, OBJECT_LIST);
	assert_int_equal(shape.words[3], WORD_NONE);
	assert_int_equal(shape.words[5], WORD_FIELD);
	assert_int_equal(shape.words[6], WORD_FIELD);
	assert_int_equal(shape.words[7], WORD_DICT);
	assert_int_equal(shape.words[8], WORD_NONE);
	assert_int_equal(shape.words[9], WORD_UNKNOWN);
	assert_int_equal(shape.n_words, 10);
	object_shape__free(&shape);
	object_shape__free(&base);
}

/* The flags of managed attributes mean nothing before 3.11. */
static void test_managed_attributes(void **state)
{
	struct type_parts parts = make_parts(13, "Plain", 16, HEAP_TYPE | MANAGED_DICT | INLINE_VALUES);
	struct object_shape shape = make(&parts);

	put(layout->type_dict_offset, UINT64_MAX);
	assert_true(shape.has_managed_dict);
	assert_true(shape.has_inline_values);
	assert_int_equal(shape.dict_offset, 0);
	assert_int_equal(shape.n_words, 0);
	object_shape__free(&shape);
	parts = make_parts(11, "Plain", 16, HEAP_TYPE | MANAGED_DICT | INLINE_VALUES);
	shape = make(&parts);
	assert_true(shape.has_managed_dict);
	assert_false(shape.has_inline_values);
	object_shape__free(&shape);
	parts = make_parts(9, "Plain", 16, HEAP_TYPE | MANAGED_DICT);
	shape = make(&parts);
	assert_false(shape.has_managed_dict);
	object_shape__free(&shape);
}

/* Of a str with attributes nothing is read but what tells where they are. */
static void test_dict_behind_items(void **state)
{
	struct type_parts parts = make_parts(9, "bytes", 33, 0);
	struct object_shape base = make(&parts), shape;

	assert_int_equal(base.n_words, 0);
	parts = make_parts(9, "Subbytes", 41, HEAP_TYPE);
	put(layout->type_item_bytes, 1);
	put(layout->type_dict_offset, -(uint64_t)8);
	parts.base = &base;
	shape = make(&parts);
	assert_int_equal(shape.dict_offset, -8);
	assert_in_range(shape.n_words, 3, 5);
	object_shape__free(&shape);
	object_shape__free(&base);
}

static void test_no_types(void **state)
{
	const uint64_t sizes[] = {0, 15, 1 << 20, UINT64_MAX};
	struct object_shape shape;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct type_parts parts = make_parts(13, "x", sizes[i], 0);

		assert_int_equal(object_shape__make(&parts, layout, &shape), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_type),        cmocka_unit_test(test_names_of_classes),
		cmocka_unit_test(test_derived_class),     cmocka_unit_test(test_managed_attributes),
		cmocka_unit_test(test_dict_behind_items), cmocka_unit_test(test_no_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
