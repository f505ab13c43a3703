// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* DWARF pointer encodings (LSB core specification, "DWARF Exception Header Encoding"). */
#define PE_UDATA4 0x03
#define PE_SDATA4 0x0b
#define PE_PCREL 0x10
#define PE_DATAREL 0x30

#define MAX_ENTRIES (4u << 20)
#define MAX_FRAME_BYTES (256u << 20)
#define CIE_BYTES 64 /* enough for the augmentation string and what comes before the encoding */

struct header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
} __attribute__((packed));

struct entry {
	int32_t start; /* relative to the header */
	int32_t fde;
};

struct fde {
	uint32_t length;
	uint32_t cie_back; /* from this field back to the CIE */
	int32_t start;     /* relative to this field */
	uint32_t size;
} __attribute__((packed));

static const uint8_t *skip_leb128(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p++ & 0x80)
		;
	return p;
}

/* Whether FDEs of this CIE hold pc-relative 4-byte addresses, as all compilers on x86-64 emit them. */
static bool is_usual_cie(const struct elf_image *image, uint64_t address)
{
	uint8_t cie[CIE_BYTES];
	const uint8_t *p = cie + 9, *end = cie + sizeof(cie), *augmentation = p;

	if (elf_image__read(image, address, cie, sizeof(cie)))
		return false;
	p = memchr(p, 0, end - p);
	if (!p || augmentation[0] != 'z')
		return false;
	p = skip_leb128(p + 1, end); /* code alignment */
	p = skip_leb128(p, end);     /* data alignment */
	p = skip_leb128(p, end);     /* return address register */
	p = skip_leb128(p, end);     /* length of the augmentation data */
	for (augmentation++; *augmentation && p < end; augmentation++) {
		if (*augmentation == 'R')
			return *p == (PE_PCREL | PE_SDATA4);
		if (*augmentation == 'S' || *augmentation == 'B')
			continue;
		p += *augmentation == 'L' ? 1 : *augmentation == 'P' ? 5 : (int)sizeof(cie);
	}
	return false;
}

struct reader {
	const struct elf_image *image;
	uint8_t *frames; /* the bytes of .eh_frame from its first FDE's neighbourhood on */
	uint64_t frames_start, frames_size;
	uint64_t last_cie;
	bool last_cie_usual;
};

static bool cie_is_usual(struct reader *r, uint64_t cie)
{
	if (cie != r->last_cie) {
		r->last_cie = cie;
		r->last_cie_usual = is_usual_cie(r->image, cie);
	}
	return r->last_cie_usual;
}

static bool read_fde(struct reader *r, uint64_t address, struct unwind_range *ret_range)
{
	uint64_t at = address - r->frames_start;
	struct fde fde;

	if (address < r->frames_start || at > r->frames_size - sizeof(fde))
		return false;
	memcpy(&fde, r->frames + at, sizeof(fde));
	if (!cie_is_usual(r, address + 4 - fde.cie_back))
		return false;
	ret_range->start = address + 8 + (int64_t)fde.start;
	ret_range->end = ret_range->start + fde.size;
	return true;
}

/* Reads the part of .eh_frame that the table's entries point to, in one go. */
static int load_frames(struct reader *r, uint64_t header, const struct entry *entries, size_t n)
{
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (size_t i = 0; i < n; i++) {
		low = entries[i].fde < low ? entries[i].fde : low;
		high = entries[i].fde > high ? entries[i].fde : high;
	}
	r->frames_start = header + low;
	r->frames_size = high - low + sizeof(struct fde);
	if (r->frames_size > MAX_FRAME_BYTES)
		return -ENOENT;
	r->frames = malloc(r->frames_size);
	if (!r->frames)
		return -ENOMEM;
	return elf_image__read(r->image, r->frames_start, r->frames, r->frames_size);
}

static int read_entries(const struct elf_image *image, uint64_t header, uint64_t header_size,
			struct entry **ret_entries, size_t *ret_n)
{
	struct entry *entries;
	struct header h;
	int err;

	if (header_size < sizeof(h))
		return -ENOENT;
	err = elf_image__read(image, header, &h, sizeof(h));
	if (err)
		return err;
	if (h.version != 1 || h.count_encoding != PE_UDATA4 || h.table_encoding != (PE_DATAREL | PE_SDATA4) ||
	    !h.count || h.count > MAX_ENTRIES || h.count > (header_size - sizeof(h)) / sizeof(*entries))
		return -ENOENT;
	entries = calloc(h.count, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	err = elf_image__read(image, header + sizeof(h), entries, h.count * sizeof(*entries));
	if (err) {
		free(entries);
		return err;
	}
	*ret_entries = entries;
	*ret_n = h.count;
	return 0;
}

int unwind_table__ranges(const struct elf_image *image, uint64_t header, uint64_t header_size,
			 struct unwind_range **ret_ranges, size_t *ret_n)
{
	struct reader r = {.image = image, .last_cie = UINT64_MAX};
	struct unwind_range *ranges = NULL;
	struct entry *entries;
	size_t n_entries, n = 0;
	int err;

	err = read_entries(image, header, header_size, &entries, &n_entries);
	if (err)
		return err;
	err = load_frames(&r, header, entries, n_entries);
	if (err)
		goto out;
	ranges = calloc(n_entries, sizeof(*ranges));
	if (!ranges) {
		err = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < n_entries; i++)
		n += read_fde(&r, header + (int64_t)entries[i].fde, &ranges[n]);
	*ret_ranges = ranges;
	*ret_n = n;
out:
	free(r.frames);
	free(entries);
	return err;
}
