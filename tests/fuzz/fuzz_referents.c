// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What objects of all types refer to, in a memory that is an input; what they refer to is looked at too. */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "fuzz.h"
#include "py_layouts.h"
#include "referents.h"

#define OBJECTS 4
#define MAX_REFERENTS 1000

/* In front of the memory. */
struct head {
	uint8_t minor;
	uint8_t kind; /* of the types */
	uint16_t reads_per_change;
	uint32_t flags; /* of the types */
};

/* Most of what the types say is taken from here, so that they are types. */
static const struct {
	const char *name;
	uint32_t flags;
} kinds[] = {
	{"list", 1u << 25}, {"tuple", 1u << 26},    {"dict", 1u << 29},
	{"set", 0},         {"frozenset", 0},       {"collections.deque", 0},
	{"coroutine", 0},   {"generator", 0},       {"frame", 0},
	{"cell", 0},        {"function", 0},        {"module", 0},
	{"bytearray", 0},   {"traceback", 0},       {"method", 0},
	{"type", 1u << 31}, {"app.Class", 1u << 9},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static size_t n_referents;

static int see_reference(void *context, const struct referent *referent)
{
	fuzz__check(referent->from < OBJECTS && referent->label < REFERENT_LABELS, "somebody refers to it");
	return ++n_referents > MAX_REFERENTS;
}

static int see_buffer(void *context, size_t from, uint64_t address, uint64_t bytes)
{
	fuzz__check(from < OBJECTS, "somebody owns it");
	return ++n_referents > MAX_REFERENTS;
}

static void visit(struct python *python, uint64_t type)
{
	const struct referent_visitor visitor = {.reference = see_reference, .buffer = see_buffer};
	struct object_ref objects[OBJECTS];
	struct referent_losses losses = {};
	struct referents *referents;

	if (referents__new(NULL, python, &referents))
		return;
	for (uint32_t i = 0; i < OBJECTS; i++)
		objects[i] = (struct object_ref){.address = FAKE_HEAP + i * 264, .type = type};
	n_referents = 0;
	referents__visit(referents, objects, OBJECTS, &visitor, &losses);
	for (uint32_t key = 0; key < 8; key++)
		free(referents__name(referents, type, REFERENT_FIELD, key * 8));
	referents__free(referents);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static uint8_t memory[16384];
	uint64_t *type = (uint64_t *)(memory + sizeof(memory) - 1024);
	struct python python = {};
	struct head head;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	n -= sizeof(head);
	python.minor = 8 + head.minor % 5;
	if (py_layouts__get(python.minor, NULL, 0, &python.layout, &python.runtime))
		return 0;
	memset(memory, 0, sizeof(memory));
	memcpy(memory, bytes + sizeof(head), n < sizeof(memory) ? n : sizeof(memory));
	type[3] = FAKE_HEAP + sizeof(memory) - 24;
	type[4] = 16 + type[4] % 512;
	type[5] = head.kind & 0x80 ? 8 : 0;
	type[21] = head.flags | kinds[head.kind % KINDS].flags | 1u << 14;
	strcpy((char *)memory + sizeof(memory) - 24, kinds[head.kind % KINDS].name);
	fake_target__set(memory, sizeof(memory), head.reads_per_change);
	visit(&python, FAKE_HEAP + sizeof(memory) - 1024);
	return 0;
}
