// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The unwind table of a file, which says where its functions are. */
#include <stdlib.h>

#include "fake_image.h"
#include "fuzz.h"
#include "unwind_table.h"

static const uint8_t code[64] = {0x90};

static void read_functions(struct elf_image *image)
{
	const struct elf_function *functions;
	const uint8_t *bytes;
	size_t n;

	if (elf_image__functions(image, &functions, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		fuzz__check(functions[i].start < functions[i].end, "a function has bytes");
		fuzz__check(!i || functions[i - 1].end <= functions[i].start, "functions do not overlap");
		if (!elf_image__code(image, &functions[i], &bytes))
			fuzz__check(functions[i].start >= FAKE_CODE &&
					    functions[i].end <= FAKE_CODE + sizeof(code),
				    "what is read of it is code");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const struct fake_image fake = {code, bytes, sizeof(code), n};
	struct elf_image *image = fake_image__open(&fake);

	if (image)
		read_functions(image);
	elf_image__free(image);
	return 0;
}

void fuzz__add_seeds(void)
{
	const struct elf_function functions[] = {{FAKE_CODE, FAKE_CODE + 16},
						 {FAKE_CODE + 16, FAKE_CODE + 64}};
	_Alignas(8) uint8_t table[FAKE_UNWIND_BYTES(2)];

	fuzz__add_seed(table, fake_image__unwind_table(functions, 2, table));
}
