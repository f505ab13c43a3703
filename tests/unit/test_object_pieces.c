/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "object_pieces.h"

#define OBJECT 0x100000
#define OTHER 0x200000
#define THIRD 0x300000
#define FIRST_ITEM 0x400000 /* the items are objects from here on, 16 bytes each */
#define MAX_FOUND 64
#define MEMORY_BYTES 1024

/* --- a target's memory ------------------------------------------------------------------------------- */

struct memory {
	uint64_t address;
	uint8_t bytes[MEMORY_BYTES];
};

static struct memory memories[3];

static uint8_t *at(uint64_t address)
{
	for (size_t i = 0; i < 3; i++)
		if (address - memories[i].address < MEMORY_BYTES)
			return memories[i].bytes + (address - memories[i].address);
	return NULL;
}

static void put(uint64_t address, uint64_t word)
{
	memcpy(at(address), &word, sizeof(word));
}

static uint64_t item(size_t i)
{
	return FIRST_ITEM + i * 16;
}

/* The middle of each, so that there is something in front of an address. */
static int set_up(void **state)
{
	memset(memories, 0, sizeof(memories));
	memories[0].address = OBJECT - MEMORY_BYTES / 2;
	memories[1].address = OTHER - MEMORY_BYTES / 2;
	memories[2].address = THIRD - MEMORY_BYTES / 2;
	return 0;
}

/* --- what is found ----------------------------------------------------------------------------------- */

static struct {
	struct referent referents[MAX_FOUND];
	size_t n;
	uint64_t buffers[MAX_FOUND], buffer_bytes[MAX_FOUND];
	size_t n_buffers;
	size_t n_implausible;
} found;

static int keep_reference(void *context, const struct referent *referent)
{
	assert_true(found.n < MAX_FOUND);
	found.referents[found.n++] = *referent;
	return 0;
}

static int keep_buffer(void *context, size_t from, uint64_t address, uint64_t bytes)
{
	found.buffers[found.n_buffers] = address;
	found.buffer_bytes[found.n_buffers++] = bytes;
	return 0;
}

static const struct referent_visitor visitor = {NULL, keep_reference, keep_buffer};

/* Elements of a piece in memory of their exact size, so that the address sanitizer sees a read past them. */
static void *copy(uint64_t address, size_t bytes)
{
	void *memory = malloc(bytes);

	assert_non_null(at(address));
	assert_true(at(address) == at(address + bytes - 1) - (bytes - 1));
	memcpy(memory, at(address), bytes);
	return memory;
}

static void take(const struct object_layout *layout, const struct piece_results *results);

static void parse(const struct object_layout *layout, const struct object_piece *piece)
{
	struct piece_results results = {.visitor = &visitor};
	void *elements = copy(piece->address, piece->count * piece->stride);
	void *beside = piece->beside ? copy(piece->beside, piece->count * sizeof(uint64_t)) : NULL;

	object_pieces__parse(layout, piece, elements, beside, piece->count, &results);
	free(elements);
	free(beside);
	take(layout, &results);
}

static void take(const struct object_layout *layout, const struct piece_results *results)
{
	found.n_implausible += results->is_implausible;
	for (size_t i = 0; i < results->n_more; i++)
		parse(layout, &results->more[i]);
}

/* Everything about the object at OBJECT. */
static void walk(int minor, const struct object_shape *shape)
{
	const struct object_layout *layout = object_layout__get(minor);
	struct piece_results results = {.visitor = &visitor};

	memset(&found, 0, sizeof(found));
	object_pieces__start(layout, shape, 7, OBJECT, &results);
	take(layout, &results);
}

static void assert_referent(size_t i, uint64_t to, enum referent_label label, uint64_t key)
{
	assert_true(i < found.n);
	assert_int_equal(found.referents[i].from, 7);
	assert_int_equal(found.referents[i].to, to);
	assert_int_equal(found.referents[i].label, label);
	assert_int_equal(found.referents[i].key, key);
}

static void assert_buffer(size_t i, uint64_t address, uint64_t bytes)
{
	assert_true(i < found.n_buffers);
	assert_int_equal(found.buffers[i], address);
	assert_int_equal(found.buffer_bytes[i], bytes);
}

static void assert_distrusted(void)
{
	assert_int_equal(found.n, 0);
	assert_int_equal(found.n_implausible, 1);
}

