/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   referents_driver PID [given] < addresses of objects
 *
 * Prints what the objects refer to, a line for each reference: "ref ADDRESS TO LABEL KEY NAME"; and for each
 * buffer: "buffer ADDRESS START BYTES"; then "losses UNREADABLE IMPLAUSIBLE". With `given` their first bytes
 * are read here and handed over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referents.h"

#define MAX_OBJECTS 4096
#define GIVEN_BEFORE 32
#define GIVEN_BYTES 96

struct driver {
	struct memory_reader *reader;
	struct python python;
	struct target *target;
	struct referents *referents;
	struct object_ref objects[MAX_OBJECTS];
	char given[MAX_OBJECTS][GIVEN_BYTES];
	size_t n;
};

static int put_reference(void *context, const struct referent *referent)
{
	static const char *const labels[] = {
		[REFERENT_ITEM] = "item",
		[REFERENT_MEMBER] = "member",
		[REFERENT_DICT_VALUE] = "dict_value",
		[REFERENT_DICT_KEY] = "dict_key",
		[REFERENT_DICT] = "dict",
		[REFERENT_ATTRIBUTE] = "attribute",
		[REFERENT_FIELD] = "field",
		[REFERENT_CELL] = "cell",
		[REFERENT_LOCAL] = "local",
		[REFERENT_CLASS] = "class",
		[REFERENT_WORD] = "word",
	};
	struct driver *driver = context;
	const struct object_ref *from = &driver->objects[referent->from];
	char *name = referents__name(driver->referents, from->type, referent->label, referent->key);

	printf("ref %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %s\n", from->address, referent->to,
	       labels[referent->label], referent->key, name ? name : "");
	free(name);
	return 0;
}

static int put_buffer(void *context, size_t from, uint64_t address, uint64_t bytes)
{
	const struct driver *driver = context;

	printf("buffer %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", driver->objects[from].address, address, bytes);
	return 0;
}

static int open_target(struct driver *driver, pid_t pid, struct error *error)
{
	int err = target__open(pid, &driver->target, error);

	if (!err)
		err = memory_reader__open(pid, &driver->reader, error);
	if (!err)
		err = python__inspect(driver->target, driver->reader, &driver->python, error);
	if (!err)
		err = referents__new(driver->reader, &driver->python, &driver->referents);
	return err;
}

static void read_objects(struct driver *driver, bool is_given)
{
	struct object_ref *object = driver->objects;

	for (; driver->n < MAX_OBJECTS && scanf("%" SCNu64, &object->address) == 1; object++, driver->n++) {
		char *given = driver->given[driver->n];

		memory_reader__read(driver->reader, object->address + 8, &object->type, sizeof(object->type));
		if (!is_given ||
		    memory_reader__read(driver->reader, object->address - GIVEN_BEFORE, given, GIVEN_BYTES))
			continue;
		object->bytes = given;
		object->n_bytes = GIVEN_BYTES;
		object->n_before = GIVEN_BEFORE;
	}
}

static int show(struct driver *driver)
{
	const struct referent_visitor visitor = {driver, put_reference, put_buffer};
	struct referent_losses losses = {0};
	int err = referents__visit(driver->referents, driver->objects, driver->n, &visitor, &losses);

	printf("losses %" PRIu64 " %" PRIu64 "\n", losses.unreadable, losses.implausible);
	return err;
}

int main(int argc, char **argv)
{
	static struct driver driver;
	struct error error = {0};
	int err;

	if (argc < 2)
		return 2;
	err = open_target(&driver, atoi(argv[1]), &error);
	if (!err) {
		read_objects(&driver, argc > 2);
		err = show(&driver);
	}
	if (err)
		fprintf(stderr, "referents_driver: %d %s\n", err, error.message);
	referents__free(driver.referents);
	python__free(&driver.python);
	memory_reader__free(driver.reader);
	target__free(driver.target);
	return err ? 1 : 0;
}
