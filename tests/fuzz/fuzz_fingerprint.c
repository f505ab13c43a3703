// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "fingerprint.h"
#include "fuzz.h"

#define GC_HEAD_BYTES 16

/* A type, and three looks at a block. */
struct input {
	uint16_t block_bytes;
	uint16_t was_just_handed_out;
	uint32_t type_word; /* the one that leads to the type */
	uint8_t type[OBJECT_TYPE_BYTES];
	uint64_t words[3][FINGERPRINT_WORDS];
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint64_t type_words[FINGERPRINT_MAX_TYPE_WORDS];
	struct object_type type;
	struct object_types types = {&type, 1};
	struct fingerprint print;
	struct input input = {};

	memcpy(&input, bytes, n < sizeof(input) ? n : sizeof(input));
	fingerprint__start(&print, 16 + input.block_bytes % 32 * 16);
	fuzz__check(print.n_words <= FINGERPRINT_WORDS, "a block has so many words at most");
	fingerprint__roll(&print, input.words[0]);
	n = fingerprint__type_words(input.words[0], print.n_words, GC_HEAD_BYTES, type_words);
	fuzz__check(n <= FINGERPRINT_MAX_TYPE_WORDS, "there are so many words for a type at most");
	object_type__is_metatype(input.type);
	if (!n || !object_type__parse(input.type, type_words[input.type_word % n], GC_HEAD_BYTES, &type))
		types.n = 0;
	if (!fingerprint__settle(&print, input.words[1], &types, input.was_just_handed_out & 1))
		return 0;
	fingerprint__roll(&print, input.words[1]);
	fuzz__check(fingerprint__judge(&print, input.words[2]) < VERDICTS, "there is a verdict");
	return 0;
}
