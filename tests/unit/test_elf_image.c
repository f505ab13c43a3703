/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "elf_image.h"
#include "machine_code_test.h"

/*
 * --- a file of our own making ------------------------------------------------------------------------------
 */

#define TEXT_ADDRESS UINT64_C(0x400000)
#define DATA_ADDRESS UINT64_C(0x600000)
#define TEXT_BYTES 0x200
#define DATA_BYTES 0x40
#define DATA_MEMORY 0x100

/* Headers and code in one segment, data in another that is larger in memory. */
struct file {
	Elf64_Ehdr header;
	Elf64_Phdr text, data, extra;
	uint8_t code[TEXT_BYTES - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
	uint8_t bytes[DATA_BYTES];
};
_Static_assert(offsetof(struct file, bytes) == TEXT_BYTES, "data follows the text segment");

static struct file sound_file(void)
{
	struct file file = {
		.header =
			{
				.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
					    EV_CURRENT},
				.e_type = ET_EXEC,
				.e_machine = EM_X86_64,
				.e_version = EV_CURRENT,
				.e_phoff = offsetof(struct file, text),
				.e_ehsize = sizeof(Elf64_Ehdr),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 3,
				.e_shentsize = sizeof(Elf64_Shdr),
			},
		.text = {.p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_vaddr = TEXT_ADDRESS,
			 .p_filesz = TEXT_BYTES,
			 .p_memsz = TEXT_BYTES},
		.data = {.p_type = PT_LOAD,
			 .p_flags = PF_R | PF_W,
			 .p_offset = TEXT_BYTES,
			 .p_vaddr = DATA_ADDRESS,
			 .p_filesz = DATA_BYTES,
			 .p_memsz = DATA_MEMORY},
		.extra = {.p_type = PT_NULL},
	};

	memset(file.code, 0x90, sizeof(file.code));
	for (int i = 0; i < DATA_BYTES; i++)
		file.bytes[i] = i + 1;
	return file;
}

static int open_bytes(const void *bytes, size_t len, struct elf_image **ret_image)
{
	return elf_image__open(file_of(bytes, len), ret_image);
}

static struct elf_image *open_file(const struct file *file)
{
	struct elf_image *image = NULL;

	assert_int_equal(open_bytes(file, sizeof(*file), &image), 0);
	assert_non_null(image);
	return image;
}

static void check_refused(const struct file *file, int err)
{
	struct elf_image *image = NULL;

	assert_int_equal(open_bytes(file, sizeof(*file), &image), err);
	assert_null(image);
}

static void test_not_elf(void **state)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	struct elf_image *image = NULL;

	assert_int_equal(open_bytes(script, sizeof(script) - 1, &image), -ENOEXEC);
	assert_int_equal(open_bytes("", 0, &image), -ENOEXEC);
	assert_int_equal(open_bytes("\177ELF", 4, &image), -ENOEXEC);
	assert_int_equal(elf_image__open(open("/proc", O_RDONLY | O_CLOEXEC), &image), -ENOEXEC);
	assert_int_equal(elf_image__open(-1, &image), -ENOEXEC);
	assert_null(image);
	elf_image__free(NULL);
}

static void test_other_machines(void **state)
{
	struct file file = sound_file();
	Elf32_Ehdr header32 = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(header32),
	};
	struct elf_image *image = NULL;

	file.header.e_machine = EM_AARCH64;
	check_refused(&file, -EOPNOTSUPP);
	assert_int_equal(open_bytes(&header32, sizeof(header32), &image), -EOPNOTSUPP);
	/* x32: the 64-bit machine with 32-bit files */
	header32.e_machine = EM_X86_64;
	assert_int_equal(open_bytes(&header32, sizeof(header32), &image), -EOPNOTSUPP);
	assert_null(image);
}

