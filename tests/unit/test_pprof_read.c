/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that other tools wrote, and files that nobody should have written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "gzip.h"
#include "pprof.pb-c.h"
#include "pprof_test.h"

/*
 * --- a message to change ---------------------------------------------------------------------------------
 */

enum { NONE, INUSE_SPACE, BYTES, INUSE_OBJECTS, COUNT, MAIN, FILE_NAME, DOMAIN, MAPPING, OTHER, STRINGS };

/* One sample of one location of one function; tests change a part of it. */
struct message {
	char *strings[STRINGS];
	Pprof__ValueType types[2], *type_list[2];
	Pprof__Function function, *function_list[2];
	Pprof__Line line, *line_list[3];
	Pprof__Location location, *location_list[2];
	Pprof__Label label, *label_list[1];
	uint64_t location_ids[4];
	int64_t values[2];
	Pprof__Sample sample, *sample_list[1];
	Pprof__Mapping mapping, *mapping_list[1];
	int64_t comments[1];
	Pprof__Profile profile;
};

static void init_parts(struct message *m)
{
	pprof__value_type__init(&m->types[0]);
	pprof__value_type__init(&m->types[1]);
	m->types[0].type = INUSE_SPACE;
	m->types[0].unit = BYTES;
	m->types[1].type = INUSE_OBJECTS;
	m->types[1].unit = COUNT;
	pprof__function__init(&m->function);
	m->function.id = 1;
	m->function.name = MAIN;
	m->function.filename = FILE_NAME;
	m->function.start_line = 3;
	pprof__line__init(&m->line);
	m->line.function_id = 1;
	m->line.line = 5;
	pprof__location__init(&m->location);
	m->location.id = 1;
	m->location.line = m->line_list;
	m->location.n_line = 1;
	pprof__label__init(&m->label);
	m->label.key = DOMAIN;
	m->label.str = MAPPING;
	pprof__sample__init(&m->sample);
	m->sample.location_id = m->location_ids;
	m->sample.n_location_id = 1;
	m->sample.value = m->values;
	m->sample.n_value = 2;
	m->sample.label = m->label_list;
	m->sample.n_label = 1;
	pprof__mapping__init(&m->mapping);
	m->mapping.id = 1;
}

static void init_profile(struct message *m)
{
	pprof__profile__init(&m->profile);
	m->profile.string_table = m->strings;
	m->profile.n_string_table = STRINGS;
	m->profile.sample_type = m->type_list;
	m->profile.n_sample_type = 2;
	m->profile.function = m->function_list;
	m->profile.n_function = 1;
	m->profile.location = m->location_list;
	m->profile.n_location = 1;
	m->profile.sample = m->sample_list;
	m->profile.n_sample = 1;
	m->profile.mapping = m->mapping_list;
	m->profile.n_mapping = 1;
	m->profile.comment = m->comments;
}

static struct message *new_message(void)
{
	static struct message message;
	struct message *m = &message;

	*m = (struct message){
		.strings = {"", "inuse_space", "bytes", "inuse_objects", "count", "main", "/a.py", "domain",
			    "mapping", "other"},
		.type_list = {&m->types[0], &m->types[1]},
		.function_list = {&m->function, &m->function},
		.line_list = {&m->line, &m->line, &m->line},
		.location_list = {&m->location, &m->location},
		.label_list = {&m->label},
		.location_ids = {1, 1, 1, 1},
		.values = {100, 2},
		.sample_list = {&m->sample},
		.mapping_list = {&m->mapping},
	};
	init_parts(m);
	init_profile(m);
	return m;
}

/* As it is, without gzip: the reader takes both. */
static int read_message(const struct message *m, struct pprof_content *ret_content, struct error *error)
{
	size_t len = pprof__profile__get_packed_size(&m->profile);
	unsigned char *bytes = malloc(len + 1);
	int err;

	pprof__profile__pack(&m->profile, bytes);
	err = read_bytes(bytes, len, ALL_DOMAINS, ret_content, error);
	free(bytes);
	return err;
}

static struct profile *profile_of(const struct message *m)
{
	struct pprof_content content;
	struct error error;

	assert_int_equal(read_message(m, &content, &error), 0);
	return content.profile;
}

/* One sentence that names the file and says why. */
static void assert_refused(const struct message *m, const char *why)
{
	struct pprof_content content;
	struct error error = {};

	assert_int_equal(read_message(m, &content, &error), -EBADMSG);
	assert_non_null(strstr(error.message, "failed to read '/tmp/linger-unit-"));
	if (!strstr(error.message, why))
		fail_msg("expected '%s' in: %s", why, error.message);
}

