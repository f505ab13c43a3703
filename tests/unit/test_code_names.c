/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "code_names.h"

#define MAX_CODES 2048
#define MAX_TEXT (4096 * LINGER_TEXT_CHUNK)

/* The kernel's pools, filled by hand as bpf/code_table.bpf.h does. */
static struct trace_state kernel_state;
static struct linger_code codes[MAX_CODES];
static char text[MAX_TEXT];
static const struct session_pools pools = {
	.state = &kernel_state,
	.codes = codes,
	.text = text,
	.max_codes = MAX_CODES,
	.max_chunks = MAX_TEXT / LINGER_TEXT_CHUNK,
};

static const struct py_layout locations = {.line_table_kind = PY_LINES_LOCATIONS, .code_first_traceable = 56};
static const struct py_layout lnotab = {.line_table_kind = PY_LINES_LNOTAB,
					.code_first_traceable = PY_NO_FIELD};

static struct code_names *names;

static int setup(void **state)
{
	memset(&kernel_state, 0, sizeof(kernel_state));
	memset(codes, 0, sizeof(codes));
	memset(text, 0xaa, sizeof(text)); /* what belongs to nobody is no string's end */
	kernel_state.next_code = 1;
	names = code_names__new(&locations);
	return names ? 0 : -1;
}

static int teardown(void **state)
{
	code_names__free(names);
	return 0;
}

static struct text_ref put_text(const void *bytes, size_t len)
{
	struct text_ref ref = {.chunk = kernel_state.next_chunk, .bytes = len};

	assert_true((size_t)ref.chunk * LINGER_TEXT_CHUNK + len <= sizeof(text));
	memcpy(text + (size_t)ref.chunk * LINGER_TEXT_CHUNK, bytes, len);
	kernel_state.next_chunk += (len + LINGER_TEXT_CHUNK - 1) / LINGER_TEXT_CHUNK;
	return ref;
}

/* A code object's record: ASCII names, a table as a string literal of `table_len` bytes. */
static uint32_t put_code(const char *name, const char *file, const char *table, size_t table_len,
			 int first_line)
{
	uint32_t id = kernel_state.next_code++;

	codes[id] = (struct linger_code){
		.address = 0x7f0000001000 + id * 0x100,
		.name = put_text(name, strlen(name)),
		.filename = put_text(file, strlen(file)),
		.line_table = put_text(table, table_len),
		.first_line = first_line,
		.name_kind = 1,
		.filename_kind = 1,
		.flags = CODE_READY,
	};
	return id;
}

static void update(void)
{
	assert_int_equal(code_names__update(names, &pools, NULL), 0);
}

static void check_frame(uint32_t id, int32_t instr, const char *function, const char *file, int line)
{
	struct profile_frame frame = code_names__frame(names, LINGER_FRAME(id, instr));

	assert_string_equal(frame.function, function);
	if (file)
		assert_string_equal(frame.file, file);
	else
		assert_null(frame.file);
	assert_int_equal(frame.line, line);
}

/* G of test_line_table.c, Debian 12 python3.11.2: 1:1 2:2 1:203 6:404 2:203 1:405 2:203, in units of two
 * bytes. */
static const char table[] =
	"\x80\x00\xd8\x08\x09\x80\x41\xf0\x52\x06\x00\x0d\x0e\xf5\x52\x06\x00\x0d\x0e\xf1\x53\x06"
	"\x49\x03\x0d\x0e\xf0\x54\x06\x00\x02\x03\xf0\x55\x06\x4a\x03\x0c\x04\xf0\x00\x4a\x03\x05\x04";

static void test_names_and_lines(void **state)
{
	uint32_t g = put_code("g", "/srv/app.py", table, sizeof(table) - 1, 1);
	uint32_t h = put_code("Class.method.<locals>.<lambda>", "<string>", table, sizeof(table) - 1, 11);

	update();
	check_frame(g, 0, "g", "/srv/app.py", 1);
	check_frame(g, 2, "g", "/srv/app.py", 2);
	check_frame(g, 6, "g", "/srv/app.py", 203);
	check_frame(g, 8, "g", "/srv/app.py", 404);
	check_frame(g, -2, "g", "/srv/app.py", 1); /* not started */
	check_frame(g, 1000, "g", "/srv/app.py", 0);
	check_frame(h, 2, "Class.method.<locals>.<lambda>", "<string>", 12);
}

