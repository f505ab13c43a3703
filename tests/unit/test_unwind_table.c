/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "machine_code_test.h"
#include "unwind_table.h"

/* Functions of different shapes, which the compiler must not merge, inline or drop. */
int __attribute__((noinline)) known_leaf(int n);
int __attribute__((noinline)) known_caller(const char *text);
int __attribute__((noinline)) known_loop(int n);

int known_leaf(int n)
{
	return n * 3 + 1;
}

int known_caller(const char *text)
{
	char copy[100];

	snprintf(copy, sizeof(copy), "<%s>", text);
	return known_leaf(strlen(copy));
}

int known_loop(int n)
{
	volatile int sum = 0;

	for (int i = 0; i < n; i++)
		sum += known_leaf(i) ^ known_caller("x");
	return sum;
}

static uint8_t *own_bytes;
static size_t own_len;
static Elf64_Phdr own_header; /* of .eh_frame_hdr */
static Elf64_Shdr own_frames; /* .eh_frame */

static int setup(void **state)
{
	const Elf64_Ehdr *header;
	const Elf64_Phdr *segments;
	const Elf64_Shdr *sections;
	const char *names;

	own_bytes = read_own_executable(&own_len);
	header = (const Elf64_Ehdr *)own_bytes;
	segments = (const Elf64_Phdr *)(own_bytes + header->e_phoff);
	sections = (const Elf64_Shdr *)(own_bytes + header->e_shoff);
	names = (const char *)own_bytes + sections[header->e_shstrndx].sh_offset;
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_GNU_EH_FRAME)
			own_header = segments[i];
	for (int i = 0; i < header->e_shnum; i++)
		if (!strcmp(names + sections[i].sh_name, ".eh_frame"))
			own_frames = sections[i];
	return own_header.p_memsz && own_frames.sh_size ? 0 : -1;
}

static int teardown(void **state)
{
	free(own_bytes);
	return known_loop(0);
}

static struct elf_image *open_bytes(const uint8_t *bytes)
{
	struct elf_image *image = NULL;

	assert_int_equal(elf_image__open(file_of(bytes, own_len), &image), 0);
	return image;
}

static int read_ranges(const struct elf_image *image, struct unwind_range **ret_ranges, size_t *ret_n)
{
	return unwind_table__ranges(image, own_header.p_vaddr, own_header.p_memsz, ret_ranges, ret_n);
}

static void check_function(const struct elf_image *image, const char *name, const struct unwind_range *ranges,
			   size_t n)
{
	uint64_t address, size;

	assert_int_equal(elf_image__symbol(image, name, &address, &size), 0);
	assert_true(size > 0);
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].start != address)
			continue;
		assert_int_equal(ranges[i].end, address + size);
		return;
	}
	fail_with("no range for %s", name);
}

static void test_known_functions(void **state)
{
	struct elf_image *image = open_bytes(own_bytes);
	struct unwind_range *ranges;
	size_t n;

	assert_int_equal(read_ranges(image, &ranges, &n), 0);
	check_function(image, "known_leaf", ranges, n);
	check_function(image, "known_caller", ranges, n);
	check_function(image, "known_loop", ranges, n);
	check_function(image, "main", ranges, n);
	check_function(image, "unwind_table__ranges", ranges, n);
	check_function(image, "elf_image__open", ranges, n);
	free(ranges);
	elf_image__free(image);
}

/* Every entry of the table is found: nothing in this file is encoded unusually. */
static void test_all_entries(void **state)
{
	struct elf_image *image = open_bytes(own_bytes);
	struct unwind_range *ranges;
	uint32_t count;
	size_t n;

	memcpy(&count, own_bytes + own_header.p_offset + 8, sizeof(count));
	assert_int_equal(read_ranges(image, &ranges, &n), 0);
	assert_int_equal(n, count);
	free(ranges);
	elf_image__free(image);
}

static void check_header(size_t at, const void *patch, size_t len, int expected)
{
	uint8_t *copy = malloc(own_len);
	struct unwind_range *ranges = NULL;
	struct elf_image *image;
	size_t n = 0;

	memcpy(copy, own_bytes, own_len);
	memcpy(copy + own_header.p_offset + at, patch, len);
	image = open_bytes(copy);
	assert_int_equal(read_ranges(image, &ranges, &n), expected);
	if (expected)
		assert_null(ranges);
	free(ranges);
	elf_image__free(image);
	free(copy);
}

