/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A message of protocol buffers that is valid as such can still say anything. So before a sample is used, the
 * strings, functions and locations have been looked at once, and tables from ids to them made; a location
 * then stands for a run of frames, one for each of its lines. Nothing here refers to anything of its own
 * kind, so there are no cycles to find.
 *
 * Three limits keep a small file from taking much memory: what it decompresses to, what the message takes
 * when it is unpacked (each of its parts may be a few bytes in the file and a hundred in memory), and the
 * frames of all stacks, alone and together (a location of many lines may be on any number of stacks).
 */
#include "pprof_read.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "gzip.h"
#include "pprof.pb-c.h"

#define MAX_FILE_BYTES (256u << 20)
#define MAX_MESSAGE_BYTES (1024u << 20)
#define MAX_FRAMES (32u << 20)
#define MAX_STACK_FRAMES (64u << 10)

/* These can be said many times in few bytes, or make every line long. */
#define MAX_COMMENTS 1000
#define MAX_STRING_BYTES (64 * 1024)

/* From an id to what has it. */
struct id {
	uint64_t id;
	size_t index;
};

struct ids {
	struct id *list; /* in order */
	size_t n;
};

/* The frames of a location, root first. */
struct run {
	size_t first, n;
};

struct reader {
	const char *path;
	struct error *error;
	struct arena arena; /* what protobuf-c unpacks */
	ProtobufCAllocator allocator;
	const Pprof__Profile *message;
	struct ids functions, locations;
	struct profile_frame *frames; /* of all locations */
	struct run *runs;             /* by index of the location */
	struct profile_frame *stack;  /* that is being put together */
	size_t max_stack;
	size_t n_stack_frames; /* of all stacks so far */
	int columns[PROFILE_VALUES];
	uint64_t totals[PROFILE_VALUES];
	uint32_t domains;
	size_t n_without_domain;
	struct pprof_content content;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct reader *r, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return error__set(r->error, -EBADMSG, "failed to read '%s': %s", r->path, reason);
}

static int out_of_memory(struct reader *r)
{
	return error__set(r->error, -ENOMEM, "failed to read '%s': out of memory", r->path);
}

/*
 * --- the message -----------------------------------------------------------------------------------------
 */

static void *allocate(void *arena, size_t bytes)
{
	return arena__alloc(arena, bytes, alignof(max_align_t));
}

static void release(void *arena, void *block)
{
	/* The arena goes as a whole. */
}

static int read_bytes(struct reader *r, unsigned char **ret_bytes, size_t *ret_len)
{
	int err = gzip__read(r->path, MAX_FILE_BYTES, ret_bytes, ret_len);

	if (err == -EFBIG)
		return error__set(r->error, err,
				  "failed to read '%s': it decompresses to more than %u MiB, no profile does",
				  r->path, MAX_FILE_BYTES >> 20);
	if (err == -EBADMSG)
		return refuse(r, "it is damaged or cut off");
	if (err)
		error__set(r->error, err, "failed to read '%s': %s", r->path, strerror(-err));
	return err;
}

static int unpack(struct reader *r)
{
	unsigned char *bytes;
	size_t len;
	int err = read_bytes(r, &bytes, &len);

	if (err)
		return err;
	r->arena.max_bytes = MAX_MESSAGE_BYTES;
	r->allocator = (ProtobufCAllocator){allocate, release, &r->arena};
	r->message = pprof__profile__unpack(&r->allocator, len, bytes);
	free(bytes);
	if (!r->message && r->arena.taken_bytes > MAX_MESSAGE_BYTES / 2)
		return error__set(r->error, -EFBIG,
				  "failed to read '%s': it would take more than %u MiB of memory", r->path,
				  MAX_MESSAGE_BYTES >> 20);
	/* Other files may be a message by chance, but hardly one with this string. */
	if (!r->message || !r->message->n_string_table || *r->message->string_table[0])
		return refuse(r, "it is not a profile in pprof's format");
	for (size_t i = 0; i < r->message->n_string_table; i++)
		if (strnlen(r->message->string_table[i], MAX_STRING_BYTES + 1) > MAX_STRING_BYTES)
			return refuse(r, "it has a name of more than %u bytes", MAX_STRING_BYTES);
	return 0;
}

