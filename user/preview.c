// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "preview.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint.h"
#include "object_layout.h"
#include "target_text.h"

#define DIGIT_BITS 30     /* of an int's digits, which have four bytes */
#define MAX_DIGITS 4      /* so many fit in 128 bits */
#define INT_IS_NEGATIVE 2 /* in the tag of an int, from 3.12 on */
#define MAX_DECIMALS 40
#define ELLIPSIS "\xe2\x80\xa6"

/* The object that is looked at. */
struct sight {
	struct previewer *previewer;
	const struct object_layout *layout;
	const struct object_shape *shape;
	uint64_t address;
	struct preview preview;
};

struct previewer previewer__make(struct memory_reader *reader, const struct python *python,
				 struct type_shapes *shapes, bool redact)
{
	return (struct previewer){
		.reader = reader,
		.python = python,
		.shapes = shapes,
		.names = {.reader = reader, .python = python},
		.redact = redact,
	};
}

void preview__free(struct preview *preview)
{
	free(preview->type);
	free(preview->text);
}

static int read_field(const struct sight *sight, uint16_t offset, void *to, size_t bytes)
{
	return memory_reader__read(sight->previewer->reader, sight->address + offset, to, bytes);
}

static void set_text(struct sight *sight, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_text(struct sight *sight, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&sight->preview.text, format, arguments) < 0)
		sight->preview.text = NULL;
	va_end(arguments);
}

/* --- numbers ----------------------------------------------------------------------------------------- */

static void parse_int_size(const struct sight *sight, uint64_t size, uint64_t *ret_n, bool *ret_is_negative)
{
	uint16_t tag_bits = sight->layout->long_tag_bits;

	*ret_is_negative = tag_bits ? (size & 3) == INT_IS_NEGATIVE : (int64_t)size < 0;
	*ret_n = size >> tag_bits;
	if (!tag_bits && *ret_is_negative)
		*ret_n = 0 - size;
}