/* Words without references. */
static uint8_t no_words[MEMORY_BYTES];

static struct object_shape shape_of(enum object_kind kind, uint32_t basic_bytes)
{
	return (struct object_shape){
		.type = 0x500000,
		.kind = kind,
		.basic_bytes = basic_bytes,
		.n_words = basic_bytes / 8,
		.words = no_words,
	};
}

/* --- dicts ------------------------------------------------------------------------------------------- */

static void make_dict(uint64_t keys, uint64_t values)
{
	put(OBJECT + 32, keys);
	put(OBJECT + 40, values);
}

/* 8 slots, 5 entries; the second was deleted. */
static void make_keys_39(void)
{
	put(OTHER, 1);
	put(OTHER + 8, 8);
	put(OTHER + 24, 2);
	put(OTHER + 32, 3);
	for (size_t i = 0; i < 3; i++) {
		put(OTHER + 48 + i * 24, 0x1234567890);
		put(OTHER + 48 + i * 24 + 8, item(i));
		put(OTHER + 48 + i * 24 + 16, i == 1 ? 0 : item(10 + i));
	}
}

static void test_dict_39(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DICT, 48);

	make_dict(OTHER, 0);
	make_keys_39();
	walk(9, &shape);
	assert_int_equal(found.n, 4);
	assert_referent(0, item(10), REFERENT_DICT_VALUE, item(0));
	assert_referent(1, item(0), REFERENT_DICT_KEY, item(10));
	assert_referent(2, item(12), REFERENT_DICT_VALUE, item(2));
	assert_int_equal(found.n_buffers, 1);
	assert_buffer(0, OTHER, 40 + 8 + 5 * 24);
	assert_int_equal(found.n_implausible, 0);
}

static void test_split_dict_39(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DICT, 48);

	make_dict(OTHER, THIRD);
	make_keys_39();
	put(THIRD, item(20));
	put(THIRD + 16, item(22));
	walk(9, &shape);
	assert_int_equal(found.n, 4);
	assert_referent(0, item(20), REFERENT_DICT_VALUE, item(0));
	assert_referent(2, item(22), REFERENT_DICT_VALUE, item(2));
	assert_int_equal(found.n_buffers, 1);
	assert_buffer(0, THIRD, 5 * 8);
}

/* Entries without hashes, for keys that are all str. */
static void make_keys_313(uint8_t kind, uint64_t n_entries)
{
	put(OTHER, 1);
	put(OTHER + 8, 3 | 3 << 8 | (uint64_t)kind << 16);
	put(OTHER + 16, 5 - n_entries);
	put(OTHER + 24, n_entries);
	for (size_t i = 0; i < n_entries; i++) {
		put(OTHER + 40 + i * 16, item(i));
		put(OTHER + 40 + i * 16 + 8, kind == 2 ? 0 : item(10 + i));
	}
}

static void test_dict_313(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DICT, 48);

	make_dict(OTHER, 0);
	make_keys_313(1, 3);
	walk(13, &shape);
	assert_int_equal(found.n, 6);
	assert_referent(4, item(12), REFERENT_DICT_VALUE, item(2));
	assert_buffer(0, OTHER, 32 + 8 + 5 * 16);
}

/* Its values are those in an instance, which are no buffer. */
static void test_split_dict_313(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DICT, 48);

	make_dict(OTHER, THIRD);
	make_keys_313(2, 3);
	put(THIRD, 2 | 2 << 8 | 1 << 16 | 1 << 24);
	put(THIRD + 8, item(20));
	put(THIRD + 16, item(21));
	put(THIRD + 24, item(22)); /* beyond the capacity */
	walk(13, &shape);
	assert_int_equal(found.n, 4);
	assert_referent(2, item(21), REFERENT_DICT_VALUE, item(1));
	assert_int_equal(found.n_buffers, 0);
}

static void test_implausible_dicts(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DICT, 48);

	make_dict(0, 0);
	walk(13, &shape);
	assert_distrusted();
	make_dict(OTHER, 0);
	make_keys_313(1, 3);
	put(OTHER + 24, 9); /* entries, more than slots */
	walk(13, &shape);
	assert_distrusted();
	put(OTHER + 24, 3);
	put(OTHER + 8, 60 | 3 << 8); /* slots */
	walk(13, &shape);
	assert_distrusted();
	put(OTHER + 8, 9);
	walk(9, &shape);
	assert_distrusted();
}

