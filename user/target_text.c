// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target_text.h"

#include <stdbool.h>
#include <string.h>

#include "fingerprint.h"
#include "utf8.h"

#define PAGE_BYTES 4096

char *target_text__c_string(struct memory_reader *reader, uint64_t address)
{
	char text[TARGET_TEXT_MAX_BYTES + 1] = "";
	size_t bytes = TARGET_TEXT_MAX_BYTES, left = PAGE_BYTES - address % PAGE_BYTES;

	if (memory_reader__read(reader, address, text, bytes)) {
		bytes = left < bytes ? left : bytes;
		if (memory_reader__read(reader, address, text, bytes))
			return NULL;
	}
	text[bytes] = '\0';
	return text[0] ? strdup(text) : NULL;
}

/*
 * Where its characters are: behind its fields, or, in instances of derived classes, elsewhere. The bit of
 * compact strings comes before that of ASCII.
 */
static int find_characters(struct memory_reader *reader, const struct py_layout *py, uint64_t address,
			   uint32_t state, uint64_t *ret_data)
{
	bool is_ascii = state >> py->unicode_ascii_shift & 1;

	if (!(state >> (py->unicode_ascii_shift - 1) & 1))
		return memory_reader__read(reader, address + py->unicode_compact, ret_data,
					   sizeof(*ret_data));
	*ret_data = address + (is_ascii ? py->unicode_ascii : py->unicode_compact);
	return 0;
}

char *target_text__str_start(struct memory_reader *reader, const struct py_layout *py, uint64_t address,
			     uint64_t max_length)
{
	char text[TARGET_TEXT_MAX_BYTES];
	uint64_t length, data;
	uint32_t state;
	uint8_t kind;

	if (!object__may_be_pointer(address) ||
	    memory_reader__read(reader, address + py->unicode_length, &length, sizeof(length)) ||
	    memory_reader__read(reader, address + py->unicode_state, &state, sizeof(state)))
		return NULL;
	kind = state >> py->unicode_kind_shift & 7;
	if ((kind != 1 && kind != 2 && kind != 4) || find_characters(reader, py, address, state, &data))
		return NULL;
	if (length > max_length)
		length = max_length;
	if (length > sizeof(text) / kind)
		length = sizeof(text) / kind;
	if (memory_reader__read(reader, data, text, length * kind))
		return NULL;
	return utf8__from_python(text, length, kind);
}

char *target_text__str(struct memory_reader *reader, const struct py_layout *py, uint64_t address)
{
	return target_text__str_start(reader, py, address, TARGET_TEXT_MAX_BYTES);
}