static void test_unusual_headers(void **state)
{
	check_header(0, "\2", 1, -ENOENT);               /* version */
	check_header(1, "\xff", 1, 0);                   /* where .eh_frame begins is not asked for */
	check_header(2, "\xff", 1, -ENOENT);             /* no count */
	check_header(3, "\x1b", 1, -ENOENT);             /* a table relative to its entries */
	check_header(8, "\0\0\0\0", 4, -ENOENT);         /* an empty table */
	check_header(8, "\xff\xff\xff\xff", 4, -ENOENT); /* a table that is larger than its segment */
	check_header(12 + 4, "\0\0\0\x7f", 4, -ENOENT);  /* FDEs 2 GB away */
	check_header(12 + 4, "\0\0\0\x0f", 4, -EFAULT);  /* FDEs 250 MB away, where the file has nothing */
}

static void test_no_header(void **state)
{
	struct elf_image *image = open_bytes(own_bytes);
	struct unwind_range *ranges = NULL;
	size_t n;

	assert_int_equal(unwind_table__ranges(image, own_header.p_vaddr, 11, &ranges, &n), -ENOENT);
	assert_int_equal(unwind_table__ranges(image, own_header.p_vaddr, 12, &ranges, &n), -ENOENT);
	assert_int_equal(unwind_table__ranges(image, UINT64_MAX - 100, 4096, &ranges, &n), -EFAULT);
	assert_null(ranges);
	elf_image__free(image);
}

static size_t count_usual(const struct elf_image *image)
{
	struct unwind_range *ranges;
	size_t n;

	if (read_ranges(image, &ranges, &n))
		return SIZE_MAX;
	free(ranges);
	return n;
}

/* The augmentation of .eh_frame's first CIE, "zR", and the encoding of its addresses. */
#define AUGMENTATION 9
#define ENCODING 16

static size_t count_with(size_t at, const void *patch, size_t len)
{
	uint8_t *copy = malloc(own_len);
	struct elf_image *image;
	size_t n;

	memcpy(copy, own_bytes, own_len);
	memcpy(copy + own_frames.sh_offset + at, patch, len);
	image = open_bytes(copy);
	n = count_usual(image);
	elf_image__free(image);
	free(copy);
	return n;
}

/* FDEs of an unusual CIE are left out, those of others stay. */
static void test_unusual_cie(void **state)
{
	size_t all = count_with(0, "", 0);

	assert_string_equal((const char *)own_bytes + own_frames.sh_offset + AUGMENTATION, "zR");
	assert_int_equal(own_bytes[own_frames.sh_offset + ENCODING], 0x1b); /* pc-relative, 4 bytes, signed */
	assert_true(count_with(ENCODING, "\x1c", 1) < all);                 /* 8 bytes */
	assert_true(count_with(ENCODING, "\x0b", 1) < all);                 /* absolute */
	assert_true(count_with(ENCODING, "\x9b", 1) < all);                 /* through a pointer */
	assert_true(count_with(AUGMENTATION, "eh", 2) < all);               /* without a size */
	assert_true(count_with(AUGMENTATION, "z", 2) < all);                /* without an encoding */
	assert_true(count_with(AUGMENTATION, "zXR", 4) < all); /* with something unknown before it */
}

/*
 * CIEs of our own: only their first 64 bytes are looked at. Symbols, so that they can be found in the file.
 */
const uint8_t sound_cie[64] = {20, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b};
const uint8_t long_numbers_cie[64] = {20,  0, 0,    0,    0, 0,    0,    0,  1, 'z',
				      'R', 0, 0x81, 0x80, 0, 0xf8, 0x7f, 16, 1, 0x1b};
const uint8_t personality_cie[64] = {20, 0, 0,    0,  0, 0,    0, 0, 1, 'z', 'P',  'L', 'R',
				     0,  1, 0x78, 16, 7, 0x9b, 1, 2, 3, 4,   0xff, 0x1b};
