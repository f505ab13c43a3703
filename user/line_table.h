/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_LINE_TABLE_H
#define LINGER_LINE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "py_layout.h"

/*
 * The source line of an instruction, from a code object's line table. The table comes from the target and is
 * not trusted: any bytes are accepted, reading stays inside them.
 *
 * instr_bytes: offset of the instruction in bytes from the start of the code; negative: before the first
 * instruction (a frame that has just been made), which is the first line.
 * Returns the line, or 0 when the instruction has none or lies outside the table.
 */
int line_table__line(enum py_line_table kind, const uint8_t *table, size_t len, int first_line,
		     int64_t instr_bytes);

#endif /* LINGER_LINE_TABLE_H */