/* --- attributes -------------------------------------------------------------------------------------- */

static void test_values_in_the_object(void **state)
{
	struct object_shape shape = shape_of(OBJECT_PLAIN, 16);

	shape.n_words = 0;
	shape.is_class = true;
	shape.has_managed_dict = shape.has_inline_values = true;
	put(OBJECT - 24, item(5));
	put(OBJECT + 16, 3 | 2 << 8 | 1 << 16 | 1 << 24);
	put(OBJECT + 24, item(1));
	put(OBJECT + 40, item(2));
	walk(13, &shape);
	assert_int_equal(found.n, 4);
	assert_referent(0, 0x500000, REFERENT_CLASS, 0);
	assert_referent(1, item(5), REFERENT_DICT, 0);
	assert_referent(2, item(1), REFERENT_ATTRIBUTE, 0);
	assert_referent(3, item(2), REFERENT_ATTRIBUTE, 2);
	assert_int_equal(found.n_buffers, 0);
	put(OBJECT + 16, 3 | 2 << 8 | 1 << 16); /* not valid: they moved into the dict */
	walk(13, &shape);
	assert_int_equal(found.n, 2);
}

/* The prefix of 16 bytes ends in: third, first, how many, 16. */
static void make_values(void)
{
	*at(OTHER - 1) = 16;
	*at(OTHER - 2) = 2;
	*at(OTHER - 3) = 0;
	*at(OTHER - 4) = 2;
	put(OTHER, item(1));
	put(OTHER + 16, item(3));
}

static void test_values_beside(void **state)
{
	struct object_shape shape = shape_of(OBJECT_PLAIN, 16);

	shape.n_words = 0;
	shape.has_managed_dict = true;
	make_values();
	put(OBJECT - 32, OTHER);
	put(OBJECT - 24, item(9));
	walk(11, &shape);
	assert_int_equal(found.n, 3);
	assert_referent(0, item(9), REFERENT_DICT, 0);
	assert_referent(1, item(1), REFERENT_ATTRIBUTE, 0);
	assert_referent(2, item(3), REFERENT_ATTRIBUTE, 2);
	assert_buffer(0, OTHER - 16, 16 + 7 * 8);
	*at(OTHER - 4) = 200; /* an index that the prefix has no room for */
	walk(11, &shape);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.n_implausible, 1);
}

static void test_values_or_dict(void **state)
{
	struct object_shape shape = shape_of(OBJECT_PLAIN, 16);

	shape.n_words = 0;
	shape.has_managed_dict = true;
	make_values();
	put(OBJECT - 24, OTHER - 1);
	walk(12, &shape);
	assert_int_equal(found.n, 2);
	assert_referent(0, item(1), REFERENT_ATTRIBUTE, 0);
	put(OBJECT - 24, item(9));
	walk(12, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, item(9), REFERENT_DICT, 0);
}

/* Of three digits of four bytes: it ends at 36, and the dict comes behind. */
static void test_dict_behind_items(void **state)
{
	struct object_shape shape = shape_of(OBJECT_PLAIN, 32);

	shape.item_bytes = 4;
	shape.dict_offset = -8;
	shape.n_words = 3;
	put(OBJECT + 16, -(uint64_t)3);
	put(OBJECT + 40, item(1));
	walk(9, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, item(1), REFERENT_DICT, 0);
}

/* --- other containers -------------------------------------------------------------------------------- */

static void test_list(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_LIST, 40);

	put(OBJECT + 16, 2);
	put(OBJECT + 24, OTHER);
	put(OBJECT + 32, 4);
	put(OTHER, item(1));
	put(OTHER + 8, item(2));
	put(OTHER + 16, item(3)); /* behind the last */
	walk(11, &shape);
	assert_int_equal(found.n, 2);
	assert_referent(1, item(2), REFERENT_ITEM, 1);
	assert_buffer(0, OTHER, 32);
	put(OBJECT + 16, 5);
	walk(11, &shape);
	assert_distrusted();
	put(OBJECT + 24, 0);
	walk(11, &shape);
	assert_int_equal(found.n_implausible, 0);
}