/* NULL: there is no such string. */
static const char *string_at(const struct reader *r, int64_t index)
{
	if (index < 0 || (uint64_t)index >= r->message->n_string_table)
		return NULL;
	return r->message->string_table[index];
}

/*
 * --- ids -------------------------------------------------------------------------------------------------
 */

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = ((const struct id *)a)->id, right = ((const struct id *)b)->id;

	return (left > right) - (left < right);
}

/* Sorts; 0 and ids that occur twice are refused. */
static int ids__finish(struct ids *ids, struct reader *r, const char *what)
{
	qsort(ids->list, ids->n, sizeof(*ids->list), compare_ids);
	if (ids->n && !ids->list[0].id)
		return refuse(r, "a %s has no number", what);
	for (size_t i = 1; i < ids->n; i++)
		if (ids->list[i].id == ids->list[i - 1].id)
			return refuse(r, "two %ss have the number %" PRIu64, what, ids->list[i].id);
	return 0;
}

static bool ids__find(const struct ids *ids, uint64_t id, size_t *ret_index)
{
	const struct id key = {.id = id}, *found;

	/* The usual case: numbered from 1 in order. */
	if (id - 1 < ids->n && ids->list[id - 1].id == id) {
		*ret_index = ids->list[id - 1].index;
		return true;
	}
	found = ids->n ? bsearch(&key, ids->list, ids->n, sizeof(key), compare_ids) : NULL;
	if (found)
		*ret_index = found->index;
	return found;
}

static int number_functions(struct reader *r)
{
	size_t n = r->message->n_function;

	r->functions.list = calloc(n + 1, sizeof(struct id));
	if (!r->functions.list)
		return out_of_memory(r);
	r->functions.n = n;
	for (size_t i = 0; i < n; i++)
		r->functions.list[i] = (struct id){r->message->function[i]->id, i};
	return ids__finish(&r->functions, r, "function");
}

/*
 * --- locations -------------------------------------------------------------------------------------------
 */

/* Lines beyond what a file can have are as good as none. */
static int line_number(int64_t line)
{
	return line > 0 && line <= INT_MAX ? (int)line : 0;
}

static int fill_frame(struct reader *r, const Pprof__Line *line, struct profile_frame *ret_frame)
{
	const Pprof__Function *function;
	const char *name, *file;
	size_t index;

	if (!ids__find(&r->functions, line->function_id, &index))
		return refuse(r, "a location refers to function %" PRIu64 ", which is not there",
			      line->function_id);
	function = r->message->function[index];
	name = string_at(r, function->name ? function->name : function->system_name);
	file = string_at(r, function->filename);
	if (!name || !file)
		return refuse(r, "function %" PRIu64 " refers to a string that is not there", function->id);
	*ret_frame = (struct profile_frame){
		.function = name,
		.file = file,
		.line = line_number(line->line),
		.first_line = line_number(function->start_line),
	};
	return 0;
}

/* The frames of a location without lines are not known; of one with several, inlined calls, all count. */
static int fill_run(struct reader *r, const Pprof__Location *location, struct run *run)
{
	struct profile_frame *frames = &r->frames[run->first];
	int err = 0;

	run->n = location->n_line ? location->n_line : 1;
	frames[0] = (struct profile_frame){.function = "[unknown]"};
	for (size_t i = 0; i < location->n_line && !err; i++)
		err = fill_frame(r, location->line[i], &frames[run->n - 1 - i]);
	return err;
}

