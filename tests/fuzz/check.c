// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "check.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>
#include <jansson.h>

#include "embedded/render_svg.css.h"
#include "embedded/render_svg.js.h"
#include "fuzz.h"

void page__open(struct page *page)
{
	page->out = open_memstream(&page->text, &page->bytes);
	fuzz__check(!!page->out, "there is memory for an output");
}

void page__finish(struct page *page, int err)
{
	fuzz__check(!err, "it is written");
	fuzz__check(!fclose(page->out), "it is written to the end");
	fuzz__check(strlen(page->text) == page->bytes, "it has no zeros");
}

void page__free(struct page *page)
{
	free(page->text);
}

/* --- text -------------------------------------------------------------------------------------------- */

static bool is_between(const char *text, const char *first, const char *last)
{
	size_t n = strlen(first);

	return strncmp(text, first, n) >= 0 && strncmp(text, last, n) <= 0;
}

static bool is_control(const char *text)
{
	static const char *const ranges[][2] = {
		{"\x01", "\x09"},                 /* up to the line end */
		{"\x0b", "\x1f"},                 /* and from there on: the escape, too */
		{"\x7f", "\x7f"},                 /* delete */
		{"\xc2\x80", "\xc2\x9f"},         /* escapes in one character */
		{"\xd8\x9c", "\xd8\x9c"},         /* Arabic letter mark */
		{"\xe2\x80\x8e", "\xe2\x80\x8f"}, /* direction marks */
		{"\xe2\x80\xa8", "\xe2\x80\xae"}, /* line ends, embeddings, overrides */
		{"\xe2\x81\xa6", "\xe2\x81\xa9"}, /* isolates */
		{"\xef\xbb\xbf", "\xef\xbb\xbf"}, /* byte order mark */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (is_between(text, ranges[i][0], ranges[i][1]))
			return true;
	return false;
}

static void check_characters(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fuzz__check(!is_control(text + i), "it has no control characters");
}

static void check_utf8(const struct page *page)
{
	json_t *string = json_stringn(page->text, page->bytes);

	fuzz__check(!!string, "it is UTF-8");
	json_decref(string);
}

void check__text(const struct page *page)
{
	check_utf8(page);
	check_characters(page->text, page->bytes);
}

void check__json(const struct page *page)
{
	json_t *json = json_loadb(page->text, page->bytes, JSON_REJECT_DUPLICATES, NULL);

	check__text(page);
	fuzz__check(json_is_object(json), "it is a JSON object");
	json_decref(json);
}

/* --- folded stacks ----------------------------------------------------------------------------------- */

/* Where the last word begins, if that is a number with a space before it; else NULL. */
static char *last_count(char *line)
{
	char *space = strrchr(line, ' ');

	return space && space[1] && strspn(space + 1, "0123456789.") == strlen(space + 1) ? space : NULL;
}

static void check_line(char *line, int n_counts)
{
	fuzz__check(*line == '[', "a line begins with a domain");
	for (int i = 0; i < n_counts; i++) {
		char *count = last_count(line);

		fuzz__check(!!count, "a line ends in a count");
		*count = '\0';
	}
	fuzz__check(!last_count(line), "no name looks like a count");
}

void check__folded(const struct page *page, int n_counts)
{
	check__text(page);
	for (char *line = page->text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		fuzz__check(!!end, "a line has an end");
		*end = '\0';
		check_line(line, n_counts);
	}
}

/* --- pictures ---------------------------------------------------------------------------------------- */

struct picture {
	int n_scripts, n_styles;
	size_t own_bytes; /* of the script and the style */
	bool is_own;      /* in one of these */
};

static bool is_one_of(const char *name, const char *const names[])
{
	while (*names && strcmp(name, *names))
		names++;
	return *names;
}

static void begin_element(void *context, const char *name, const char **attributes)
{
	static const char *const elements[] = {"svg",   "style", "rect",   "text", "g",
					       "title", "tspan", "script", NULL};
	static const char *const known[] = {"xmlns",       "width",    "height",      "viewBox",
					    "data-margin", "data-row", "data-column", "data-label-columns",
					    "class",       "data-f",   "data-depth",  "transform",
					    "x",           "y",        "dx",          NULL};
	struct picture *picture = context;
	bool is_script = !strcmp(name, "script"), is_style = !strcmp(name, "style");

	fuzz__check(is_one_of(name, elements), "it has no other elements");
	for (; *attributes; attributes += 2) {
		fuzz__check(is_one_of(attributes[0], known), "it has no other attributes");
		check_characters(attributes[1], strlen(attributes[1]));
	}
	picture->is_own = is_script || is_style;
	picture->n_scripts += is_script;
	picture->n_styles += is_style;
}

static void end_element(void *context, const char *name)
{
	((struct picture *)context)->is_own = false;
}

static void take_text(void *context, const char *text, int n)
{
	struct picture *picture = context;

	if (picture->is_own)
		picture->own_bytes += n;
	else
		check_characters(text, n);
}

static void refuse_comment(void *context, const char *text)
{
	fuzz__check(false, "it has no comments");
}

static void refuse_instruction(void *context, const char *target, const char *text)
{
	fuzz__check(false, "it has no instructions");
}

static void refuse_type(void *context, const char *name, const char *system, const char *public, int internal)
{
	fuzz__check(false, "it has no type of its own");
}

void check__svg(const struct page *page)
{
	XML_Parser parser = XML_ParserCreate(NULL);
	struct picture picture = {};

	fuzz__check(!!parser, "there is memory to read it");
	XML_SetUserData(parser, &picture);
	XML_SetElementHandler(parser, begin_element, end_element);
	XML_SetCharacterDataHandler(parser, take_text);
	XML_SetCommentHandler(parser, refuse_comment);
	XML_SetProcessingInstructionHandler(parser, refuse_instruction);
	XML_SetStartDoctypeDeclHandler(parser, refuse_type);
	fuzz__check(XML_Parse(parser, page->text, page->bytes, true) == XML_STATUS_OK, "it is XML");
	fuzz__check(picture.n_scripts == 1 && picture.n_styles == 1 &&
			    picture.own_bytes ==
				    strlen(embedded_render_svg_js) + strlen(embedded_render_svg_css) + 2,
		    "script and style are ours");
	XML_ParserFree(parser);
}

/* --- graphs ------------------------------------------------------------------------------------------ */

/* Behind the quotation mark that ends it. */
static const char *skip_quoted(const char *text)
{
	const char *end = text;

	for (; *end != '"'; end++) {
		end += *end == '\\';
		fuzz__check(*end && *end != '\n', "a quotation ends on its line");
	}
	check_characters(text, end - text);
	return end + 1;
}

void check__dot(const struct page *page)
{
	int n_braces = 0;

	check_utf8(page);
	for (const char *text = page->text; *text;) {
		if (*text == '"') {
			text = skip_quoted(text + 1);
			continue;
		}
		fuzz__check(isalpha((unsigned char)*text) || strchr(" \t\n=,;{}[]->", *text),
			    "outside of quotations is nothing of the target");
		n_braces += (*text == '{') - (*text == '}');
		text++;
	}
	fuzz__check(!n_braces && !strncmp(page->text, "digraph ", 8), "it is a graph");
}
