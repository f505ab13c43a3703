// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define NAME_BYTES 48

enum { SECTION_NONE, SECTION_SYMBOLS, SECTION_NAMES, SECTIONS };
enum { SEGMENT_CODE, SEGMENT_UNWIND, SEGMENT_UNWIND_HEADER, SEGMENTS };

/* The file: this, then the code, then the unwind table. */
struct file_head {
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS];
	Elf64_Shdr sections[SECTIONS];
	Elf64_Sym symbols[1 + FAKE_MAX_SYMBOLS];
	char names[1 + FAKE_MAX_SYMBOLS][NAME_BYTES];
};

static Elf64_Ehdr make_header(void)
{
	return (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct file_head, segments),
		.e_shoff = offsetof(struct file_head, sections),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = SEGMENTS,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
	};
}

static Elf64_Phdr make_segment(uint32_t type, uint64_t address, uint64_t offset, uint64_t bytes)
{
	return (Elf64_Phdr){
		.p_type = type,
		.p_flags = address == FAKE_CODE ? PF_R | PF_X : PF_R,
		.p_offset = offset,
		.p_vaddr = address,
		.p_filesz = bytes,
		.p_memsz = bytes,
	};
}

static void put_symbols(struct file_head *head, const struct fake_image *fake)
{
	for (size_t i = 0; i < fake->n_symbols; i++) {
		strncpy(head->names[1 + i], fake->symbols[i].name, NAME_BYTES - 1);
		head->symbols[1 + i] = (Elf64_Sym){
			.st_name = (1 + i) * NAME_BYTES,
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = SHN_ABS,
			.st_value = fake->symbols[i].address,
			.st_size = fake->symbols[i].size,
		};
	}
	head->sections[SECTION_SYMBOLS] = (Elf64_Shdr){
		.sh_type = SHT_SYMTAB,
		.sh_offset = offsetof(struct file_head, symbols),
		.sh_size = (1 + fake->n_symbols) * sizeof(Elf64_Sym),
		.sh_link = SECTION_NAMES,
		.sh_entsize = sizeof(Elf64_Sym),
		.sh_addralign = 8,
	};
	head->sections[SECTION_NAMES] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct file_head, names),
		.sh_size = sizeof(head->names),
		.sh_addralign = 1,
	};
}

static void put_head(struct file_head *head, const struct fake_image *fake)
{
	uint64_t unwind_offset = sizeof(*head) + fake->code_bytes;

	*head = (struct file_head){.header = make_header()};
	head->segments[SEGMENT_CODE] = make_segment(PT_LOAD, FAKE_CODE, sizeof(*head), fake->code_bytes);
	head->segments[SEGMENT_UNWIND] =
		make_segment(PT_LOAD, FAKE_UNWIND, unwind_offset, fake->unwind_bytes);
	head->segments[SEGMENT_UNWIND_HEADER] = make_segment(fake->unwind_bytes ? PT_GNU_EH_FRAME : PT_NULL,
							     FAKE_UNWIND, unwind_offset, fake->unwind_bytes);
	put_symbols(head, fake);
}

struct elf_image *fake_image__open(const struct fake_image *fake)
{
	size_t n = sizeof(struct file_head) + fake->code_bytes + fake->unwind_bytes;
	uint8_t *file = malloc(n);
	char path[FUZZ_PATH_BYTES];
	struct elf_image *image = NULL;

	fuzz__check(!!file, "there is memory for the file");
	put_head((struct file_head *)file, fake);
	memcpy(file + sizeof(struct file_head), fake->code, fake->code_bytes);
	memcpy(file + n - fake->unwind_bytes, fake->unwind, fake->unwind_bytes);
	if (elf_image__open(fuzz__open_file(file, n, path), &image))
		image = NULL;
	free(file);
	return image;
}

/* --- the unwind table -------------------------------------------------------------------------------- */

struct table_header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

struct table_entry {
	int32_t start, frame; /* relative to the header */
};

struct frame {
	uint32_t length, cie_back; /* from this field back to the CIE */
	int32_t start;             /* relative to this field */
	uint32_t size;
};

/* A CIE whose frames have addresses relative to themselves, in four bytes. */
static const uint8_t cie[24] = {20, [8] = 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b};

size_t fake_image__unwind_table(const struct elf_function *functions, size_t n, uint8_t *ret_bytes)
{
	const struct table_header header = {1, 0x1b, 0x03, 0x3b, .count = n};
	struct table_entry *entries = (struct table_entry *)(ret_bytes + sizeof(header));
	struct frame *frames = (struct frame *)((uint8_t *)(entries + n) + sizeof(cie));

	memcpy(ret_bytes, &header, sizeof(header));
	memcpy(entries + n, cie, sizeof(cie));
	for (size_t i = 0; i < n; i++) {
		uint32_t at = (uint8_t *)&frames[i] - ret_bytes;

		entries[i] = (struct table_entry){functions[i].start - FAKE_UNWIND, at};
		frames[i] = (struct frame){
			.length = sizeof(*frames) - sizeof(frames->length),
			.cie_back = at + 4 - (sizeof(header) + n * sizeof(*entries)),
			.start = functions[i].start - (FAKE_UNWIND + at + 8),
			.size = functions[i].end - functions[i].start,
		};
	}
	return (uint8_t *)&frames[n] - ret_bytes;
}
