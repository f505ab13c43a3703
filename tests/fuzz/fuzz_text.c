// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The characters of names. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fuzz.h"
#include "utf8.h"

static void check_utf8(const char *text, const char *what)
{
	json_t *string = json_string(text);

	fuzz__check(!!string, what);
	json_decref(string);
}

/* To a str and back. */
static void go_there_and_back(const char *text)
{
	uint8_t kind;
	size_t n;
	void *characters = utf8__to_python(text, &n, &kind);
	char *back = characters ? utf8__from_python(characters, n, kind) : NULL;

	fuzz__check(back && !strcmp(text, back), "the text of a str is that of which it was made");
	free(characters);
	free(back);
}

static void repair(const uint8_t *bytes, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		return;
	memcpy(text, bytes, n);
	text[n] = '\0';
	utf8__repair(text);
	check_utf8(text, "what is repaired is UTF-8");
	go_there_and_back(text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	for (uint8_t kind = 1; kind <= 4; kind *= 2) {
		char *text = utf8__from_python(bytes, n / kind, kind);

		if (text)
			check_utf8(text, "names are UTF-8");
		free(text);
	}
	repair(bytes, n);
	return 0;
}
