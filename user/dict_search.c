// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "dict_search.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define KEYS_AT_ONCE 512
#define HEAD_MAX_BYTES 128 /* of a str, in front of its characters */
#define FOUND 1

/* Characters have one form only: equal strings have equal bytes. */
struct search {
	struct memory_reader *reader;
	const struct py_layout *py;
	void *characters;
	size_t n;
	uint8_t kind;
	bool is_ascii;
	uint32_t key_bytes; /* of a str with these characters */
	uint64_t values[KEYS_AT_ONCE];
	struct memory_request requests[KEYS_AT_ONCE];
	size_t n_keys;
	char keys[KEYS_AT_ONCE][HEAD_MAX_BYTES + DICT_SEARCH_MAX_BYTES];
	uint64_t found;
};

static bool is_key(const struct search *search, const char *bytes)
{
	const struct py_layout *py = search->py;
	uint64_t length;
	uint32_t state;

	memcpy(&length, bytes + py->unicode_length, sizeof(length));
	memcpy(&state, bytes + py->unicode_state, sizeof(state));
	return length == search->n && (state >> py->unicode_kind_shift & 7) == search->kind &&
	       (state >> py->unicode_ascii_shift & 1) == search->is_ascii &&
	       !memcmp(bytes + search->key_bytes - search->n * search->kind, search->characters,
		       search->n * search->kind);
}

/* FOUND, 0 or an error of the reader. */
static int compare_keys(struct search *search)
{
	int err = memory_reader__read_many(search->reader, search->requests, search->n_keys);

	for (size_t i = 0; i < search->n_keys && !err; i++)
		if (!search->requests[i].error && is_key(search, search->keys[i])) {
			search->found = search->values[i];
			err = FOUND;
		}
	search->n_keys = 0;
	return err;
}

static int add_key(void *context, const struct referent *referent)
{
	struct search *search = context;
	size_t i = search->n_keys;

	if (referent->label != REFERENT_DICT_VALUE)
		return 0;
	search->values[i] = referent->to;
	search->requests[i] = (struct memory_request){
		.address = referent->key,
		.to = search->keys[i],
		.bytes = search->key_bytes,
	};
	search->n_keys++;
	return search->n_keys == KEYS_AT_ONCE ? compare_keys(search) : 0;
}

static bool is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return !*text;
}

static int start(struct search *search, const char *key)
{
	uint32_t head;

	search->characters = utf8__to_python(key, &search->n, &search->kind);
	if (!search->characters)
		return -ENOMEM;
	search->is_ascii = is_ascii(key);
	head = search->is_ascii ? search->py->unicode_ascii : search->py->unicode_compact;
	search->key_bytes = head + search->n * search->kind;
	return head > HEAD_MAX_BYTES || search->n * search->kind > DICT_SEARCH_MAX_BYTES ? -ENAMETOOLONG : 0;
}

static int run(struct search *search, struct referents *referents, uint64_t dict)
{
	const struct referent_visitor visitor = {.context = search, .reference = add_key};
	struct object_ref object = {.address = dict};
	struct referent_losses losses = {0};
	int err = memory_reader__read(search->reader, dict + sizeof(uint64_t), &object.type,
				      sizeof(object.type));

	if (!err)
		err = referents__visit(referents, &object, 1, &visitor, &losses);
	if (!err)
		err = compare_keys(search);
	return err == -EFAULT || !err ? -ENOENT : err;
}

int dict_search__find(struct memory_reader *reader, const struct python *python, struct referents *referents,
		      uint64_t dict, const char *key, uint64_t *ret_value)
{
	struct search *search = calloc(1, sizeof(*search));
	int err;

	if (!search)
		return -ENOMEM;
	search->reader = reader;
	search->py = &python->layout;
	err = start(search, key);
	if (!err)
		err = run(search, referents, dict);
	if (err == FOUND) {
		*ret_value = search->found;
		err = 0;
	}
	free(search->characters);
	free(search);
	return err;
}
