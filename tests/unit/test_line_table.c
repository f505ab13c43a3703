/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "line_table.h"

/* A copy of the exact size, so that the address sanitizer sees a read past either end. */
static uint8_t *exact(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len);

	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

static int line_of(enum py_line_table kind, const char *bytes, size_t len, int first_line,
		   int64_t instr_bytes)
{
	uint8_t *table = exact(bytes, len);
	int line = line_table__line(kind, table, len, first_line, instr_bytes);

	free(table);
	return line;
}

/* The table is a string literal with its length. */
#define LINE(kind, literal, first_line, instr_bytes)                                                         \
	line_of(kind, literal, sizeof(literal) - 1, first_line, instr_bytes)

/*
 * Tables of real interpreters, printed by tests/targets/dump_line_tables.py. `expected` is what
 * PyCode_Addr2Line says there: runs of UNITS:LINE, a unit being two bytes, a line of 0 meaning none.
 *
 * F:  def f(a):                        G:  def g(a):
 *         with a as b:                         a = 1
 *             b.g(1,                       (200 empty lines)
 *                 a.h(                         return (a +
 *                     2), 3)               (200 empty lines)
 *         return [c for c in                           b,
 *                 a]                       a)
 */
static const struct fixture {
	const char *origin;
	enum py_line_table kind;
	const char *hex;
	const char *expected;
} fixtures[] = {
	{"F, pyenv 3.7.16", PY_LINES_LNOTAB, "000106010601040114010601", "3:2 3:3 2:4 10:5 3:6 4:7"},
	{"G, pyenv 3.7.16", PY_LINES_LNOTAB, "0001047f004a027f004a0401", "2:2 1:203 2:404 3:405"},
	{"F, Debian 11 python3.9.2", PY_LINES_LNOTAB, "000106010601040102ff020102fe2203060102ff",
	 "3:2 3:3 2:4 1:5 1:4 1:5 17:3 3:6 1:7 3:6"},
	{"G, Debian 11 python3.9.2", PY_LINES_LNOTAB, "0001047f004a027f004a028000b7027f004b028000b6",
	 "2:2 1:203 1:404 1:203 1:405 2:203"},
	{"F, pyenv 3.10.13", PY_LINES_310, "060106010401020102ff020106fe1cff0604020106ff",
	 "3:2 3:3 2:4 1:5 1:4 1:5 3:3 14:2 3:6 1:7 3:6"},
	{"G, pyenv 3.10.13", PY_LINES_310, "0401007f024a007f024a008102b6007f024b008104b5",
	 "2:2 1:203 1:404 1:203 1:405 2:203"},
	{"F, Debian 12 python3.11.2, PYTHONNODEBUGRANGES=1", PY_LINES_LOCATIONS,
	 "e800e802e800e800e802ef00ea00e800e802ef00ea00e802e903ec00e802e905ec00e800e803e800e800e900ec00e800"
	 "e800e800e800e800e800f8f8f8e800e800e800e800e808e800e802e803e900ec00e800",
	 "1:1 3:2 13:3 12:4 1:5 7:4 1:5 8:3 16:2 3:0 4:2 2:6 1:7 9:6"},
	{"G, Debian 12 python3.11.2", PY_LINES_LOCATIONS,
	 "8000d808098041f05206000d0ef55206000d0ef1530649030d0ef05406000203f055064a030c04f0004a030504",
	 "1:1 2:2 1:203 6:404 2:203 1:405 2:203"},
	{"F, pyenv 3.12.1", PY_LINES_LOCATIONS,
	 "8000d8090af0000305178861d808098f0389038841d80c0d8f438943d81011f303010d13d81415f405020917f7030305"
	 "17f00a000d0ef603010c0f90218a41f200010c0ff00001050ff709030517f000030517fcf208010c0f",
	 "1:1 3:2 12:3 11:4 1:5 4:4 1:5 5:3 8:2 1:7 15:6 9:2 5:0 3:6"},
	{"F, Debian 13 python3.13.5", PY_LINES_LOCATIONS,
	 "8000d9090a8861d808098f0389038841d80c0d8f438943d81011f303010d13d81415f405020917f703000a0bf10a000d"
	 "0ef303010c0fda0c0df0030013148a41d90c0df103010c0ff00001050ff709000a0b8d11fcf208010c0f",
	 "1:1 3:2 12:3 11:4 1:5 4:4 1:5 5:3 8:2 2:7 4:6 3:7 4:6 2:7 3:6 14:2 5:0 3:6"},
	{"F, Debian testing python3.14.8", PY_LINES_LOCATIONS,
	 "8000df090a89118861d808098f0389038841d80c0d8f438943d81011f303010d13d81415f405020917f703000a0bf10a"
	 "000d0ef303010c0fd90c0df0030013148a41d90c0df103010c0ff00001050ff709000a0b8f11fcf208010c0f",
	 "1:1 11:2 12:3 11:4 1:5 4:4 1:5 5:3 8:2 2:7 4:6 2:7 4:6 2:7 3:6 16:2 5:0 3:6"},
};

