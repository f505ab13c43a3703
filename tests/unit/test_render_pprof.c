/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is written in pprof's format, looked at through protobuf-c alone and read back with the reader. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "pprof.pb-c.h"
#include "pprof_test.h"

#define NASTY_NAME "\xc3\xa9t\xc3\xa9_\xe7\xbc\x93\xe5\xad\x98_\xf0\x9f\x90\x8d;<lambda> \"quoted\""

static const struct profile_frame outer = {"outer", "/srv/a.py", 10, 1};
static const struct profile_frame inner = {NASTY_NAME, "/srv/\xe7\xbc\x93.py", 20, 15};
static const struct profile_frame inner_later = {NASTY_NAME, "/srv/\xe7\xbc\x93.py", 21, 15};
static const struct profile_frame dropped = {"[dropped: live set full]"};

static int add(struct profile *profile, enum linger_domain domain, const char *thread,
	       const struct profile_frame *const *path, const uint64_t *values)
{
	struct profile_frame frames[8];
	size_t n = 0;

	for (; path[n]; n++)
		frames[n] = *path[n];
	return profile__add(profile, domain, thread, frames, n, values);
}

#define ADD_PATH(domain, thread, values, ...)                                                                \
	assert_int_equal(add(profile, LINGER_DOMAIN_##domain, thread,                                        \
			     (const struct profile_frame *const[]){__VA_ARGS__, NULL}, values),              \
			 0)

static struct profile *make_profile(void)
{
	struct profile *profile = profile__new();

	ADD_PATH(OBJECT, NULL, VALUES(1, 2, 3, 4), &outer, &inner);
	ADD_PATH(OBJECT, "MainThread", VALUES(10, 20, 30, 40), &outer, &inner);
	ADD_PATH(OBJECT, "worker \xe2\x9c\x93", VALUES(0, 0, 5, 1), &outer, &inner_later);
	ADD_PATH(MAPPING, "MainThread", VALUES(1ull << 40, 1, 1ull << 41, 2), &outer);
	ADD_PATH(MAPPING, NULL, VALUES(7, 7, 7, 7), &dropped);
	assert_int_equal(profile__add(profile, LINGER_DOMAIN_OBJECT, NULL, NULL, 0, VALUES(9, 9, 9, 9)), 0);
	assert_int_equal(profile__add_note(profile, "coverage: 99.9 %"), 0);
	assert_int_equal(profile__add_note(profile, "object: 3 dropped"), 0);
	assert_int_equal(profile__add_object(profile, "/usr/bin/python3.11", "571d98e0"), 0);
	assert_int_equal(profile__add_object(profile, "/usr/lib/libpython3.11.so", ""), 0);
	profile__set_time(profile, 1700000000123456789, 10500000000);
	return profile;
}

/*
 * --- the message itself ----------------------------------------------------------------------------------
 */

static Pprof__Profile *unpack(struct profile *profile, enum profile_value value)
{
	static unsigned char content[1 << 16];
	size_t len;
	char *bytes = pprof_bytes(profile, value, &len);
	z_stream stream = {
		.next_in = (unsigned char *)bytes,
		.avail_in = len,
		.next_out = content,
		.avail_out = sizeof(content),
	};
	Pprof__Profile *message;

	assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	message = pprof__profile__unpack(NULL, stream.total_out, content);
	assert_non_null(message);
	inflateEnd(&stream);
	free(bytes);
	profile__free(profile);
	return message;
}

#define STRING(message, index) ((message)->string_table[index])

static void test_types(void **state)
{
	Pprof__Profile *message = unpack(make_profile(), PROFILE_ALLOC_SPACE);
	static const char *const types[] = {"inuse_space", "inuse_objects", "alloc_space", "alloc_objects"};
	static const char *const units[] = {"bytes", "count", "bytes", "count"};

	assert_string_equal(STRING(message, 0), "");
	assert_int_equal(message->n_sample_type, 4);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(STRING(message, message->sample_type[i]->type), types[i]);
		assert_string_equal(STRING(message, message->sample_type[i]->unit), units[i]);
	}
	assert_string_equal(STRING(message, message->default_sample_type), "alloc_space");
	assert_int_equal(message->time_nanos, 1700000000123456789);
	assert_int_equal(message->duration_nanos, 10500000000);
	pprof__profile__free_unpacked(message, NULL);
}

