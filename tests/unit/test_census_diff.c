/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "census_diff.h"
#include "render_census.h"

static struct census_rows before, after;
static struct census_diff diff;

static int teardown(void **state)
{
	census_diff__free(&diff);
	census_rows__free(&before);
	census_rows__free(&after);
	return 0;
}

static void add(struct census_rows *rows, const char *name, uint64_t blocks, uint64_t bytes)
{
	assert_int_equal(census_rows__add(rows, name, (struct census_sum){blocks, bytes}), 0);
}

static void check_pair(size_t i, const char *name, int64_t blocks, int64_t bytes)
{
	assert_string_equal(diff.pairs[i].name, name);
	assert_int_equal(census_pair__blocks(&diff.pairs[i]), blocks);
	assert_int_equal(census_pair__bytes(&diff.pairs[i]), bytes);
}

/* --- differences ------------------------------------------------------------------------------------- */

static void test_nothing(void **state)
{
	assert_int_equal(census_diff__make(&before, &after, &diff), 0);
	assert_int_equal(diff.n, 0);
}

static void test_order(void **state)
{
	add(&before, "shrinks", 10, 320);
	add(&before, "stays", 10, 320);
	add(&before, "goes", 1, 32);
	add(&before, "grows", 1, 32);
	add(&after, "grows", 3, 96);
	add(&after, "comes", 5, 160);
	add(&after, "stays", 10, 320);
	add(&after, "shrinks", 5, 160);
	assert_int_equal(census_diff__make(&before, &after, &diff), 0);
	assert_int_equal(diff.n, 5);
	check_pair(0, "comes", 5, 160);
	check_pair(1, "grows", 2, 64);
	check_pair(2, "stays", 0, 0);
	check_pair(3, "shrinks", -5, -160);
	check_pair(4, "goes", -1, -32);
}

static void test_types_of_the_same_name_share_a_row(void **state)
{
	add(&before, "Row", 1, 32);
	add(&after, "Row", 2, 64);
	add(&after, "Row", 4, 128);
	assert_int_equal(census_diff__make(&before, &after, &diff), 0);
	assert_int_equal(diff.n, 1);
	check_pair(0, "Row", 5, 160);
}

/* Files have names as they are shown. */
static void test_names_are_compared_as_they_are_shown(void **state)
{
	add(&before, "red _[31m", 1, 32);
	add(&after, "red \x1b[31m", 1, 32);
	assert_int_equal(census_diff__make(&before, &after, &diff), 0);
	assert_int_equal(diff.n, 1);
	check_pair(0, "red _[31m", 0, 0);
}