static void check_runs(const struct fixture *fixture, const char *bytes, size_t len)
{
	const char *at = fixture->expected;
	int64_t instr_bytes = 0;
	int units, line, consumed;

	while (sscanf(at, "%d:%d%n", &units, &line, &consumed) == 2) {
		for (at += consumed; units > 0; units--, instr_bytes += 2)
			if (line_of(fixture->kind, bytes, len, 1, instr_bytes) != line)
				fail_msg("%s: byte %d is not line %d", fixture->origin, (int)instr_bytes,
					 line);
	}
	assert_string_equal(at, "");
	if (fixture->kind != PY_LINES_LNOTAB)
		assert_int_equal(line_of(fixture->kind, bytes, len, 1, instr_bytes), 0);
	assert_int_equal(line_of(fixture->kind, bytes, len, 1, -2), 1);
}

static void test_real_tables(void **state)
{
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		size_t len = strlen(fixtures[i].hex) / 2;
		char bytes[256];

		assert_true(len <= sizeof(bytes));
		for (size_t j = 0; j < len; j++)
			assert_int_equal(sscanf(fixtures[i].hex + 2 * j, "%2hhx", (unsigned char *)&bytes[j]),
					 1);
		check_runs(&fixtures[i], bytes, len);
	}
}

static void test_empty_table(void **state)
{
	assert_int_equal(line_table__line(PY_LINES_LNOTAB, NULL, 0, 7, 0), 7);
	assert_int_equal(line_table__line(PY_LINES_LNOTAB, NULL, 0, 7, INT64_MAX), 7);
	assert_int_equal(line_table__line(PY_LINES_310, NULL, 0, 7, 0), 0);
	assert_int_equal(line_table__line(PY_LINES_LOCATIONS, NULL, 0, 7, 0), 0);
}

static void test_before_the_first_instruction(void **state)
{
	for (int kind = PY_LINES_LNOTAB; kind <= PY_LINES_LOCATIONS; kind++) {
		assert_int_equal(line_table__line((enum py_line_table)kind, NULL, 0, 7, -2), 7);
		assert_int_equal(line_table__line((enum py_line_table)kind, NULL, 0, 7, INT64_MIN), 7);
		assert_int_equal(line_table__line((enum py_line_table)kind, NULL, 0, -7, -2), 0);
	}
}

static void test_unknown_format(void **state)
{
	assert_int_equal(LINE((enum py_line_table)77, "\x02\x01", 7, 0), 0);
}

static void test_lnotab(void **state)
{
	/*
	 * The line changes where the next entry begins, and jumps of over 127 lines take entries of no bytes.
	 */
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x04\x01\x02\xff", 10, 3), 10);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x04\x01\x02\xff", 10, 4), 11);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x04\x01\x02\xff", 10, 6), 10);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x04\x7f\x00\x7f", 10, 4), 264);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\xff\x00\x05\x01", 10, 259), 10);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\xff\x00\x05\x01", 10, 260), 11);
	/* Half an entry at the end is none; a line below 1 does not exist. */
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x02\x01\x02", 10, 8), 11);
	assert_int_equal(LINE(PY_LINES_LNOTAB, "\x02\x80", 10, 2), 0);
}

