// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An inspection reads in few runs of the memory reader, each for all blocks:
 *   1. the pool headers and the blocks' first bytes;
 *   2. the types that new blocks may have, and the types of these types;
 *   3. for blocks that look alive but whose first word may be a link of the free list: their whole pools.
 * A block whose first word is neither 0 nor an address in its own pool is not on the free list, whatever else
 * changes meanwhile: most need no more than step 1.
 */
#include "inspector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "reader.h"

#define LOOKS_AT_ONCE (READER_MAX_REQUESTS / 2)
#define POOLS_AT_ONCE 48 /* fit in one run of the reader */
#define MAX_TYPE_WORDS (LOOKS_AT_ONCE * FINGERPRINT_MAX_TYPE_WORDS * 2)

struct pool_look {
	uint64_t address;
	struct pool_header header;
	int error;
};

/* One look at a block. */
struct look {
	struct inspected *block;
	struct pool_look *pool;
	uint64_t words[FINGERPRINT_WORDS];
	int error;
	enum verdict verdict;
	bool is_doubtful; /* alive, unless it is on the free list */
};

struct pool_pages {
	char bytes[POOL_MAX_BYTES];
	struct pool_header after; /* read once more when the rest was read */
	const struct look *first; /* of the blocks in this pool */
	int error;
};

struct inspector {
	const struct target *target;
	struct memory_reader *reader;
	uint32_t pool_bytes;
	uint32_t gc_head_bytes;
	struct look looks[LOOKS_AT_ONCE];
	size_t n_looks;
	struct pool_look pools[LOOKS_AT_ONCE];
	struct memory_request requests[READER_MAX_REQUESTS];
	uint64_t type_words[MAX_TYPE_WORDS];
	size_t n_type_words;
	uint8_t type_bytes[LOOKS_AT_ONCE][OBJECT_TYPE_BYTES];
	struct object_type types[MAX_TYPE_WORDS];
	size_t n_types;
	struct pool_pages pages[POOLS_AT_ONCE];
};

int inspector__new(const struct target *target, struct memory_reader *reader,
		   const struct py_runtime_layout *layout, struct inspector **ret_inspector)
{
	struct inspector *inspector = calloc(1, sizeof(*inspector));

	if (!inspector)
		return -ENOMEM;
	inspector->target = target;
	inspector->reader = reader;
	inspector->pool_bytes = layout->pool_bytes;
	inspector->gc_head_bytes = layout->gc_head_bytes;
	*ret_inspector = inspector;
	return 0;
}

void inspector__free(struct inspector *inspector)
{
	free(inspector);
}

static int compare_blocks(const void *a, const void *b)
{
	const struct inspected *x = *(struct inspected *const *)a, *y = *(struct inspected *const *)b;

	return (x->address > y->address) - (x->address < y->address);
}

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

/* --- the first fingerprints -------------------------------------------------------------------------- */

static int take_some(struct inspector *inspector, struct inspected **blocks, size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++) {
		struct fingerprint *print = &blocks[i]->print;

		fingerprint__start(print, blocks[i]->bytes);
		inspector->requests[i] = (struct memory_request){
			.address = blocks[i]->address,
			.to = print->words,
			.bytes = print->n_words * sizeof(print->words[0]),
		};
	}
	err = memory_reader__read_many(inspector->reader, inspector->requests, n);
	for (size_t i = 0; i < n && !err; i++)
		blocks[i]->verdict = inspector->requests[i].error ? VERDICT_GONE : VERDICT_ALIVE;
	return err;
}

int inspector__take(struct inspector *inspector, struct inspected **blocks, size_t n)
{
	int err = 0;

	qsort(blocks, n, sizeof(*blocks), compare_blocks);
	for (size_t done = 0; done < n && !err; done += READER_MAX_REQUESTS)
		err = take_some(inspector, blocks + done, at_most(n - done, READER_MAX_REQUESTS));
	return !err && !target__has_memory(inspector->target) ? -ESRCH : err;
}

/* --- pool headers and content ------------------------------------------------------------------------ */

