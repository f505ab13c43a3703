// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sample_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_map.h"
#include "type_names.h"

struct sample_types {
	struct type_names names_of;
	struct address_map numbers; /* of types; 0: without a name */
	char **names;               /* of number 1, 2, ... */
	size_t n_names;
};

struct sample_types *sample_types__new(struct memory_reader *reader, const struct python *python)
{
	struct sample_types *types = calloc(1, sizeof(*types));

	if (types)
		types->names_of = (struct type_names){.reader = reader, .python = python};
	return types;
}

static void free_names(struct sample_types *types)
{
	for (size_t i = 0; i < types->n_names; i++)
		free(types->names[i]);
	free(types->names);
	address_map__free(&types->numbers);
}

void sample_types__free(struct sample_types *types)
{
	if (!types)
		return;
	free_names(types);
	free(types);
}

/* --- names ------------------------------------------------------------------------------------------- */

/* NULL: it has none that can be read. */
static char *read_name(struct sample_types *types, uint64_t address)
{
	uint8_t bytes[OBJECT_TYPE_BYTES];
	struct object_type type;

	if (memory_reader__read(types->names_of.reader, address, bytes, sizeof(bytes)) ||
	    !object_type__parse(bytes, address, types->names_of.python->runtime.gc_head_bytes, &type))
		return NULL;
	return type_names__read(&types->names_of, &type);
}

/* Classes that were made again and again have one name, and one number. Takes the name. */
static int number_of_name(struct sample_types *types, char *name, uint32_t *ret_number)
{
	char **grown;

	for (size_t i = 0; i < types->n_names; i++) {
		if (strcmp(types->names[i], name) != 0)
			continue;
		free(name);
		*ret_number = i + 1;
		return 0;
	}
	grown = reallocarray(types->names, types->n_names + 1, sizeof(*grown));
	if (!grown) {
		free(name);
		return -ENOMEM;
	}
	types->names = grown;
	types->names[types->n_names++] = name;
	*ret_number = types->n_names;
	return 0;
}

static int meet_type(struct sample_types *types, uint64_t address)
{
	uint32_t number = 0;
	char *name;
	int err = 0;

	if (!address || address_map__find(&types->numbers, address) != ADDRESS_MAP_NONE)
		return 0;
	name = read_name(types, address);
	if (name)
		err = number_of_name(types, name, &number);
	return err ? err : address_map__put(&types->numbers, address, number);
}

int sample_types__meet(struct sample_types *types, const struct sample *samples, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = meet_type(types, samples[i].block.print.type);
	return err;
}

int sample_types__meet_again(struct sample_types *types, const struct sample *samples, size_t n)
{
	struct sample_types again = {.names_of = types->names_of};
	int err = sample_types__meet(&again, samples, n);

	if (err) {
		free_names(&again);
		return err;
	}
	free_names(types);
	*types = again;
	return 0;
}

uint32_t sample_types__number(const struct sample_types *types, const struct sample *sample)
{
	uint64_t address = sample->block.print.type;
	uint32_t number = address ? address_map__find(&types->numbers, address) : ADDRESS_MAP_NONE;

	return number == ADDRESS_MAP_NONE ? 0 : number;
}

const char *sample_types__name(const struct sample_types *types, uint32_t number)
{
	return types->names[number - 1];
}
