// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The offsets that an interpreter says of itself. */
#include <string.h>

#include "fuzz.h"
#include "py_layouts.h"
#include "python.h"

/* The beginning of a _Py_DebugOffsets as the version has it; else hardly any is accepted. */
struct head {
	char cookie[8];
	uint64_t version;
	uint64_t free_threaded;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t offsets[PY_DEBUG_OFFSETS_BYTES] = {};
	struct head head = {.cookie = "xdebugpy"};
	struct py_runtime_layout runtime;
	struct py_layout py;

	memcpy(offsets, bytes, n < sizeof(offsets) ? n : sizeof(offsets));
	for (int minor = 13; minor <= 14; minor++) {
		head.version = 0x030000f0 | minor << 16;
		py_layouts__get(minor, offsets, sizeof(offsets), &py, &runtime);
		memcpy(offsets, &head, sizeof(head));
		if (!py_layouts__get(minor, offsets, sizeof(offsets), &py, &runtime))
			python__frame_extent(&py);
	}
	return 0;
}
