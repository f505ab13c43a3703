/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A census as tables for a terminal, in 100 columns.
 */
#include "render_census.h"

#include <inttypes.h>

#include "render_common.h"

#define COLUMNS 100
#define NUMBERS_COLUMNS 61 /* of a row, before the type */
#define NOTE_BYTES 256
#define TYPE_STACKS 3 /* shown of each type */
#define STACK_INDENT 24

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void put_about(const struct census_about *about, FILE *out)
{
	char note[NOTE_BYTES];

	snprintf(note, sizeof(note), "process %d, Python %s, read in %.2f s while it ran on", about->pid,
		 about->python_version, about->elapsed_s);
	render_note(out, note);
}

/* --- by type ----------------------------------------------------------------------------------------- */

static struct census_sum sum_of_both(struct census_sum one, struct census_sum other)
{
	return (struct census_sum){one.blocks + other.blocks, one.bytes + other.bytes};
}

/* In the pools and outside. */
static struct census_sum sum_of_all(const struct census *census)
{
	return sum_of_both(census__total(census), census__outside(census));
}

/* What a row adds up. */
struct row {
	uint64_t own_bytes, owned_bytes;
	uint64_t blocks, types;
};

static struct row row_of(const struct census_type *type)
{
	return (struct row){census_type__own(type), census_type__owned(type), type->objects, type->n_types};
}

static void add_row(struct row *sum, struct row row)
{
	sum->own_bytes += row.own_bytes;
	sum->owned_bytes += row.owned_bytes;
	sum->blocks += row.blocks;
	sum->types += row.types;
}

static void put_numbers(const struct census *census, struct row row, FILE *out)
{
	uint64_t bytes = row.own_bytes + row.owned_bytes;
	char all[RENDER_NUMBER_BYTES], own[RENDER_NUMBER_BYTES], owned[RENDER_NUMBER_BYTES];
	char blocks[RENDER_NUMBER_BYTES];

	fprintf(out, "%11s  %5.1f %%  %11s  %11s  %11s  ", render_bytes(bytes, all),
		render_share(bytes, sum_of_all(census).bytes), render_bytes(row.own_bytes, own),
		row.owned_bytes ? render_bytes(row.owned_bytes, owned) : "-",
		render_count(row.blocks, blocks));
}

/* Where a recording saw the instances of a type allocated. */
static void put_stacks(const struct census_about *about, const struct census_type *type, FILE *out)
{
	const struct type_stack *stacks = NULL;
	size_t n = 0;

	if (about->stacks && type->name)
		stacks = type_stacks__find(about->stacks, type->name, &n);
	for (size_t i = 0; stacks && i < n && i < TYPE_STACKS; i++) {
		fprintf(out, "%*.0f %%  ", STACK_INDENT - 4, 100 * stacks[i].share);
		render_place(out, stacks[i].stack, STACK_INDENT, COLUMNS);
	}
}

static void put_type(const struct census_about *about, const struct census *census,
		     const struct census_type *type, FILE *out)
{
	char unnamed[32];
	struct profile_frame name = {.function = type->name};

	if (!type->name) {
		snprintf(unnamed, sizeof(unnamed), "[type at 0x%" PRIx64 "]", type->type.address);
		name.function = unnamed;
	}
	put_numbers(census, row_of(type), out);
	render_frame_fitted(out, &name, COLUMNS - NUMBERS_COLUMNS, render_put_utf8);
	putc('\n', out);
	put_stacks(about, type, out);
}

/* "type" */
static const char *kind_of_rows(const struct census_about *about)
{
	static const char *const kinds[] = {
		[CENSUS_BY_TYPE] = "type", [CENSUS_BY_CLASS] = "class", [CENSUS_BY_MODULE] = "module"};

	return kinds[about->by];
}

static void put_other_types(const struct census *census, size_t first, FILE *out)
{
	size_t n;
	const struct census_type *types = census__types(census, &n);
	struct row sum = {0};
	char count[RENDER_NUMBER_BYTES];

	for (size_t i = first; i < n; i++)
		add_row(&sum, row_of(&types[i]));
	if (first >= n)
		return;
	put_numbers(census, sum, out);
	fprintf(out, "other: %s type%s\n", render_count(sum.types, count), plural(sum.types));
}

