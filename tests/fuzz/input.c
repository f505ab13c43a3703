// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "input.h"

#include <stdalign.h>
#include <string.h>

#include "fuzz.h"

#define ONE_BYTE 0xf8 /* from here on: so many bytes follow */

static uint8_t take_byte(struct input *input)
{
	if (!input->n)
		return 0;
	input->n--;
	return *input->bytes++;
}

static uint64_t take_bytes(struct input *input, int n)
{
	uint64_t number = 0;

	for (int i = 0; i < n; i++)
		number |= (uint64_t)take_byte(input) << (8 * i);
	return number;
}

uint64_t input__number(struct input *input)
{
	uint8_t byte = take_byte(input);

	return byte < ONE_BYTE ? byte : take_bytes(input, byte - ONE_BYTE + 1);
}

size_t input__below(struct input *input, size_t n)
{
	return take_byte(input) % n;
}

double input__double(struct input *input)
{
	uint64_t bits = take_bytes(input, sizeof(bits));
	double number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

void *input__array(struct input *input, size_t n, size_t bytes)
{
	void *array = arena__alloc(&input->arena, n * bytes + 1, alignof(max_align_t));

	fuzz__check(!!array, "there is memory for the input");
	return memset(array, 0, n * bytes + 1);
}

char *input__text(struct input *input)
{
	size_t n = strnlen((const char *)input->bytes, input->n), end = n < input->n ? n + 1 : n;
	char *text = input__array(input, n, 1);

	memcpy(text, input->bytes, n);
	input->bytes += end;
	input->n -= end;
	return text;
}

char *input__optional_text(struct input *input)
{
	char *text = input__text(input);

	return *text ? text : NULL;
}

void input__free(struct input *input)
{
	arena__free(&input->arena);
}

void input__add_seed(void)
{
	static const char texts[] = "\x01\0]]></script><script>alert(1)\0\x02\" onload=\"x\0\x03<b>&amp;\0"
				    "\x01<!--\0a;b 5\0\x01\\\0[younger than 3 s]\0\x02\x1b[31m\0\x07\x01"
				    "\xc2\x9b\0\xe2\x80\xae\0\x03\xef\xbb\xbf\0\xff\xc3\0\xed\xa0\x80\r\n\0"
				    "/usr/lib/python3.11/a.py\0\x01\x02\x03{\"a\": 1}\0\x01\xff\xff\xff\xff";
	char seed[8 * sizeof(texts)];

	for (size_t i = 0; i < 8; i++)
		memcpy(seed + i * sizeof(texts), texts, sizeof(texts));
	fuzz__add_seed(seed, sizeof(seed));
}
