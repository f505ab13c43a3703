/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stack_image.h"

/* Frames as 3.12 has them, as far as the walk looks: code, previous, instruction, owner. */
static const struct py_layout py = {
	.cframe_current = PY_NO_FIELD,
	.frame_code = 0,
	.frame_previous = 8,
	.frame_instr = 56,
	.frame_owner = 70,
	.owner_c_stack = 3,
	.instr_kind = PY_INSTR_POINTER,
	.code_instrs = 192,
};

#define PAGE 4096
#define PAGES 8
#define BASE 0x7f0000000000
#define FRAME_BYTES 80

/* Pages that follow each other, but for the addresses that a test gives them. */
static char *memory;
static uint64_t addresses[PAGES];
static struct stack_image image;
static struct python_stack stack, other;
static uint64_t missing;

static int setup(void **state)
{
	memory = calloc(PAGES, PAGE);
	for (int i = 0; i < PAGES; i++)
		addresses[i] = BASE + i * PAGE;
	image = (struct stack_image){
		.addresses = addresses, .n_pieces = PAGES, .piece_bytes = PAGE, .bytes = memory};
	memset(&stack, 0, sizeof(stack));
	memset(&other, 0, sizeof(other));
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	free(memory);
	return 0;
}

static uint64_t put_frame(uint64_t offset, uint64_t code, int64_t instr, uint64_t previous, uint8_t owner)
{
	uint64_t pointer = code + py.code_instrs + instr;

	memcpy(memory + offset, &code, sizeof(code));
	memcpy(memory + offset + 8, &previous, sizeof(previous));
	memcpy(memory + offset + 56, &pointer, sizeof(pointer));
	memory[offset + 70] = owner;
	return BASE + offset;
}

static int walk(uint64_t frame)
{
	image.frame = frame;
	return stack_image__walk(&image, &py, &stack, &missing);
}

static void test_frames(void **state)
{
	uint64_t outer = put_frame(0, 0x1000, 20, 0, 0);
	uint64_t shim = put_frame(5 * PAGE, 0xdead, 0, outer, 3);
	uint64_t inner = put_frame(FRAME_BYTES, 0x2000, -2, shim, 1);

	assert_int_equal(walk(inner), 0);
	assert_int_equal(stack.n_frames, 2);
	assert_false(stack.truncated);
	assert_int_equal(stack.frames[0].code, 0x2000);
	assert_int_equal(stack.frames[0].instr, -2);
	assert_int_equal(stack.frames[0].address, inner);
	assert_int_equal(stack.frames[1].code, 0x1000);
	assert_int_equal(stack.frames[1].instr, 20);
	assert_int_equal(stack.frames[1].address, outer);
	assert_int_equal(walk(0), 0);
	assert_int_equal(stack.n_frames, 0);
}

/* References of 3.14 have a tag; 3.10 counts instructions in units, 3.9 in bytes. */
static void test_other_versions(void **state)
{
	struct py_layout tagged = py, units = py, bytes = py;
	uint64_t outer = put_frame(0, 0x1000, 20, 0, 0);
	uint64_t inner = put_frame(FRAME_BYTES, 0x2001, 3, outer | 1, 0);
	int32_t index = 21;

	tagged.code_tag_mask = 1;
	image.frame = inner;
	assert_int_equal(stack_image__walk(&image, &tagged, &stack, &missing), 0);
	assert_int_equal(stack.n_frames, 2);
	assert_int_equal(stack.frames[0].code, 0x2000);
	assert_int_equal(stack.frames[0].instr, 4);
	memcpy(memory + 56, &index, sizeof(index));
	image.frame = outer;
	units.instr_kind = PY_INSTR_UNIT_INDEX;
	units.frame_owner = bytes.frame_owner = PY_NO_FIELD;
	assert_int_equal(stack_image__walk(&image, &units, &stack, &missing), 0);
	assert_int_equal(stack.frames[0].instr, 42);
	bytes.instr_kind = PY_INSTR_BYTE_INDEX;
	assert_int_equal(stack_image__walk(&image, &bytes, &stack, &missing), 0);
	assert_int_equal(stack.frames[0].instr, 21);
}

