/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "census_diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "array.h"
#include "render_common.h"

#define MAX_FILE_BYTES (256 << 20)
#define MAX_ROWS (1u << 20)
#define MAX_SUM (INT64_MAX / MAX_ROWS / 8) /* so that no sum of rows overflows */

/* --- rows -------------------------------------------------------------------------------------------- */

int census_rows__add(struct census_rows *rows, const char *name, struct census_sum sum)
{
	struct census_row *grown = array__grow(rows->rows, rows->n, &rows->capacity, sizeof(*grown));
	char *copy;

	if (!grown)
		return -ENOMEM;
	rows->rows = grown;
	copy = render_cleaned(name); /* as files have it: names are compared */
	if (!copy)
		return -ENOMEM;
	rows->rows[rows->n++] = (struct census_row){copy, sum};
	return 0;
}

void census_rows__free(struct census_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->rows[i].name);
	free(rows->rows);
	*rows = (struct census_rows){0};
}

/* A type without a name by its address. */
static int add_type(struct census_rows *rows, const char *name, const char *address, struct census_sum sum)
{
	char unnamed[64];

	snprintf(unnamed, sizeof(unnamed), "[type at %s]", address ? address : "?");
	return census_rows__add(rows, name ? name : unnamed, sum);
}

int census_rows__from(const struct census *census, struct census_rows *ret_rows)
{
	struct census_rows rows = {0};
	size_t n;
	const struct census_type *types = census__types(census, &n);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		char address[32];

		snprintf(address, sizeof(address), "0x%" PRIx64, types[i].type.address);
		err = add_type(&rows, types[i].name, address, census_type__sum(&types[i]));
	}
	for (int rest = 0; rest < CENSUS_RESTS && !err; rest++)
		err = census_rows__add(&rows, census_rest__text(rest), census__rest(census, rest));
	if (err) {
		census_rows__free(&rows);
		return err;
	}
	*ret_rows = rows;
	return 0;
}

/* --- files ------------------------------------------------------------------------------------------- */

static bool is_sum(json_int_t number)
{
	return number >= 0 && number <= MAX_SUM;
}

/* 0 or -EBADMSG. Files are not trusted. */
static int parse_sum(json_t *json, const char *blocks_key, struct census_sum *ret_sum)
{
	json_int_t blocks, bytes;

	if (json_unpack(json, "{sI sI}", blocks_key, &blocks, "block_bytes", &bytes) || !is_sum(blocks) ||
	    !is_sum(bytes))
		return -EBADMSG;
	*ret_sum = (struct census_sum){blocks, bytes};
	return 0;
}

/* What a type takes is the sum of these. */
static int parse_bytes(json_t *json, struct census_sum *sum)
{
	static const char *const keys[] = {"outside_bytes", "owned_block_bytes", "owned_outside_bytes"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		json_t *bytes = json_object_get(json, keys[i]);

		if (!json_is_integer(bytes) || !is_sum(json_integer_value(bytes)))
			return -EBADMSG;
		sum->bytes += json_integer_value(bytes);
	}
	return 0;
}

static int parse_type(json_t *json, struct census_rows *rows)
{
	const char *name, *address;
	struct census_sum sum;
	json_t *type = json_object_get(json, "type");

	if (!type || parse_sum(json, "objects", &sum) || parse_bytes(json, &sum))
		return -EBADMSG;
	name = json_string_value(type);
	address = json_string_value(json_object_get(json, "address"));
	if (!name && !(json_is_null(type) && address))
		return -EBADMSG;
	return add_type(rows, name, address, sum);
}

static int parse_census(json_t *json, struct census_rows *rows)
{
	struct census_sum sum;
	json_t *types, *type;
	size_t i;
	int err = 0;

	if (json_unpack(json, "{s{sF} so}", "target", "time", &rows->time_s, "types", &types) ||
	    !json_is_array(types) || json_array_size(types) > MAX_ROWS)
		return -EBADMSG;
	json_array_foreach (types, i, type) {
		err = parse_type(type, rows);
		if (err)
			return err;
	}
	for (int rest = 0; rest < CENSUS_RESTS && !err; rest++) {
		err = parse_sum(json_object_get(json, census_rest__name(rest)), "blocks", &sum);
		if (!err)
			err = census_rows__add(rows, census_rest__text(rest), sum);
	}
	return err;
}

static int parse_file(FILE *file, struct census_rows *rows)
{
	struct stat st;
	json_t *json;
	int err;

	if (fstat(fileno(file), &st) || st.st_size > MAX_FILE_BYTES)
		return -EBADMSG;
	json = json_loadf(file, 0, NULL);
	err = json ? parse_census(json, rows) : -EBADMSG;
	json_decref(json);
	return err;
}

int census_rows__read(const char *path, struct census_rows *ret_rows, struct error *error)
{
	struct census_rows rows = {0};
	FILE *file = fopen(path, "re");
	int err;

	if (!file) {
		err = -errno;
		return error__set(error, err, "failed to read '%s': %s", path, strerror(-err));
	}
	err = parse_file(file, &rows);
	fclose(file);
	if (err) {
		census_rows__free(&rows);
		error__set(error, err, "failed to read '%s': %s", path,
			   err == -ENOMEM ? "out of memory" : "it is no census by type");
		error__hint(error, "'linger census -p PID -o FILE.json' writes one");
		return err;
	}
	*ret_rows = rows;
	return 0;
}

/* --- differences ------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	const struct census_row *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void sort(struct census_rows *rows)
{
	if (rows->n)
		qsort(rows->rows, rows->n, sizeof(*rows->rows), compare_names);
}

/* Adds up the rows of a name, from *i on, and steps over them. */
static struct census_sum take(const struct census_rows *rows, size_t *i, const char *name)
{
	struct census_sum sum = {0};

	for (; *i < rows->n && !strcmp(rows->rows[*i].name, name); ++*i) {
		sum.blocks += rows->rows[*i].sum.blocks;
		sum.bytes += rows->rows[*i].sum.bytes;
	}
	return sum;
}

/* What grew before what stayed before what shrank; in each, the largest change first. */
static int compare_changes(const void *a, const void *b)
{
	const struct census_pair *left = a, *right = b;
	int64_t left_change = census_pair__bytes(left), right_change = census_pair__bytes(right);

	if ((left_change < 0) != (right_change < 0))
		return left_change < 0 ? 1 : -1;
	if (left_change != right_change)
		return llabs(left_change) < llabs(right_change) ? 1 : -1;
	return strcmp(left->name, right->name);
}

int census_diff__make(struct census_rows *before, struct census_rows *after, struct census_diff *ret_diff)
{
	struct census_pair *pairs = calloc(before->n + after->n + 1, sizeof(*pairs));
	size_t b = 0, a = 0, n = 0;

	if (!pairs)
		return -ENOMEM;
	sort(before);
	sort(after);
	while (b < before->n || a < after->n) {
		bool is_before = a == after->n ||
				 (b < before->n && strcmp(before->rows[b].name, after->rows[a].name) < 0);
		const char *name = is_before ? before->rows[b].name : after->rows[a].name;

		pairs[n].name = name;
		pairs[n].before = take(before, &b, name);
		pairs[n++].after = take(after, &a, name);
	}
	if (n)
		qsort(pairs, n, sizeof(*pairs), compare_changes);
	*ret_diff = (struct census_diff){pairs, n, after->time_s - before->time_s};
	return 0;
}

void census_diff__free(struct census_diff *diff)
{
	free(diff->pairs);
	*diff = (struct census_diff){0};
}