static int read_locations(struct reader *r)
{
	size_t n = r->message->n_location, n_frames = 0;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		n_frames += r->message->location[i]->n_line + 1;
	r->locations.list = calloc(n + 1, sizeof(struct id));
	r->runs = calloc(n + 1, sizeof(*r->runs));
	r->frames = calloc(n_frames + 1, sizeof(*r->frames));
	if (!r->locations.list || !r->runs || !r->frames)
		return out_of_memory(r);
	r->locations.n = n;
	n_frames = 0;
	for (size_t i = 0; i < n && !err; i++) {
		r->locations.list[i] = (struct id){r->message->location[i]->id, i};
		r->runs[i].first = n_frames;
		err = fill_run(r, r->message->location[i], &r->runs[i]);
		n_frames += r->runs[i].n;
	}
	return err ? err : ids__finish(&r->locations, r, "location");
}

/*
 * --- values ----------------------------------------------------------------------------------------------
 */

static bool unit_fits(enum profile_value value, const char *unit)
{
	bool is_blocks = value == PROFILE_INUSE_OBJECTS || value == PROFILE_ALLOC_OBJECTS;

	return !strcmp(unit, is_blocks ? "count" : "bytes");
}

/* Notes which of our values there are; the first of them is the default. False: none. */
static bool choose_values(struct reader *r)
{
	for (int value = PROFILE_VALUES - 1; value >= 0; value--) {
		if (r->columns[value] < 0)
			continue;
		r->content.values |= 1u << value;
		r->content.default_value = value;
	}
	return r->content.values;
}

/* Which column has which of our values. */
static int read_types(struct reader *r)
{
	for (int value = 0; value < PROFILE_VALUES; value++)
		r->columns[value] = -1;
	for (size_t i = 0; i < r->message->n_sample_type && i < INT_MAX; i++) {
		const char *name = string_at(r, r->message->sample_type[i]->type);
		const char *unit = string_at(r, r->message->sample_type[i]->unit);
		enum profile_value known;

		if (!name || !unit)
			return refuse(r, "a sample type refers to a string that is not there");
		if (!profile_value__parse(name, &known) && unit_fits(known, unit) && r->columns[known] < 0)
			r->columns[known] = i;
	}
	if (!choose_values(r))
		return refuse(r,
			      "it is no heap profile: it has none of inuse_space, inuse_objects, alloc_space "
			      "and alloc_objects");
	return 0;
}

static void read_default(struct reader *r)
{
	const char *name = string_at(r, r->message->default_sample_type);
	enum profile_value value;

	if (name && !profile_value__parse(name, &value) && r->content.values >> value & 1)
		r->content.default_value = value;
}

static int read_values(struct reader *r, const Pprof__Sample *sample, uint64_t values[PROFILE_VALUES])
{
	if (sample->n_value != r->message->n_sample_type)
		return refuse(r, "a sample has %zu values where there are %zu types", sample->n_value,
			      r->message->n_sample_type);
	for (int value = 0; value < PROFILE_VALUES; value++) {
		int64_t number = r->columns[value] < 0 ? 0 : sample->value[r->columns[value]];

		if (number < 0)
			return refuse(
				r, "it has negative values: it is a difference of profiles, not a profile");
		values[value] = number;
		r->totals[value] += number;
		if (r->totals[value] > INT64_MAX)
			return refuse(r, "its values are too large to add up");
	}
	return 0;
}

/*
 * --- samples ---------------------------------------------------------------------------------------------
 */

struct labels {
	enum linger_domain domain;
	bool has_domain;
	const char *thread;
	bool is_estimate;
	struct profile_estimate estimate; /* without its bounds */
	struct profile_interval interval;
	size_t n_type_names, n_type_survivors; /* which belong together in their order */
};

static uint64_t not_negative(int64_t number)
{
	return number > 0 ? number : 0;
}