/*
 * --- other tools' files ----------------------------------------------------------------------------------
 */

static void test_a_subset_of_the_types(void **state)
{
	struct message *m = new_message();
	struct pprof_content content;
	struct error error;
	const struct profile_sample *sample;

	assert_int_equal(read_message(m, &content, &error), 0);
	sample = profile__sample(content.profile, 0);
	assert_int_equal(content.values, 1 << PROFILE_INUSE_SPACE | 1 << PROFILE_INUSE_OBJECTS);
	assert_int_equal(content.default_value, PROFILE_INUSE_SPACE);
	assert_int_equal(sample->domain, LINGER_DOMAIN_MAPPING);
	assert_int_equal(sample->values[PROFILE_INUSE_SPACE], 100);
	assert_int_equal(sample->values[PROFILE_INUSE_OBJECTS], 2);
	assert_int_equal(sample->values[PROFILE_ALLOC_SPACE], 0);
	assert_string_equal(sample->frames[0]->function, "main");
	assert_string_equal(sample->frames[0]->file, "/a.py");
	assert_int_equal(sample->frames[0]->line, 5);
	assert_int_equal(sample->frames[0]->first_line, 3);
	profile__free(content.profile);
}

static void test_types_in_any_order_and_between_others(void **state)
{
	struct message *m = new_message();
	struct pprof_content content;
	struct error error;

	m->types[0].type = OTHER;
	assert_int_equal(read_message(m, &content, &error), 0);
	assert_int_equal(content.values, 1 << PROFILE_INUSE_OBJECTS);
	assert_int_equal(content.default_value, PROFILE_INUSE_OBJECTS);
	assert_int_equal(profile__sample(content.profile, 0)->values[PROFILE_INUSE_OBJECTS], 2);
	profile__free(content.profile);
}

static void test_a_file_names_its_default(void **state)
{
	struct message *m = new_message();
	struct pprof_content content;
	struct error error;

	m->profile.default_sample_type = INUSE_OBJECTS;
	assert_int_equal(read_message(m, &content, &error), 0);
	assert_int_equal(content.default_value, PROFILE_INUSE_OBJECTS);
	profile__free(content.profile);
}

static void test_no_domain_is_object_and_noted(void **state)
{
	struct message *m = new_message();
	struct profile *profile;

	for (int round = 0; round < 2; round++) {
		if (round)
			m->sample.n_label = 0;
		else
			m->label.str = OTHER;
		profile = profile_of(m);
		assert_int_equal(profile__sample(profile, 0)->domain, LINGER_DOMAIN_RAW);
		assert_int_equal(profile__n_notes(profile), 1);
		assert_non_null(strstr(profile__note(profile, 0),
				       "samples without a domain: 1; they are shown as raw"));
		profile__free(profile);
	}
}

static void test_other_domains_are_left_out(void **state)
{
	struct message *m = new_message();
	unsigned char bytes[512];
	size_t len = pprof__profile__pack(&m->profile, bytes);
	struct pprof_content content;
	struct error error;

	assert_int_equal(read_bytes(bytes, len, 1u << LINGER_DOMAIN_OBJECT, &content, &error), 0);
	assert_int_equal(profile__n_samples(content.profile), 0);
	profile__free(content.profile);
}

/* The one sample with numbers as labels; what they say of it. */
static struct profile *labelled(int64_t survivors, int64_t low, int64_t high, int64_t newest)
{
	struct message *m = new_message();
	char *strings[STRINGS + 4] = {};
	const int64_t numbers[] = {survivors, low, high, newest};
	Pprof__Label labels[4], *list[] = {&labels[0], &labels[1], &labels[2], &labels[3]};

	memcpy(strings, m->strings, sizeof(m->strings));
	for (int i = 0; i < 4; i++) {
		strings[STRINGS + i] = (char *[]){"survivors", "inuse_low", "inuse_high", "newest"}[i];
		pprof__label__init(&labels[i]);
		labels[i].key = STRINGS + i;
		labels[i].num = numbers[i];
	}
	m->profile.string_table = strings;
	m->profile.n_string_table = STRINGS + 4;
	m->sample.label = list;
	m->sample.n_label = 4;
	return profile_of(m);
}

