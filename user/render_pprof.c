/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pprof's profile.proto, compressed with gzip. A message of protocol buffers may come in pieces: the elements
 * of its lists one after the other are the same message. So it is written stack by stack, and what the stacks
 * refer to (locations, functions, strings) gets its number when it is first met and is written behind them.
 * Memory is needed for the distinct frames only, of which there are few.
 */
#include "array.h"
#include "render.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "gzip.h"
#include "pprof.pb-c.h"
#include "render_common.h"
#include "table.h"

#define NO_STRING 0 /* "" is the first of all strings */
#define MAX_LABELS (8 + 2 * PROFILE_TYPES)

static const char count_unit[] = "count";
static const char bytes_unit[] = "bytes";

/* What has a number in the file, by what it is. */
struct numbered {
	uint64_t key[3];
	uint64_t number;
	const void *item;
};

struct numbers {
	struct table table;
	struct numbered **list; /* list[i] has the number i + first */
	size_t n, max;
	uint64_t first;
};

struct writer {
	const struct profile *profile;
	struct gzip_writer *gzip;
	struct arena arena;
	struct numbers strings;   /* by address: the profile and the constants here have each string once */
	struct numbers frames;    /* by address; pprof's locations */
	struct numbers functions; /* by name, file and first line */
	uint64_t *locations;      /* of the stack that is being written */
	size_t max_locations;
	unsigned char *buffer; /* the piece that is being written */
	size_t max_buffer;
	int err; /* the first that occurred; then nothing more is written */
};

/*
 * --- numbers ---------------------------------------------------------------------------------------------
 */

static bool same_key(const void *item, const void *key)
{
	return !memcmp(((const struct numbered *)item)->key, key, sizeof(((struct numbered *)0)->key));
}

static struct numbered *add_number(struct writer *w, struct numbers *numbers, uint64_t hash)
{
	struct numbered **list =
		array__grow(numbers->list, numbers->n, &numbers->max, sizeof(struct numbered *));
	struct numbered *numbered;

	if (!list)
		return NULL;
	numbers->list = list;
	numbered = arena__alloc(&w->arena, sizeof(*numbered), alignof(struct numbered));
	if (!numbered || table__reserve(&numbers->table))
		return NULL;
	table__insert(&numbers->table, hash, numbered);
	numbered->number = numbers->n + numbers->first;
	numbers->list[numbers->n++] = numbered;
	return numbered;
}

static uint64_t number_of(struct writer *w, struct numbers *numbers, const uint64_t key[3], const void *item)
{
	uint64_t hash = hash_mix(hash_mix(key[0], key[1]), key[2]);
	struct numbered *numbered = table__find(&numbers->table, hash, same_key, key);

	if (numbered)
		return numbered->number;
	numbered = add_number(w, numbers, hash);
	if (!numbered) {
		w->err = -ENOMEM;
		return 0;
	}
	memcpy(numbered->key, key, sizeof(numbered->key));
	numbered->item = item;
	return numbered->number;
}

static int64_t string_number(struct writer *w, const char *string)
{
	if (!string || !*string)
		return NO_STRING;
	return number_of(w, &w->strings, (uint64_t[]){(uintptr_t)string, 0, 0}, string);
}

static uint64_t location_number(struct writer *w, const struct profile_frame *frame)
{
	return number_of(w, &w->frames, (uint64_t[]){(uintptr_t)frame, 0, 0}, frame);
}

static uint64_t function_number(struct writer *w, const struct profile_frame *frame)
{
	uint64_t key[] = {(uintptr_t)frame->function, (uintptr_t)frame->file, frame->first_line};

	return number_of(w, &w->functions, key, frame);
}

/*
 * --- pieces ----------------------------------------------------------------------------------------------
 */

static int reserve_buffer(struct writer *w, size_t bytes)
{
	unsigned char *grown;

	if (bytes <= w->max_buffer)
		return 0;
	grown = realloc(w->buffer, bytes * 2);
	if (!grown)
		return -ENOMEM;
	w->buffer = grown;
	w->max_buffer = bytes * 2;
	return 0;
}

static void put_piece(struct writer *w, const Pprof__Profile *piece)
{
	size_t len = pprof__profile__get_packed_size(piece);

	if (!w->err)
		w->err = reserve_buffer(w, len);
	if (w->err)
		return;
	pprof__profile__pack(piece, w->buffer);
	w->err = gzip_writer__put(w->gzip, w->buffer, len);
}

