/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fingerprint.h"

#define GC_HEAD_BYTES 16
#define HEAP UINT64_C(0x7f1234560000) /* some address */
#define ABSENT UINT64_MAX
#define TYPE_FLAGS (168 / 8) /* the word */

/* tp_flags, as CPython's Include/object.h has them. */
#define INLINE_VALUES (1u << 2)
#define MANAGED_DICT (1u << 4)
#define HEAP_TYPE (1u << 9)
#define GC (1u << 14)
#define INT (1u << 24)
#define LIST (1u << 25)
#define TUPLE (1u << 26)
#define STR (1u << 28)
#define DICT (1u << 29)

enum {
	TYPE_FLOAT,
	TYPE_INT,
	TYPE_LIST,
	TYPE_TUPLE,
	TYPE_STR,
	TYPE_DICT,
	TYPE_SET,
	TYPE_PLAIN,
	TYPE_INLINE,
	TYPES
};

static const struct {
	uint64_t flags, basic_bytes, item_bytes;
} kinds[TYPES] = {
	[TYPE_FLOAT] = {0, 24, 0},
	[TYPE_INT] = {INT, 24, 4},
	[TYPE_LIST] = {LIST | GC, 40, 0},
	[TYPE_TUPLE] = {TUPLE | GC, 24, 8},
	[TYPE_STR] = {STR, 80, 0},
	[TYPE_DICT] = {DICT | GC, 48, 0},
	[TYPE_SET] = {GC, 200, 0},
	[TYPE_PLAIN] = {GC | MANAGED_DICT | HEAP_TYPE, 16, 0},
	[TYPE_INLINE] = {GC | MANAGED_DICT | HEAP_TYPE | INLINE_VALUES, 16, 0},
};

static struct object_type types[TYPES];
static const struct object_types all_types = {types, TYPES};

static uint64_t address_of(int type)
{
	return UINT64_C(0x900000) + type * 0x1000; /* in a program that is not position independent */
}

static bool parse(uint64_t flags, uint64_t basic_bytes, uint64_t item_bytes, uint64_t metatype,
		  struct object_type *ret_type)
{
	uint64_t words[OBJECT_TYPE_BYTES / 8] = {1, metatype};
	uint8_t bytes[OBJECT_TYPE_BYTES];

	words[4] = basic_bytes;
	words[5] = item_bytes;
	words[TYPE_FLAGS] = flags;
	memcpy(bytes, words, sizeof(bytes));
	return object_type__parse(bytes, 0x900000, GC_HEAD_BYTES, ret_type);
}

static int parse_types(void **state)
{
	for (int i = 0; i < TYPES; i++) {
		if (!parse(kinds[i].flags, kinds[i].basic_bytes, kinds[i].item_bytes, 0x800000, &types[i]))
			return -1;
		types[i].address = address_of(i);
	}
	return 0;
}

/* --- two looks at a block ---------------------------------------------------------------------------- */

static struct fingerprint print;
static uint64_t now[FINGERPRINT_WORDS];

/* The first look; words that are not given are 0. */
static void take(uint32_t block_bytes, const uint64_t words[FINGERPRINT_WORDS])
{
	fingerprint__start(&print, block_bytes);
	memcpy(print.words, words, print.n_words * sizeof(*words));
	memcpy(now, print.words, sizeof(now));
}

#define TAKE(bytes, ...) take(bytes, (const uint64_t[FINGERPRINT_WORDS]){__VA_ARGS__})

static enum verdict look(void)
{
	if (print.content == CONTENT_UNKNOWN && !fingerprint__settle(&print, now, &all_types, false))
		return VERDICT_FREED;
	return fingerprint__judge(&print, now);
}

static void take_list(void)
{
	TAKE(64, HEAP, HEAP + 64, 1, address_of(TYPE_LIST), 3, HEAP + 4096, 4);
}

static void take_dict(void)
{
	TAKE(64, HEAP, HEAP + 64, 1, address_of(TYPE_DICT), 3, 77, HEAP + 4096, 0);
}

/* --- types ------------------------------------------------------------------------------------------- */

static void test_parse_type(void **state)
{
	assert_int_equal(types[TYPE_FLOAT].object, 0);
	assert_int_equal(types[TYPE_LIST].object, 2);
	assert_int_equal(types[TYPE_PLAIN].object, 4);
}

static bool is_metatype(const uint64_t words[OBJECT_TYPE_BYTES / 8])
{
	uint8_t bytes[OBJECT_TYPE_BYTES];

	memcpy(bytes, words, sizeof(bytes));
	return object_type__is_metatype(bytes);
}