/* The sample has 100 bytes. */
static void test_numbers_of_estimates_are_not_trusted(void **state)
{
	static const int64_t numbers[][4] = {
		{3, 90, 120, 5}, {-3, -90, INT64_MAX, -5}, {INT64_MIN, INT64_MAX, 0, INT64_MIN}};
	static const uint64_t expected[][4] = {{3, 90, 120, 5}, {0, 0, INT64_MAX, 0}, {0, 100, 100, 0}};

	for (size_t i = 0; i < 3; i++) {
		struct profile *profile =
			labelled(numbers[i][0], numbers[i][1], numbers[i][2], numbers[i][3]);
		const struct profile_sample *sample = profile__sample(profile, 0);
		struct profile_interval interval = profile_sample__interval(sample);

		assert_int_equal(sample->estimate->survivors, expected[i][0]);
		assert_int_equal(interval.low_bytes, expected[i][1]);
		assert_int_equal(interval.high_bytes, expected[i][2]);
		assert_int_equal(sample->estimate->newest_ms, expected[i][3]);
		assert_int_equal(sample->estimate->age, PROFILE_AGE_UNKNOWN);
		profile__free(profile);
	}
}

/* Line 0 of a location is the innermost of inlined calls. */
static void test_inlined_calls_are_frames(void **state)
{
	struct message *m = new_message();
	Pprof__Line caller = m->line;
	struct profile *profile;

	caller.line = 9;
	m->line_list[1] = &caller;
	m->location.n_line = 2;
	profile = profile_of(m);
	assert_int_equal(profile__sample(profile, 0)->n_frames, 2);
	assert_int_equal(profile__sample(profile, 0)->frames[0]->line, 9);
	assert_int_equal(profile__sample(profile, 0)->frames[1]->line, 5);
	profile__free(profile);
}

static void test_a_location_without_lines_is_unknown(void **state)
{
	struct message *m = new_message();
	struct profile *profile;

	m->location.n_line = 0;
	profile = profile_of(m);
	assert_string_equal(profile__sample(profile, 0)->frames[0]->function, "[unknown]");
	profile__free(profile);
}

static void test_ids_need_no_order(void **state)
{
	struct message *m = new_message();
	Pprof__Location other = m->location;
	struct profile *profile;

	m->location.id = UINT64_MAX;
	other.id = 7;
	m->location_list[1] = &other;
	m->profile.n_location = 2;
	m->function.id = m->line.function_id = 1ull << 63;
	m->location_ids[0] = UINT64_MAX;
	m->location_ids[1] = 7;
	m->sample.n_location_id = 2;
	profile = profile_of(m);
	assert_int_equal(profile__sample(profile, 0)->n_frames, 2);
	profile__free(profile);
}

static void test_lines_out_of_range_are_none(void **state)
{
	struct message *m = new_message();
	struct profile *profile;

	m->line.line = -4;
	m->function.start_line = INT64_MAX;
	profile = profile_of(m);
	assert_int_equal(profile__sample(profile, 0)->frames[0]->line, 0);
	assert_int_equal(profile__sample(profile, 0)->frames[0]->first_line, 0);
	profile__free(profile);
}

/*
 * --- messages that contradict themselves -----------------------------------------------------------------
 */

static void test_references_to_nowhere(void **state)
{
	struct message *m = new_message();

	m->location_ids[0] = 2;
	assert_refused(m, "location 2, which is not there");
	m->location_ids[0] = 0;
	assert_refused(m, "location 0, which is not there");
	m = new_message();
	m->line.function_id = UINT64_MAX;
	assert_refused(m, "function 18446744073709551615, which is not there");
	m = new_message();
	m->function.name = STRINGS;
	assert_refused(m, "function 1 refers to a string that is not there");
	m = new_message();
	m->function.filename = -1;
	assert_refused(m, "function 1 refers to a string that is not there");
	m = new_message();
	m->types[1].unit = INT64_MAX;
	assert_refused(m, "sample type refers to a string");
	m = new_message();
	m->label.str = INT64_MIN;
	assert_refused(m, "label refers to a string");
	m = new_message();
	m->mapping.build_id = 1000;
	assert_refused(m, "mapping refers to a string");
	m = new_message();
	m->comments[0] = 1000;
	m->profile.n_comment = 1;
	assert_refused(m, "comment refers to a string");
}

static void test_numbers_that_are_no_names(void **state)
{
	struct message *m = new_message();

	m->profile.n_function = 2;
	assert_refused(m, "two functions have the number 1");
	m = new_message();
	m->profile.n_location = 2;
	assert_refused(m, "two locations have the number 1");
	m = new_message();
	m->location.id = 0;
	assert_refused(m, "a location has no number");
}

static void test_values_that_are_none(void **state)
{
	struct message *m = new_message();

	m->sample.n_value = 1;
	assert_refused(m, "a sample has 1 values where there are 2 types");
	m = new_message();
	m->values[0] = -1;
	assert_refused(m, "negative values");
	m = new_message();
	m->values[0] = INT64_MAX;
	m->sample_list[0] = &m->sample;
	profile__free(profile_of(m));
}

