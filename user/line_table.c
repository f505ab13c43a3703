/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "line_table.h"

#include <limits.h>
#include <stdbool.h>

/*
 * Three formats, all of them lists of deltas that start at the first line and at instruction 0. The answers
 * are those of the interpreter itself (PyCode_Addr2Line, co_lines(), what a traceback shows).
 *
 * Up to 3.9 (Objects/lnotab_notes.txt): pairs of bytes and lines; an entry says where the next line begins.
 *
 * 3.10 (Objects/lnotab_notes.txt of that version): pairs of bytes and lines; an entry says how long its line
 * goes on.
 *
 * From 3.11 (Objects/locations.md, later InternalDocs/code_objects.md): entries of varying length that also
 * hold end lines and columns, which are skipped.
 *
 * A running line outside the range of an int ends the decoding: no interpreter writes that, and it keeps the
 * sum of a hostile table from overflowing.
 */

static int to_line(int64_t line)
{
	return line > 0 && line <= INT_MAX ? (int)line : 0;
}

static bool in_range(int64_t line)
{
	return line >= INT_MIN && line <= INT_MAX;
}

/* The last entry goes on for ever: the table does not say where the code ends. */
static int lnotab_line(const uint8_t *table, size_t len, int64_t line, int64_t instr_bytes)
{
	int64_t start = 0;

	for (size_t i = 0; len - i >= 2 && in_range(line); i += 2) {
		start += table[i];
		if (start > instr_bytes)
			break;
		line += (int8_t)table[i + 1];
	}
	return to_line(line);
}

static int table_310_line(const uint8_t *table, size_t len, int64_t line, int64_t instr_bytes)
{
	const int8_t no_line = -128; /* the entry has no line; the running line stays as it is */
	int64_t end = 0;

	for (size_t i = 0; len - i >= 2 && in_range(line); i += 2) {
		int8_t delta = (int8_t)table[i + 1];

		end += table[i];
		if (delta != no_line)
			line += delta;
		if (end > instr_bytes)
			return delta == no_line ? 0 : to_line(line);
	}
	return 0;
}

/*
 * Location table. The first byte of an entry has bit 7 set, the kind in bits 3-6 and the number of code units
 * (two bytes each) less one in bits 0-2; bit 7 is clear in all other bytes of an entry.
 */
enum {
	ENTRY_START = 0x80,
	KIND_ONE_LINE_0 = 10, /* 10, 11, 12: the line delta is the kind's last part */
	KIND_ONE_LINE_2 = 12,
	KIND_NO_COLUMNS = 13, /* a signed varint follows */
	KIND_LONG = 14,       /* the same, and more after it */
	KIND_NO_LINE = 15,
};

static int entry_kind(uint8_t first)
{
	return first >> 3 & 15;
}

static int entry_bytes_of_code(uint8_t first)
{
	return ((first & 7) + 1) * 2;
}

/*
 * Varints hold six bits a byte, lowest first, with bit 6 set in all but the last; a signed one has its sign
 * in bit 0. One that is cut off or longer than an int yields what was read so far.
 */
static int64_t read_signed_varint(const uint8_t *bytes, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && i < 6; i++) {
		value |= (uint64_t)(bytes[i] & 0x3f) << 6 * i;
		if (!(bytes[i] & 0x40))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* The line delta of the entry at `bytes`; kinds below 10 (short forms) stay on the line. */
static int64_t entry_line_delta(const uint8_t *bytes, size_t len)
{
	int kind = entry_kind(bytes[0]);

	if (kind == KIND_NO_COLUMNS || kind == KIND_LONG)
		return read_signed_varint(bytes + 1, len - 1);
	if (kind >= KIND_ONE_LINE_0 && kind <= KIND_ONE_LINE_2)
		return kind - KIND_ONE_LINE_0;
	return 0;
}

static size_t next_entry(const uint8_t *table, size_t len, size_t i)
{
	do
		i++;
	while (i < len && !(table[i] & ENTRY_START));
	return i;
}

static int locations_line(const uint8_t *table, size_t len, int64_t line, int64_t instr_bytes)
{
	int64_t end = 0;

	for (size_t i = 0; i < len && in_range(line); i = next_entry(table, len, i)) {
		line += entry_line_delta(table + i, len - i);
		end += entry_bytes_of_code(table[i]);
		if (end > instr_bytes)
			return entry_kind(table[i]) == KIND_NO_LINE ? 0 : to_line(line);
	}
	return 0;
}

int line_table__line(enum py_line_table kind, const uint8_t *table, size_t len, int first_line,
		     int64_t instr_bytes)
{
	if (instr_bytes < 0)
		return to_line(first_line);
	switch (kind) {
	case PY_LINES_LNOTAB:
		return lnotab_line(table, len, first_line, instr_bytes);
	case PY_LINES_310:
		return table_310_line(table, len, first_line, instr_bytes);
	case PY_LINES_LOCATIONS:
		return locations_line(table, len, first_line, instr_bytes);
	}
	return 0;
}
