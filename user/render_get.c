// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "render_get.h"

#include <inttypes.h>

#include <jansson.h>

#include "render_common.h"
#include "stats_json.h"

static void put_line(const char *what, const char *text, FILE *out)
{
	fprintf(out, "%-8s ", what);
	render_string(out, text, render_put_utf8);
	putc('\n', out);
}

int render_get_text(const struct found_object *found, FILE *out)
{
	char number[RENDER_NUMBER_BYTES];

	put_line("name", found->name, out);
	put_line("type", found->preview.type, out);
	if (found->preview.has_length)
		put_line("length", render_count(found->preview.length, number), out);
	fprintf(out, "%-8s %s\n", "size", render_bytes(found->size_bytes, number));
	fprintf(out, "%-8s 0x%" PRIx64 "\n", "address", found->address);
	put_line("preview", found->preview.text, out);
	return render_finish(out);
}

int render_get_json(const struct found_object *found, FILE *out)
{
	const struct preview *preview = &found->preview;
	json_t *report = json_pack(
		"{so so so sI so so}", "name", stats_json__text(found->name), "type",
		stats_json__text(preview->type), "length",
		preview->has_length ? json_integer((json_int_t)preview->length) : json_null(), "size_bytes",
		(json_int_t)found->size_bytes, "address", json_sprintf("0x%" PRIx64, found->address),
		"preview", stats_json__text(preview->text));

	return stats_json__finish(report, out);
}