/* Cut at every length: an error, or an image whose contents can be asked for. */
static void test_truncated(void **state)
{
	struct file file = sound_file();
	size_t n_opened = 0;

	for (size_t len = 0; len < sizeof(file); len++) {
		const struct elf_function *functions;
		struct elf_image *image = NULL;
		uint8_t bytes[DATA_BYTES];
		size_t n;

		if (open_bytes(&file, len, &image)) {
			assert_null(image);
			continue;
		}
		n_opened++;
		assert_int_equal(elf_image__read(image, DATA_ADDRESS, bytes, sizeof(bytes)), -EIO);
		assert_int_not_equal(elf_image__functions(image, &functions, &n), 0);
		elf_image__free(image);
	}
	assert_true(n_opened > 0);
}

static void test_lying_segments(void **state)
{
	struct file file = sound_file();

	file.data.p_filesz = file.data.p_memsz + 1;
	check_refused(&file, -EINVAL);
	file = sound_file();
	file.data.p_memsz = UINT64_MAX - 1;
	check_refused(&file, -EINVAL);
	file = sound_file();
	file.data.p_vaddr = UINT64_MAX - 4;
	check_refused(&file, -EINVAL);
	file = sound_file();
	file.data.p_offset = UINT64_MAX - 4;
	check_refused(&file, -EINVAL);
	file = sound_file();
	file.header.e_phnum = 0;
	check_refused(&file, -EINVAL);
	file = sound_file();
	file.text.p_type = file.data.p_type = PT_NULL;
	check_refused(&file, -EINVAL);
}

static void test_segment_beyond_the_file(void **state)
{
	const struct elf_function *functions;
	struct file file = sound_file();
	struct elf_image *image;
	uint8_t byte;
	size_t n;

	file.text.p_filesz = file.text.p_memsz = UINT64_C(1) << 20;
	file.data.p_offset = UINT64_C(1) << 62;
	image = open_file(&file);
	assert_int_equal(elf_image__read(image, TEXT_ADDRESS + 0x8000, &byte, 1), -EIO);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS, &byte, 1), -EIO);
	assert_int_equal(elf_image__functions(image, &functions, &n), -EIO);
	assert_int_equal(elf_image__functions(image, &functions, &n), -EIO); /* once more, to the same end */
	elf_image__free(image);
	file.data.p_offset = UINT64_MAX - 0x1000; /* negative as an off_t */
	image = open_file(&file);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS, &byte, 1), -EIO);
	elf_image__free(image);
}

/* No unwind table, no symbols; asked twice. */
static void test_no_functions(void **state)
{
	const struct elf_function *functions = NULL;
	struct elf_function function = {.start = TEXT_ADDRESS, .end = TEXT_ADDRESS + 1};
	struct file file = sound_file();
	struct elf_image *image = open_file(&file);
	const uint8_t *code;
	size_t n;

	assert_int_equal(elf_image__code(image, &function, &code), -EFAULT);
	assert_int_equal(elf_image__functions(image, &functions, &n), -ENOENT);
	assert_int_equal(elf_image__functions(image, &functions, &n), -ENOENT);
	assert_null(functions);
	assert_int_equal(elf_image__function_at(image, TEXT_ADDRESS, &function), -ENOENT);
	assert_string_equal(elf_image__build_id(image), "");
	elf_image__free(image);
}

static void test_read(void **state)
{
	struct file file = sound_file();
	struct elf_image *image = open_file(&file);
	uint8_t bytes[DATA_MEMORY + 1];
	uint64_t value;

	assert_int_equal(elf_image__read(image, DATA_ADDRESS + 2, bytes, 4), 0);
	assert_memory_equal(bytes, file.bytes + 2, 4);

	/* across the end of what the file has: zeroes */
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(elf_image__read(image, DATA_ADDRESS, bytes, DATA_MEMORY), 0);
	assert_memory_equal(bytes, file.bytes, DATA_BYTES);
	for (int i = DATA_BYTES; i < DATA_MEMORY; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(bytes[DATA_MEMORY], 0xff);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS + DATA_MEMORY - 1, bytes, 1), 0);
	assert_int_equal(bytes[0], 0);

	/* across the end of the segment, and outside of any */
	assert_int_equal(elf_image__read(image, DATA_ADDRESS, bytes, DATA_MEMORY + 1), -EFAULT);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS + DATA_MEMORY, bytes, 1), -EFAULT);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS - 1, bytes, 1), -EFAULT);
	assert_int_equal(elf_image__read(image, 0, bytes, 1), -EFAULT);
	assert_int_equal(elf_image__read(image, UINT64_MAX, bytes, 1), -EFAULT);
	assert_int_equal(elf_image__read(image, DATA_ADDRESS + 1, bytes, SIZE_MAX), -EFAULT);

	assert_int_equal(elf_image__pointer(image, DATA_ADDRESS, &value), 0);
	assert_int_equal(value, 0x0807060504030201);
	value = 1;
	assert_int_equal(elf_image__pointer(image, DATA_ADDRESS + DATA_MEMORY - 4, &value), -EFAULT);
	assert_int_equal(value, 1);
	elf_image__free(image);
}

