/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_TEST_H
#define LINGER_HEAP_TEST_H

/* A heap of one pool, which the tests of objects and of their census share. */

#include <string.h>

#include "heap_objects.h"

#define POOL_BYTES 16384
#define POOL UINT64_C(0x7f0000004000)
#define INT_TYPE UINT64_C(0x900000)
#define LIST_TYPE UINT64_C(0x900400)
#define STR_TYPE UINT64_C(0x900800)
#define TYPE_TYPE UINT64_C(0x901000)
#define CLASS_TYPE UINT64_C(0x7f1234560000)
#define HAVE_GC (1u << 14)
#define UNICODE_SUBCLASS (1u << 28)
#define OTHER UINT64_C(0x7f0000004100) /* an object, in the pool */

static const struct object_type int_type = {.address = INT_TYPE, .basic_bytes = 24};
static const struct object_type str_type = {
	.address = STR_TYPE, .flags = UNICODE_SUBCLASS, .basic_bytes = 80};
static const struct object_type list_type = {
	.address = LIST_TYPE, .flags = HAVE_GC, .basic_bytes = 40, .object = 2};
static const struct object_type class_type = {
	.address = CLASS_TYPE, .flags = HAVE_GC, .basic_bytes = 16, .object = 4, .is_managed = true};
static const struct object_type metatype = {
	.address = TYPE_TYPE, .flags = HAVE_GC, .basic_bytes = 880, .item_bytes = 40, .object = 2};

static const struct py_layout layout = {.unicode_length = 16,
					.unicode_state = 32,
					.unicode_ascii = 48,
					.unicode_kind_shift = 2,
					.unicode_ascii_shift = 6};
static const struct address_range program = {0x400000, 0xc00000};

static union {
	struct pool_header header;
	uint64_t words[POOL_BYTES / 8];
} bytes;
static struct heap_pool pool;
static struct pool_map pools;
static struct heap_memory memory;
static struct heap_objects *objects;

/* A pool of blocks of 64 bytes. */
static inline int set_up_heap(void)
{
	memory = (struct heap_memory){
		.gc_head_bytes = 16,
		.sizes.layout = &layout,
		.pools = &pools,
		.low = &program,
		.n_low = 1,
	};
	memset(&bytes, 0, sizeof(bytes));
	bytes.header = (struct pool_header){.szidx = 3, .nextoffset = POOL_HEADER_BYTES};
	pool = (struct heap_pool){.address = POOL, .bytes = &bytes};
	pools = pool_map__of(POOL_BYTES);
	return pool_map__add(&pools, POOL, 3) || heap_objects__new(&memory, &objects);
}

static inline void tear_down_heap(void)
{
	heap_objects__free(objects);
	pool_map__free(&pools);
}

#define ADD_BLOCK(...) add_block((const uint64_t[8]){__VA_ARGS__})

static inline void add_block(const uint64_t words[8])
{
	memcpy(&bytes.words[bytes.header.nextoffset / 8], words, 64);
	bytes.header.nextoffset += 64;
	bytes.header.count++;
}

#endif /* LINGER_HEAP_TEST_H */