static void test_metatype(void **state)
{
	uint64_t words[OBJECT_TYPE_BYTES / 8] = {
		0x50000c0000000, 0xb59c20, 0, 0x8409fb, 936, 40, [TYPE_FLAGS] = 0x80805d02, /* 3.14's type */
	};

	assert_true(is_metatype(words));
	words[4] = HEAP;
	assert_false(is_metatype(words));
	words[4] = 936;
	words[5] = 0;
	assert_false(is_metatype(words));
	words[5] = 40;
	words[TYPE_FLAGS] = GC;
	assert_false(is_metatype(words));
}

/*
 * Two instances of a class derived from dict, as 3.14 had them, from the collector's links on: the link of
 * the one leads to the other as a type leads to its metatype.
 */
static void test_links_of_the_collector(void **state)
{
	const uint64_t dict[OBJECT_TYPE_BYTES / 8] = {
		0x7facbe2e71c0, 0x7facbe4066c0, 1, 0x224176d0, 28, 0, [TYPE_FLAGS] = 0x7facbe3ae400,
	};
	const uint64_t other[OBJECT_TYPE_BYTES / 8] = {
		0x7facbe2e72c0, 0x7facbe406650, 1, 0x224176d0, 29, 0, [TYPE_FLAGS] = 0x7facbe6029d0,
	};
	struct object_type type;

	assert_true(parse(dict[TYPE_FLAGS], dict[4], dict[5], dict[1], &type));
	assert_int_equal(type.object, GC_HEAD_BYTES / 8);
	assert_false(is_metatype(other));
}

static void test_not_a_type(void **state)
{
	struct object_type type;

	assert_false(parse(GC, 8, 0, 0x800000, &type));
	assert_false(parse(GC, UINT64_MAX, 0, 0x800000, &type));
	assert_false(parse(GC, 24, UINT64_MAX, 0x800000, &type));
	assert_false(parse(GC, 24, 0, 0x800001, &type));
	assert_false(parse(GC, 24, 0, 0, &type));
}

static void test_type_words(void **state)
{
	const uint64_t words[FINGERPRINT_WORDS] = {1, HEAP, 1, 0x900000, 2, HEAP + 1, 3};
	uint64_t found[FINGERPRINT_MAX_TYPE_WORDS];

	assert_int_equal(fingerprint__type_words(words, FINGERPRINT_WORDS, GC_HEAD_BYTES, found), 2);
	assert_int_equal(found[0], HEAP);
	assert_int_equal(found[1], 0x900000);
	assert_int_equal(fingerprint__type_words(words, 2, GC_HEAD_BYTES, found), 1);
}

static void test_smallest_block(void **state)
{
	TAKE(16, 1, address_of(TYPE_FLOAT));
	assert_int_equal(look(), VERDICT_ALIVE);
	assert_int_equal(print.type, address_of(TYPE_FLOAT));
}

/* A hostile type: flags of a list in a block that has no room for one. */
static void test_list_that_does_not_fit(void **state)
{
	TAKE(32, HEAP, HEAP, 1, address_of(TYPE_LIST));
	assert_int_equal(look(), VERDICT_ALIVE);
	assert_int_equal(print.content, CONTENT_OBJECT);
}

/* --- objects ----------------------------------------------------------------------------------------- */

