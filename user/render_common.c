/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render_common.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT 0xfffd
#define VIA "  via "
#define ELLIPSIS "\xe2\x80\xa6"

/*
 * --- text ------------------------------------------------------------------------------------------------
 */

/* Decodes one sequence of at least two bytes; returns its length, or 0 when it is not UTF-8. */
static size_t decode_multibyte(const unsigned char *bytes, uint32_t *ret_code_point)
{
	static const uint32_t smallest[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
	size_t len = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	uint32_t code_point = bytes[0] & (0x7f >> len);
	size_t i;

	if (bytes[0] < 0xc0 || bytes[0] > 0xf4)
		return 0;
	for (i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80) /* also the end of the string */
			return 0;
		code_point = code_point << 6 | (bytes[i] & 0x3f);
	}
	if (code_point < smallest[len] || code_point > 0x10ffff || (code_point & 0xfffff800) == 0xd800)
		return 0;
	*ret_code_point = code_point;
	return len;
}

static bool is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
	       (code_point >= 0x200e && code_point <= 0x200f) || /* direction marks */
	       (code_point >= 0x2028 && code_point <= 0x202e) || /* line ends, embeddings, overrides */
	       (code_point >= 0x2066 && code_point <= 0x2069) || /* isolates */
	       code_point == 0x061c || code_point == 0xfeff;
}

/* The next code point, cleaned; steps over it. */
static uint32_t next_code_point(const char **cursor)
{
	const unsigned char *bytes = (const unsigned char *)*cursor;
	uint32_t code_point = bytes[0];
	size_t len = 1;

	if (code_point >= 0x80)
		len = decode_multibyte(bytes, &code_point);
	*cursor += len ? len : 1;
	if (!len || (code_point & 0xfffe) == 0xfffe) /* U+..FFFE and U+..FFFF are not characters */
		return REPLACEMENT;
	return is_control(code_point) ? '_' : code_point;
}

/* East Asian scripts and emoji take two columns. Rough, but only widths depend on it. */
static size_t code_point_columns(uint32_t code_point)
{
	return code_point >= 0x2e80 && code_point != REPLACEMENT ? 2 : 1;
}

void render_put_utf8(FILE *out, uint32_t code_point)
{
	if (code_point < 0x80) {
		putc_unlocked(code_point, out);
		return;
	}
	if (code_point < 0x800) {
		putc_unlocked(0xc0 | code_point >> 6, out);
	} else {
		if (code_point < 0x10000) {
			putc_unlocked(0xe0 | code_point >> 12, out);
		} else {
			putc_unlocked(0xf0 | code_point >> 18, out);
			putc_unlocked(0x80 | (code_point >> 12 & 0x3f), out);
		}
		putc_unlocked(0x80 | (code_point >> 6 & 0x3f), out);
	}
	putc_unlocked(0x80 | (code_point & 0x3f), out);
}

void render_string(FILE *out, const char *string, render_put *put)
{
	while (*string)
		put(out, next_code_point(&string));
}

char *render_cleaned(const char *string)
{
	char *cleaned = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&cleaned, &bytes);

	if (!memory)
		return NULL;
	render_string(memory, string, render_put_utf8);
	if (!fclose(memory))
		return cleaned;
	free(cleaned);
	return NULL;
}

size_t render_string_columns(const char *string)
{
	size_t columns = 0;

	while (*string)
		columns += code_point_columns(next_code_point(&string));
	return columns;
}

/*
 * --- frames ----------------------------------------------------------------------------------------------
 */

/*
 * The pieces that a frame's name is put together from, so that it is measured and cut without being copied.
 */
struct name {
	const char *function;
	const char *open;
	const char *cut; /* where leading directories were left out */
	const char *file;
	const char *close;
	char line[16]; /* ":123" */
};

#define NAME_PIECES 6

static struct name name_of(const struct profile_frame *frame)
{
	struct name name = {frame->function, "", "", "", "", ""};

	if (!*name.function)
		name.function = "?";
	if (!frame->file)
		return name;
	name.open = " (";
	name.file = frame->file;
	name.close = ")";
	if (frame->line > 0)
		snprintf(name.line, sizeof(name.line), ":%d", frame->line);
	return name;
}

static const char *name_piece(const struct name *name, int i)
{
	const char *const pieces[NAME_PIECES] = {name->function, name->open, name->cut,
						 name->file,     name->line, name->close};

	return pieces[i];
}

static size_t name_columns(const struct name *name)
{
	size_t columns = 0;
	int i;

	for (i = 0; i < NAME_PIECES; i++)
		columns += render_string_columns(name_piece(name, i));
	return columns;
}

static void put_name(FILE *out, const struct name *name, render_put *put)
{
	int i;

	for (i = 0; i < NAME_PIECES; i++)
		render_string(out, name_piece(name, i), put);
}

/* The beginning of a name that is too long, and a mark in the last column. */
static void put_name_cut(FILE *out, const struct name *name, size_t columns, render_put *put)
{
	size_t used = 1;
	int i;

	for (i = 0; i < NAME_PIECES; i++) {
		const char *piece = name_piece(name, i);

		while (*piece) {
			uint32_t code_point = next_code_point(&piece);

			used += code_point_columns(code_point);
			if (used > columns) {
				render_string(out, ELLIPSIS, put);
				return;
			}
			put(out, code_point);
		}
	}
}

