/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An object of a block takes nearly all of it: what is left over rounds it up, is one item more (of classes
 * derived from tuple and the like), or was given back in place, which pymalloc does for up to a quarter.
 * Generators keep something else where others count their items, mostly 0; there the block speaks. */
#include "object_size.h"

#include <stdbool.h>

#define BLOCK_STEP 16
#define MAX_ITEMS (UINT64_C(1) << 40) /* that a count is believed */
#define VAR_WORDS 3                   /* of an object that counts its items: the third is how many */

/* MAX_ITEMS: there cannot be so many. */
static uint64_t count_items(const struct object_sizes *sizes, const struct object_type *type,
			    const uint64_t *object)
{
	uint64_t n = object[VAR_WORDS - 1];

	if (object_type__is_int(type) && sizes->int_size_shift)
		n >>= sizes->int_size_shift;
	else if (object_type__is_int(type) && (int64_t)n < 0)
		n = -n;
	return n < MAX_ITEMS ? n : MAX_ITEMS;
}

/* Of an object with nothing but its fields. */
static uint64_t fixed_bytes(const struct object_type *type)
{
	return type->object * sizeof(uint64_t) + type->basic_bytes;
}

uint64_t object_sizes__outside(const struct object_sizes *sizes, const struct object_type *type,
			       const uint64_t *object)
{
	uint64_t n_items = type->item_bytes ? count_items(sizes, type, object) : 0;

	return n_items < MAX_ITEMS ? fixed_bytes(type) + n_items * type->item_bytes : 0;
}

/* In one piece with its characters; 0: it is not, or no str has such a state. */
static uint64_t str_bytes(const struct object_sizes *sizes, const uint64_t *object)
{
	const struct py_layout *py = sizes->layout;
	uint64_t length = object[py->unicode_length / sizeof(*object)];
	uint32_t state = object[py->unicode_state / sizeof(*object)];
	uint32_t kind = state >> py->unicode_kind_shift & 7;
	bool is_ascii = state >> py->unicode_ascii_shift & 1;

	if (length >= MAX_ITEMS || !kind)
		return 0;
	return (is_ascii ? py->unicode_ascii : py->unicode_compact) + (length + 1) * kind;
}

uint64_t object_sizes__of(const struct object_sizes *sizes, const struct object_type *type,
			  const uint64_t *object)
{
	return object_type__is_str(type) ? str_bytes(sizes, object)
					 : object_sizes__outside(sizes, type, object);
}

static bool goes_with(uint64_t bytes, const struct object_type *type, uint32_t block_bytes)
{
	bool has_items = object_type__is_str(type) || bytes > fixed_bytes(type);
	uint32_t left = block_bytes - bytes;

	if (!bytes || bytes > block_bytes)
		return false;
	if (!has_items && !type->item_bytes)
		return true;
	return left < BLOCK_STEP + type->item_bytes + (has_items ? block_bytes / 4 : 0u);
}

uint64_t object_sizes__in_block(const struct object_sizes *sizes, const struct object_type *type,
				const uint64_t *object, uint32_t block_bytes)
{
	uint64_t bytes;

	if (object_type__is_str(type))
		bytes = str_bytes(sizes, object);
	else if ((type->object + VAR_WORDS) * sizeof(*object) > block_bytes)
		return block_bytes;
	else
		bytes = object_sizes__outside(sizes, type, object);
	return goes_with(bytes, type, block_bytes) ? bytes : block_bytes;
}
