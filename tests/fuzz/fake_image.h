/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FAKE_IMAGE_H
#define LINGER_FAKE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "elf_image.h"

/*
 * An ELF file that is in order, around machine code and an unwind table that are inputs: fuzz_elf_image is
 * for those that are not. It has no unwind table where there are no bytes for one.
 */
#define FAKE_CODE UINT64_C(0x401000)   /* address of the code */
#define FAKE_UNWIND UINT64_C(0x900000) /* of the unwind table, .eh_frame_hdr and what follows */
#define FAKE_MAX_SYMBOLS 16

struct fake_symbol {
	const char *name; /* of a function */
	uint64_t address, size;
};

struct fake_image {
	const uint8_t *code, *unwind;
	size_t code_bytes, unwind_bytes;
	struct fake_symbol symbols[FAKE_MAX_SYMBOLS];
	size_t n_symbols;
};

/* NULL: the reader refuses it. */
struct elf_image *fake_image__open(const struct fake_image *fake);

/* The unwind table of some functions, in the usual form: so many bytes at most. */
#define FAKE_UNWIND_BYTES(n) (12 + (n)*8 + 24 + (n)*16)
size_t fake_image__unwind_table(const struct elf_function *functions, size_t n, uint8_t *ret_bytes);

#endif /* LINGER_FAKE_IMAGE_H */