void render_frame(FILE *out, const struct profile_frame *frame, render_put *put)
{
	struct name name = name_of(frame);

	put_name(out, &name, put);
}

void render_frame_fitted(FILE *out, const struct profile_frame *frame, size_t columns, render_put *put)
{
	struct name name = name_of(frame);
	const char *slash = *name.file ? strchr(name.file + 1, '/') : NULL;

	while (name_columns(&name) > columns && slash) {
		name.cut = ELLIPSIS;
		name.file = slash;
		slash = strchr(slash + 1, '/');
	}
	if (name_columns(&name) <= columns) {
		put_name(out, &name, put);
		return;
	}
	slash = strrchr(name.file, '/');
	if (slash) {
		name.cut = "";
		name.file = slash + 1;
	}
	put_name_cut(out, &name, columns, put);
}

/*
 * --- the place of a stack --------------------------------------------------------------------------------
 */

/* Whether a path has a directory lib/python3.N, or python3.Nt of a free-threaded build. */
static bool in_standard_library(const char *file)
{
	static const char prefix[] = "/lib/python3.";
	const char *at = file;

	while ((at = strstr(at, prefix))) {
		at += sizeof(prefix) - 1;
		at += strspn(at, "0123456789");
		at += *at == 't';
		if (*at == '/')
			return true;
	}
	return false;
}

static bool is_library(const struct profile_frame *frame)
{
	return !frame->file || strstr(frame->file, "/site-packages/") ||
	       strstr(frame->file, "/dist-packages/") ||
	       !strncmp(frame->file, "<frozen ", strlen("<frozen ")) || in_standard_library(frame->file);
}

/* The innermost frame of the program's own code; of all code when it has none on this stack. */
static const struct profile_frame *place_of(const struct profile_sample *sample)
{
	size_t i = sample->n_frames;

	while (i--)
		if (!is_library(sample->frames[i]))
			return sample->frames[i];
	return sample->frames[sample->n_frames - 1];
}

void render_place_beside(FILE *out, const struct profile_sample *stack, const char *beside, size_t indent,
			 size_t columns)
{
	static const struct profile_frame no_stack = {.function = "[no stack]"};
	const struct profile_frame *place = stack->n_frames ? place_of(stack) : &no_stack;
	const struct profile_frame *innermost =
		stack->n_frames ? stack->frames[stack->n_frames - 1] : &no_stack;

	render_frame_fitted(out, place, columns - indent, render_put_utf8);
	putc('\n', out);
	if (place != innermost) {
		fprintf(out, "%-*s" VIA, (int)indent, beside);
		render_frame_fitted(out, innermost, columns - indent - strlen(VIA), render_put_utf8);
		putc('\n', out);
	} else if (*beside) {
		fprintf(out, "%s\n", beside);
	}
}

void render_place(FILE *out, const struct profile_sample *stack, size_t indent, size_t columns)
{
	render_place_beside(out, stack, "", indent, columns);
}

void render_note(FILE *out, const char *note)
{
	fputs("note: ", out);
	render_string(out, note, render_put_utf8);
	putc('\n', out);
}

/*
 * --- numbers ---------------------------------------------------------------------------------------------
 */

struct unit {
	const char *name;
	double bytes;
};

/* The one to show so many bytes in. */
static struct unit unit_for(uint64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct unit unit = {names[0], 1};
	size_t i;

	/* 1023.95 and more would be printed as 1024.0; but bytes are whole. */
	for (i = 1; i < sizeof(names) / sizeof(*names) && bytes / unit.bytes >= (i > 1 ? 1023.95 : 1024); i++)
		unit = (struct unit){names[i], unit.bytes * 1024};
	return unit;
}

const char *render_bytes(uint64_t bytes, char buffer[static RENDER_NUMBER_BYTES])
{
	struct unit unit = unit_for(bytes);

	snprintf(buffer, RENDER_NUMBER_BYTES, "%.*f %s", unit.bytes > 1, bytes / unit.bytes, unit.name);
	return buffer;
}

const char *render_byte_range(uint64_t low, uint64_t high, char buffer[static RENDER_NUMBER_BYTES])
{
	struct unit unit = unit_for(high);
	int decimals = unit.bytes > 1;

	snprintf(buffer, RENDER_NUMBER_BYTES, "%.*f - %.*f %s", decimals, low / unit.bytes, decimals,
		 high / unit.bytes, unit.name);
	return buffer;
}

/* With commas; at most 26 characters. */
static void render_digits(uint64_t count, char *end)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	int i;

	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*end++ = ',';
		*end++ = digits[i];
	}
	*end = '\0';
}

const char *render_count(uint64_t count, char buffer[static RENDER_NUMBER_BYTES])
{
	render_digits(count, buffer);
	return buffer;
}

