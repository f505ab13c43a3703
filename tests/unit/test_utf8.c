/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The characters lie in an allocation of their exact size. */
static void check(const void *characters, size_t n, uint8_t kind, const char *expected)
{
	void *exact = malloc(n ? n * kind : 1);
	char *text;

	memcpy(exact, characters, n * kind);
	text = utf8__from_python(exact, n, kind);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	free(exact);
}

static void test_latin1(void **state)
{
	check("", 0, 1, "");
	check("main", 4, 1, "main");
	check("abc", 2, 1, "ab");
	check("\x7f\x80\xe9\xff", 4, 1, "\x7f\xc2\x80\xc3\xa9\xc3\xbf");
}

static void test_ucs2(void **state)
{
	const uint16_t text[] = {'f', 0xe9, 0x7ff, 0x800, 0x4e2d, 0xffff};

	check(text, 6, 2, "f\xc3\xa9\xdf\xbf\xe0\xa0\x80\xe4\xb8\xad\xef\xbf\xbf");
	check(text, 0, 2, "");
}

static void test_ucs4(void **state)
{
	const uint32_t text[] = {'f', 0xe9, 0x4e2d, 0x10000, 0x1f40d, 0x10ffff};

	check(text, 6, 4, "f\xc3\xa9\xe4\xb8\xad\xf0\x90\x80\x80\xf0\x9f\x90\x8d\xf4\x8f\xbf\xbf");
}

/* Python holds lone surrogates (surrogateescape); UTF-8 has none, and nothing beyond U+10FFFF. */
static void test_replaced(void **state)
{
	const uint16_t narrow[] = {0xd7ff, 0xd800, 0xdc80, 0xdfff, 0xe000};
	const uint32_t wide[] = {0xd800, 'a', 0x110000, 0xffffffff};

	check(narrow, 5, 2, "\xed\x9f\xbf" REPLACEMENT REPLACEMENT REPLACEMENT "\xee\x80\x80");
	check(wide, 4, 4, REPLACEMENT "a" REPLACEMENT REPLACEMENT);
}

/* How a reader decodes it again: the definition in RFC 3629, written the other way round. */
static uint32_t decode(const uint8_t *text, size_t len)
{
	static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = text[0] & first_mask[len];

	for (size_t i = 1; i < len; i++) {
		assert_int_equal(text[i] & 0xc0, 0x80);
		c = c << 6 | (text[i] & 0x3f);
	}
	return c;
}

static void test_every_character(void **state)
{
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		char *text = utf8__from_python(&c, 1, 4);
		size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint32_t expected = c >= 0xd800 && c < 0xe000 ? 0xfffd : c;

		if (strlen(text) != len || decode((const uint8_t *)text, len) != expected)
			fail();
		free(text);
	}
}

static void check_repair(const char *text, const char *expected)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%s", text);
	utf8__repair(buf);
	assert_string_equal(buf, expected);
}

static void test_repair(void **state)
{
	check_repair("", "");
	check_repair("python3", "python3");
	check_repair("caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x8d",
		     "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x8d");
	check_repair("caf\xe9", "caf?");               /* Latin-1 */
	check_repair("cut \xe6\x97", "cut ??");        /* the kernel cuts names at 15 bytes */
	check_repair("\xc0\xaf", "??");                /* overlong */
	check_repair("\xed\xa0\x80", "???");           /* a surrogate */
	check_repair("\xf4\x90\x80\x80\xff", "?????"); /* beyond Unicode */
}

static void check_back(const char *text, const void *expected, size_t expected_n, uint8_t expected_kind)
{
	uint8_t kind;
	size_t n;
	void *characters = utf8__to_python(text, &n, &kind);

	assert_non_null(characters);
	assert_int_equal(n, expected_n);
	assert_int_equal(kind, expected_kind);
	assert_memory_equal(characters, expected, n * kind);
	free(characters);
}

static void test_to_python(void **state)
{
	const uint16_t two[] = {'f', 0xe9, 0x4e2d};
	const uint32_t four[] = {0xe9, 0x1f40d};

	check_back("", "", 0, 1);
	check_back("main", "main", 4, 1);
	check_back("f\xc3\xa9", "f\xe9", 2, 1);
	check_back("f\xc3\xa9\xe4\xb8\xad", two, 3, 2);
	check_back("\xc3\xa9\xf0\x9f\x90\x8d", four, 2, 4);
	check_back("a\xff\xe4\xb8", "a???", 4, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latin1),
		cmocka_unit_test(test_ucs2),
		cmocka_unit_test(test_ucs4),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_to_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
