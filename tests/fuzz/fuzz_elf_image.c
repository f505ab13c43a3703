// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A target's file, its unwind table included. */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "elf_image.h"
#include "fuzz.h"
#include "table.h"
#include "unwind_table.h"

#define MAX_FUNCTIONS 1000 /* looked at */

/* All of it. */
static void read_code(struct elf_image *image, const struct elf_function *function)
{
	struct elf_function found;
	const uint8_t *code;

	fuzz__check(function->start < function->end, "a function has bytes");
	fuzz__check(!elf_image__function_at(image, function->start, &found), "a function is found");
	if (!elf_image__code(image, function, &code))
		hash_bytes((const char *)code, function->end - function->start);
}

static void read_functions(struct elf_image *image)
{
	const struct elf_function *functions;
	size_t n;

	if (elf_image__functions(image, &functions, &n))
		return;
	for (size_t i = 0; i < n && i < MAX_FUNCTIONS; i++)
		read_code(image, &functions[i]);
}

static void read_image(struct elf_image *image)
{
	uint64_t address = 0, size = 0;
	uint8_t bytes[64];

	elf_image__has_symbol_prefix(image, "__vdso");
	elf_image__import(image, "malloc", &address);
	elf_image__symbol(image, "__vdso_time", &address, &size);
	elf_image__read(image, address, bytes, sizeof(bytes));
	elf_image__pointer(image, address & ~UINT64_C(7), &size);
	elf_image__offset(image, address, &size);
	elf_image__bias(image, UINT64_C(0x7f0000000000), size, &address);
	fuzz__check(strlen(elf_image__build_id(image)) <= 64, "a build id is short");
	read_functions(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char path[FUZZ_PATH_BYTES];
	int fd = fuzz__open_file(bytes, n, path);
	struct elf_image *image;

	if (elf_image__open(fd, &image))
		return 0;
	read_image(image);
	elf_image__free(image);
	return 0;
}

/* The library that the kernel maps into every process: two pages with all that a file can have. */
void fuzz__add_seeds(void)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	if (header)
		fuzz__add_seed(header, header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr));
}