static void test_other_line_table(void **state)
{
	/* G of test_line_table.c, pyenv 3.7.16: 2:2 1:203 2:404 3:405 */
	static const char bytes[] = "\x00\x01\x04\x7f\x00\x4a\x02\x7f\x00\x4a\x04\x01";
	uint32_t g;

	code_names__free(names);
	names = code_names__new(&lnotab);
	g = put_code("g", "g.py", bytes, sizeof(bytes) - 1, 1);
	update();
	check_frame(g, 0, "g", "g.py", 2);
	check_frame(g, 4, "g", "g.py", 203);
	check_frame(g, 6, "g", "g.py", 404);
	assert_true(code_names__has_started(names, LINGER_FRAME(g, -1)));
}

static void test_kinds(void **state)
{
	static const uint8_t latin1[] = {'c', 'a', 'f', 0xe9};
	static const uint16_t ucs2[] = {0x51fd, 0x6570, 'x'};
	static const uint32_t ucs4[] = {'p', 0x1f40d, 'y'};
	uint32_t a = put_code("", "a.py", table, sizeof(table) - 1, 1);
	uint32_t b = put_code("", "b.py", table, sizeof(table) - 1, 1);

	codes[a].name = put_text(latin1, sizeof(latin1));
	codes[b].name = put_text(ucs2, sizeof(ucs2));
	codes[b].name_kind = 2;
	codes[b].filename = put_text(ucs4, sizeof(ucs4));
	codes[b].filename_kind = 4;
	update();
	check_frame(a, 0, "caf\xc3\xa9", "a.py", 1);
	check_frame(b, 0, "\xe5\x87\xbd\xe6\x95\xb0x", "p\xf0\x9f\x90\x8dy", 1);
}

/* As long as the kernel cuts them, over many chunks. */
static void test_long_name(void **state)
{
	char name[LINGER_MAX_NAME_BYTES + 1];
	uint32_t id;

	for (int i = 0; i < LINGER_MAX_NAME_BYTES; i++)
		name[i] = 'a' + i % 26;
	name[LINGER_MAX_NAME_BYTES] = 0;
	id = put_code(name, name + LINGER_TEXT_CHUNK, table, sizeof(table) - 1, 1);
	update();
	check_frame(id, 0, name, name + LINGER_TEXT_CHUNK, 1);
}

static void test_unknown(void **state)
{
	uint32_t id = put_code("f", "f.py", table, sizeof(table) - 1, 1);

	check_frame(id, 0, "[unknown]", NULL, 0); /* not updated yet */
	update();
	check_frame(id, 0, "f", "f.py", 1);
	check_frame(LINGER_NO_CODE, 0, "[unknown]", NULL, 0);
	check_frame(id + 1, 0, "[unknown]", NULL, 0);
	check_frame(UINT32_MAX, -1, "[unknown]", NULL, 0);
	assert_true(code_names__has_started(names, LINGER_FRAME(LINGER_NO_CODE, -1)));
	assert_true(code_names__has_started(names, LINGER_FRAME(id + 1, -1)));
}

/* What the kernel could not read: the reference is not looked at, whatever it holds. */
static void test_unread(void **state)
{
	struct text_ref nowhere = {.chunk = UINT32_MAX, .bytes = UINT32_MAX};
	uint32_t a = put_code("f", "f.py", table, sizeof(table) - 1, 1);
	uint32_t b = put_code("g", "g.py", table, sizeof(table) - 1, 1);
	uint32_t c = put_code("h", "h.py", table, sizeof(table) - 1, 1);

	codes[a].flags |= CODE_NAME_UNREAD;
	codes[a].name = nowhere;
	codes[a].name_kind = 0;
	codes[b].flags |= CODE_FILE_UNREAD;
	codes[b].filename = nowhere;
	codes[b].filename_kind = 0;
	codes[c].flags |= CODE_TABLE_UNREAD;
	codes[c].line_table = nowhere;
	update();
	check_frame(a, 2, "[unknown]", "f.py", 2);
	check_frame(b, 2, "g", "[unknown]", 2);
	check_frame(c, 2, "h", "h.py", 0);
	assert_true(code_names__has_started(names, LINGER_FRAME(c, 0)));
}

static void test_empty_table(void **state)
{
	uint32_t id = put_code("f", "f.py", "", 0, 7);

	update();
	check_frame(id, 0, "f", "f.py", 0);
	assert_true(code_names__has_started(names, LINGER_FRAME(id, 0)));
}