static void put_types(struct writer *w, enum profile_value default_value)
{
	for (int value = 0; value < PROFILE_VALUES; value++) {
		bool is_blocks = render_value_blocks(value) == (enum profile_value)value;
		Pprof__ValueType type = PPROF__VALUE_TYPE__INIT, *types[] = {&type};
		Pprof__Profile piece = PPROF__PROFILE__INIT;

		type.type = string_number(w, profile_value__name(value));
		type.unit = string_number(w, is_blocks ? count_unit : bytes_unit);
		piece.sample_type = types;
		piece.n_sample_type = 1;
		if (value == (int)default_value)
			piece.default_sample_type = type.type;
		put_piece(w, &piece);
	}
}

static void put_head(struct writer *w)
{
	size_t n_notes = profile__n_notes(w->profile);
	int64_t *comments = calloc(n_notes + 1, sizeof(*comments));
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	if (!comments) {
		w->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n_notes; i++)
		comments[i] = string_number(w, profile__note(w->profile, i));
	piece.comment = comments;
	piece.n_comment = n_notes;
	piece.time_nanos = profile__time_ns(w->profile);
	piece.duration_nanos = profile__duration_ns(w->profile);
	put_piece(w, &piece);
	free(comments);
}

static void put_objects(struct writer *w)
{
	for (size_t i = 0; i < profile__n_objects(w->profile); i++) {
		const struct profile_object *object = profile__object(w->profile, i);
		Pprof__Mapping mapping = PPROF__MAPPING__INIT, *mappings[] = {&mapping};
		Pprof__Profile piece = PPROF__PROFILE__INIT;

		mapping.id = i + 1;
		mapping.filename = string_number(w, object->path);
		mapping.build_id = string_number(w, object->build_id);
		/* There is nothing left for pprof to look up. */
		mapping.has_functions = mapping.has_filenames = mapping.has_line_numbers = true;
		piece.mapping = mappings;
		piece.n_mapping = 1;
		put_piece(w, &piece);
	}
}

/*
 * --- stacks ----------------------------------------------------------------------------------------------
 */