static void check_text(size_t top, const char *expected)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_int_equal(render_census_diff(&diff, top, out), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_table(void **state)
{
	add(&before, "dict", 10, 640);
	add(&before, "list", 10, 560);
	add(&before, "red \x1b[31m", 10, 320);
	add(&after, "dict", 20, 1280);
	add(&after, "list", 11, 616);
	add(&after, "red \x1b[31m", 5, 160);
	before.time_s = 10;
	after.time_s = 40;
	assert_int_equal(census_diff__make(&before, &after, &diff), 0);
	check_text(1,
		   "object: types that grew and types that shrank, 30.0 s apart\n"
		   "\n"
		   "       before          after          change       blocks   per minute  type\n"
		   "          640          1,280            +640          +10     +1.2 KiB  dict\n"
		   "          560            616             +56           +1       +112 B  others that "
		   "grew: 1 row\n"
		   "          320            160            -160           -5       -320 B  red _[31m\n"
		   "        1,520          2,056            +536           +6     +1.0 KiB  total: 3 rows\n"
		   "\n");
}

/* --- files ------------------------------------------------------------------------------------------- */

static int read_text(const char *text)
{
	char path[] = "/tmp/linger-census-XXXXXX";
	struct error error = {0};
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = census_rows__read(path, &before, &error);
	unlink(path);
	assert_true(!err == !error.message[0]);
	return err;
}

#define RESTS                                                                                                \
	"\"not_objects\": {\"blocks\": 3, \"block_bytes\": 96}, "                                            \
	"\"free_list_objects\": {\"blocks\": 0, \"block_bytes\": 0}, "                                       \
	"\"torn\": {\"blocks\": 0, \"block_bytes\": 0}"

static void test_file(void **state)
{
	assert_int_equal(
		read_text("{\"target\": {\"time\": 17.25}, \"types\": ["
			  "{\"type\": \"int\", \"address\": \"0x10\", \"objects\": 2, \"block_bytes\": 40, "
			  "\"outside_bytes\": 8, \"owned_block_bytes\": 6, \"owned_outside_bytes\": 10}, "
			  "{\"type\": null, \"address\": \"0x20\", \"objects\": 1, \"block_bytes\": 48, "
			  "\"outside_bytes\": 0, \"owned_block_bytes\": 0, \"owned_outside_bytes\": 0}"
			  "], " RESTS "}"),
		0);
	assert_int_equal(before.n, 5);
	assert_string_equal(before.rows[0].name, "int");
	assert_int_equal(before.rows[0].sum.bytes, 64);
	assert_string_equal(before.rows[1].name, "[type at 0x20]");
	assert_int_equal(before.rows[2].sum.blocks, 3);
	assert_true(before.time_s == 17.25);
}

static void test_files_that_are_none(void **state)
{
	const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"target\": {\"time\": 1}, \"types\": {}, " RESTS "}",
		"{\"target\": {\"time\": \"1\"}, \"types\": [], " RESTS "}",
		"{\"target\": {\"time\": 1}, \"types\": []}",
		"{\"target\": {\"time\": 1}, \"types\": [1], " RESTS "}",
		"{\"target\": {\"time\": 1}, \"types\": [{\"type\": 1, \"address\": \"\", \"objects\": "
		"1, \"block_bytes\": 1, \"outside_bytes\": 0, \"owned_block_bytes\": 0, "
		"\"owned_outside_bytes\": 0}], " RESTS "}",
		"{\"target\": {\"time\": 1}, \"types\": [{\"type\": \"a\", \"address\": \"\", \"objects\": "
		"-1, \"block_bytes\": 1, \"outside_bytes\": 0, \"owned_block_bytes\": 0, "
		"\"owned_outside_bytes\": 0}], " RESTS "}",
		"{\"target\": {\"time\": 1}, \"types\": [{\"type\": \"a\", \"address\": \"\", \"objects\": "
		"1, \"block_bytes\": 9223372036854775807, \"outside_bytes\": 0, \"owned_block_bytes\": 0, "
		"\"owned_outside_bytes\": 0}], " RESTS "}",
		"{\"target\": {\"time\": 1}, \"types\": [{\"type\": \"a\", \"address\": \"\", \"objects\": "
		"1, \"block_bytes\": 1, \"outside_bytes\": -1, \"owned_block_bytes\": 0, "
		"\"owned_outside_bytes\": 0}], " RESTS "}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(read_text(texts[i]), -EBADMSG);
}

static void test_no_file(void **state)
{
	struct error error = {0};

	assert_int_equal(census_rows__read("/nowhere/census.json", &before, &error), -ENOENT);
	assert_int_equal(census_rows__read("/", &before, &error), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing, teardown),
		cmocka_unit_test_teardown(test_order, teardown),
		cmocka_unit_test_teardown(test_types_of_the_same_name_share_a_row, teardown),
		cmocka_unit_test_teardown(test_names_are_compared_as_they_are_shown, teardown),
		cmocka_unit_test_teardown(test_table, teardown),
		cmocka_unit_test_teardown(test_file, teardown),
		cmocka_unit_test_teardown(test_files_that_are_none, teardown),
		cmocka_unit_test_teardown(test_no_file, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