static void test_values_that_do_not_add_up(void **state)
{
	struct message *m = new_message();
	Pprof__Sample *samples[] = {&m->sample, &m->sample};

	m->values[0] = INT64_MAX;
	m->profile.sample = samples;
	m->profile.n_sample = 2;
	assert_refused(m, "too large to add up");
}

static void test_no_heap_profile(void **state)
{
	struct message *m = new_message();

	m->types[0].type = m->types[1].type = OTHER;
	assert_refused(m, "it is no heap profile");
	m = new_message();
	m->types[0].unit = OTHER;
	m->types[1].unit = BYTES;
	assert_refused(m, "it is no heap profile");
	m = new_message();
	m->profile.n_sample_type = 0;
	m->sample.n_value = 0;
	assert_refused(m, "it is no heap profile");
}

static void test_strings(void **state)
{
	struct message *m = new_message();
	char *huge = calloc(1, 100001);

	m->strings[0] = "x";
	assert_refused(m, "not a profile in pprof's format");
	m = new_message();
	m->profile.n_string_table = 0;
	assert_refused(m, "not a profile in pprof's format");
	m = new_message();
	memset(huge, 'x', 100000);
	m->strings[OTHER] = huge;
	assert_refused(m, "a name of more than 65536 bytes");
	free(huge);
}

/* A few bytes that stand for more frames than there is memory for: on one stack, and on many. */
static void test_frames_are_bounded(void **state)
{
	struct message *m = new_message();
	enum { N_LINES = 60000, N_SAMPLES = 600 };
	Pprof__Line **lines = calloc(N_LINES, sizeof(*lines));
	Pprof__Sample *samples[N_SAMPLES];
	struct pprof_content content;
	struct error error;

	for (size_t i = 0; i < N_LINES; i++)
		lines[i] = &m->line;
	for (size_t i = 0; i < N_SAMPLES; i++)
		samples[i] = &m->sample;
	m->location.line = lines;
	m->location.n_line = N_LINES;
	m->sample.n_location_id = 2;
	assert_int_equal(read_message(m, &content, &error), -EFBIG);
	assert_non_null(strstr(error.message, "it has a stack of more than 65536 frames"));
	m->sample.n_location_id = 1;
	m->profile.sample = samples;
	m->profile.n_sample = N_SAMPLES;
	assert_int_equal(read_message(m, &content, &error), -EFBIG);
	assert_non_null(strstr(error.message, "its stacks have more than 32 million frames"));
	free(lines);
}

static void test_comments_are_bounded(void **state)
{
	struct message *m = new_message();

	m->profile.n_comment = 1001;
	m->profile.comment = calloc(1001, sizeof(int64_t));
	assert_refused(m, "more than 1000 comments");
	free(m->profile.comment);
}

/*
 * --- files that are no message ---------------------------------------------------------------------------
 */

static void assert_bytes_refused(const void *bytes, size_t len, int err, const char *why)
{
	struct pprof_content content;
	struct error error = {};

	assert_int_equal(read_bytes(bytes, len, ALL_DOMAINS, &content, &error), err);
	if (!strstr(error.message, why))
		fail_msg("expected '%s' in: %s", why, error.message);
}

static void test_not_gzip(void **state)
{
	static const char text[] = "[object];main (/a.py:1) 12\n";

	assert_bytes_refused(text, strlen(text), -EBADMSG, "not a profile in pprof's format");
	assert_bytes_refused("", 0, -EBADMSG, "not a profile in pprof's format");
	assert_bytes_refused("\x1f", 1, -EBADMSG, "not a profile in pprof's format");
	assert_bytes_refused("\x1f\x8b\x08\x00garbage", 11, -EBADMSG, "it is damaged or cut off");
}

static char *compressed(const void *bytes, size_t len, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);
	struct gzip_writer *writer = gzip_writer__new(out);

	assert_int_equal(gzip_writer__put(writer, bytes, len), 0);
	assert_int_equal(gzip_writer__finish(writer), 0);
	gzip_writer__free(writer);
	fclose(out);
	return text;
}

static void test_garbage_in_gzip(void **state)
{
	unsigned char bytes[4096];
	uint32_t random = 12345;
	size_t len;
	char *file;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (random = random * 1664525 + 1013904223) >> 24;
	file = compressed(bytes, sizeof(bytes), &len);
	assert_bytes_refused(file, len, -EBADMSG, "not a profile in pprof's format");
	free(file);
}

