/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what dump_line_tables.py prints and compares every line with what user/line_table.c makes of the
 * table. Prints the totals; fails when a line differs or the input cannot be read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line_table.h"

struct totals {
	unsigned long codes, instrs, mismatches;
};

struct code {
	enum py_line_table kind;
	const char *name;
	int first_line;
	uint8_t *table;
	size_t len;
};

/* The exact size, so that the sanitizer sees a read past the end. */
static int read_hex(const char *hex, uint8_t **ret_table, size_t *ret_len)
{
	size_t len = strcmp(hex, "-") ? strlen(hex) / 2 : 0;
	uint8_t *table = malloc(len);

	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &table[i]) != 1) {
			free(table);
			return -EINVAL;
		}
	}
	*ret_table = table;
	*ret_len = len;
	return 0;
}

static void compare(const struct code *code, int64_t instr_bytes, int expected, struct totals *totals)
{
	int line = line_table__line(code->kind, code->table, code->len, code->first_line, instr_bytes);

	totals->instrs++;
	if (line == expected)
		return;
	if (totals->mismatches++ < 10)
		printf("mismatch: %s, first line %d, byte %lld: %d, the interpreter says %d\n", code->name,
		       code->first_line, (long long)instr_bytes, line, expected);
}

static int compare_runs(const struct code *code, char **rest, struct totals *totals)
{
	int64_t instr_bytes = 0;
	char *run;

	while ((run = strtok_r(NULL, " \n", rest))) {
		int units, line;

		if (sscanf(run, "%d:%d", &units, &line) != 2)
			return -EINVAL;
		for (; units > 0; units--, instr_bytes += 2)
			compare(code, instr_bytes, line, totals);
	}
	/* Past the end: lnotab does not know where the code ends. */
	if (code->kind != PY_LINES_LNOTAB)
		compare(code, instr_bytes, 0, totals);
	return 0;
}

static int check_code(char *text, struct totals *totals)
{
	char *rest, *kind = strtok_r(text, " ", &rest), *name = strtok_r(NULL, " ", &rest);
	char *first_line = strtok_r(NULL, " ", &rest), *hex = strtok_r(NULL, " \n", &rest);
	struct code code;
	int err;

	if (!kind || !name || !first_line || !hex)
		return -EINVAL;
	code = (struct code){
		.kind = (enum py_line_table)atoi(kind), .name = name, .first_line = atoi(first_line)};
	err = read_hex(hex, &code.table, &code.len);
	if (err)
		return err;
	totals->codes++;
	err = compare_runs(&code, &rest, totals);
	free(code.table);
	return err;
}

int main(void)
{
	struct totals totals = {0};
	size_t capacity = 0;
	char *text = NULL;
	int err = 0;

	while (!err && getline(&text, &capacity, stdin) > 0)
		err = check_code(text, &totals);
	free(text);
	if (err)
		printf("unreadable input after code object %lu\n", totals.codes);
	printf("%lu code objects, %lu instructions, %lu mismatches\n", totals.codes, totals.instrs,
	       totals.mismatches);
	return err || totals.mismatches || !totals.codes;
}
