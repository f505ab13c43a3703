// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is shown of objects, of the local variables of a frame, and of the way along a name, in a memory that
 * is an input. */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "frame_locals.h"
#include "fuzz.h"
#include "object_finder.h"

#define MEMORY_BYTES 16384
#define TYPE_OFFSET (MEMORY_BYTES - 1024)
#define NAME_OFFSET (MEMORY_BYTES - 24)
#define OBJECT_BYTES 264
#define OBJECTS 8

static const char *const kinds[] = {"int",    "bool",     "float", "str",   "bytes", "NoneType",
				    "module", "function", "type",  "list",  "dict",  "cell",
				    "tuple",  "set",      "Class", "frame", "deque"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void look(struct previewer *previewer, uint64_t address)
{
	struct preview preview;

	if (previewer__look(previewer, address, &preview))
		return;
	fuzz__check(preview.type && preview.text, "what is seen has a type and a text");
	preview__free(&preview);
}

static void find(struct locals_reader *reader)
{
	struct object_finder finder = {reader->reader, reader->python, reader->referents, reader->previewer};
	struct object_path path;
	struct error error;
	uint64_t address;

	if (object_path__parse("a.b['c'][-1]", &path, &error))
		return;
	object_finder__find(&finder, &path, &address, &error);
	object_path__free(&path);
}

static void show_all(const struct python *python)
{
	const struct stack_frame frame = {.address = FAKE_HEAP, .code = FAKE_HEAP + OBJECT_BYTES};
	struct locals_reader reader = {.python = python};
	struct frame_locals locals;
	struct previewer previewer;

	if (referents__new(NULL, python, &reader.referents))
		return;
	previewer = previewer__make(NULL, python, referents__shapes(reader.referents), false);
	reader.previewer = &previewer;
	for (uint64_t i = 0; i < OBJECTS; i++)
		look(&previewer, FAKE_HEAP + i * OBJECT_BYTES);
	if (!frame_locals__read(&reader, &frame, &locals))
		frame_locals__free(&locals);
	find(&reader);
	referents__free(reader.referents);
}

/* The objects' type is one, and they are of it. */
static void make_type(uint8_t *memory, const struct fake_head *head)
{
	uint64_t *type = (uint64_t *)(memory + TYPE_OFFSET), address = FAKE_HEAP + TYPE_OFFSET;

	type[3] = FAKE_HEAP + NAME_OFFSET;
	type[4] = 16 + type[4] % 512;
	type[5] = head->kind & 0x80 ? 8 : 0;
	type[21] = head->bits;
	strcpy((char *)memory + NAME_OFFSET, kinds[head->kind % KINDS]);
	for (size_t i = 0; i < OBJECTS; i++)
		memcpy(memory + i * OBJECT_BYTES + sizeof(address), &address, sizeof(address));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static uint8_t memory[MEMORY_BYTES];
	struct python python;
	struct fake_head head;

	if (!fake_target__take_head(&bytes, &n, 8, &head, &python))
		return 0;
	python.interpreters = FAKE_HEAP;
	memset(memory, 0, sizeof(memory));
	memcpy(memory, bytes, n < sizeof(memory) ? n : sizeof(memory));
	make_type(memory, &head);
	fake_target__set(memory, sizeof(memory), head.reads_per_change);
	show_all(&python);
	return 0;
}

/* --- seeds: objects of each kind that lead to each other, among small numbers ------------------------ */

void fuzz__add_seeds(void)
{
	static struct {
		struct fake_head head;
		uint64_t words[MEMORY_BYTES / sizeof(uint64_t)];
	} seed;

	for (uint8_t i = 0; i < KINDS; i++) {
		seed.head = (struct fake_head){.minor = i, .kind = i};
		for (size_t j = 0; j < MEMORY_BYTES / sizeof(uint64_t); j++)
			seed.words[j] = j % 3 ? j % 5 : FAKE_HEAP + j % OBJECTS * OBJECT_BYTES;
		fuzz__add_seed(&seed, sizeof(seed));
	}
}