static char *sample_file(size_t *ret_len)
{
	struct profile *profile = profile__new();
	char *bytes;

	for (unsigned int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i * 7919);
		ADD(profile, OBJECT, VALUES(i, i, i, i), {"main", "/a.py", 1, 1}, {name, "/b.py", i, 1});
	}
	bytes = pprof_bytes(profile, PROFILE_INUSE_SPACE, ret_len);
	profile__free(profile);
	return bytes;
}

static void test_cut_off(void **state)
{
	size_t len;
	char *bytes = sample_file(&len);

	for (size_t cut = 18; cut < len; cut += 97)
		assert_bytes_refused(bytes, cut, -EBADMSG, "it is damaged or cut off");
	assert_bytes_refused(bytes, len - 1, -EBADMSG, "it is damaged or cut off");
	free(bytes);
}

/* Whatever is wrong with a message: it is read or refused, and nothing else happens. */
static void test_changed_bytes(void **state)
{
	struct message *m = new_message();
	unsigned char bytes[512];
	size_t len = pprof__profile__pack(&m->profile, bytes);

	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct pprof_content content;
			struct error error;

			bytes[i] ^= 1 << bit;
			if (!read_bytes(bytes, len, ALL_DOMAINS, &content, &error))
				profile__free(content.profile);
			bytes[i] ^= 1 << bit;
		}
	}
}

/* 257 MiB of zeros are a few hundred kilobytes of gzip. */
static void test_a_gzip_bomb_is_bounded(void **state)
{
	unsigned char *zeros = calloc(1, 257u << 20);
	size_t len;
	char *file = compressed(zeros, 257u << 20, &len);

	free(zeros);
	assert_true(len < 2 << 20);
	assert_bytes_refused(file, len, -EFBIG, "it decompresses to more than 256 MiB");
	free(file);
}

/* Empty samples: two bytes each in the file, a hundred in memory. */
static void test_a_message_bomb_is_bounded(void **state)
{
	size_t n = 60u << 20;
	unsigned char *bytes = malloc(n);
	size_t len;
	char *file;

	for (size_t i = 0; i < n; i += 2) {
		bytes[i] = 0x12;
		bytes[i + 1] = 0;
	}
	file = compressed(bytes, n, &len);
	free(bytes);
	assert_bytes_refused(file, len, -EFBIG, "would take more than 1024 MiB of memory");
	free(file);
}

static void test_files_that_cannot_be_read(void **state)
{
	struct pprof_content content;
	struct error error;

	assert_int_equal(pprof_read__file("/nonexistent", ALL_DOMAINS, &content, &error), -ENOENT);
	assert_string_equal(error.message, "failed to read '/nonexistent': No such file or directory");
	assert_int_equal(pprof_read__file("/tmp", ALL_DOMAINS, &content, &error), -EISDIR);
}

/* What just fits is read. */
static void test_the_limit_of_a_file(void **state)
{
	unsigned char bytes[1000] = {1}, *content;
	char path[32];
	size_t len;
	char *file = compressed(bytes, sizeof(bytes), &len);

	write_file(path, file, len);
	assert_int_equal(gzip__read(path, 999, &content, &len), -EFBIG);
	assert_int_equal(gzip__read(path, 1000, &content, &len), 0);
	assert_int_equal(len, 1000);
	assert_memory_equal(content, bytes, 1000);
	free(content);
	free(file);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_subset_of_the_types),
		cmocka_unit_test(test_types_in_any_order_and_between_others),
		cmocka_unit_test(test_a_file_names_its_default),
		cmocka_unit_test(test_no_domain_is_object_and_noted),
		cmocka_unit_test(test_other_domains_are_left_out),
		cmocka_unit_test(test_numbers_of_estimates_are_not_trusted),
		cmocka_unit_test(test_inlined_calls_are_frames),
		cmocka_unit_test(test_a_location_without_lines_is_unknown),
		cmocka_unit_test(test_ids_need_no_order),
		cmocka_unit_test(test_lines_out_of_range_are_none),
		cmocka_unit_test(test_references_to_nowhere),
		cmocka_unit_test(test_numbers_that_are_no_names),
		cmocka_unit_test(test_values_that_are_none),
		cmocka_unit_test(test_values_that_do_not_add_up),
		cmocka_unit_test(test_no_heap_profile),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_frames_are_bounded),
		cmocka_unit_test(test_comments_are_bounded),
		cmocka_unit_test(test_not_gzip),
		cmocka_unit_test(test_garbage_in_gzip),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_a_gzip_bomb_is_bounded),
		cmocka_unit_test(test_a_message_bomb_is_bounded),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_the_limit_of_a_file),
	};

	return cmocka_run_group_tests_name("pprof_read", tests, NULL, NULL);
}
