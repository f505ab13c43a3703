/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A dict does not say how large its keys are, they do, in their head. But there are few sizes of keys, and
 * each has a size class of pymalloc's to itself: where keys lie in a pool, the pool tells.
 */
#include "object_buffers.h"

#include <stdbool.h>
#include <stddef.h>

#include "fingerprint.h"

#define MANAGED_WORDS 2 /* in front of the collector's */
#define GC_HEAD_WORDS 2
#define WORD_BYTES sizeof(uint64_t)
#define MAX_ELEMENTS (UINT64_C(1) << 32) /* of a list or set, that are believed */
#define SET_ENTRY_BYTES 16
#define FIRST_SLOTS 8 /* of the smallest keys */
#define LAST_SLOTS 64 /* of the largest that fit in a block */

static bool has_values(const struct object_layout *layout, const struct object_shape *shape)
{
	return shape->has_managed_dict && (layout->attribute_values == ATTRIBUTES_BESIDE ||
					   layout->attribute_values == ATTRIBUTES_OR_DICT);
}

enum object_buffers object_buffers__of(const struct object_layout *layout, const struct object_shape *shape)
{
	static const enum object_buffers of_kinds[] = {
		[OBJECT_LIST] = BUFFERS_LIST,       [OBJECT_DICT] = BUFFERS_DICT,
		[OBJECT_SET] = BUFFERS_SET,         [OBJECT_DEQUE] = BUFFERS_OTHER,
		[OBJECT_BYTEARRAY] = BUFFERS_OTHER, [OBJECT_TYPE] = BUFFERS_OTHER,
	};
	enum object_buffers buffers = BUFFERS_NONE;

	if (!shape)
		return BUFFERS_OTHER;
	if (shape->kind < sizeof(of_kinds) / sizeof(*of_kinds))
		buffers = of_kinds[shape->kind];
	if (!has_values(layout, shape))
		return buffers;
	return buffers == BUFFERS_NONE ? BUFFERS_VALUES : BUFFERS_OTHER;
}

static uint64_t word_at(const uint64_t *object, uint16_t offset)
{
	return object[offset / WORD_BYTES];
}

/* A buffer in a pool is no larger than its block. */
static enum buffer_answer check(struct pool_map *pools, uint64_t address, uint64_t elements,
				uint64_t element_bytes, struct object_buffer *ret_buffer)
{
	struct pool_place place = pool_map__find(pools, address);
	uint64_t bytes = elements * element_bytes;

	if (!object__may_be_pointer(address) || elements > MAX_ELEMENTS ||
	    (place.is_pool && bytes > pool_place__block_bytes(place)))
		return BUFFER_IS_TORN;
	*ret_buffer = (struct object_buffer){address, bytes};
	return BUFFER_IS_ONE;
}

static uint64_t keys_bytes_in(const struct object_layout *layout, uint32_t block_bytes)
{
	uint64_t least_entry_bytes = layout->keys_kind == PY_NO_FIELD ? 24 : 16; /* 24: with a hash */

	for (uint64_t slots = FIRST_SLOTS; slots <= LAST_SLOTS; slots *= 2)
		for (uint64_t entry_bytes = least_entry_bytes; entry_bytes <= 24; entry_bytes += 8) {
			uint64_t bytes = layout->keys_index + slots + slots * 2 / 3 * entry_bytes;

			if ((bytes + POOL_CLASS_BYTES - 1) / POOL_CLASS_BYTES * POOL_CLASS_BYTES ==
			    block_bytes)
				return bytes;
		}
	return 0;
}

static enum buffer_answer find_keys(const struct object_layout *layout, struct pool_map *pools,
				    const uint64_t *dict, struct object_buffer *ret_buffer)
{
	uint64_t keys = word_at(dict, layout->dict_keys);
	struct pool_place place = pool_map__find(pools, keys);
	uint64_t bytes = place.is_pool ? keys_bytes_in(layout, pool_place__block_bytes(place)) : 0;

	if (!bytes || word_at(dict, layout->dict_values))
		return BUFFER_ASK;
	*ret_buffer = (struct object_buffer){keys, bytes};
	return BUFFER_IS_ONE;
}

static enum buffer_answer find_values(const struct object_layout *layout, struct pool_map *pools,
				      const uint64_t *managed, struct object_buffer *ret_buffer)
{
	uint64_t values = managed[0];
	struct pool_place place;

	if (layout->attribute_values == ATTRIBUTES_OR_DICT)
		values = managed[1] & 1 ? managed[1] + 1 : 0;
	if (!values)
		return BUFFER_IS_NONE;
	place = pool_map__find(pools, values);
	if (!place.is_pool)
		return BUFFER_ASK;
	*ret_buffer = (struct object_buffer){values, pool_place__block_bytes(place)};
	return BUFFER_IS_ONE;
}

/* How many words in front of an object and of itself are looked at. */
static bool has_words(const struct object_layout *layout, enum object_buffers buffers,
		      const struct object_words *words)
{
	const uint32_t last[] = {
		[BUFFERS_LIST] = layout->list_allocated,
		[BUFFERS_SET] = layout->set_table,
		[BUFFERS_DICT] = layout->dict_values,
	};

	if (buffers == BUFFERS_VALUES)
		return words->n_before >= MANAGED_WORDS + GC_HEAD_WORDS;
	return words->n_words > words->n_before + last[buffers] / WORD_BYTES;
}

enum buffer_answer object_buffers__find(const struct object_layout *layout, enum object_buffers buffers,
					struct pool_map *pools, const struct object_words *words,
					struct object_buffer *ret_buffer)
{
	const uint64_t *object = words->words + words->n_before;
	uint64_t buffer;

	if (buffers == BUFFERS_NONE)
		return BUFFER_IS_NONE;
	if (buffers == BUFFERS_OTHER || !has_words(layout, buffers, words))
		return BUFFER_ASK;
	switch (buffers) {
	case BUFFERS_LIST:
		buffer = word_at(object, layout->list_items);
		return buffer ? check(pools, buffer, word_at(object, layout->list_allocated), WORD_BYTES,
				      ret_buffer)
			      : BUFFER_IS_NONE;
	case BUFFERS_SET:
		buffer = word_at(object, layout->set_table);
		if (buffer == words->address + layout->set_small_table)
			return BUFFER_IS_NONE;
		return check(pools, buffer, word_at(object, layout->set_mask) + 1, SET_ENTRY_BYTES,
			     ret_buffer);
	case BUFFERS_DICT:
		return find_keys(layout, pools, object, ret_buffer);
	default:
		return find_values(layout, pools, object - GC_HEAD_WORDS - MANAGED_WORDS, ret_buffer);
	}
}