static void test_offset(void **state)
{
	struct file file = sound_file();
	struct elf_image *image = open_file(&file);
	uint64_t offset = 7;

	assert_int_equal(elf_image__offset(image, DATA_ADDRESS + DATA_BYTES, &offset), -EFAULT);
	assert_int_equal(elf_image__offset(image, TEXT_ADDRESS + TEXT_BYTES, &offset), -EFAULT);
	assert_int_equal(offset, 7);
	assert_int_equal(elf_image__offset(image, DATA_ADDRESS + 5, &offset), 0);
	assert_int_equal(offset, TEXT_BYTES + 5);
	assert_int_equal(elf_image__offset(image, TEXT_ADDRESS, &offset), 0);
	assert_int_equal(offset, 0);
	elf_image__free(image);
}

static void test_build_id(void **state)
{
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint8_t id[8];
	} note = {{4, 8, NT_GNU_BUILD_ID}, "GNU", {0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3}};
	struct file file = sound_file();
	struct elf_image *image;

	memcpy(file.bytes, &note, sizeof(note));
	file.extra = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = TEXT_BYTES, .p_filesz = sizeof(note), .p_align = 4};
	image = open_file(&file);
	assert_string_equal(elf_image__build_id(image), "deadbeef00010203");
	elf_image__free(image);

	/* Longer than any build id. */
	note.header.n_descsz = 40;
	memcpy(file.bytes, &note, sizeof(note));
	file.extra.p_filesz = 16 + 40;
	image = open_file(&file);
	assert_string_equal(elf_image__build_id(image), "");
	elf_image__free(image);

	/* A note that claims more than there is. */
	note.header.n_descsz = 4000;
	memcpy(file.bytes, &note, sizeof(note));
	image = open_file(&file);
	assert_string_equal(elf_image__build_id(image), "");
	elf_image__free(image);
	file.extra.p_filesz = UINT64_MAX / 2;
	image = open_file(&file);
	assert_string_equal(elf_image__build_id(image), "");
	elf_image__free(image);
}

/*
 * --- the test's own executable, which is a PIE -------------------------------------------------------------
 */

int __attribute__((noinline)) known_function(int n);

int known_function(int n)
{
	volatile int sum = 0;

	for (int i = 0; i < n; i++)
		sum += i;
	return sum;
}

/* Needs a relocation; the file holds zero or the addend here, as the linker likes. */
int (*volatile known_pointer)(int) = known_function;
const uint64_t known_constant = 0x1122334455667788;

static struct elf_image *open_self(void)
{
	struct elf_image *image = NULL;

	assert_int_equal(elf_image__open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &image), 0);
	return image;
}

static int take_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uint64_t *)arg = info->dlpi_addr;
	return 1; /* the first one is the executable */
}

static uint64_t own_bias(void)
{
	uint64_t bias = 0;

	dl_iterate_phdr(take_bias, &bias);
	return bias;
}

static uint64_t address_of(struct elf_image *image, const char *name)
{
	uint64_t address;

	if (elf_image__symbol(image, name, &address, NULL))
		fail_with("no symbol %s", name);
	return address;
}