static void put_total(const struct census *census, FILE *out)
{
	size_t n;
	const struct census_type *types = census__types(census, &n);
	struct row sum = {0};
	char count[RENDER_NUMBER_BYTES];

	for (size_t i = 0; i < n; i++)
		add_row(&sum, row_of(&types[i]));
	for (int rest = 0; rest < CENSUS_RESTS; rest++) {
		struct census_sum blocks = census__rest(census, rest);

		add_row(&sum, (struct row){.own_bytes = blocks.bytes, .blocks = blocks.blocks});
	}
	put_numbers(census, sum, out);
	fprintf(out, "total: %s type%s\n\n", render_count(sum.types, count), plural(sum.types));
}

static void put_types(const struct census_about *about, const struct census *census, size_t top, FILE *out)
{
	size_t n;
	const struct census_type *types = census__types(census, &n);

	fprintf(out, "object: what the heap holds now, by %s\n\n", kind_of_rows(about));
	fprintf(out, "%11s  %7s  %11s  %11s  %11s  %s\n", "bytes", "share", "own", "owned", "objects",
		kind_of_rows(about));
	for (size_t i = 0; i < n && i < top; i++)
		put_type(about, census, &types[i], out);
	put_other_types(census, top, out);
	for (int rest = 0; rest < CENSUS_RESTS; rest++) {
		struct census_sum blocks = census__rest(census, rest);

		if (!blocks.blocks)
			continue;
		put_numbers(census, (struct row){.own_bytes = blocks.bytes, .blocks = blocks.blocks}, out);
		fprintf(out, "%s\n", census_rest__text(rest));
	}
	put_total(census, out);
}

static void put_torn(const struct census_about *about, const struct census *census, FILE *out)
{
	struct census_sum torn = census__rest(census, CENSUS_TORN);
	char note[NOTE_BYTES], pools[RENDER_NUMBER_BYTES];

	snprintf(note, sizeof(note),
		 "torn: %s pool%s changed each time they were read, with %.3f %% of the blocks",
		 render_count(about->torn_pools, pools), plural(about->torn_pools),
		 render_share(torn.blocks, census__total(census).blocks));
	render_note(out, note);
}

/* What could not be followed, beside whole pools. */
static void put_torn_links(const struct census_about *about, FILE *out)
{
	char note[NOTE_BYTES], links[RENDER_NUMBER_BYTES], owners[RENDER_NUMBER_BYTES];

	if (!about->torn_links && !about->torn_owners)
		return;
	snprintf(note, sizeof(note), "torn: %s link%s to objects outside the pools, buffers of %s object%s",
		 render_count(about->torn_links, links), plural(about->torn_links),
		 render_count(about->torn_owners, owners), plural(about->torn_owners));
	render_note(out, note);
}

static void put_outside(const struct census *census, FILE *out)
{
	struct census_sum outside = census__outside(census);
	char note[NOTE_BYTES], count[RENDER_NUMBER_BYTES], bytes[RENDER_NUMBER_BYTES];

	snprintf(note, sizeof(note),
		 "outside the pools: %s objects and buffers over 512 bytes with %s, counted above",
		 render_count(outside.blocks, count), render_bytes(outside.bytes, bytes));
	render_note(out, note);
	render_note(out, "not counted: such objects that the garbage collector does not know, and what "
			 "extensions take from malloc");
}

static void put_stacks_note(const struct census_about *about, FILE *out)
{
	char note[NOTE_BYTES];

	snprintf(note, sizeof(note),
		 "below a type: the lines that allocated those instances that '%s' has as survivors",
		 about->stacks_path);
	render_note(out, note);
}

int render_census_text(const struct census_about *about, const struct census *census, size_t top, FILE *out)
{
	put_types(about, census, top, out);
	put_about(about, out);
	put_torn(about, census, out);
	put_torn_links(about, out);
	render_note(
		out,
		"own: blocks of the objects themselves; owned: blocks and buffers of their keys, items and "
		"values");
	put_outside(census, out);
	if (about->stacks)
		put_stacks_note(about, out);
	if (about->is_hooked)
		render_note(
			out,
			"the allocator is behind hooks: under PYTHONMALLOC=debug no object is recognised");
	return render_finish(out);
}