/* Texts that end behind the pool, and characters of no size. */
static void test_records_that_make_no_sense(void **state)
{
	uint32_t a = put_code("a", "a.py", table, sizeof(table) - 1, 1);
	uint32_t b = put_code("b", "b.py", table, sizeof(table) - 1, 1);
	uint32_t c = put_code("c", "c.py", table, sizeof(table) - 1, 1);

	codes[a].name.chunk = UINT32_MAX;
	codes[b].line_table.bytes = UINT32_MAX;
	codes[c].filename_kind = 0;
	update();
	check_frame(a, 0, "[unknown]", "a.py", 1);
	check_frame(b, 0, "b", "b.py", 0);
	check_frame(c, 0, "c", "[unknown]", 1);
}

/*
 * A record that is being written is taken the next time, and those after it with it: ids are taken in order.
 */
static void test_half_written(void **state)
{
	uint32_t a = put_code("a", "a.py", table, sizeof(table) - 1, 1);
	uint32_t b = put_code("b", "b.py", table, sizeof(table) - 1, 1);
	uint32_t c = put_code("c", "c.py", table, sizeof(table) - 1, 1);

	codes[b].flags = CODE_TABLE_UNREAD; /* what is known so far */
	update();
	check_frame(a, 0, "a", "a.py", 1);
	check_frame(b, 0, "[unknown]", NULL, 0);
	check_frame(c, 0, "[unknown]", NULL, 0);
	codes[b].flags = CODE_READY;
	update();
	check_frame(b, 0, "b", "b.py", 1);
	check_frame(c, 0, "c", "c.py", 1);
}

/* A record is copied once: it does not matter what becomes of the pools. */
static void test_copied_once(void **state)
{
	uint32_t id = put_code("f", "f.py", table, sizeof(table) - 1, 1);
	const char *function;

	update();
	function = code_names__frame(names, LINGER_FRAME(id, 0)).function;
	memset(text, 'x', sizeof(text));
	memset(codes, 0, sizeof(codes));
	update();
	check_frame(id, 2, "f", "f.py", 2);
	assert_ptr_equal(code_names__frame(names, LINGER_FRAME(id, 0)).function, function);
}

/* More than fit the first allocation, a few at a time. */
static void test_many(void **state)
{
	static char lines[][4] = {"\xd8\x08\x09"}; /* one unit, one line on */
	char name[32];

	for (int i = 1; i < MAX_CODES; i++) {
		/* Names share one chunk each; the table is the same for all. */
		uint32_t id;

		if (i % 1000 == 0)
			update();
		snprintf(name, sizeof(name), "f%d", i);
		id = kernel_state.next_code++;
		codes[id] = (struct linger_code){
			.name = put_text(name, strlen(name)),
			.flags = CODE_READY | CODE_FILE_UNREAD,
			.name_kind = 1,
			.first_line = i,
		};
		codes[id].line_table = i == 1 ? put_text(lines[0], 3) : codes[1].line_table;
	}
	update();
	for (int i = 1; i < MAX_CODES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		check_frame(i, 0, name, "[unknown]", i + 1);
	}
}

/* From 3.11 on a frame makes its cells before it counts as running: here in the first two units. */
static void test_has_started(void **state)
{
	uint32_t cells = put_code("cells", "f.py", "\xf9\xd8\x08\x09", 4, 1);
	uint32_t plain = put_code("plain", "f.py", "\xd8\x08\x09", 3, 1);
	uint32_t high = put_code("high", "f.py", "\xd8\x08\x09", 3, 1);
	uint32_t low = put_code("low", "f.py", "\xd8\x08\x09", 3, 1);

	codes[cells].first_traceable = 2;
	codes[high].first_traceable = INT32_MAX; /* from a hostile target */
	codes[low].first_traceable = INT32_MIN;
	update();
	assert_false(code_names__has_started(names, LINGER_FRAME(cells, -2)));
	assert_false(code_names__has_started(names, LINGER_FRAME(cells, 0)));
	assert_false(code_names__has_started(names, LINGER_FRAME(cells, 2)));
	assert_true(code_names__has_started(names, LINGER_FRAME(cells, 4)));
	check_frame(cells, 4, "cells", "f.py", 2);
	assert_false(code_names__has_started(names, LINGER_FRAME(plain, -2)));
	assert_true(code_names__has_started(names, LINGER_FRAME(plain, 0)));
}

/* The kernel's counter may run far past what the pool holds. */
static void test_counter_past_the_end(void **state)
{
	uint32_t id = put_code("f", "f.py", table, sizeof(table) - 1, 1);

	kernel_state.next_code = UINT32_MAX;
	update();
	check_frame(id, 0, "f", "f.py", 1);
	check_frame(id + 1, 0, "[unknown]", NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_and_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_line_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_that_make_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copied_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_has_started, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counter_past_the_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