static const Pprof__Function *function_of(const Pprof__Profile *message, uint64_t location)
{
	return message->function[message->location[location - 1]->line[0]->function_id - 1];
}

static void test_the_leaf_comes_first(void **state)
{
	Pprof__Profile *message = unpack(make_profile(), PROFILE_INUSE_SPACE);
	const Pprof__Sample *sample = message->sample[1];
	const Pprof__Function *leaf = function_of(message, sample->location_id[0]);
	const Pprof__Location *location = message->location[sample->location_id[0] - 1];

	assert_int_equal(sample->n_location_id, 2);
	assert_string_equal(STRING(message, leaf->name), NASTY_NAME);
	assert_string_equal(STRING(message, leaf->filename), "/srv/\xe7\xbc\x93.py");
	assert_int_equal(leaf->start_line, 15);
	assert_int_equal(leaf->system_name, 0);
	assert_int_equal(location->line[0]->line, 20);
	assert_int_equal(location->mapping_id, 1);
	assert_string_equal(STRING(message, function_of(message, sample->location_id[1])->name), "outer");
	assert_int_equal(sample->n_value, 4);
	assert_int_equal(sample->value[0], 10);
	assert_int_equal(sample->value[3], 40);
	pprof__profile__free_unpacked(message, NULL);
}