static void test_310(void **state)
{
	/* -128 is no line, and leaves the running line alone. */
	static const char table[] = "\x04\x01\x02\x80\x02\x00\x00\x05\x02\xfe";

	assert_int_equal(LINE(PY_LINES_310, table, 10, 0), 11);
	assert_int_equal(LINE(PY_LINES_310, table, 10, 3), 11);
	assert_int_equal(LINE(PY_LINES_310, table, 10, 4), 0);
	assert_int_equal(LINE(PY_LINES_310, table, 10, 6), 11);
	assert_int_equal(LINE(PY_LINES_310, table, 10, 8), 14);
	assert_int_equal(LINE(PY_LINES_310, table, 10, 10), 0);
	assert_int_equal(LINE(PY_LINES_310, "\x02\x81", 128, 0), 1);
	assert_int_equal(LINE(PY_LINES_310, "\x02\x01\x02", 10, 2), 0);
}

static void test_locations(void **state)
{
	/* One line, +2, 1 unit; no line, 2 units; short form (delta 0), 1 unit; no columns, -3, 8 units. */
	static const char table[] = "\xe0\x01\x02\xf9\x80\x11\xef\x07";

	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 0), 12);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 1), 12);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 2), 0);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 5), 0);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 6), 12);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 8), 9);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 23), 9);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, table, 10, 24), 0);
}

static void test_location_varints(void **state)
{
	/* 1000 lines on, as a signed varint: 2000 = 0b11111_010000. */
	assert_int_equal(LINE(PY_LINES_LOCATIONS, "\xe8\x50\x1f", 10, 0), 1010);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, "\xe8\x51\x1f", 2000, 0), 1000);
	/* Cut off: before its first byte, and after a byte that says more follows. */
	assert_int_equal(LINE(PY_LINES_LOCATIONS, "\xe8", 10, 0), 10);
	assert_int_equal(LINE(PY_LINES_LOCATIONS, "\xe8\x44", 10, 0), 12);
	/* Never ending. */
	assert_int_equal(LINE(PY_LINES_LOCATIONS, "\xe8\x7e\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", 10, 0), 0);
}

/* Sums far outside an int, in either direction, are no line. */
static void test_line_overflow(void **state)
{
	char lnotab[64], locations[70];

	for (size_t i = 0; i < sizeof(lnotab); i += 2)
		memcpy(lnotab + i, "\x02\x7f", 2);
	for (size_t i = 0; i < sizeof(locations); i += 7)
		memcpy(locations + i, "\xe8\x7e\x7f\x7f\x7f\x7f\x3f", 7);
	assert_int_equal(line_of(PY_LINES_LNOTAB, lnotab, sizeof(lnotab), INT_MAX, 2), 0);
	assert_int_equal(line_of(PY_LINES_LNOTAB, lnotab, sizeof(lnotab), INT_MIN, INT64_MAX), 0);
	assert_int_equal(line_of(PY_LINES_310, lnotab, sizeof(lnotab), INT_MAX, 0), 0);
	assert_int_equal(line_of(PY_LINES_310, lnotab, sizeof(lnotab), INT_MAX, INT64_MAX), 0);
	assert_int_equal(line_of(PY_LINES_LOCATIONS, locations, sizeof(locations), INT_MAX, INT64_MAX), 0);
	for (size_t i = 1; i < sizeof(locations); i += 7)
		locations[i] = 0x7f;
	assert_int_equal(line_of(PY_LINES_LOCATIONS, locations, sizeof(locations), INT_MIN, INT64_MAX), 0);
}

/* xorshift64: the same inputs on every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void test_random_bytes(void **state)
{
	static const int64_t far[] = {0, INT64_MAX, INT64_MIN, INT_MAX};
	uint64_t seed = 20240611;

	for (int i = 0; i < 300000; i++) {
		enum py_line_table kind = (enum py_line_table)(i % 3);
		size_t len = next_random(&seed) % 48;
		int first_line = (int)next_random(&seed);
		int64_t near = (int64_t)(next_random(&seed) % 400);
		uint8_t *table = malloc(len);

		for (size_t j = 0; j < len; j++)
			table[j] = (uint8_t)(next_random(&seed) >> 32);
		assert_true(line_table__line(kind, table, len, first_line, near) >= 0);
		assert_true(line_table__line(kind, table, len, first_line % 1000, far[i % 4]) >= 0);
		free(table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_tables),
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_before_the_first_instruction),
		cmocka_unit_test(test_unknown_format),
		cmocka_unit_test(test_lnotab),
		cmocka_unit_test(test_310),
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_location_varints),
		cmocka_unit_test(test_line_overflow),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("line_table", tests, NULL, NULL);
}