/* A frame may begin on one page and end on the next. */
static void test_across_pages(void **state)
{
	uint64_t frame = put_frame(2 * PAGE - 16, 0x1000, 4, 0, 0);

	assert_int_equal(walk(frame), 0);
	assert_int_equal(stack.frames[0].instr, 4);
	image.n_pieces = 2;
	assert_int_equal(walk(frame), -ENODATA);
	assert_int_equal(missing, BASE + 2 * PAGE);
	image.n_pieces = PAGES;
	addresses[2] += 16 * PAGE;
	addresses[3] = addresses[2] + PAGE;
	assert_int_equal(walk(frame), -ENODATA);
	assert_int_equal(missing, BASE + 2 * PAGE);
}

static void test_missing(void **state)
{
	uint64_t frame = put_frame(0, 0x1000, 4, 0x555500001230, 0);

	assert_int_equal(walk(frame), -ENODATA);
	assert_int_equal(missing, 0x555500001230);
	assert_int_equal(walk(UINT64_MAX - 8), -ENODATA);
	assert_int_equal(walk(8), -ENODATA);
	assert_int_equal(walk(BASE + PAGES * PAGE), -ENODATA);
	assert_int_equal(walk(BASE + PAGES * PAGE - 8), -ENODATA);
	assert_int_equal(walk(BASE - 1), -ENODATA);
	image.n_pieces = 0;
	assert_int_equal(walk(frame), -ENODATA);
}

static void test_loops(void **state)
{
	uint64_t self = put_frame(0, 0x1000, 4, BASE, 0);

	assert_int_equal(walk(self), -ELOOP);
	for (int length = 2; length < 100; length += 7) {
		for (int i = 0; i < length; i++)
			put_frame((i + 1) * FRAME_BYTES, 0x1000, 4,
				  BASE + ((i + 1) % length + 1) * FRAME_BYTES, i % 3);
		assert_int_equal(walk(BASE + FRAME_BYTES), -ELOOP);
	}
	/* Of nothing but marks. */
	put_frame(0, 0, 0, BASE + FRAME_BYTES, 3);
	put_frame(FRAME_BYTES, 0, 0, BASE, 3);
	assert_int_equal(walk(BASE), -ELOOP);
}

static uint64_t put_deep(int depth)
{
	for (int i = 0; i < depth; i++)
		put_frame(i * FRAME_BYTES, 0x1000 + i, 4, i ? BASE + (i - 1) * FRAME_BYTES : 0, 0);
	return BASE + (depth - 1) * FRAME_BYTES;
}

static void test_depth(void **state)
{
	assert_int_equal(walk(put_deep(LINGER_MAX_FRAMES)), 0);
	assert_int_equal(stack.n_frames, LINGER_MAX_FRAMES);
	assert_false(stack.truncated);
	assert_int_equal(walk(put_deep(LINGER_MAX_FRAMES + 1)), 0);
	assert_int_equal(stack.n_frames, LINGER_MAX_FRAMES);
	assert_true(stack.truncated);
	assert_int_equal(stack.frames[0].code, 0x1000 + LINGER_MAX_FRAMES);
}

static void test_equal(void **state)
{
	uint64_t inner = put_deep(3);

	assert_int_equal(walk(inner), 0);
	other = stack;
	assert_true(python_stack__equal(&stack, &other));
	other.frames[0].instr++;
	assert_false(python_stack__equal(&stack, &other));
	other = stack;
	other.frames[2].code++;
	assert_false(python_stack__equal(&stack, &other));
	other = stack;
	other.frames[0].address++;
	assert_false(python_stack__equal(&stack, &other));
	other = stack;
	other.n_frames--;
	assert_false(python_stack__equal(&stack, &other));
	other = stack;
	other.truncated = true;
	assert_false(python_stack__equal(&stack, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_across_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal, setup, teardown),
	};

	return cmocka_run_group_tests_name("stack_image", tests, NULL, NULL);
}
