// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT 0xfffd

static uint32_t character(const void *characters, size_t i, uint8_t kind)
{
	uint32_t wide = 0;

	memcpy(&wide, (const char *)characters + i * kind, kind);
	if (wide > 0x10ffff || (wide >= 0xd800 && wide < 0xe000))
		return REPLACEMENT;
	return wide;
}

static char *put(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = c;
		return to;
	}
	if (c < 0x800) {
		*to++ = 0xc0 | c >> 6;
	} else if (c < 0x10000) {
		*to++ = 0xe0 | c >> 12;
		*to++ = 0x80 | (c >> 6 & 0x3f);
	} else {
		*to++ = 0xf0 | c >> 18;
		*to++ = 0x80 | (c >> 12 & 0x3f);
		*to++ = 0x80 | (c >> 6 & 0x3f);
	}
	*to++ = 0x80 | (c & 0x3f);
	return to;
}

char *utf8__from_python(const void *characters, size_t n, uint8_t kind)
{
	char *text = malloc(n * 4 + 1), *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < n; i++)
		to = put(to, character(characters, i, kind));
	*to = 0;
	return text;
}

/* Bytes of the character that begins at text; 0 if none does. Overlong forms and surrogates are none. */
static size_t character_bytes(const unsigned char *text)
{
	size_t n = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

	if (text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void utf8__repair(char *text)
{
	while (*text) {
		size_t n = character_bytes((const unsigned char *)text);

		if (!n)
			*text = '?';
		text += n ? n : 1;
	}
}

/* The next character, and where the one after it begins. */
static uint32_t next_character(const char **text)
{
	const unsigned char *bytes = (const unsigned char *)*text;
	size_t n = character_bytes(bytes);
	uint32_t c = n ? bytes[0] & (n == 1 ? 0x7f : 0x7f >> n) : '?';

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (bytes[i] & 0x3f);
	*text += n ? n : 1;
	return c;
}

static uint8_t narrowest_kind(const char *text)
{
	uint32_t widest = 0;

	while (*text) {
		uint32_t c = next_character(&text);

		widest = c > widest ? c : widest;
	}
	if (widest < 0x100)
		return 1;
	return widest < 0x10000 ? 2 : 4;
}

void *utf8__to_python(const char *text, size_t *ret_n, uint8_t *ret_kind)
{
	uint8_t kind = narrowest_kind(text);
	char *characters = malloc(strlen(text) * kind + 1);
	size_t n;

	if (!characters)
		return NULL;
	for (n = 0; *text; n++) {
		uint32_t c = next_character(&text);

		memcpy(characters + n * kind, &c, kind);
	}
	*ret_n = n;
	*ret_kind = kind;
	return characters;
}