/* --- pools, arenas and size classes ------------------------------------------------------------------ */

static void put_class_numbers(uint64_t pools, struct census_sum used, struct census_sum unused, FILE *out)
{
	char numbers[5][RENDER_NUMBER_BYTES];

	fprintf(out, "  %10s  %13s  %13s  %10s  %10s  %5.1f %%\n", render_count(pools, numbers[0]),
		render_count(used.blocks, numbers[1]), render_count(unused.blocks, numbers[2]),
		render_bytes(used.bytes, numbers[3]), render_bytes(unused.bytes, numbers[4]),
		render_share(used.bytes, used.bytes + unused.bytes));
}

static void put_classes(const struct pool_usage *usage, FILE *out)
{
	struct census_sum all_used = {0}, all_unused = {0};

	fputs("object: pools by size class\n\n", out);
	fprintf(out, "%10s  %10s  %13s  %13s  %10s  %10s  %7s\n", "block size", "pools", "blocks in use",
		"free blocks", "in use", "free", "full");
	for (uint32_t i = 0; i < POOL_SIZE_CLASSES; i++) {
		uint32_t bytes = (i + 1) * POOL_CLASS_BYTES;
		uint64_t n_used = usage->count.class_blocks[i], n_unused = pool_usage__free_blocks(usage, i);

		if (!usage->count.class_pools[i])
			continue;
		fprintf(out, "%10" PRIu32, bytes);
		put_class_numbers(usage->count.class_pools[i], (struct census_sum){n_used, n_used * bytes},
				  (struct census_sum){n_unused, n_unused * bytes}, out);
		all_used.blocks += n_used;
		all_unused.blocks += n_unused;
	}
	all_used.bytes = pool_usage__bytes(usage).used;
	all_unused.bytes = pool_usage__bytes(usage).free_blocks;
	fprintf(out, "%10s", "total");
	put_class_numbers(usage->count.pools, all_used, all_unused, out);
	putc('\n', out);
}

static void put_arenas(const struct pool_usage *usage, FILE *out)
{
	static const char *const texts[ARENA_QUARTERS] = {"under 25 %", "25 - 50 %", "50 - 75 %",
							  "over 75 %"};

	fputs("arenas by how full they are; one block in use keeps an arena from going back to the "
	      "kernel\n\n",
	      out);
	fprintf(out, "%10s  %10s  %13s  %10s  %10s\n", "full", "arenas", "blocks in use", "in use", "free");
	for (int i = 0; i < ARENA_QUARTERS; i++) {
		const struct arena_count *quarter = &usage->quarters[i];
		uint64_t bytes = quarter->arenas * pool_usage__arena_bytes(usage);
		char numbers[4][RENDER_NUMBER_BYTES];

		fprintf(out, "%10s  %10s  %13s  %10s  %10s\n", texts[i],
			render_count(quarter->arenas, numbers[0]), render_count(quarter->blocks, numbers[1]),
			render_bytes(quarter->used_bytes, numbers[2]),
			render_bytes(bytes - quarter->used_bytes, numbers[3]));
	}
	putc('\n', out);
}

static void put_bytes(const struct pool_usage *usage, FILE *out)
{
	struct heap_bytes bytes = pool_usage__bytes(usage);
	char note[NOTE_BYTES], numbers[5][RENDER_NUMBER_BYTES];

	snprintf(
		note, sizeof(note),
		"arenas %s = blocks in use %s + free blocks %s + unused pools %s + pool headers and rests %s",
		render_bytes(bytes.arenas, numbers[0]), render_bytes(bytes.used, numbers[1]),
		render_bytes(bytes.free_blocks, numbers[2]), render_bytes(bytes.unused_pools, numbers[3]),
		render_bytes(bytes.overhead, numbers[4]));
	render_note(out, note);
}

int render_usage_text(const struct census_about *about, const struct pool_usage *usage, FILE *out)
{
	put_classes(usage, out);
	put_arenas(usage, out);
	put_about(about, out);
	put_bytes(usage, out);
	return render_finish(out);
}
