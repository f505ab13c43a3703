/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A census for programs; linger.8 describes the fields.
 */
#include "render_census.h"

#include <inttypes.h>

#include "stats_json.h"

static json_t *make_target(const struct census_about *about)
{
	return json_pack("{si ss sf sf sf sI}", "pid", (int)about->pid, "python", about->python_version,
			 "time", about->time_s, "elapsed_s", about->elapsed_s, "reading_s",
			 about->reading.ns / 1e9, "read_bytes", (json_int_t)about->reading.bytes);
}

/* --- by type ----------------------------------------------------------------------------------------- */

static json_t *make_sum(struct census_sum sum)
{
	return json_pack("{sI sI}", "blocks", (json_int_t)sum.blocks, "block_bytes", (json_int_t)sum.bytes);
}

/* null where no instance has any. */
static json_t *make_peak(const struct census_peak *peak, const char *amount)
{
	char address[32];

	if (!peak->address)
		return json_null();
	snprintf(address, sizeof(address), "0x%" PRIx64, peak->address);
	return json_pack("{ss sI}", "address", address, amount, (json_int_t)peak->amount);
}

/* Of a recording: which stacks allocated the instances. */
static json_t *make_stacks(const struct census_about *about, const struct census_type *type)
{
	json_t *list = json_array();
	const struct type_stack *stacks = NULL;
	size_t n = 0;

	if (type->name)
		stacks = type_stacks__find(about->stacks, type->name, &n);
	for (size_t i = 0; i < n && stacks; i++)
		json_array_append_new(
			list,
			json_pack("{so sI sf}", "frames",
				  stats_json__frames(stacks[i].stack->frames, stacks[i].stack->n_frames),
				  "survivors", (json_int_t)stacks[i].survivors, "share", stacks[i].share));
	return list;
}

static json_t *make_type(const struct census_about *about, const struct census_type *type)
{
	char address[32];
	json_t *json;

	snprintf(address, sizeof(address), "0x%" PRIx64, type->type.address);
	json = json_pack(
		"{so so sI sI sI sI sI sI sI sI sI sI sI so so}", "type",
		type->name ? stats_json__text(type->name) : json_null(), "address",
		type->type.address ? json_string(address) : json_null(), "types", (json_int_t)type->n_types,
		"objects", (json_int_t)type->objects, "own_bytes", (json_int_t)type->own_bytes, "owned_bytes",
		(json_int_t)type->owned_bytes, "block_bytes", (json_int_t)type->block_bytes, "owned_blocks",
		(json_int_t)type->owned.blocks, "owned_block_bytes", (json_int_t)type->owned.bytes,
		"outside_objects", (json_int_t)type->outside.blocks, "outside_bytes",
		(json_int_t)type->outside.bytes, "owned_outside_bytes", (json_int_t)type->owned_outside.bytes,
		"tracked", (json_int_t)type->tracked, "largest", make_peak(&type->largest, "bytes"),
		"longest", make_peak(&type->longest, "length"));
	if (about->stacks)
		json_object_set_new(json, "stacks", make_stacks(about, type));
	return json;
}

static json_t *make_types(const struct census_about *about, const struct census *census)
{
	json_t *list = json_array();
	size_t n;
	const struct census_type *types = census__types(census, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, make_type(about, &types[i]));
	return list;
}

int render_census_json(const struct census_about *about, const struct census *census, FILE *out)
{
	struct census_sum outside = census__outside(census);
	json_t *report =
		json_pack("{so so so s{sI sI} sI sI sI}", "target", make_target(about), "types",
			  make_types(about, census), "total", make_sum(census__total(census)), "outside",
			  "blocks", (json_int_t)outside.blocks, "bytes", (json_int_t)outside.bytes,
			  "torn_pools", (json_int_t)about->torn_pools, "torn_links",
			  (json_int_t)about->torn_links, "torn_owners", (json_int_t)about->torn_owners);

	for (int rest = 0; rest < CENSUS_RESTS; rest++)
		json_object_set_new(report, census_rest__name(rest), make_sum(census__rest(census, rest)));
	return stats_json__finish(report, out);
}

/* --- pools, arenas and size classes ------------------------------------------------------------------ */

static json_t *make_classes(const struct pool_usage *usage)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < POOL_SIZE_CLASSES; i++)
		json_array_append_new(list, json_pack("{si sI sI sI}", "block_bytes",
						      (int)((i + 1) * POOL_CLASS_BYTES), "pools",
						      (json_int_t)usage->count.class_pools[i], "used_blocks",
						      (json_int_t)usage->count.class_blocks[i], "free_blocks",
						      (json_int_t)pool_usage__free_blocks(usage, i)));
	return list;
}

static json_t *make_arenas(const struct pool_usage *usage)
{
	json_t *list = json_array();

	for (int i = 0; i < ARENA_QUARTERS; i++)
		json_array_append_new(list,
				      json_pack("{sf sI sI sI}", "used_from", (double)i / ARENA_QUARTERS,
						"arenas", (json_int_t)usage->quarters[i].arenas,
						"used_blocks", (json_int_t)usage->quarters[i].blocks,
						"used_bytes", (json_int_t)usage->quarters[i].used_bytes));
	return list;
}

int render_usage_json(const struct census_about *about, const struct pool_usage *usage, FILE *out)
{
	struct heap_bytes bytes = pool_usage__bytes(usage);

	return stats_json__finish(
		json_pack("{so sI sI so so s{sI sI sI sI sI}}", "target", make_target(about), "pool_bytes",
			  (json_int_t)usage->pool_bytes, "arena_bytes",
			  (json_int_t)pool_usage__arena_bytes(usage), "classes", make_classes(usage),
			  "arenas", make_arenas(usage), "bytes", "arenas", (json_int_t)bytes.arenas, "used",
			  (json_int_t)bytes.used, "free_blocks", (json_int_t)bytes.free_blocks,
			  "unused_pools", (json_int_t)bytes.unused_pools, "overhead",
			  (json_int_t)bytes.overhead),
		out);
}