static void show_small_int(struct sight *sight, const uint32_t *digits, size_t n, bool is_negative)
{
	char text[MAX_DECIMALS], *start = text + sizeof(text) - 1;
	unsigned __int128 value = 0;

	for (size_t i = n; i-- > 0;)
		value = value << DIGIT_BITS | digits[i];
	*start = '\0';
	do {
		*--start = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	set_text(sight, "%s%s", is_negative ? "-" : "", start);
}

static int show_int(struct sight *sight)
{
	uint32_t digits[MAX_DIGITS];
	bool is_negative;
	uint64_t size, n;
	int err = read_field(sight, sight->layout->long_size, &size, sizeof(size));

	if (err)
		return err;
	parse_int_size(sight, size, &n, &is_negative);
	if (n > MAX_DIGITS) {
		set_text(sight, "int of %" PRIu64 " bits", n * DIGIT_BITS);
		return 0;
	}
	err = read_field(sight, sight->layout->long_digits, digits, n * sizeof(*digits));
	if (err)
		return err;
	if (sight->shape->kind == OBJECT_BOOL)
		set_text(sight, "%s", n && digits[0] ? "True" : "False");
	else
		show_small_int(sight, digits, n, is_negative);
	return 0;
}

/* The shortest that is read as the same number, as Python writes it. */
static int show_float(struct sight *sight)
{
	char text[MAX_DECIMALS];
	double value;
	int err = read_field(sight, sight->layout->float_value, &value, sizeof(value));

	if (err)
		return err;
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	set_text(sight, "%s%s", text, isfinite(value) && !strpbrk(text, ".e") ? ".0" : "");
	return 0;
}

/* --- text -------------------------------------------------------------------------------------------- */

static bool is_secret(const struct sight *sight)
{
	return sight->previewer->redact && sight->preview.length > PREVIEW_SECRET_LENGTH;
}

static void put_byte(FILE *out, uint8_t byte, bool is_text)
{
	static const char escapes[] = "\tt\nn\rr\\\\''";

	for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
		if (byte == (uint8_t)escapes[i]) {
			fprintf(out, "\\%c", escapes[i + 1]);
			return;
		}
	if (byte < ' ' || byte == 0x7f || (byte > 0x7f && !is_text))
		fprintf(out, "\\x%02x", byte);
	else
		putc(byte, out);
}

/* In quotes, as a program would have it. */
static void show_quoted(struct sight *sight, const uint8_t *bytes, size_t n, bool is_text)
{
	size_t text_bytes;
	FILE *out = open_memstream(&sight->preview.text, &text_bytes);

	if (!out)
		return;
	fputs(is_text ? "'" : "b'", out);
	for (size_t i = 0; i < n; i++)
		put_byte(out, bytes[i], is_text);
	fputs(sight->preview.length > PREVIEW_TEXT_LENGTH ? ELLIPSIS "'" : "'", out);
	if (fclose(out)) {
		free(sight->preview.text);
		sight->preview.text = NULL;
	}
}

static int show_str(struct sight *sight)
{
	const struct py_layout *py = &sight->previewer->python->layout;
	char *text;

	if (is_secret(sight)) {
		set_text(sight, "str of %" PRIu64, sight->preview.length);
		return 0;
	}
	text = target_text__str_start(sight->previewer->reader, py, sight->address, PREVIEW_TEXT_LENGTH);
	if (!text)
		return -EFAULT;
	show_quoted(sight, (const uint8_t *)text, strlen(text), true);
	free(text);
	return 0;
}

static int show_bytes(struct sight *sight)
{
	uint64_t length = sight->preview.length;
	uint8_t bytes[PREVIEW_TEXT_LENGTH];
	size_t n = length < sizeof(bytes) ? length : sizeof(bytes);
	int err;

	if (is_secret(sight)) {
		set_text(sight, "bytes of %" PRIu64, length);
		return 0;
	}
	err = read_field(sight, sight->previewer->python->layout.bytes_data, bytes, n);
	if (!err)
		show_quoted(sight, bytes, n, false);
	return err;
}

/* --- other objects ----------------------------------------------------------------------------------- */

/* "<module app>": what has a name of its own. */
static int show_named(struct sight *sight, const char *what, uint16_t name_offset)
{
	const struct py_layout *py = &sight->previewer->python->layout;
	uint64_t address;
	char *name;
	int err = read_field(sight, name_offset, &address, sizeof(address));

	if (err)
		return err;
	name = target_text__str(sight->previewer->reader, py, address);
	set_text(sight, "<%s %s at 0x%" PRIx64 ">", what, name ? name : "?", sight->address);
	free(name);
	return 0;
}

/* A new string, never NULL for want of a name. */
static char *name_type(struct previewer *previewer, uint64_t address)
{
	struct object_type type = {.address = address};
	char *name = NULL;

	if (!memory_reader__read(previewer->reader,
				 address + object_layout__get(previewer->python->minor)->type_flags,
				 &type.flags, sizeof(type.flags)))
		name = type_names__read(&previewer->names, &type);
	return name ? name : strdup("?");
}

static int show_class(struct sight *sight)
{
	char *name = name_type(sight->previewer, sight->address);

	if (!name)
		return -ENOMEM;
	set_text(sight, "<class %s at 0x%" PRIx64 ">", name, sight->address);
	free(name);
	return 0;
}

static void show_plain(struct sight *sight)
{
	if (sight->preview.has_length)
		set_text(sight, "%s of %" PRIu64, sight->preview.type, sight->preview.length);
	else
		set_text(sight, "<%s at 0x%" PRIx64 ">", sight->preview.type, sight->address);
}

/* Where the length is; PY_NO_FIELD: it has none. */
static uint16_t length_offset(const struct sight *sight)
{
	switch (sight->shape->kind) {
	case OBJECT_STR:
		return sight->previewer->python->layout.unicode_length;
	case OBJECT_BYTES:
	case OBJECT_BYTEARRAY:
	case OBJECT_LIST:
	case OBJECT_TUPLE:
	case OBJECT_DEQUE:
		return sight->layout->var_size;
	case OBJECT_DICT:
		return sight->layout->dict_used;
	case OBJECT_SET:
		return sight->layout->set_used;
	default:
		return PY_NO_FIELD;
	}
}

static int read_length(struct sight *sight)
{
	uint16_t offset = length_offset(sight);

	if (offset == PY_NO_FIELD)
		return 0;
	sight->preview.has_length = true;
	return read_field(sight, offset, &sight->preview.length, sizeof(sight->preview.length));
}

static int show(struct sight *sight)
{
	switch (sight->shape->kind) {
	case OBJECT_NONE:
		set_text(sight, "None");
		return 0;
	case OBJECT_INT:
	case OBJECT_BOOL:
		return show_int(sight);
	case OBJECT_FLOAT:
		return show_float(sight);
	case OBJECT_STR:
		return show_str(sight);
	case OBJECT_BYTES:
		return show_bytes(sight);
	case OBJECT_MODULE:
		return show_named(sight, "module", sight->layout->module_name);
	case OBJECT_FUNCTION:
		return show_named(sight, "function", sight->layout->function_qualname);
	case OBJECT_TYPE:
		return show_class(sight);
	default:
		show_plain(sight);
		return 0;
	}
}

static int look(struct sight *sight)
{
	uint64_t type;
	int err = read_field(sight, sizeof(uint64_t), &type, sizeof(type));

	if (!err)
		err = type_shapes__find(sight->previewer->shapes, type, &sight->shape);
	if (err)
		return err == -EINVAL ? -EFAULT : err;
	sight->preview.type = name_type(sight->previewer, type);
	if (!sight->preview.type)
		return -ENOMEM;
	err = read_length(sight);
	if (!err)
		err = show(sight);
	return err || sight->preview.text ? err : -ENOMEM;
}

int previewer__look(struct previewer *previewer, uint64_t address, struct preview *ret_preview)
{
	struct sight sight = {
		.previewer = previewer,
		.layout = object_layout__get(previewer->python->minor),
		.address = address,
	};
	int err = object__may_be_pointer(address) ? look(&sight) : -EFAULT;

	if (err)
		preview__free(&sight.preview);
	else
		*ret_preview = sight.preview;
	return err;
}