static void read_text_label(struct labels *labels, const char *key, const char *text)
{
	if (!strcmp(key, "domain"))
		labels->has_domain = !linger_domain__parse(text, &labels->domain);
	else if (!strcmp(key, "thread") && *text)
		labels->thread = text;
	else if (!strcmp(key, "age"))
		profile_age__parse(text, &labels->estimate.age);
	else if (!strcmp(key, "type") && labels->n_type_names < PROFILE_TYPES)
		labels->estimate.types[labels->n_type_names++].name = text;
}

static void read_number_label(struct labels *labels, const char *key, uint64_t number)
{
	if (!strcmp(key, "survivors")) {
		labels->is_estimate = true;
		labels->estimate.survivors = number;
	} else if (!strcmp(key, "windows")) {
		labels->estimate.windows = number;
	} else if (!strcmp(key, "newest")) {
		labels->estimate.newest_ms = number;
	} else if (!strcmp(key, "type_survivors") && labels->n_type_survivors < PROFILE_TYPES) {
		labels->estimate.types[labels->n_type_survivors++].survivors = number;
	} else if (!strcmp(key, "inuse_low")) {
		labels->interval.low_bytes = number;
	} else if (!strcmp(key, "inuse_high")) {
		labels->interval.high_bytes = number;
	}
}

static int read_labels(struct reader *r, const Pprof__Sample *sample, struct labels *ret_labels)
{
	struct labels labels = {
		.domain = LINGER_DOMAIN_RAW, /* other tools profile malloc */
		.estimate.newest_ms = UINT64_MAX,
	};

	for (size_t i = 0; i < sample->n_label; i++) {
		const char *key = string_at(r, sample->label[i]->key);
		const char *text = string_at(r, sample->label[i]->str);

		if (!key || !text)
			return refuse(r, "a label refers to a string that is not there");
		read_text_label(&labels, key, text);
		if (!*text)
			read_number_label(&labels, key, not_negative(sample->label[i]->num));
	}
	*ret_labels = labels;
	return 0;
}

/* What the labels say of a sample of so many bytes; NULL: that its values are exact. */
static const struct profile_estimate *finish_estimate(struct labels *labels, uint64_t bytes)
{
	double below = (double)bytes - labels->interval.low_bytes;
	double above = (double)labels->interval.high_bytes - bytes;

	/* A name without a number is none, and neither is a number without a name. */
	for (size_t i = 0; i < PROFILE_TYPES; i++)
		if (i >= labels->n_type_names || i >= labels->n_type_survivors)
			labels->estimate.types[i] = (struct profile_type){};
	/* Bounds on the wrong side are none. */
	labels->estimate.below_sq = below > 0 ? below * below : 0;
	labels->estimate.above_sq = above > 0 ? above * above : 0;
	return labels->is_estimate ? &labels->estimate : NULL;
}

static int reserve_stack(struct reader *r, size_t n)
{
	struct profile_frame *grown;

	if (n <= r->max_stack)
		return 0;
	grown = reallocarray(r->stack, n * 2, sizeof(*grown));
	if (!grown)
		return out_of_memory(r);
	r->stack = grown;
	r->max_stack = n * 2;
	return 0;
}

static int count_frames(struct reader *r, size_t n_before, size_t n)
{
	r->n_stack_frames += n;
	if (n_before + n > MAX_STACK_FRAMES)
		return error__set(r->error, -EFBIG,
				  "failed to read '%s': it has a stack of more than %u frames", r->path,
				  MAX_STACK_FRAMES);
	if (r->n_stack_frames > MAX_FRAMES)
		return error__set(r->error, -EFBIG,
				  "failed to read '%s': its stacks have more than %u million frames", r->path,
				  MAX_FRAMES >> 20);
	return 0;
}