/* Two lines of a function are two locations and one function. */
static void test_nothing_is_written_twice(void **state)
{
	Pprof__Profile *message = unpack(make_profile(), PROFILE_INUSE_SPACE);

	assert_int_equal(message->n_sample, 6);
	assert_int_equal(message->n_location, 4);
	assert_int_equal(message->n_function, 3);
	for (size_t i = 0; i < message->n_string_table; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(STRING(message, i), STRING(message, j));
	pprof__profile__free_unpacked(message, NULL);
}

static void test_labels_and_mappings(void **state)
{
	Pprof__Profile *message = unpack(make_profile(), PROFILE_INUSE_SPACE);
	const Pprof__Sample *sample = message->sample[1];

	assert_int_equal(sample->n_label, 2);
	assert_string_equal(STRING(message, sample->label[0]->key), "domain");
	assert_string_equal(STRING(message, sample->label[0]->str), "object");
	assert_string_equal(STRING(message, sample->label[1]->key), "thread");
	assert_string_equal(STRING(message, sample->label[1]->str), "MainThread");
	assert_int_equal(message->sample[0]->n_label, 1);
	assert_int_equal(message->n_mapping, 2);
	assert_string_equal(STRING(message, message->mapping[0]->filename), "/usr/bin/python3.11");
	assert_string_equal(STRING(message, message->mapping[0]->build_id), "571d98e0");
	assert_true(message->mapping[0]->has_functions && message->mapping[0]->has_line_numbers);
	pprof__profile__free_unpacked(message, NULL);
}

static void assert_number(const Pprof__Profile *message, const Pprof__Label *label, const char *key,
			  int64_t number, const char *unit)
{
	assert_string_equal(STRING(message, label->key), key);
	assert_int_equal(label->str, 0);
	assert_int_equal(label->num, number);
	assert_string_equal(STRING(message, label->num_unit), unit);
}

static void test_labels_of_estimates(void **state)
{
	struct profile *profile = profile__new();
	Pprof__Profile *message;
	Pprof__Label **labels;

	ADD_ESTIMATE(profile, OBJECT, VALUES(1000, 2, 3000, 4),
		     ESTIMATE(PROFILE_UNDER_10MIN, 12, 7, 61000, 100 * 100, 300 * 300), outer);
	ADD_ESTIMATE(profile, OBJECT, VALUES(1, 1, 1, 1), ESTIMATE(0, 0, 0, UINT64_MAX), inner);
	message = unpack(profile, PROFILE_INUSE_SPACE);
	assert_int_equal(message->sample[0]->n_label, 7);
	labels = message->sample[0]->label;
	assert_string_equal(STRING(message, labels[1]->key), "age");
	assert_string_equal(STRING(message, labels[1]->str), "1-10min");
	assert_number(message, labels[2], "survivors", 12, "count");
	assert_number(message, labels[3], "windows", 7, "count");
	assert_number(message, labels[4], "inuse_low", 900, "bytes");
	assert_number(message, labels[5], "inuse_high", 1300, "bytes");
	assert_number(message, labels[6], "newest", 61000, "milliseconds");
	/* Neither an age nor a youngest. */
	assert_int_equal(message->sample[1]->n_label, 5);
	assert_number(message, message->sample[1]->label[1], "survivors", 0, "count");
	pprof__profile__free_unpacked(message, NULL);
}

static void test_names_are_cleaned(void **state)
{
	struct profile *profile = profile__new();
	const struct profile_frame frame = {"f\x1b[31m\xff", "/a\n.py", 1};
	Pprof__Profile *message;

	ADD_PATH(OBJECT, NULL, VALUES(1, 1, 1, 1), &frame);
	message = unpack(profile, PROFILE_INUSE_SPACE);
	assert_string_equal(STRING(message, message->function[0]->name), "f_[31m\xef\xbf\xbd");
	assert_string_equal(STRING(message, message->function[0]->filename), "/a_.py");
	pprof__profile__free_unpacked(message, NULL);
}

/*
 * --- there and back --------------------------------------------------------------------------------------
 */

static struct profile *there_and_back(const struct profile *profile, enum profile_value value)
{
	struct pprof_content content;
	struct error error;
	size_t len;
	char *bytes = pprof_bytes(profile, value, &len);

	assert_int_equal(read_bytes(bytes, len, ALL_DOMAINS, &content, &error), 0);
	assert_int_equal(content.values, (1u << PROFILE_VALUES) - 1);
	assert_int_equal(content.default_value, value);
	free(bytes);
	return content.profile;
}

static void assert_same_string(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_estimate(const struct profile_estimate *a, const struct profile_estimate *b)
{
	assert_int_equal(!a, !b);
	if (!a)
		return;
	assert_int_equal(a->age, b->age);
	assert_int_equal(a->survivors, b->survivors);
	assert_int_equal(a->windows, b->windows);
	assert_int_equal(a->newest_ms, b->newest_ms);
	assert_true(a->below_sq == b->below_sq && a->above_sq == b->above_sq);
	assert_memory_equal(a->bands, b->bands, sizeof(a->bands));
	for (size_t i = 0; i < PROFILE_TYPES; i++) {
		assert_same_string(a->types[i].name, b->types[i].name);
		assert_int_equal(a->types[i].survivors, b->types[i].survivors);
	}
}

static void assert_same_sample(const struct profile_sample *a, const struct profile_sample *b)
{
	assert_int_equal(a->domain, b->domain);
	assert_same_string(a->thread, b->thread);
	assert_int_equal(a->n_frames, b->n_frames);
	assert_memory_equal(a->values, b->values, sizeof(a->values));
	assert_same_estimate(a->estimate, b->estimate);
	for (size_t i = 0; i < a->n_frames; i++) {
		assert_string_equal(a->frames[i]->function, b->frames[i]->function);
		assert_same_string(a->frames[i]->file, b->frames[i]->file);
		assert_int_equal(a->frames[i]->line, b->frames[i]->line);
		assert_int_equal(a->frames[i]->first_line, b->frames[i]->first_line);
	}
}

static void assert_same_profile(const struct profile *a, const struct profile *b)
{
	assert_int_equal(profile__n_samples(a), profile__n_samples(b));
	for (size_t i = 0; i < profile__n_samples(a); i++)
		assert_same_sample(profile__sample(a, i), profile__sample(b, i));
	assert_int_equal(profile__n_notes(a), profile__n_notes(b));
	for (size_t i = 0; i < profile__n_notes(a); i++)
		assert_string_equal(profile__note(a, i), profile__note(b, i));
	assert_int_equal(profile__n_objects(a), profile__n_objects(b));
	for (size_t i = 0; i < profile__n_objects(a); i++) {
		assert_string_equal(profile__object(a, i)->path, profile__object(b, i)->path);
		assert_string_equal(profile__object(a, i)->build_id, profile__object(b, i)->build_id);
	}
	assert_int_equal(profile__time_ns(a), profile__time_ns(b));
	assert_int_equal(profile__duration_ns(a), profile__duration_ns(b));
}

static void test_everything_comes_back(void **state)
{
	for (int value = 0; value < PROFILE_VALUES; value++) {
		struct profile *profile = make_profile(), *back = there_and_back(profile, value);

		assert_same_profile(profile, back);
		profile__free(profile);
		profile__free(back);
	}
}

static void test_estimates_come_back(void **state)
{
	struct profile *profile = profile__new(), *back;

	for (int age = 0; age < PROFILE_AGES; age++)
		ADD_ESTIMATE(
			profile, OBJECT, VALUES(1 << 20, 9, 1 << 22, 90),
			ESTIMATE(age, 200, 40, age * 30000, 4e8, 9e10, .types = {{"a.B", 150}, {"str", 20}}),
			outer, inner);
	ADD_ESTIMATE(profile, OBJECT, VALUES(48, 1, 0, 0),
		     ESTIMATE(PROFILE_UNDER_10S, 1, 1, 0, 48 * 48, (1ull << 40) * (1. * (1ull << 40))),
		     {"[younger than 10 s]"}, outer);
	ADD_ESTIMATE(profile, OBJECT, VALUES(5, 1, 0, 0), ESTIMATE(0, 0, 0, UINT64_MAX),
		     {"[no survivor sampled]"});
	ADD(profile, MAPPING, VALUES(1, 1, 1, 1), outer);
	back = there_and_back(profile, PROFILE_INUSE_SPACE);
	assert_same_profile(profile, back);
	assert_int_equal(profile_sample__group(profile__sample(back, PROFILE_AGES)), PROFILE_YOUNG);
	assert_int_equal(profile_sample__group(profile__sample(back, PROFILE_AGES + 1)), PROFILE_NO_SURVIVOR);
	profile__free(profile);
	profile__free(back);
}

static void test_an_empty_profile_comes_back(void **state)
{
	struct profile *profile = profile__new(), *back = there_and_back(profile, PROFILE_INUSE_SPACE);

	assert_same_profile(profile, back);
	profile__free(profile);
	profile__free(back);
}

/* Names that differ in everything that a format could trip over. */
static void test_many_stacks_come_back(void **state)
{
	struct profile *profile = profile__new(), *back;

	for (unsigned int i = 0; i < 20000; i++) {
		char name[32], file[32];
		struct profile_frame frames[3] = {
			{name, file, i % 977, i % 101}, {"\xf0\x9f\x90\x8d", "", 3}, outer};

		snprintf(name, sizeof(name), "f%u", i % 3001);
		snprintf(file, sizeof(file), "/%u;%u.py", i % 7, i % 11);
		assert_int_equal(profile__add(profile, i % LINGER_DOMAINS, i % 5 ? "t" : NULL, frames, i % 4,
					      VALUES(i, 1, i * 3ull, 2)),
				 0);
	}
	back = there_and_back(profile, PROFILE_INUSE_OBJECTS);
	assert_same_profile(profile, back);
	profile__free(profile);
	profile__free(back);
}

static void test_what_is_shown_has_each_stack_once(void **state)
{
	struct profile *profile = make_profile();
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_int_equal(renderer__render(&render_folded, profile, PROFILE_INUSE_OBJECTS, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "[object];outer (/srv/a.py:10);"));
	assert_non_null(strstr(text, ":20) 22\n"));
	assert_null(strstr(text, ":20) 20\n"));
	free(text);
	profile__free(profile);
}

static void test_full_device(void **state)
{
	assert_fails_on_full_device(&render_pprof);
}

static void test_names_of_the_format(void **state)
{
	assert_ptr_equal(renderer__by_name("pprof"), &render_pprof);
	assert_ptr_equal(renderer__by_path("/tmp/heap.pb.gz"), &render_pprof);
	assert_null(renderer__by_path("/tmp/heap.gz"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_the_leaf_comes_first),
		cmocka_unit_test(test_nothing_is_written_twice),
		cmocka_unit_test(test_labels_and_mappings),
		cmocka_unit_test(test_labels_of_estimates),
		cmocka_unit_test(test_names_are_cleaned),
		cmocka_unit_test(test_everything_comes_back),
		cmocka_unit_test(test_estimates_come_back),
		cmocka_unit_test(test_an_empty_profile_comes_back),
		cmocka_unit_test(test_many_stacks_come_back),
		cmocka_unit_test(test_what_is_shown_has_each_stack_once),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_names_of_the_format),
	};

	return cmocka_run_group_tests_name("render_pprof", tests, NULL, NULL);
}
