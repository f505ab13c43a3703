// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A saved census, compared with one that is empty. */
#include <string.h>
#include <unistd.h>

#include "census_diff.h"
#include "fuzz.h"

static void compare(struct census_rows *rows)
{
	struct census_rows none = {};
	struct census_diff diff;

	if (census_diff__make(rows, &none, &diff))
		return;
	fuzz__check(diff.n <= rows->n, "every name is there once");
	census_diff__free(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char path[FUZZ_PATH_BYTES];
	struct census_rows rows;
	struct error error;
	int fd = fuzz__open_file(bytes, n, path);

	if (!census_rows__read(path, &rows, &error)) {
		compare(&rows);
		census_rows__free(&rows);
	}
	close(fd);
	return 0;
}

void fuzz__add_seeds(void)
{
	static const char text[] =
		"{\"target\":{\"time\":1.5},\"types\":["
		"{\"type\":\"dict\",\"address\":\"0x1\",\"objects\":2,\"block_bytes\":128},"
		"{\"type\":null,\"address\":\"0x2\",\"objects\":1,\"block_bytes\":16}],"
		"\"not_objects\":{\"blocks\":1,\"block_bytes\":16},\"free_list_objects\":{\"blocks\":0,"
		"\"block_bytes\":0},"
		"\"torn\":{\"blocks\":0,\"block_bytes\":0}}";

	fuzz__add_seed(text, strlen(text));
}