static void test_tuple(void **state)
{
	struct object_shape shape = shape_of(OBJECT_TUPLE, 24);

	shape.item_bytes = 8;
	put(OBJECT + 16, 1);
	put(OBJECT + 24, item(1));
	put(OBJECT + 32, item(2));
	walk(13, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, item(1), REFERENT_ITEM, 0);
	walk(14, &shape); /* which keeps a hash in front */
	assert_referent(0, item(2), REFERENT_ITEM, 0);
	put(OBJECT + 16, UINT64_MAX / 2);
	walk(13, &shape);
	assert_distrusted();
}

static void test_set(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_SET, 200);

	put(OBJECT + 24, 2);
	put(OBJECT + 32, 7);
	put(OBJECT + 40, OBJECT + 64);
	put(OBJECT + 64 + 16, item(1));
	put(OBJECT + 64 + 24, 0x1234);
	put(OBJECT + 64 + 48, item(2));
	put(OBJECT + 64 + 56, UINT64_MAX); /* deleted */
	walk(11, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, item(1), REFERENT_MEMBER, 0);
	assert_int_equal(found.n_buffers, 0);
	put(OBJECT + 40, OTHER);
	put(OTHER + 32, item(3));
	walk(11, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, item(3), REFERENT_MEMBER, 0);
	assert_buffer(0, OTHER, 8 * 16);
	put(OBJECT + 32, 8);
	walk(11, &shape);
	assert_distrusted();
}

/* Items 62 and 63 of the first block, the first of the second. */
static void test_deque(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DEQUE, 80);

	put(OBJECT + 16, 3);
	put(OBJECT + 24, OTHER - 256);
	put(OBJECT + 40, 62);
	put(OBJECT + 48, 0);
	put(OTHER - 256 + 8 + 62 * 8, item(1));
	put(OTHER - 256 + 8 + 63 * 8, item(2));
	put(OTHER - 256 + 8 + 64 * 8, THIRD - 256);
	put(THIRD - 256 + 8, item(3));
	walk(9, &shape);
	assert_int_equal(found.n, 3);
	assert_referent(0, item(1), REFERENT_ITEM, 0);
	assert_referent(2, item(3), REFERENT_ITEM, 2);
	assert_int_equal(found.n_buffers, 2);
	assert_buffer(1, THIRD - 256, 528);
	put(OBJECT + 16, 4); /* which the place of the last contradicts */
	walk(9, &shape);
	assert_distrusted();
	put(OBJECT + 16, 3);
	put(OTHER - 256 + 8 + 64 * 8, 0);
	walk(9, &shape);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.n_implausible, 1);
}

/* Blocks that lead to each other. */
static void test_circular_deque(void **state)
{
	const struct object_shape shape = shape_of(OBJECT_DEQUE, 80);

	put(OBJECT + 16, 640);
	put(OBJECT + 24, OTHER - 256);
	put(OBJECT + 48, 63);
	put(OTHER - 256 + 8 + 64 * 8, THIRD - 256);
	put(THIRD - 256 + 8 + 64 * 8, OTHER - 256);
	walk(9, &shape);
	assert_int_equal(found.n_implausible, 1);
	assert_in_range(found.n_buffers, 2, 6);
}

static void test_words(void **state)
{
	uint8_t words[6] = {0, 0, WORD_FIELD, WORD_UNKNOWN, WORD_DICT, WORD_NONE};
	struct object_shape shape = shape_of(OBJECT_PLAIN, 48);

	shape.words = words;
	for (size_t i = 0; i < 6; i++)
		put(OBJECT + i * 8, item(i));
	walk(13, &shape);
	assert_int_equal(found.n, 3);
	assert_referent(0, item(2), REFERENT_FIELD, 16);
	assert_referent(1, item(3), REFERENT_WORD, 24);
	assert_referent(2, item(4), REFERENT_DICT, 0);
	put(OBJECT + 24, 17); /* no address */
	shape.kind = OBJECT_CELL;
	walk(13, &shape);
	assert_int_equal(found.n, 2);
	assert_referent(0, item(2), REFERENT_CELL, 0);
}

/* --- frames ------------------------------------------------------------------------------------------ */

