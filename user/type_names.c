/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A class keeps its qualified name itself, and the name of its module where programs see it: in its dict,
 * under "__module__". The dict is read as an array of entries and searched, without hashing.
 */
#include "type_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target_text.h"

#define MAX_ENTRIES 64 /* __module__ is the first in what a class statement makes, later in others */
#define MODULE_KEY "__module__"

/* PyTypeObject and PyDictObject, the same in 3.8-3.14. */
#define TYPE_NAME 24
#define TYPE_DICT 264
#define DICT_KEYS 32

static int read_word(const struct type_names *names, uint64_t address, uint64_t *ret_word)
{
	return memory_reader__read(names->reader, address, ret_word, sizeof(*ret_word));
}

static char *read_str(const struct type_names *names, uint64_t address)
{
	return target_text__str(names->reader, &names->python->layout, address);
}

static char *read_str_at(const struct type_names *names, uint64_t field)
{
	uint64_t address;

	return read_word(names, field, &address) ? NULL : read_str(names, address);
}

/* --- the module -------------------------------------------------------------------------------------- */

/* The entries of a dict: each holds a key and behind it a value, and in some dicts a hash in front of them.
 */
struct entries {
	uint64_t address; /* of the first key */
	size_t n;
	size_t stride; /* in words */
};

/* PyDictKeysObject: a head, then an index of one byte or more for each slot, then the entries. */
static int find_entries(const struct type_names *names, uint64_t keys, struct entries *ret_entries)
{
	const uint32_t index = names->python->runtime.dict_keys_index;
	bool has_logarithms = index == 32;
	bool has_hashes = true;
	uint64_t head[5], slots_bytes;

	if (memory_reader__read(names->reader, keys, head, index))
		return -1;
	if (has_logarithms) {
		has_hashes = !(uint8_t)(head[1] >> 16);
		slots_bytes = UINT64_C(1) << (head[1] >> 8 & 31);
	} else {
		slots_bytes = head[1] * (head[1] <= UINT8_MAX ? 1 : 2);
	}
	*ret_entries = (struct entries){
		.address = keys + index + slots_bytes + (has_hashes ? sizeof(uint64_t) : 0),
		.n = head[index / 8 - 1] < MAX_ENTRIES ? head[index / 8 - 1] : MAX_ENTRIES,
		.stride = has_hashes ? 3 : 2,
	};
	return 0;
}

static bool is_module_key(struct type_names *names, uint64_t key)
{
	char *text;
	bool is_it;

	if (key == names->module_key)
		return key;
	text = read_str(names, key);
	is_it = text && !strcmp(text, MODULE_KEY);
	if (is_it)
		names->module_key = key;
	free(text);
	return is_it;
}

static char *read_module(struct type_names *names, const struct object_type *type)
{
	uint64_t dict, keys, words[MAX_ENTRIES * 3];
	struct entries entries;

	if (read_word(names, type->address + TYPE_DICT, &dict) || read_word(names, dict + DICT_KEYS, &keys) ||
	    find_entries(names, keys, &entries) || !entries.n ||
	    memory_reader__read(names->reader, entries.address, words,
				((entries.n - 1) * entries.stride + 2) * sizeof(*words)))
		return NULL;
	for (size_t i = 0; i < entries.n; i++)
		if (is_module_key(names, words[i * entries.stride]))
			return read_str(names, words[i * entries.stride + 1]);
	return NULL;
}

/* --- names ------------------------------------------------------------------------------------------- */

char *type_names__read(struct type_names *names, const struct object_type *type)
{
	char *qualname = NULL, *module = NULL, *name = NULL;
	uint64_t address;

	if (object_type__is_heap_type(type)) {
		qualname = read_str_at(names, type->address + names->python->runtime.type_qualname);
		module = qualname ? read_module(names, type) : NULL;
	}
	if (module && strcmp(module, "builtins") && asprintf(&name, "%s.%s", module, qualname) < 0)
		name = NULL;
	if (!name && qualname)
		name = strdup(qualname);
	if (!name && !read_word(names, type->address + TYPE_NAME, &address))
		name = target_text__c_string(names->reader, address);
	free(qualname);
	free(module);
	return name;
}
