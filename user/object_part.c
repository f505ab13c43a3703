// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "object_part.h"

#include <string.h>

#include "fingerprint.h"

/* What lies in a piece, or in the pieces that it leads to. */
enum contents {
	REFERENCES = 1,
	BUFFERS = 2,
};

static const uint8_t contents_of[] = {
	[PIECE_FIELDS] = REFERENCES | BUFFERS,
	[PIECE_MANAGED] = REFERENCES | BUFFERS,
	[PIECE_VALUES_HEAD] = REFERENCES | BUFFERS,
	[PIECE_INLINE_HEAD] = REFERENCES,
	[PIECE_ATTRIBUTES] = REFERENCES,
	[PIECE_DICT_WORD] = REFERENCES,
	[PIECE_ITEMS] = REFERENCES,
	[PIECE_UNKNOWN_ITEMS] = REFERENCES,
	[PIECE_KEYS] = REFERENCES | BUFFERS,
	[PIECE_CLASS_KEYS] = BUFFERS,
	[PIECE_ENTRIES] = REFERENCES,
	[PIECE_SET] = REFERENCES,
	[PIECE_DEQUE] = REFERENCES | BUFFERS,
	[PIECE_FRAME] = REFERENCES,
	[PIECE_CODE] = REFERENCES,
	[PIECE_LOCALS] = REFERENCES,
};

uint64_t part__word(const void *words, size_t index)
{
	uint64_t word;

	memcpy(&word, (const char *)words + index * WORD_BYTES, sizeof(word));
	return word;
}

uint64_t part__field(const struct part *part, uint16_t offset)
{
	uint64_t word;

	if (offset == PY_NO_FIELD || offset + sizeof(word) > part->n * part->piece->stride)
		return 0;
	memcpy(&word, (const char *)part->elements + offset, sizeof(word));
	return word;
}

uint8_t part__byte(const struct part *part, uint16_t offset)
{
	if (offset == PY_NO_FIELD || offset >= part->n * part->piece->stride)
		return 0;
	return ((const uint8_t *)part->elements)[offset];
}

void part__distrust(const struct part *part)
{
	part->results->is_implausible = true;
}

void part__emit(const struct part *part, uint64_t to, enum referent_label label, uint64_t key)
{
	struct piece_results *results = part->results;
	const struct referent referent = {part->piece->from, to, label, key};

	if (!results->err && results->visitor->reference && object__may_be_pointer(to))
		results->err = results->visitor->reference(results->visitor->context, &referent);
}

void part__emit_buffer(const struct part *part, uint64_t address, uint64_t bytes)
{
	struct piece_results *results = part->results;

	if (!results->err && results->visitor->buffer && bytes)
		results->err = results->visitor->buffer(results->visitor->context, part->piece->from, address,
							bytes);
}

static bool is_wanted(const struct part *part, enum piece_kind kind)
{
	const struct referent_visitor *visitor = part->results->visitor;

	return (visitor->reference && contents_of[kind] & REFERENCES) ||
	       (visitor->buffer && contents_of[kind] & BUFFERS);
}

/* What is dropped lies behind the last. */
struct object_piece *part__add(const struct part *part, enum piece_kind kind, uint64_t address,
			       uint32_t stride, uint64_t count)
{
	struct piece_results *results = part->results;
	struct object_piece *more = &results->more[results->n_more];

	*more = (struct object_piece){
		.from = part->piece->from,
		.shape = part->piece->shape,
		.object = part->piece->object,
		.kind = kind,
		.address = address,
		.stride = stride,
		.count = count,
	};
	if (count > MAX_ELEMENTS)
		part__distrust(part);
	else if (count && is_wanted(part, kind) && results->n_more < PIECE_MAX_MORE)
		results->n_more++;
	return more;
}

void object_piece__guard(struct object_piece *piece, uint16_t offset, uint64_t expected)
{
	piece->guard = piece->object + offset;
	piece->expected = expected;
}
