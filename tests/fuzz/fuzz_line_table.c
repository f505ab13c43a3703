// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "fuzz.h"
#include "line_table.h"

struct question {
	int32_t first_line;
	int32_t instr_bytes;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct question question;

	if (n < sizeof(question))
		return 0;
	memcpy(&question, bytes, sizeof(question));
	for (enum py_line_table kind = PY_LINES_LNOTAB; kind <= PY_LINES_LOCATIONS; kind++)
		fuzz__check(line_table__line(kind, bytes + sizeof(question), n - sizeof(question),
					     question.first_line, question.instr_bytes) >= 0,
			    "a line is a positive number or 0");
	return 0;
}
