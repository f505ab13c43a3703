// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "type_kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint.h"
#include "target_text.h"

/* PyTypeObject: tp_name, tp_base; the same in 3.8-3.14. */
#define TYPE_NAME 24
#define TYPE_BASE 256
#define MAX_BASES 32

static const struct {
	const char *name;
	enum type_kind kind;
} known_names[] = {
	{"_asyncio.Task", TYPE_TASK},
	{"coroutine", TYPE_COROUTINE},
	{"generator", TYPE_GENERATOR},
	{"async_generator", TYPE_ASYNC_GENERATOR},
	{"coroutine_wrapper", TYPE_FORWARDER},
	{"async_generator_asend", TYPE_FORWARDER},
	{"async_generator_athrow", TYPE_FORWARDER},
};

static enum type_kind kind_of_name(const struct type_kinds *kinds, uint64_t type)
{
	enum type_kind kind = TYPE_OTHER;
	uint64_t address;
	char *name = NULL;

	if (!memory_reader__read(kinds->reader, type + TYPE_NAME, &address, sizeof(address)))
		name = target_text__c_string(kinds->reader, address);
	for (size_t i = 0; name && i < sizeof(known_names) / sizeof(known_names[0]); i++)
		if (!strcmp(name, known_names[i].name))
			kind = known_names[i].kind;
	free(name);
	return kind;
}

/* Classes can be derived from tasks alone. */
static enum type_kind read_kind(const struct type_kinds *kinds, uint64_t type)
{
	enum type_kind kind = kind_of_name(kinds, type);

	for (int i = 0; i < MAX_BASES && kind == TYPE_OTHER; i++) {
		if (memory_reader__read(kinds->reader, type + TYPE_BASE, &type, sizeof(type)) ||
		    !object__may_be_pointer(type))
			break;
		if (kind_of_name(kinds, type) == TYPE_TASK)
			kind = TYPE_TASK;
	}
	return kind;
}

static int read_type(const struct type_kinds *kinds, uint64_t address, enum type_kind *ret_kind)
{
	uint8_t bytes[OBJECT_TYPE_BYTES];
	struct object_type type;
	int err = memory_reader__read(kinds->reader, address, bytes, sizeof(bytes));

	if (err == -ESRCH)
		return err;
	if (err || !object_type__parse(bytes, address, kinds->python->runtime.gc_head_bytes, &type) ||
	    !object_type__has_gc(&type))
		*ret_kind = TYPE_OTHER;
	else
		*ret_kind = read_kind(kinds, address);
	return 0;
}

int type_kinds__find(struct type_kinds *kinds, uint64_t type, enum type_kind *ret_kind)
{
	uint32_t known = address_map__find(&kinds->known, type);
	int err = 0;

	if (known != ADDRESS_MAP_NONE) {
		*ret_kind = known;
		return 0;
	}
	if (!object__may_be_pointer(type)) {
		*ret_kind = TYPE_OTHER;
		return 0;
	}
	err = read_type(kinds, type, ret_kind);
	return err ? err : address_map__put(&kinds->known, type, *ret_kind);
}

void type_kinds__free(struct type_kinds *kinds)
{
	address_map__free(&kinds->known);
}
