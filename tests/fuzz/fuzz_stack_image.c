// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "py_layouts.h"
#include "python.h"
#include "stack_image.h"

#define MAX_PIECES 64
#define BASE UINT64_C(0x100000)

/* In front of the bytes of the pieces. */
struct head {
	uint8_t minor;
	uint8_t gap; /* behind each piece */
	uint16_t piece_bytes;
	uint32_t frame;
};

static struct python_stack stack;

static void walk(const struct stack_image *image, const struct py_layout *py)
{
	uint64_t missing;

	if (stack_image__walk(image, py, &stack, &missing))
		return;
	fuzz__check(stack.n_frames <= LINGER_MAX_FRAMES, "a stack has so many frames at most");
	fuzz__check(python_stack__equal(&stack, &stack), "a stack is the same as itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint64_t addresses[MAX_PIECES];
	struct py_runtime_layout runtime;
	struct stack_image image;
	struct py_layout py;
	struct head head;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (py_layouts__get(7 + head.minor % 6, NULL, 0, &py, &runtime))
		return 0;
	image = (struct stack_image){
		.addresses = addresses,
		.piece_bytes = python__frame_extent(&py).bytes + head.piece_bytes % 4096,
		.bytes = (const char *)bytes + sizeof(head),
		.frame = head.frame,
	};
	image.n_pieces = (n - sizeof(head)) / image.piece_bytes;
	image.n_pieces = image.n_pieces < MAX_PIECES ? image.n_pieces : MAX_PIECES;
	for (size_t i = 0; i < image.n_pieces; i++)
		addresses[i] = BASE + i * (image.piece_bytes + head.gap);
	walk(&image, &py);
	return 0;
}
