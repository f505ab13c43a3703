/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ELF_IMAGE_H
#define LINGER_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An x86-64 ELF file of a target, read through a descriptor. The file belongs to the target and is hostile
 * input: it is read with pread (never mapped: it may shrink), and every size and offset in it is checked.
 * Addresses are the file's own (link-time) virtual addresses.
 */
struct elf_image;

struct elf_function {
	uint64_t start;
	uint64_t end;
};

/*
 * Takes over fd. 0; -ENOEXEC: not ELF; -EINVAL: damaged; -EOPNOTSUPP: ELF, but not for 64-bit x86; -ENOMEM.
 */
int elf_image__open(int fd, struct elf_image **ret_image);
void elf_image__free(struct elf_image *image);

int elf_image__fd(const struct elf_image *image);

/* A symbol's address and, if ret_size is given, size. 0 or -ENOENT. */
int elf_image__symbol(const struct elf_image *image, const char *name, uint64_t *ret_address,
		      uint64_t *ret_size);

/* Whether any defined symbol's name begins with prefix. */
bool elf_image__has_symbol_prefix(const struct elf_image *image, const char *prefix);

/* Copies bytes as the file has them; zeroes where the segment goes beyond the file. 0 or -EFAULT, -EIO. */
int elf_image__read(const struct elf_image *image, uint64_t address, void *buf, size_t len);

/* The pointer at an address as it stands before the program runs, relocations applied (link-time address);
 * symbols that the file defines are taken to be its own. 0 or -EFAULT, -EIO. */
int elf_image__pointer(const struct elf_image *image, uint64_t address, uint64_t *ret_value);

/* The address of the slot through which the file refers to another file's symbol, filled by the dynamic
 * linker. 0 or -ENOENT. */
int elf_image__import(const struct elf_image *image, const char *name, uint64_t *ret_slot);

/* The file offset of an address. 0 or -EFAULT. */
int elf_image__offset(const struct elf_image *image, uint64_t address, uint64_t *ret_offset);

/*
 * Functions, sorted by start, not overlapping: from .eh_frame_hdr, which stripped files keep, and from
 * symbols where that has none. A start is a proven instruction boundary. 0, -ENOENT (none known), -EIO,
 * -ENOMEM.
 */
int elf_image__functions(struct elf_image *image, const struct elf_function **ret_functions, size_t *ret_n);

/* The function that an address lies in. 0 or -ENOENT; needs elf_image__functions to have succeeded. */
int elf_image__function_at(struct elf_image *image, uint64_t address, struct elf_function *ret_function);

/* The bytes of a function; valid as long as the image. 0, -EFAULT, -EIO, -ENOMEM. */
int elf_image__code(struct elf_image *image, const struct elf_function *function, const uint8_t **ret_bytes);

/* Run-time minus link-time addresses, given that an executable mapping of this file begins at `start` with
 * file offset `offset`. 0 or -EINVAL. */
int elf_image__bias(const struct elf_image *image, uint64_t start, uint64_t offset, uint64_t *ret_bias);

/* Build id as hexadecimal, empty if there is none. */
const char *elf_image__build_id(const struct elf_image *image);

#endif /* LINGER_ELF_IMAGE_H */
