// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What objects of all types refer to, in a memory that is an input; what they refer to is looked at too. */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "fuzz.h"
#include "referents.h"

#define OBJECTS 4
#define MAX_REFERENTS 1000

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

static uint64_t memory[2048];

#define TYPE_WORD (sizeof(memory) / sizeof(memory[0]) - 128) /* the type is at the end */
#define NAME_WORD (sizeof(memory) / sizeof(memory[0]) - 3)

static uint64_t address_of(size_t word)
{
	return FAKE_HEAP + word * sizeof(uint64_t);
}

static void put_type(const struct fake_head *head)
{
	uint64_t *type = &memory[TYPE_WORD];

	type[3] = address_of(NAME_WORD);
	type[4] = 64 + type[4] % 512;
	type[5] = head->kind & 0x80 ? sizeof(uint64_t) : 0;
	type[21] = head->bits | kinds[head->kind % KINDS].flags | 1u << 14;
	strcpy((char *)&memory[NAME_WORD], kinds[head->kind % KINDS].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python;
	struct fake_head head;

	if (!fake_target__take_head(&bytes, &n, 8, &head, &python))
		return 0;
	memset(memory, 0, sizeof(memory));
	memcpy(memory, bytes, n < sizeof(memory) ? n : sizeof(memory));
	fake_target__set_words(memory, sizeof(memory) / sizeof(memory[0]), head.reads_per_change);
	put_type(&head);
	visit(&python, address_of(TYPE_WORD));
	return 0;
}

/* Objects of each kind, whose words are small numbers and addresses by turns. */
void fuzz__add_seeds(void)
{
	struct {
		struct fake_head head;
		uint64_t words[512];
	} seed = {};

	for (size_t i = 0; i < 512; i++)
		seed.words[i] = i % 2 ? 1 + i % 5 : UINT64_C(1) << 63 | i * 37;
	for (seed.head.kind = 0; seed.head.kind < KINDS; seed.head.kind++) {
		seed.head.minor = seed.head.kind;
		fuzz__add_seed(&seed, sizeof(seed));
	}
}