const uint8_t endless_number_cie[64] = {[9] = 'z', 'R', 0, [12 ... 63] = 0x80};
const uint8_t endless_name_cie[64] = {[9] = 'z', [10 ... 63] = 'S'};
const uint8_t cut_cie[64] = {[9] = 'z', [10 ... 57] = 'S', 'P', 'R', 0, 1, 1, 1};

/* Whether main's range is still found when its FDE refers to another CIE. */
static bool is_found_with(const char *cie)
{
	uint8_t *copy = malloc(own_len);
	uint64_t main_address, cie_address;
	struct unwind_range *ranges;
	struct elf_image *image = open_bytes(own_bytes);
	bool found = false;
	int32_t entry[2];
	size_t n;

	assert_int_equal(elf_image__symbol(image, "main", &main_address, NULL), 0);
	assert_int_equal(elf_image__symbol(image, cie, &cie_address, NULL), 0);
	elf_image__free(image);
	memcpy(copy, own_bytes, own_len);
	for (uint64_t at = own_header.p_offset + 12; at < own_header.p_offset + own_header.p_filesz;
	     at += 8) {
		uint32_t back;

		memcpy(entry, own_bytes + at, sizeof(entry));
		back = own_header.p_vaddr + entry[1] + 4 - cie_address;
		if (own_header.p_vaddr + entry[0] == main_address)
			memcpy(copy + own_header.p_offset + entry[1] + 4, &back, sizeof(back));
	}
	image = open_bytes(copy);
	assert_int_equal(read_ranges(image, &ranges, &n), 0);
	for (size_t i = 0; i < n; i++)
		found |= ranges[i].start == main_address;
	free(ranges);
	elf_image__free(image);
	free(copy);
	return found;
}

static void test_cies(void **state)
{
	assert_true(is_found_with("sound_cie"));
	assert_true(is_found_with("long_numbers_cie"));
	assert_true(is_found_with("personality_cie"));
	assert_false(is_found_with("endless_number_cie"));
	assert_false(is_found_with("endless_name_cie"));
	assert_false(is_found_with("cut_cie"));
}

/* One pattern of damage at a time: whatever comes out, it does not read where it must not. */
static void fuzz(uint64_t offset, uint64_t size, uint64_t random, size_t *ret_n_failed, size_t *ret_n_fewer)
{
	uint8_t *copy = malloc(own_len);
	struct elf_image *image = open_bytes(own_bytes);
	size_t all = count_usual(image);

	elf_image__free(image);
	*ret_n_failed = *ret_n_fewer = 0;
	for (int round = 0; round < 500; round++) {
		size_t n;

		memcpy(copy, own_bytes, own_len);
		for (size_t i = random_below(&random, 1 + round % 200); i-- > 0;)
			copy[offset + random_below(&random, size)] = next_random(&random) >> 32;
		image = open_bytes(copy);
		n = count_usual(image);
		*ret_n_failed += n == SIZE_MAX;
		*ret_n_fewer += n < all;
		elf_image__free(image);
	}
	free(copy);
}

static void test_damaged_header(void **state)
{
	size_t n_failed, n_fewer;

	fuzz(own_header.p_offset, own_header.p_filesz, 0xabcdef0123456789, &n_failed, &n_fewer);
	assert_true(n_failed > 0 && n_failed < 500);
	fuzz(own_header.p_offset, 12 + 64, 0x123456789abcdef, &n_failed, &n_fewer);
	assert_true(n_failed > 0 && n_failed < 500);
}

static void test_damaged_frames(void **state)
{
	size_t n_failed, n_fewer;

	fuzz(own_frames.sh_offset, own_frames.sh_size, 0x55aa55aa12345678, &n_failed, &n_fewer);
	assert_int_equal(n_failed, 0);
	assert_true(n_fewer > 10);
	/* The first CIE. */
	fuzz(own_frames.sh_offset, 24, 0x77777777deadbeef, &n_failed, &n_fewer);
	assert_int_equal(n_failed, 0);
	assert_true(n_fewer > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_functions), cmocka_unit_test(test_all_entries),
		cmocka_unit_test(test_unusual_headers), cmocka_unit_test(test_no_header),
		cmocka_unit_test(test_unusual_cie),     cmocka_unit_test(test_cies),
		cmocka_unit_test(test_damaged_header),  cmocka_unit_test(test_damaged_frames),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