/* The request for the pool of a block, unless the block before lies in the same. Returns how many. */
static size_t request_pool(struct inspector *inspector, struct look *look, struct memory_request *request)
{
	uint64_t address = look->block->address & ~(uint64_t)(inspector->pool_bytes - 1);
	const struct look *before = look > inspector->looks ? look - 1 : NULL;

	look->pool = before ? before->pool : inspector->pools;
	if (before && before->pool->address == address)
		return 0;
	if (before)
		look->pool++;
	look->pool->address = address;
	*request = (struct memory_request){
		.address = address,
		.to = &look->pool->header,
		.bytes = sizeof(look->pool->header),
	};
	return 1;
}

static int read_blocks(struct inspector *inspector)
{
	struct memory_request *requests = inspector->requests;
	size_t n = 0;
	int err;

	for (size_t i = 0; i < inspector->n_looks; i++) {
		struct look *look = &inspector->looks[i];

		n += request_pool(inspector, look, &requests[n]);
		requests[n++] = (struct memory_request){
			.address = look->block->address,
			.to = look->words,
			.bytes = look->block->print.n_words * sizeof(look->words[0]),
		};
	}
	err = memory_reader__read_many(inspector->reader, requests, n);
	for (size_t i = 0, r = 0; i < inspector->n_looks && !err; i++, r++) {
		struct look *look = &inspector->looks[i];

		if (requests[r].to == &look->pool->header)
			look->pool->error = requests[r++].error;
		look->error = requests[r].error;
	}
	return err;
}

/* --- types ------------------------------------------------------------------------------------------- */

static bool is_new(const struct look *look)
{
	return look->block->print.content == CONTENT_UNKNOWN;
}

static bool is_in_pool(const struct inspector *inspector, const struct look *look, uint64_t address)
{
	return address - look->pool->address < inspector->pool_bytes;
}

/* Handed out a moment before the first look: the first word still was the link to the next free block. */
static bool was_just_handed_out(const struct inspector *inspector, const struct look *look)
{
	return is_in_pool(inspector, look, look->block->print.words[0]);
}

