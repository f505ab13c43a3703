// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "elf_image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "unwind_table.h"

#define MAX_SEGMENTS 64
#define MAX_CODE_BYTES (256u << 20)
#define MAX_BUILD_ID_BYTES 32
#define MAX_NOTE_BYTES (64u << 10)
#define MAX_TABLE_BYTES (128u << 20)  /* symbols, their names and relocations */
#define MAX_TABLE_ENTRIES (16u << 20) /* looked at in one search: a hostile file has any number of tables */

struct segment {
	uint64_t address, size; /* in memory */
	uint64_t offset, file_size;
	bool executable;
};

struct elf_image {
	int fd;
	Elf *elf;
	struct segment segments[MAX_SEGMENTS];
	size_t n_segments;
	uint64_t unwind_header; /* address of .eh_frame_hdr, 0: none */
	uint64_t unwind_header_size;
	uint8_t *code; /* the executable segment */
	const struct segment *code_segment;
	struct elf_function *functions;
	size_t n_functions;
	char build_id[MAX_BUILD_ID_BYTES * 2 + 1];
};

/* --- opening ----------------------------------------------------------------------------------------- */

static void read_build_id(struct elf_image *image, const GElf_Phdr *phdr)
{
	size_t at = 0, name, desc;
	Elf_Data *data = NULL;
	GElf_Nhdr note;

	if (phdr->p_filesz <= MAX_NOTE_BYTES)
		data = elf_getdata_rawchunk(image->elf, phdr->p_offset, phdr->p_filesz, ELF_T_NHDR);
	while (data && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		const uint8_t *bytes = (const uint8_t *)data->d_buf + desc;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp((const char *)data->d_buf + name, "GNU", 4) || note.n_descsz > MAX_BUILD_ID_BYTES)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++)
			sprintf(&image->build_id[i * 2], "%02x", bytes[i]);
		return;
	}
}

static int take_segment(struct elf_image *image, const GElf_Phdr *phdr)
{
	uint64_t end;

	if (phdr->p_type == PT_GNU_EH_FRAME) {
		image->unwind_header = phdr->p_vaddr;
		image->unwind_header_size = phdr->p_memsz;
	}
	if (phdr->p_type == PT_NOTE && !image->build_id[0])
		read_build_id(image, phdr);
	if (phdr->p_type != PT_LOAD)
		return 0;
	if (image->n_segments == MAX_SEGMENTS || phdr->p_filesz > phdr->p_memsz ||
	    __builtin_add_overflow(phdr->p_vaddr, phdr->p_memsz, &end) ||
	    __builtin_add_overflow(phdr->p_offset, phdr->p_filesz, &end))
		return -EINVAL;
	image->segments[image->n_segments++] = (struct segment){
		.address = phdr->p_vaddr,
		.size = phdr->p_memsz,
		.offset = phdr->p_offset,
		.file_size = phdr->p_filesz,
		.executable = phdr->p_flags & PF_X,
	};
	return 0;
}

/*
 * Whether it is of the kind that is looked at. The numbers of sections and segments that do not fit in the
 * header are for object files; libelf would ask for as much memory as they say.
 */
static int check_header(int fd)
{
	Elf64_Ehdr header = {};
	ssize_t bytes = pread(fd, &header, sizeof(header), 0);

	if (bytes < EI_NIDENT || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return -ENOEXEC;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64)
		return -EOPNOTSUPP;
	if (bytes < (ssize_t)sizeof(header))
		return -ENOEXEC;
	return (!header.e_shnum && header.e_shoff) || header.e_phnum == PN_XNUM ? -EINVAL : 0;
}

static int read_segments(struct elf_image *image)
{
	GElf_Phdr phdr;
	size_t n;

	if (elf_getphdrnum(image->elf, &n))
		return -EINVAL;
	for (size_t i = 0; i < n && i < 1024; i++) {
		int err;

		if (!gelf_getphdr(image->elf, i, &phdr))
			return -EINVAL;
		err = take_segment(image, &phdr);
		if (err)
			return err;
	}
	return image->n_segments ? 0 : -EINVAL;
}

static bool is_table(const GElf_Shdr *header)
{
	return header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM ||
	       header->sh_type == SHT_STRTAB || header->sh_type == SHT_RELA;
}