static void test_what_may_change_freely(void **state)
{
	take_list();
	now[0] = HEAP + 128;
	now[1] = HEAP + 256;
	now[2] = 1000;
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_other_type(void **state)
{
	take_list();
	now[3] = address_of(TYPE_DICT);
	assert_int_equal(look(), VERDICT_REUSED);
}

static void test_no_references(void **state)
{
	take_list();
	now[2] = 0;
	assert_int_equal(look(), VERDICT_FREED);
	take_list();
	now[2] = HEAP; /* the link of a free list of the interpreter */
	assert_int_equal(look(), VERDICT_FREED);
	take_list();
	now[2] = 1 | UINT64_C(1) << 48; /* flags of 3.14 */
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_dead_at_the_first_look(void **state)
{
	take_list();
	print.words[2] = 0;
	assert_int_equal(look(), VERDICT_FREED);
}

/* Its first word still is the link to the next free block, its type that of the last owner. */
static void test_just_handed_out(void **state)
{
	TAKE(32, HEAP, address_of(TYPE_FLOAT), 1, 2);
	now[0] = 1;
	now[1] = address_of(TYPE_INT);
	assert_true(fingerprint__settle(&print, now, &all_types, true));
	assert_int_equal(print.type, address_of(TYPE_INT));
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_free_list_that_looks_handed_out(void **state)
{
	TAKE(32, HEAP, address_of(TYPE_FLOAT), 1, 2);
	assert_false(fingerprint__settle(&print, now, &all_types, true));
}

static void test_float(void **state)
{
	TAKE(32, 1, address_of(TYPE_FLOAT), 0x3ff8000000000000);
	assert_int_equal(look(), VERDICT_ALIVE);
	now[2] = 0x4000000000000000;
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_immutable(void **state)
{
	TAKE(64, HEAP, HEAP, 1, address_of(TYPE_TUPLE), 2, ABSENT, HEAP + 8, 0);
	now[5] = 0x123456789; /* the hash of 3.14 */
	now[7] = HEAP + 16;   /* an item of a tuple that was not complete */
	assert_int_equal(look(), VERDICT_ALIVE);
	now[6] = HEAP + 24;
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_str(void **state)
{
	TAKE(64, 1, address_of(TYPE_STR), 5, ABSENT, 0xe4, 0, 0x6f6c6c6568);
	now[3] = 0x123456789; /* hash */
	now[4] = 0xe5;        /* interned */
	assert_int_equal(look(), VERDICT_ALIVE);
	now[6]++;
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_list(void **state)
{
	take_list();
	now[4] = 0; /* emptied, the room kept */
	assert_int_equal(look(), VERDICT_ALIVE);
	now[5] = HEAP + 8192;
	assert_int_equal(look(), VERDICT_CHANGED);
	now[6] = 8;
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_dict(void **state)
{
	take_dict();
	now[5] = 78;
	now[4] = 2;
	assert_int_equal(look(), VERDICT_ALIVE);
	now[6] = HEAP + 8192;
	assert_int_equal(look(), VERDICT_CHANGED);
	now[4] = 6;
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_set_that_grows(void **state)
{
	TAKE(224, HEAP, HEAP, 1, address_of(TYPE_SET), 4, 4, 7, HEAP + 80, ABSENT, 0);
	now[4] = now[5] = 9;
	now[6] = 31;
	now[7] = HEAP + 4096;
	assert_int_equal(look(), VERDICT_ALIVE);
}

static void test_managed_attributes(void **state)
{
	TAKE(48, 0, HEAP + 1, HEAP, HEAP, 1, address_of(TYPE_PLAIN));
	now[0] = HEAP + 16; /* a weak reference */
	now[1] = HEAP + 32; /* a dict made of the values */
	assert_int_equal(look(), VERDICT_ALIVE);
	now[1] = HEAP + 33;
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_inline_values(void **state)
{
	TAKE(80, 0, 0, HEAP, HEAP, 1, address_of(TYPE_INLINE), 0xab01010106, HEAP + 64);
	now[6] = 0xcd01010306; /* more attributes; what lies beside the sizes is anything */
	now[7] = HEAP + 128;
	assert_int_equal(look(), VERDICT_ALIVE);
	now[6] = 0x0101011e; /* room for another number */
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_rolling(void **state)
{
	TAKE(64, HEAP, HEAP, 1, address_of(TYPE_SET), HEAP + 1, HEAP + 2, HEAP + 3, HEAP + 4);
	for (int i = 0; i < 4; i++) {
		now[4 + i] += HEAP;
		assert_int_equal(look(), VERDICT_ALIVE);
		fingerprint__roll(&print, now);
	}
}

/* --- storage ----------------------------------------------------------------------------------------- */

static void test_storage(void **state)
{
	TAKE(48, HEAP + 1, HEAP + 2, HEAP + 3, HEAP + 4);
	now[0] = now[1] = HEAP;
	now[4] = now[5] = HEAP;
	assert_int_equal(look(), VERDICT_ALIVE);
	now[2] = HEAP;
	assert_int_equal(look(), VERDICT_CHANGED);
}

static void test_keys_without_references(void **state)
{
	TAKE(48, 1, HEAP + 2, HEAP + 3, HEAP + 4);
	now[0] = 2;
	assert_int_equal(look(), VERDICT_ALIVE);
	now[0] = 0;
	assert_int_equal(look(), VERDICT_FREED);
	now[0] = HEAP;
	assert_int_equal(look(), VERDICT_FREED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_type),
		cmocka_unit_test(test_metatype),
		cmocka_unit_test(test_links_of_the_collector),
		cmocka_unit_test(test_not_a_type),
		cmocka_unit_test(test_type_words),
		cmocka_unit_test(test_smallest_block),
		cmocka_unit_test(test_list_that_does_not_fit),
		cmocka_unit_test(test_what_may_change_freely),
		cmocka_unit_test(test_other_type),
		cmocka_unit_test(test_no_references),
		cmocka_unit_test(test_dead_at_the_first_look),
		cmocka_unit_test(test_just_handed_out),
		cmocka_unit_test(test_free_list_that_looks_handed_out),
		cmocka_unit_test(test_float),
		cmocka_unit_test(test_immutable),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_dict),
		cmocka_unit_test(test_set_that_grows),
		cmocka_unit_test(test_managed_attributes),
		cmocka_unit_test(test_inline_values),
		cmocka_unit_test(test_rolling),
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_keys_without_references),
	};

	return cmocka_run_group_tests(tests, parse_types, NULL);
}