static void test_symbols(void **state)
{
	struct elf_image *image = open_self();
	uint64_t address = 1, size = 1;

	assert_int_equal(elf_image__symbol(image, "no_such_symbol", &address, &size), -ENOENT);
	assert_int_equal(elf_image__symbol(image, "known_functio", &address, &size), -ENOENT);
	assert_int_equal(elf_image__symbol(image, "pread64_undefined", &address, NULL), -ENOENT);
	assert_int_equal(address, 1);
	assert_int_equal(elf_image__symbol(image, "known_constant", &address, &size), 0);
	assert_int_equal(address, (uintptr_t)&known_constant - own_bias());
	assert_int_equal(size, sizeof(known_constant));
	assert_int_equal(address_of(image, "known_function"), (uintptr_t)known_function - own_bias());
	assert_true(elf_image__has_symbol_prefix(image, "known_fu"));
	assert_false(elf_image__has_symbol_prefix(image, "no_such_"));
	elf_image__free(image);
}

static void test_pointer(void **state)
{
	struct elf_image *image = open_self();
	uint64_t value, offset, function = address_of(image, "known_function");
	uint64_t pointer = address_of(image, "known_pointer");
	size_t len;
	uint8_t *bytes = read_own_executable(&len);

	assert_int_not_equal(own_bias(), 0); /* else nothing is relocated and nothing is tested */
	assert_int_equal(elf_image__pointer(image, pointer, &value), 0);
	assert_int_equal(value, function);
	assert_int_equal(elf_image__pointer(image, address_of(image, "known_constant"), &value), 0);
	assert_int_equal(value, known_constant);

	/* Linkers differ in what they leave in place; the relocation is what counts. */
	assert_int_equal(elf_image__offset(image, pointer, &offset), 0);
	memset(bytes + offset, 0xee, sizeof(value));
	elf_image__free(image);
	assert_int_equal(open_bytes(bytes, len, &image), 0);
	assert_int_equal(elf_image__pointer(image, pointer, &value), 0);
	assert_int_equal(value, function);
	elf_image__free(image);
	free(bytes);
}

static void test_functions(void **state)
{
	struct elf_image *image = open_self();
	const struct elf_function *functions;
	struct elf_function function;
	uint64_t address, size;
	const uint8_t *code;
	size_t n;

	assert_int_equal(elf_image__functions(image, &functions, &n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(functions[i].start < functions[i].end);
		assert_true(i == 0 || functions[i - 1].end <= functions[i].start);
	}
	assert_int_equal(elf_image__symbol(image, "known_function", &address, &size), 0);
	assert_int_equal(elf_image__function_at(image, address, &function), 0);
	assert_int_equal(function.start, address);
	assert_int_equal(function.end, address + size);
	assert_int_equal(elf_image__function_at(image, address + size - 1, &function), 0);
	assert_int_equal(function.start, address);
	assert_int_equal(elf_image__function_at(image, 0, &function), -ENOENT);
	assert_int_equal(elf_image__function_at(image, functions[n - 1].end, &function), -ENOENT);

	assert_int_equal(elf_image__code(image, &function, &code), 0);
	assert_memory_equal(code, (const void *)(uintptr_t)known_function, size);
	function.end = UINT64_MAX;
	assert_int_equal(elf_image__code(image, &function, &code), -EFAULT);
	function.start = function.end;
	assert_int_equal(elf_image__code(image, &function, &code), -EFAULT);
	function = (struct elf_function){address_of(image, "known_constant"),
					 address_of(image, "known_constant") + 8};
	assert_int_equal(elf_image__code(image, &function, &code), -EFAULT);
	elf_image__free(image);
}

/* The file offset of a function's FDE, by way of the sorted table in .eh_frame_hdr. */
static uint64_t find_fde(const uint8_t *bytes, uint64_t function)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(bytes + header->e_phoff);
	int32_t entry[2];

	while (segment->p_type != PT_GNU_EH_FRAME)
		segment++;
	for (uint64_t at = segment->p_offset + 12; at < segment->p_offset + segment->p_filesz;
	     at += sizeof(entry)) {
		memcpy(entry, bytes + at, sizeof(entry));
		if (segment->p_vaddr + entry[0] == function)
			return segment->p_offset + entry[1];
	}
	fail();
	return 0;
}