/* Puts the frames of a sample's locations into r->stack, root first. */
static int read_stack(struct reader *r, const Pprof__Sample *sample, size_t *ret_n)
{
	size_t n = 0, index;
	int err;

	for (size_t i = sample->n_location_id; i-- > 0; n += r->runs[index].n) {
		if (!ids__find(&r->locations, sample->location_id[i], &index))
			return refuse(r, "a sample refers to location %" PRIu64 ", which is not there",
				      sample->location_id[i]);
		err = count_frames(r, n, r->runs[index].n);
		if (err)
			return err;
		err = reserve_stack(r, n + r->runs[index].n);
		if (err)
			return err;
		memcpy(&r->stack[n], &r->frames[r->runs[index].first], r->runs[index].n * sizeof(*r->stack));
	}
	*ret_n = n;
	return 0;
}

static int read_sample(struct reader *r, const Pprof__Sample *sample)
{
	uint64_t values[PROFILE_VALUES] = {};
	struct labels labels = {};
	size_t n_frames = 0;
	int err = read_labels(r, sample, &labels);

	if (!err)
		err = read_values(r, sample, values);
	if (!err)
		err = read_stack(r, sample, &n_frames);
	if (err || !(r->domains >> labels.domain & 1))
		return err;
	r->n_without_domain += !labels.has_domain;
	err = profile__add_estimate(r->content.profile, labels.domain, labels.thread, r->stack, n_frames,
				    values, finish_estimate(&labels, values[PROFILE_INUSE_SPACE]));
	return err ? out_of_memory(r) : 0;
}

/*
 * --- what is said beside ---------------------------------------------------------------------------------
 */

static int read_notes(struct reader *r)
{
	if (r->message->n_comment > MAX_COMMENTS)
		return refuse(r, "it has more than %u comments", MAX_COMMENTS);
	for (size_t i = 0; i < r->message->n_comment; i++) {
		const char *text = string_at(r, r->message->comment[i]);

		if (!text)
			return refuse(r, "a comment refers to a string that is not there");
		if (profile__add_note(r->content.profile, text))
			return out_of_memory(r);
	}
	return 0;
}

static int read_objects(struct reader *r)
{
	for (size_t i = 0; i < r->message->n_mapping; i++) {
		const char *path = string_at(r, r->message->mapping[i]->filename);
		const char *build_id = string_at(r, r->message->mapping[i]->build_id);

		if (!path || !build_id)
			return refuse(r, "a mapping refers to a string that is not there");
		if (profile__add_object(r->content.profile, path, build_id))
			return out_of_memory(r);
	}
	return 0;
}

static int note_domains(struct reader *r)
{
	char note[128];

	if (!r->n_without_domain)
		return 0;
	snprintf(note, sizeof(note), "samples without a domain: %zu; they are shown as raw",
		 r->n_without_domain);
	return profile__add_note(r->content.profile, note) ? out_of_memory(r) : 0;
}

/*
 * --- the file --------------------------------------------------------------------------------------------
 */

static int read_file(struct reader *r)
{
	int err = unpack(r);

	if (!err)
		err = read_types(r);
	if (!err)
		err = number_functions(r);
	if (!err)
		err = read_locations(r);
	if (!err)
		err = read_notes(r);
	if (!err)
		err = read_objects(r);
	for (size_t i = 0; !err && i < r->message->n_sample; i++)
		err = read_sample(r, r->message->sample[i]);
	if (err)
		return err;
	read_default(r);
	profile__set_time(r->content.profile, not_negative(r->message->time_nanos),
			  not_negative(r->message->duration_nanos));
	return note_domains(r);
}

int pprof_read__file(const char *path, uint32_t domains, struct pprof_content *ret_content,
		     struct error *error)
{
	struct reader r = {.path = path, .error = error, .domains = domains};
	int err;

	r.content.profile = profile__new();
	err = r.content.profile ? read_file(&r) : out_of_memory(&r);
	arena__free(&r.arena);
	free(r.functions.list);
	free(r.locations.list);
	free(r.frames);
	free(r.runs);
	free(r.stack);
	if (err)
		profile__free(r.content.profile);
	else
		*ret_content = r.content;
	return err;
}
