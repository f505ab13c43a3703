/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_PART_H
#define LINGER_OBJECT_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object_pieces.h"

/* The part of a piece that is being parsed: what the files that parse pieces share. */
struct part {
	const struct object_layout *layout;
	const struct object_piece *piece;
	const void *elements, *beside;
	size_t n;
	struct piece_results *results;
};

#define WORD_BYTES sizeof(uint64_t)
#define MAX_ELEMENTS (UINT64_C(1) << 32) /* more make no object that fits in memory */

/* The word of this index of an array. */
uint64_t part__word(const void *words, size_t index);

/* A word of a structure that is the piece, or its first part; 0: it is not in there. */
uint64_t part__field(const struct part *part, uint16_t offset);
uint8_t part__byte(const struct part *part, uint16_t offset);

void part__emit(const struct part *part, uint64_t to, enum referent_label label, uint64_t key);
void part__emit_buffer(const struct part *part, uint64_t address, uint64_t bytes);

/* What was read makes no sense. */
void part__distrust(const struct part *part);

/* Another piece of the same object, for the caller to say more of it. It is dropped if nobody asked for what
 * it has. */
struct object_piece *part__add(const struct part *part, enum piece_kind kind, uint64_t address,
			       uint32_t stride, uint64_t count);

/* It counts only if the word at this offset of the object still leads to it. */
void object_piece__guard(struct object_piece *piece, uint16_t offset, uint64_t expected);

/* dict_pieces.c: dicts, and attributes without a dict. */
void dict_pieces__parse_dict(const struct part *part);
void dict_pieces__parse_keys(const struct part *part);
void dict_pieces__parse_class_keys(const struct part *part);
void dict_pieces__parse_entries(const struct part *part);
void dict_pieces__parse_managed(const struct part *part);
void dict_pieces__parse_values_head(const struct part *part);
void dict_pieces__parse_inline_head(const struct part *part);

/* frame_pieces.c: frames, and generators, which have one. */
void frame_pieces__parse_object(const struct part *part);
void frame_pieces__parse_generator(const struct part *part);
void frame_pieces__parse_inner(const struct part *part);
void frame_pieces__parse_code(const struct part *part);
void frame_pieces__parse_locals(const struct part *part);

#endif /* LINGER_OBJECT_PART_H */