/* A function that claims the next ones' bytes: these are dropped, and what remains does not overlap. */
static void test_overlapping(void **state)
{
	struct elf_image *image = open_self();
	uint64_t function = address_of(image, "known_function");
	const struct elf_function *functions;
	size_t len, n, n_sound;
	uint8_t *bytes = read_own_executable(&len);
	uint32_t size = 4000;

	assert_int_equal(elf_image__functions(image, &functions, &n_sound), 0);
	elf_image__free(image);
	memcpy(bytes + find_fde(bytes, function) + 12, &size, sizeof(size));
	assert_int_equal(open_bytes(bytes, len, &image), 0);
	assert_int_equal(elf_image__functions(image, &functions, &n), 0);
	assert_true(n < n_sound);
	for (size_t i = 1; i < n; i++)
		assert_true(functions[i - 1].end <= functions[i].start);
	elf_image__free(image);
	free(bytes);
}

/*
 * As /proc/PID/maps tells it: where the mapping begins that holds the function, and its offset in the file.
 */
static void test_bias(void **state)
{
	struct elf_image *image = open_self();
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t bias = 0;
	char line[4096];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		uint64_t start, end, offset;

		assert_int_equal(sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset), 3);
		if ((uintptr_t)known_function - start < end - start)
			assert_int_equal(elf_image__bias(image, start, offset, &bias), 0);
	}
	assert_int_equal(bias, own_bias());
	assert_int_equal(elf_image__bias(image, 0x1000, UINT64_C(1) << 40, &bias), -EINVAL);
	fclose(maps);
	elf_image__free(image);
}

/*
 * --- damage ------------------------------------------------------------------------------------------------
 */

/* What a target's file is asked for, whatever it says. */
static void ask_everything(struct elf_image *image)
{
	const struct elf_function *functions;
	uint64_t address, size;
	const uint8_t *code;
	uint8_t bytes[64];
	size_t n;

	elf_image__symbol(image, "no_such_symbol", &address, &size);
	if (!elf_image__symbol(image, "known_pointer", &address, &size)) {
		elf_image__pointer(image, address, &size);
		elf_image__read(image, address, bytes, sizeof(bytes));
	}
	assert_true(strlen(elf_image__build_id(image)) <= 64);
	if (elf_image__functions(image, &functions, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t sum = 0;

		if (elf_image__code(image, &functions[i], &code))
			continue;
		for (uint64_t at = 0; at < functions[i].end - functions[i].start; at++)
			sum ^= code[at];
		bytes[0] = sum;
	}
}

static void damage(uint64_t *random, uint8_t *to, size_t len)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	for (size_t i = 1 + random_below(random, 4); i > 0; i--)
		to[random_below(random, len)] =
			random_below(random, 2) ? edges[random_below(random, 5)] : next_random(random) >> 32;
}

/* Damage in the headers and in the sections that are read. */
static void test_damaged(void **state)
{
	uint64_t random = 0xfeedfacecafebeef;
	size_t len, n_opened = 0, n_refused = 0;
	uint8_t *original = read_own_executable(&len), *copy = malloc(len);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)original;

	for (int round = 0; round < 400; round++) {
		struct elf_image *image;

		memcpy(copy, original, len);
		if (round % 3 == 0)
			damage(&random, copy, sizeof(Elf64_Ehdr));
		else if (round % 3 == 1)
			damage(&random, copy + header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr));
		else
			damage(&random, copy + header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr));
		if (open_bytes(copy, len, &image)) {
			n_refused++;
			continue;
		}
		n_opened++;
		ask_everything(image);
		elf_image__free(image);
	}
	assert_true(n_opened > 50 && n_refused > 10);
	free(original);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_other_machines),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_lying_segments),
		cmocka_unit_test(test_segment_beyond_the_file),
		cmocka_unit_test(test_no_functions),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_offset),
		cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_pointer),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_overlapping),
		cmocka_unit_test(test_bias),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