/* Two fast locals and one temporary value. */
static void test_frame_310(void **state)
{
	const struct object_layout *layout = object_layout__get(10);
	const struct object_shape shape = shape_of(OBJECT_FRAME, layout->frame_fast_locals + 8);
	uint64_t fast = OBJECT + layout->frame_fast_locals;

	put(OBJECT + 16, 5);
	put(OBJECT + layout->frame_value_stack, fast + 16);
	put(OBJECT + layout->frame_stack_depth, 1);
	for (size_t i = 0; i < 4; i++)
		put(fast + i * 8, item(i));
	walk(10, &shape);
	assert_int_equal(found.n, 3);
	assert_referent(2, item(2), REFERENT_LOCAL, 2);
	put(OBJECT + layout->frame_value_stack, fast - 8);
	walk(10, &shape);
	assert_distrusted();
}

/* References to frames' values have a tag. */
static void test_generator_314(void **state)
{
	const struct object_layout *layout = object_layout__get(14);
	const struct object_shape shape = shape_of(OBJECT_GENERATOR, 152);
	uint64_t frame = OBJECT + layout->generator_inner_frame, fast = frame + layout->inner_fast_locals;
	uint32_t n_fast = 2;

	*at(OBJECT + layout->generator_state) = 0xff; /* suspended */
	put(frame + layout->inner_code, OTHER | 1);
	put(frame + layout->inner_function, THIRD | 1);
	put(frame + layout->inner_stack_top, fast + 24);
	memcpy(at(OTHER + layout->code_n_fast), &n_fast, sizeof(n_fast));
	put(fast, item(1) | 1);
	put(fast + 8, 1); /* nothing */
	put(fast + 16, item(3));
	put(fast + 24, item(4));
	walk(14, &shape);
	assert_int_equal(found.n, 4);
	assert_referent(0, OTHER, REFERENT_FIELD, layout->generator_inner_frame + layout->inner_code);
	assert_referent(1, THIRD, REFERENT_FIELD, layout->generator_inner_frame + layout->inner_function);
	assert_referent(2, item(1), REFERENT_LOCAL, 0);
	assert_referent(3, item(3), REFERENT_LOCAL, 2);
	*at(OBJECT + layout->generator_state) = GENERATOR_CLEARED;
	walk(14, &shape);
	assert_int_equal(found.n, 1);
	assert_referent(0, OTHER, REFERENT_FIELD, layout->generator_inner_frame + layout->inner_code);
}

/* While it runs, it does not say how much of its stack it uses. */
static void test_running_generator_313(void **state)
{
	const struct object_layout *layout = object_layout__get(13);
	const struct object_shape shape = shape_of(OBJECT_GENERATOR, 152);
	uint64_t frame = OBJECT + layout->generator_inner_frame, fast = frame + layout->inner_fast_locals;
	uint32_t n_fast = 1;

	put(frame + layout->inner_code, OTHER);
	put(frame + layout->inner_stack_depth, UINT32_MAX);
	memcpy(at(OTHER + layout->code_n_fast), &n_fast, sizeof(n_fast));
	put(fast, item(1));
	put(fast + 8, item(2));
	walk(13, &shape);
	assert_int_equal(found.n, 2);
	assert_referent(1, item(1), REFERENT_LOCAL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dict_39, set_up),
		cmocka_unit_test_setup(test_split_dict_39, set_up),
		cmocka_unit_test_setup(test_dict_313, set_up),
		cmocka_unit_test_setup(test_split_dict_313, set_up),
		cmocka_unit_test_setup(test_implausible_dicts, set_up),
		cmocka_unit_test_setup(test_values_in_the_object, set_up),
		cmocka_unit_test_setup(test_values_beside, set_up),
		cmocka_unit_test_setup(test_values_or_dict, set_up),
		cmocka_unit_test_setup(test_dict_behind_items, set_up),
		cmocka_unit_test_setup(test_list, set_up),
		cmocka_unit_test_setup(test_tuple, set_up),
		cmocka_unit_test_setup(test_set, set_up),
		cmocka_unit_test_setup(test_deque, set_up),
		cmocka_unit_test_setup(test_circular_deque, set_up),
		cmocka_unit_test_setup(test_words, set_up),
		cmocka_unit_test_setup(test_frame_310, set_up),
		cmocka_unit_test_setup(test_generator_314, set_up),
		cmocka_unit_test_setup(test_running_generator_313, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