const char *render_change(int64_t change, char buffer[static RENDER_NUMBER_BYTES])
{
	uint64_t size = change < 0 ? -(uint64_t)change : (uint64_t)change;

	if (!change)
		return render_count(0, buffer);
	buffer[0] = change < 0 ? '-' : '+';
	/* A sign, 19 digits and 6 commas leave room. */
	render_digits(size, buffer + 1);
	return buffer;
}

void render_amount(FILE *out, uint64_t bytes, uint64_t blocks)
{
	char human[RENDER_NUMBER_BYTES], exact[RENDER_NUMBER_BYTES], count[RENDER_NUMBER_BYTES];

	fprintf(out, "%s (%s %s) in %s %s", render_bytes(bytes, human), render_count(bytes, exact),
		bytes == 1 ? "byte" : "bytes", render_count(blocks, count), blocks == 1 ? "block" : "blocks");
}

double render_share(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

/*
 * --- values, samples and pairs
 * ----------------------------------------------------------------------------------
 */

const char *render_value_text(enum profile_value value)
{
	static const char *const texts[PROFILE_VALUES] = {
		[PROFILE_INUSE_SPACE] = "bytes allocated and still alive",
		[PROFILE_INUSE_OBJECTS] = "blocks allocated and still alive",
		[PROFILE_ALLOC_SPACE] = "bytes allocated",
		[PROFILE_ALLOC_OBJECTS] = "blocks allocated",
	};

	return texts[value];
}

static bool value_is_inuse(enum profile_value value)
{
	return value == PROFILE_INUSE_SPACE || value == PROFILE_INUSE_OBJECTS;
}

enum profile_value render_value_bytes(enum profile_value value)
{
	return value_is_inuse(value) ? PROFILE_INUSE_SPACE : PROFILE_ALLOC_SPACE;
}

enum profile_value render_value_blocks(enum profile_value value)
{
	return value_is_inuse(value) ? PROFILE_INUSE_OBJECTS : PROFILE_ALLOC_OBJECTS;
}

enum profile_value render_value_other(enum profile_value value)
{
	enum profile_value bytes = render_value_bytes(value);

	return value == bytes ? render_value_blocks(value) : bytes;
}

static int compare_frames(const struct profile_frame *a, const struct profile_frame *b)
{
	int order;

	if (a == b) /* frames are interned: the usual case */
		return 0;
	order = strcmp(a->function, b->function);
	if (!order && (!a->file || !b->file))
		order = (a->file != NULL) - (b->file != NULL);
	else if (!order)
		order = strcmp(a->file, b->file);
	return order ? order : (a->line > b->line) - (a->line < b->line);
}

int render_compare_stacks(const void *a, const void *b)
{
	const struct profile_sample *left = *(const struct profile_sample *const *)a;
	const struct profile_sample *right = *(const struct profile_sample *const *)b;
	size_t i;

	for (i = 0; i < left->n_frames && i < right->n_frames; i++) {
		int order = compare_frames(left->frames[i], right->frames[i]);

		if (order)
			return order;
	}
	return (left->n_frames > right->n_frames) - (left->n_frames < right->n_frames);
}

int render_compare_values(const void *a, const void *b, void *value)
{
	const struct profile_sample *left = *(const struct profile_sample *const *)a;
	const struct profile_sample *right = *(const struct profile_sample *const *)b;
	uint64_t left_value = left->values[*(enum profile_value *)value];
	uint64_t right_value = right->values[*(enum profile_value *)value];

	if (left_value != right_value)
		return left_value < right_value ? 1 : -1;
	return render_compare_stacks(a, b);
}

int render_samples(const struct profile *profile, enum linger_domain domain, enum profile_value value,
		   const struct profile_sample ***ret_samples, size_t *ret_n)
{
	const struct profile_sample **samples;
	size_t n = 0;
	size_t i;

	samples = malloc((profile__n_samples(profile) + 1) * sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	for (i = 0; i < profile__n_samples(profile); i++) {
		const struct profile_sample *sample = profile__sample(profile, i);

		if (sample->domain == domain && sample->values[value])
			samples[n++] = sample;
	}
	qsort(samples, n, sizeof(*samples), render_compare_stacks);
	*ret_samples = samples;
	*ret_n = n;
	return 0;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct profile_pair *const *left = a, *const *right = b;

	return render_compare_stacks(&(*left)->stack, &(*right)->stack);
}

int render_pairs(const struct profile_diff *diff, enum linger_domain domain,
		 const struct profile_pair ***ret_pairs, size_t *ret_n)
{
	const struct profile_pair **pairs = malloc((profile_diff__n_pairs(diff) + 1) * sizeof(*pairs));
	size_t n = 0;

	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < profile_diff__n_pairs(diff); i++)
		if (profile_diff__pair(diff, i)->stack->domain == domain)
			pairs[n++] = profile_diff__pair(diff, i);
	qsort(pairs, n, sizeof(*pairs), compare_pairs);
	*ret_pairs = pairs;
	*ret_n = n;
	return 0;
}

int render_finish(FILE *out)
{
	/* An earlier write may have failed, with an errno that is long gone. */
	return fflush(out) ? -errno : ferror(out) ? -EIO : 0;
}
