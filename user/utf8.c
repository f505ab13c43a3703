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