static int compare_words(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_type_words(struct inspector *inspector)
{
	uint64_t *words = inspector->type_words;
	size_t n = 0;

	qsort(words, inspector->n_type_words, sizeof(*words), compare_words);
	for (size_t i = 0; i < inspector->n_type_words; i++)
		if (!n || words[n - 1] != words[i])
			words[n++] = words[i];
	inspector->n_type_words = n;
}

static void add_type_words(struct inspector *inspector, const uint64_t *words, uint32_t n_words)
{
	inspector->n_type_words += fingerprint__type_words(words, n_words, inspector->gc_head_bytes,
							   &inspector->type_words[inspector->n_type_words]);
}

static void collect_type_words(struct inspector *inspector)
{
	inspector->n_type_words = 0;
	for (size_t i = 0; i < inspector->n_looks; i++) {
		const struct look *look = &inspector->looks[i];
		const struct fingerprint *print = &look->block->print;

		if (!is_new(look) || look->error)
			continue;
		add_type_words(inspector, print->words, print->n_words);
		if (was_just_handed_out(inspector, look))
			add_type_words(inspector, look->words, print->n_words);
	}
	sort_type_words(inspector);
}

static int read_types(struct inspector *inspector, const uint64_t *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		inspector->requests[i] = (struct memory_request){
			.address = addresses[i],
			.to = inspector->type_bytes[i],
			.bytes = OBJECT_TYPE_BYTES,
		};
	return memory_reader__read_many(inspector->reader, inspector->requests, n);
}

/* What may be types. */
static int find_candidates(struct inspector *inspector)
{
	int err = 0;

	inspector->n_types = 0;
	for (size_t done = 0; done < inspector->n_type_words && !err; done += LOOKS_AT_ONCE) {
		const uint64_t *addresses = inspector->type_words + done;
		size_t n = at_most(inspector->n_type_words - done, LOOKS_AT_ONCE);

		err = read_types(inspector, addresses, n);
		for (size_t i = 0; i < n && !err; i++)
			if (!inspector->requests[i].error &&
			    object_type__parse(inspector->type_bytes[i], addresses[i],
					       inspector->gc_head_bytes,
					       &inspector->types[inspector->n_types]))
				inspector->n_types++;
	}
	return err;
}

/* Leaves those of the words that are metatypes. */
static int find_metatypes(struct inspector *inspector)
{
	size_t n_metatypes = 0;
	int err = 0;

	for (size_t done = 0; done < inspector->n_type_words && !err; done += LOOKS_AT_ONCE) {
		const uint64_t *addresses = inspector->type_words + done;
		size_t n = at_most(inspector->n_type_words - done, LOOKS_AT_ONCE);

		err = read_types(inspector, addresses, n);
		for (size_t i = 0; i < n && !err; i++)
			if (!inspector->requests[i].error &&
			    object_type__is_metatype(inspector->type_bytes[i]))
				inspector->type_words[n_metatypes++] = addresses[i];
	}
	inspector->n_type_words = n_metatypes;
	return err;
}

/* A type is what has a metatype for its type. Found anew each time: types die as other objects do. */
static int find_types(struct inspector *inspector)
{
	size_t n = 0;
	int err;

	collect_type_words(inspector);
	err = find_candidates(inspector);
	if (err)
		return err;
	for (size_t i = 0; i < inspector->n_types; i++)
		inspector->type_words[i] = inspector->types[i].metatype;
	inspector->n_type_words = inspector->n_types;
	sort_type_words(inspector);
	err = find_metatypes(inspector);
	for (size_t i = 0; i < inspector->n_types && !err; i++)
		if (bsearch(&inspector->types[i].metatype, inspector->type_words, inspector->n_type_words,
			    sizeof(uint64_t), compare_words))
			inspector->types[n++] = inspector->types[i];
	inspector->n_types = n;
	return err;
}

/* --- verdicts ---------------------------------------------------------------------------------------- */

static uint32_t offset_in_pool(const struct look *look)
{
	return look->block->address - look->pool->address;
}

static bool is_block_of_pool(const struct inspector *inspector, const struct look *look)
{
	const struct pool_look *pool = look->pool;

	return !look->error && !pool->error &&
	       pool__is_used(&pool->header, pool->address, inspector->pool_bytes) &&
	       pool__block_bytes(&pool->header) == look->block->bytes &&
	       offset_in_pool(look) >= POOL_HEADER_BYTES &&
	       (offset_in_pool(look) - POOL_HEADER_BYTES) % look->block->bytes == 0;
}

static enum verdict judge(const struct inspector *inspector, const struct look *look)
{
	const struct object_types types = {inspector->types, inspector->n_types};
	struct fingerprint *print = &look->block->print;

	if (!is_block_of_pool(inspector, look))
		return VERDICT_GONE;
	if (offset_in_pool(look) >= look->pool->header.nextoffset)
		return VERDICT_FREED;
	if (is_new(look) &&
	    !fingerprint__settle(print, look->words, &types, was_just_handed_out(inspector, look)))
		return VERDICT_FREED;
	return fingerprint__judge(print, look->words);
}

static void judge_all(struct inspector *inspector)
{
	for (size_t i = 0; i < inspector->n_looks; i++) {
		struct look *look = &inspector->looks[i];

		look->verdict = judge(inspector, look);
		look->is_doubtful = look->verdict == VERDICT_ALIVE &&
				    (!look->words[0] || is_in_pool(inspector, look, look->words[0]));
	}
}

/* --- free lists -------------------------------------------------------------------------------------- */

static uint32_t read_bytes(const struct inspector *inspector)
{
	return inspector->pool_bytes < READER_MAX_BYTES ? inspector->pool_bytes : READER_MAX_BYTES;
}

static size_t request_pages(const struct inspector *inspector, struct pool_pages *pages,
			    struct memory_request *requests)
{
	uint64_t address = pages->first->pool->address;
	size_t n = 0;

	for (uint32_t offset = 0; offset < inspector->pool_bytes; offset += read_bytes(inspector))
		requests[n++] = (struct memory_request){
			.address = address + offset,
			.to = pages->bytes + offset,
			.bytes = read_bytes(inspector),
		};
	requests[n++] = (struct memory_request){
		.address = address,
		.to = &pages->after,
		.bytes = sizeof(pages->after),
	};
	return n;
}

static int read_pages(struct inspector *inspector, size_t n_pools)
{
	struct memory_request *requests = inspector->requests;
	size_t n = 0, n_each = inspector->pool_bytes / read_bytes(inspector) + 1;
	int err;

	for (size_t i = 0; i < n_pools; i++)
		n += request_pages(inspector, &inspector->pages[i], &requests[n]);
	err = memory_reader__read_many(inspector->reader, requests, n);
	for (size_t i = 0; i < n && !err; i++)
		if (requests[i].error)
			inspector->pages[i / n_each].error = requests[i].error;
	return err;
}

static int read_free_list(const struct inspector *inspector, const struct pool_pages *pages,
			  struct pool_blocks *ret_free)
{
	const struct pool_header *before = (const void *)pages->bytes, *after = &pages->after;

	if (pages->error || before->freeblock != after->freeblock || before->count != after->count)
		return -EAGAIN;
	return pool__free_blocks(pages->bytes, pages->first->pool->address, inspector->pool_bytes, ret_free);
}

static void judge_by_free_list(struct inspector *inspector, const struct pool_pages *pages)
{
	struct look *look = &inspector->looks[pages->first - inspector->looks];
	const struct look *end = inspector->looks + inspector->n_looks;
	struct pool_blocks blocks;
	int err = read_free_list(inspector, pages, &blocks);

	for (; look < end && look->pool == pages->first->pool; look++) {
		if (!look->is_doubtful)
			continue;
		if (err)
			look->verdict = VERDICT_UNDECIDED;
		else if (pool_blocks__has(&blocks,
					  (offset_in_pool(look) - POOL_HEADER_BYTES) / look->block->bytes))
			look->verdict = VERDICT_FREED;
	}
}

/* The pools of doubtful blocks from *look on, as many as are read at once. */
static size_t choose_pools(struct inspector *inspector, size_t *look)
{
	const struct pool_look *last = NULL;
	size_t n = 0;

	for (; *look < inspector->n_looks; ++*look) {
		const struct look *at = &inspector->looks[*look];

		if (!at->is_doubtful || at->pool == last)
			continue;
		if (n == POOLS_AT_ONCE)
			break;
		inspector->pages[n].first = at;
		inspector->pages[n].error = 0;
		last = at->pool;
		n++;
	}
	return n;
}

static int judge_doubtful(struct inspector *inspector)
{
	size_t look = 0, n;
	int err = 0;

	while (!err && (n = choose_pools(inspector, &look))) {
		err = read_pages(inspector, n);
		for (size_t i = 0; i < n && !err; i++)
			judge_by_free_list(inspector, &inspector->pages[i]);
	}
	return err;
}

/* --- the inspection ---------------------------------------------------------------------------------- */

static void accept_verdicts(struct inspector *inspector)
{
	for (size_t i = 0; i < inspector->n_looks; i++) {
		const struct look *look = &inspector->looks[i];

		look->block->verdict = look->verdict;
		if (look->verdict == VERDICT_ALIVE)
			fingerprint__roll(&look->block->print, look->words);
	}
}

static int inspect_some(struct inspector *inspector, struct inspected **blocks, size_t n)
{
	int err;

	inspector->n_looks = n;
	for (size_t i = 0; i < n; i++)
		inspector->looks[i] = (struct look){.block = blocks[i]};
	err = read_blocks(inspector);
	if (!err)
		err = find_types(inspector);
	if (err)
		return err;
	judge_all(inspector);
	err = judge_doubtful(inspector);
	/* Nothing can be read of a process that ends: its blocks are not gone. */
	if (!err && !target__has_memory(inspector->target))
		err = -ESRCH;
	if (!err)
		accept_verdicts(inspector);
	return err;
}

int inspector__inspect(struct inspector *inspector, struct inspected **blocks, size_t n)
{
	int err = 0;

	qsort(blocks, n, sizeof(*blocks), compare_blocks);
	for (size_t done = 0; done < n && !err; done += LOOKS_AT_ONCE)
		err = inspect_some(inspector, blocks + done, at_most(n - done, LOOKS_AT_ONCE));
	return err;
}