/* libelf keeps what it has read, and any number of tables may lie over each other. */
static int check_tables(const struct elf_image *image)
{
	Elf_Scn *section = NULL;
	uint64_t bytes = 0;

	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || !is_table(&header))
			continue;
		if (header.sh_size > MAX_TABLE_BYTES - bytes)
			return -EFBIG;
		bytes += header.sh_size;
	}
	return 0;
}

static int read_headers(struct elf_image *image)
{
	int err = check_header(image->fd);

	if (err)
		return err;
	image->elf = elf_begin(image->fd, ELF_C_READ, NULL);
	if (!image->elf)
		return -ENOEXEC;
	err = read_segments(image);
	return err ?: check_tables(image);
}

int elf_image__open(int fd, struct elf_image **ret_image)
{
	struct elf_image *image;
	int err;

	elf_version(EV_CURRENT);
	image = calloc(1, sizeof(*image));
	if (!image) {
		close(fd);
		return -ENOMEM;
	}
	image->fd = fd;
	err = read_headers(image);
	if (err) {
		elf_image__free(image);
		return err;
	}
	*ret_image = image;
	return 0;
}

void elf_image__free(struct elf_image *image)
{
	if (!image)
		return;
	elf_end(image->elf);
	close(image->fd);
	free(image->code);
	free(image->functions);
	free(image);
}

int elf_image__fd(const struct elf_image *image)
{
	return image->fd;
}

const char *elf_image__build_id(const struct elf_image *image)
{
	return image->build_id;
}

/* --- addresses --------------------------------------------------------------------------------------- */

static const struct segment *find_segment(const struct elf_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->n_segments; i++)
		if (address - image->segments[i].address < image->segments[i].size)
			return &image->segments[i];
	return NULL;
}

int elf_image__offset(const struct elf_image *image, uint64_t address, uint64_t *ret_offset)
{
	const struct segment *segment = find_segment(image, address);

	if (!segment || address - segment->address >= segment->file_size)
		return -EFAULT;
	*ret_offset = segment->offset + (address - segment->address);
	return 0;
}

static int read_file(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += n;
	}
	return 0;
}

int elf_image__read(const struct elf_image *image, uint64_t address, void *buf, size_t len)
{
	const struct segment *segment = find_segment(image, address);
	uint64_t at = segment ? address - segment->address : 0, in_file;

	if (!segment || len > segment->size - at)
		return -EFAULT;
	in_file = at < segment->file_size ? segment->file_size - at : 0;
	if (in_file > len)
		in_file = len;
	memset((char *)buf + in_file, 0, len - in_file);
	return read_file(image->fd, buf, in_file, segment->offset + at);
}

int elf_image__bias(const struct elf_image *image, uint64_t start, uint64_t offset, uint64_t *ret_bias)
{
	for (size_t i = 0; i < image->n_segments; i++) {
		const struct segment *segment = &image->segments[i];

		if (offset + 4096 > segment->offset && offset <= segment->offset + segment->file_size &&
		    segment->executable) {
			*ret_bias = start - (segment->address - segment->offset + offset);
			return 0;
		}
	}
	return -EINVAL;
}

/* The section, if it is one of those. */
static Elf_Data *table_data(const struct elf_image *image, size_t index)
{
	Elf_Scn *section = elf_getscn(image->elf, index);
	GElf_Shdr header;

	return section && gelf_getshdr(section, &header) && is_table(&header) ? elf_getdata(section, NULL)
									      : NULL;
}

/* Calls visit for every relocation until it returns true; symbols is the index of its symbol table. */
static bool
each_relocation(const struct elf_image *image,
		bool (*visit)(const struct elf_image *, const GElf_Rela *, size_t symbols, void *), void *arg)
{
	size_t left = MAX_TABLE_ENTRIES;
	Elf_Scn *section = NULL;

	while (left && (section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		GElf_Rela rela;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && left && gelf_getrela(data, i, &rela); i++, left--)
			if (visit(image, &rela, header.sh_link, arg))
				return true;
	}
	return false;
}

struct pointer_search {
	uint64_t address, value;
};