static int reserve_locations(struct writer *w, size_t n)
{
	uint64_t *grown;

	if (n <= w->max_locations)
		return 0;
	grown = reallocarray(w->locations, n * 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	w->locations = grown;
	w->max_locations = n * 2;
	return 0;
}

/* The labels of a sample. */
struct labels {
	Pprof__Label list[MAX_LABELS], *pointers[MAX_LABELS];
	size_t n;
};

static Pprof__Label *add_label(struct labels *labels, struct writer *w, const char *key)
{
	Pprof__Label *label = &labels->list[labels->n];

	pprof__label__init(label);
	label->key = string_number(w, key);
	labels->pointers[labels->n++] = label;
	return label;
}

static void add_text(struct labels *labels, struct writer *w, const char *key, const char *text)
{
	Pprof__Label *label = add_label(labels, w, key);

	label->str = string_number(w, text);
}

/* Never without a unit: pprof takes a number of 0 without one for no label. */
static void add_number_of(struct labels *labels, struct writer *w, const char *key, uint64_t number,
			  const char *unit)
{
	Pprof__Label *label = add_label(labels, w, key);

	label->num = number < INT64_MAX ? number : INT64_MAX;
	label->num_unit = string_number(w, unit);
}

static void add_estimate(struct labels *labels, struct writer *w, const struct profile_sample *sample)
{
	const struct profile_estimate *estimate = sample->estimate;
	struct profile_interval interval = profile_sample__interval(sample);

	if (estimate->age != PROFILE_AGE_UNKNOWN)
		add_text(labels, w, "age", profile_age__name(estimate->age));
	add_number_of(labels, w, "survivors", estimate->survivors, count_unit);
	add_number_of(labels, w, "windows", estimate->windows, count_unit);
	add_number_of(labels, w, "inuse_low", interval.low_bytes, bytes_unit);
	add_number_of(labels, w, "inuse_high", interval.high_bytes, bytes_unit);
	if (estimate->newest_ms != UINT64_MAX)
		add_number_of(labels, w, "newest", estimate->newest_ms, "milliseconds");
	for (size_t i = 0; i < PROFILE_TYPES && estimate->types[i].survivors; i++) {
		add_text(labels, w, "type", estimate->types[i].name);
		add_number_of(labels, w, "type_survivors", estimate->types[i].survivors, count_unit);
	}
}

static void fill_labels(struct labels *labels, struct writer *w, const struct profile_sample *sample)
{
	labels->n = 0;
	add_text(labels, w, "domain", linger_domain__name(sample->domain));
	if (sample->thread && *sample->thread)
		add_text(labels, w, "thread", sample->thread);
	if (sample->estimate)
		add_estimate(labels, w, sample);
}

static void put_sample(struct writer *w, const struct profile_sample *sample)
{
	Pprof__Sample message = PPROF__SAMPLE__INIT, *samples[] = {&message};
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	struct labels labels;
	int64_t values[PROFILE_VALUES];

	w->err = reserve_locations(w, sample->n_frames);
	if (w->err)
		return;
	for (size_t i = 0; i < sample->n_frames; i++) /* pprof wants the leaf first */
		w->locations[i] = location_number(w, sample->frames[sample->n_frames - 1 - i]);
	for (int value = 0; value < PROFILE_VALUES; value++)
		values[value] = sample->values[value];
	message.location_id = w->locations;
	message.n_location_id = sample->n_frames;
	message.value = values;
	message.n_value = PROFILE_VALUES;
	fill_labels(&labels, w, sample);
	message.label = labels.pointers;
	message.n_label = labels.n;
	piece.sample = samples;
	piece.n_sample = 1;
	put_piece(w, &piece);
}

/* Python code lies in no mapping; it belongs to the interpreter that runs it. */
static void put_location(struct writer *w, const struct numbered *numbered)
{
	const struct profile_frame *frame = numbered->item;
	Pprof__Location location = PPROF__LOCATION__INIT, *locations[] = {&location};
	Pprof__Line line = PPROF__LINE__INIT, *lines[] = {&line};
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	line.function_id = function_number(w, frame);
	line.line = frame->line;
	location.id = numbered->number;
	location.mapping_id = frame->file && profile__n_objects(w->profile) ? 1 : 0;
	location.line = lines;
	location.n_line = 1;
	piece.location = locations;
	piece.n_location = 1;
	put_piece(w, &piece);
}

/* Without a system name: where it equals the name, pprof takes both for C++ and cuts "<lambda>" out. */
static void put_function(struct writer *w, const struct numbered *numbered)
{
	const struct profile_frame *frame = numbered->item;
	Pprof__Function function = PPROF__FUNCTION__INIT, *functions[] = {&function};
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	function.id = numbered->number;
	function.name = string_number(w, frame->function);
	function.filename = string_number(w, frame->file);
	function.start_line = frame->first_line;
	piece.function = functions;
	piece.n_function = 1;
	put_piece(w, &piece);
}

/* The text as all renderers clean it: names come from the target, and the format wants UTF-8. */
static void put_string(struct writer *w, const char *string)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	char *cleaned = render_cleaned(string);

	if (!cleaned) {
		w->err = -ENOMEM;
		return;
	}
	piece.string_table = &cleaned;
	piece.n_string_table = 1;
	put_piece(w, &piece);
	free(cleaned);
}

/*
 * --- the file --------------------------------------------------------------------------------------------
 */

static void put_file(struct writer *w, enum profile_value value)
{
	size_t i;

	number_of(w, &w->strings, (uint64_t[]){0, 0, 0}, "");
	put_types(w, value);
	put_head(w);
	put_objects(w);
	for (i = 0; i < profile__n_samples(w->profile) && !w->err; i++)
		put_sample(w, profile__sample(w->profile, i));
	for (i = 0; i < w->frames.n && !w->err; i++)
		put_location(w, w->frames.list[i]);
	for (i = 0; i < w->functions.n && !w->err; i++)
		put_function(w, w->functions.list[i]);
	for (i = 0; i < w->strings.n && !w->err; i++)
		put_string(w, w->strings.list[i]->item);
	if (!w->err)
		w->err = gzip_writer__finish(w->gzip);
}

static void numbers__free(struct numbers *numbers)
{
	table__free(&numbers->table);
	free(numbers->list);
}

static int put_pprof(const struct profile *profile, enum profile_value value, FILE *out)
{
	struct writer w = {.profile = profile, .frames.first = 1, .functions.first = 1};

	w.gzip = gzip_writer__new(out);
	if (!w.gzip)
		return -ENOMEM;
	put_file(&w, value);
	gzip_writer__free(w.gzip);
	numbers__free(&w.strings);
	numbers__free(&w.frames);
	numbers__free(&w.functions);
	arena__free(&w.arena);
	free(w.locations);
	free(w.buffer);
	return w.err ? w.err : render_finish(out);
}

const struct renderer render_pprof = {
	.name = "pprof",
	.suffix = ".pb.gz",
	.by_thread = true,
	.is_binary = true,
	.render = put_pprof,
};