/* What a relocation puts in its place, but for those that only the dynamic linker can tell. */
static bool match_address(const struct elf_image *image, const GElf_Rela *rela, size_t symbols, void *arg)
{
	struct pointer_search *search = arg;
	uint64_t type = GELF_R_TYPE(rela->r_info);
	GElf_Sym symbol;

	if (rela->r_offset != search->address)
		return false;
	search->value = rela->r_addend;
	if (type == R_X86_64_RELATIVE)
		return true;
	if ((type != R_X86_64_64 && type != R_X86_64_GLOB_DAT) ||
	    !gelf_getsym(table_data(image, symbols), GELF_R_SYM(rela->r_info), &symbol) ||
	    symbol.st_shndx == SHN_UNDEF)
		return false;
	search->value += symbol.st_value;
	return true;
}

int elf_image__pointer(const struct elf_image *image, uint64_t address, uint64_t *ret_value)
{
	struct pointer_search search = {.address = address};

	if (each_relocation(image, match_address, &search)) {
		*ret_value = search.value;
		return 0;
	}
	return elf_image__read(image, address, ret_value, sizeof(*ret_value));
}

/* --- symbols ----------------------------------------------------------------------------------------- */

/* Whether a string table ends in a 0, as it must; or libelf would look for the last one at every name. */
static bool is_string_table(const struct elf_image *image, size_t section)
{
	Elf_Data *data = table_data(image, section);

	return data && data->d_buf && data->d_size && !((const char *)data->d_buf)[data->d_size - 1];
}

/* Calls visit for every defined symbol until it returns true. */
static bool each_symbol(const struct elf_image *image, bool (*visit)(const char *, const GElf_Sym *, void *),
			void *arg)
{
	size_t left = MAX_TABLE_ENTRIES;
	Elf_Scn *section = NULL;

	while (left && (section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		GElf_Sym symbol;

		if (!gelf_getshdr(section, &header) ||
		    (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) ||
		    !is_string_table(image, header.sh_link))
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && left && gelf_getsym(data, i, &symbol); i++, left--) {
			const char *name = elf_strptr(image->elf, header.sh_link, symbol.st_name);

			if (name && symbol.st_shndx != SHN_UNDEF && visit(name, &symbol, arg))
				return true;
		}
	}
	return false;
}

struct symbol_search {
	const char *name;
	GElf_Sym found;
};

static bool match_name(const char *name, const GElf_Sym *symbol, void *arg)
{
	struct symbol_search *search = arg;

	if (strcmp(name, search->name))
		return false;
	search->found = *symbol;
	return true;
}

static bool match_prefix(const char *name, const GElf_Sym *symbol, void *arg)
{
	const char *const *prefix = arg;

	return !strncmp(name, *prefix, strlen(*prefix));
}

int elf_image__symbol(const struct elf_image *image, const char *name, uint64_t *ret_address,
		      uint64_t *ret_size)
{
	struct symbol_search search = {.name = name};

	if (!each_symbol(image, match_name, &search))
		return -ENOENT;
	*ret_address = search.found.st_value;
	if (ret_size)
		*ret_size = search.found.st_size;
	return 0;
}

bool elf_image__has_symbol_prefix(const struct elf_image *image, const char *prefix)
{
	return each_symbol(image, match_prefix, &prefix);
}

/* --- functions --------------------------------------------------------------------------------------- */

static int load_code(struct elf_image *image)
{
	const struct segment *segment = NULL;
	uint8_t *code;
	int err;

	for (size_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].executable &&
		    (!segment || image->segments[i].file_size > segment->file_size))
			segment = &image->segments[i];
	if (!segment || segment->file_size > MAX_CODE_BYTES)
		return -EINVAL;
	code = malloc(segment->file_size + 1);
	if (!code)
		return -ENOMEM;
	err = read_file(image->fd, code, segment->file_size, segment->offset);
	if (err) {
		free(code);
		return err;
	}
	image->code = code;
	image->code_segment = segment;
	return 0;
}

static int compare_functions(const void *a, const void *b)
{
	const struct elf_function *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorted, without doubles; what overlaps the one before it is dropped. */
static void tidy_functions(struct elf_image *image)
{
	size_t n = 0;

	qsort(image->functions, image->n_functions, sizeof(*image->functions), compare_functions);
	for (size_t i = 0; i < image->n_functions; i++) {
		struct elf_function *f = &image->functions[i];

		if (f->end > f->start && (!n || f->start >= image->functions[n - 1].end))
			image->functions[n++] = *f;
	}
	image->n_functions = n;
}

struct import_search {
	const char *name;
	uint64_t slot;
};

static bool match_import(const struct elf_image *image, const GElf_Rela *rela, size_t symbols, void *arg)
{
	struct import_search *search = arg;
	Elf_Scn *section = elf_getscn(image->elf, symbols);
	GElf_Shdr header;
	GElf_Sym symbol;
	const char *name;

	if (GELF_R_TYPE(rela->r_info) != R_X86_64_JUMP_SLOT && GELF_R_TYPE(rela->r_info) != R_X86_64_GLOB_DAT)
		return false;
	if (!section || !gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM ||
	    !is_string_table(image, header.sh_link) ||
	    !gelf_getsym(elf_getdata(section, NULL), GELF_R_SYM(rela->r_info), &symbol))
		return false;
	name = elf_strptr(image->elf, header.sh_link, symbol.st_name);
	search->slot = rela->r_offset;
	return name && !strcmp(name, search->name);
}

int elf_image__import(const struct elf_image *image, const char *name, uint64_t *ret_slot)
{
	struct import_search search = {.name = name};

	if (!each_relocation(image, match_import, &search))
		return -ENOENT;
	*ret_slot = search.slot;
	return 0;
}

struct symbol_functions {
	struct elf_image *image;
	size_t capacity;
};

static bool take_function_symbol(const char *name, const GElf_Sym *symbol, void *arg)
{
	struct symbol_functions *to = arg;
	struct elf_image *image = to->image;
	struct elf_function *grown;

	if (GELF_ST_TYPE(symbol->st_info) != STT_FUNC || !symbol->st_size)
		return false;
	grown = array__grow(image->functions, image->n_functions, &to->capacity, sizeof(*grown));
	if (!grown)
		return true;
	image->functions = grown;
	image->functions[image->n_functions++] = (struct elf_function){
		.start = symbol->st_value,
		.end = symbol->st_value + symbol->st_size,
	};
	return false;
}

static int functions_from_unwind_table(struct elf_image *image)
{
	struct unwind_range *ranges;
	size_t n;
	int err;

	if (!image->unwind_header)
		return -ENOENT;
	err = unwind_table__ranges(image, image->unwind_header, image->unwind_header_size, &ranges, &n);
	if (err)
		return err;
	if (!n) {
		free(ranges);
		return -ENOENT;
	}
	_Static_assert(sizeof(*ranges) == sizeof(*image->functions), "a range is a function");
	image->functions = (struct elf_function *)ranges;
	image->n_functions = n;
	return 0;
}

int elf_image__functions(struct elf_image *image, const struct elf_function **ret_functions, size_t *ret_n)
{
	int err;

	if (!image->code) {
		err = load_code(image);
		if (err)
			return err;
		err = functions_from_unwind_table(image);
		if (err) {
			struct symbol_functions from_symbols = {.image = image};

			if (each_symbol(image, take_function_symbol, &from_symbols))
				return -ENOMEM;
		}
		if (image->functions)
			tidy_functions(image);
	}
	if (!image->n_functions)
		return -ENOENT;
	*ret_functions = image->functions;
	*ret_n = image->n_functions;
	return 0;
}

int elf_image__function_at(struct elf_image *image, uint64_t address, struct elf_function *ret_function)
{
	for (size_t low = 0, high = image->n_functions; low < high;) {
		size_t mid = (low + high) / 2;
		const struct elf_function *f = &image->functions[mid];

		if (address >= f->start && address < f->end) {
			*ret_function = *f;
			return 0;
		}
		if (address < f->start)
			high = mid;
		else
			low = mid + 1;
	}
	return -ENOENT;
}

int elf_image__code(struct elf_image *image, const struct elf_function *function, const uint8_t **ret_bytes)
{
	const struct segment *segment = image->code_segment;

	if (!segment || function->end <= function->start || function->start < segment->address ||
	    function->end > segment->address + segment->file_size)
		return -EFAULT;
	*ret_bytes = image->code + (function->start - segment->address);
	return 0;
}
