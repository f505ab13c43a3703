/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is written here is already a complete picture, for viewers that run no script; render_svg.js, embedded
 * at the end, reads it back from the elements and lays it out again when the reader zooms, searches or turns
 * it over.
 *
 * A frame is <g class="f" data-f="START WIDTH DEPTH"> with its name and what there is to tell of it, a line
 * each, in <title>. Names come from the target: they go into text nodes only, cleaned and escaped.
 */
#include "svg_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "embedded/render_svg.css.h"
#include "embedded/render_svg.js.h"

#define WIDTH 1200 /* until the script fits it to the window */
#define MARGIN 10
#define ROW_HEIGHT 18
#define COLUMN_WIDTH 7.25 /* of the fixed-width font in render_svg.css */
#define MIN_LABEL_COLUMNS 3

#define HEADER_HEIGHT 64
#define HEADING_HEIGHT 46
#define GAP_HEIGHT 16
#define LINE_HEIGHT 16
#define NOTE_COLUMNS 108 /* what the narrowest window shows */

/*
 * --- text ------------------------------------------------------------------------------------------------
 */

void svg_put(FILE *out, uint32_t code_point)
{
	switch (code_point) {
	case '&':
		fputs("&amp;", out);
		break;
	case '<':
		fputs("&lt;", out);
		break;
	case '>': /* also keeps "]]>" out, which text must not contain */
		fputs("&gt;", out);
		break;
	case '"':
		fputs("&quot;", out);
		break;
	default:
		render_put_utf8(out, code_point);
	}
}

/* How much of a text goes into one line: up to a space where there is one, else not in mid-character. */
static size_t line_length(const char *text)
{
	size_t len = strlen(text);
	const char *space;

	if (len <= NOTE_COLUMNS)
		return len;
	space = memrchr(text, ' ', NOTE_COLUMNS);
	if (space && space > text)
		return space - text;
	len = NOTE_COLUMNS;
	while (len > NOTE_COLUMNS - 4 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* Returns where the next line goes. */
static size_t put_remark(FILE *out, const char *text, size_t y)
{
	char line[NOTE_COLUMNS + 1];

	while (*text) {
		size_t len = line_length(text);

		memcpy(line, text, len);
		line[len] = '\0';
		text += len;
		text += strspn(text, " ");
		fprintf(out, "<text class=\"remark\" x=\"%d\" y=\"%zu\">", MARGIN, y);
		render_string(out, line, svg_put);
		fputs("</text>\n", out);
		y += LINE_HEIGHT;
	}
	return y;
}

/*
 * --- nodes -----------------------------------------------------------------------------------------------
 */

static void put_label(FILE *out, const struct svg_node *node, double x, double width, size_t y)
{
	double columns = (width - 6) / COLUMN_WIDTH;

	if (columns < MIN_LABEL_COLUMNS)
		return;
	fprintf(out, "<text x=\"%.1f\" y=\"%zu\">", x + 3, y + ROW_HEIGHT - 5);
	render_frame_fitted(out, node->frame, columns, svg_put);
	fputs("</text>", out);
}

static void put_node(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
		     const struct svg_node *node)
{
	double scale = (WIDTH - 2.0 * MARGIN) / graph->total;
	double x = MARGIN + node->start * scale;
	double width = node->width * scale;
	size_t y = (graph->depth - node->depth) * ROW_HEIGHT;

	fputs("<g class=\"f ", out);
	page->put_class(out, page, graph, node);
	fprintf(out, "\" data-f=\"%" PRIu64 " %" PRIu64 " %zu\"><title>", node->start, node->width,
		node->depth);
	render_frame(out, node->frame, svg_put);
	putc('\n', out);
	page->put_details(out, page, graph, node);
	fprintf(out, "</title><rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>", x, y,
		width > 0.6 ? width - 0.5 : 0.1, ROW_HEIGHT - 1);
	put_label(out, node, x, width, y);
	fputs("</g>\n", out);
}

/*
 * --- graphs ----------------------------------------------------------------------------------------------
 */

static const char *domain_text(enum linger_domain domain)
{
	static const char *const texts[LINGER_DOMAINS] = {
		[LINGER_DOMAIN_OBJECT] = "Python's small blocks, at most 512 bytes each (pymalloc)",
		[LINGER_DOMAIN_RAW] = "blocks of malloc: Python's over 512 bytes, and all that C code takes",
		[LINGER_DOMAIN_MAPPING] = "memory taken from the kernel (mmap, brk); a block is a mapping",
	};

	return texts[domain];
}

static size_t graph_height(const struct svg_graph *graph)
{
	return HEADING_HEIGHT + (graph->depth + 1) * ROW_HEIGHT + GAP_HEIGHT;
}

static void put_graph(FILE *out, const struct svg_page *page, const struct svg_graph *graph, size_t y)
{
	size_t i;

	fprintf(out, "<g class=\"graph\" data-depth=\"%zu\" transform=\"translate(0 %zu)\">\n", graph->depth,
		y + HEADING_HEIGHT);
	fprintf(out, "<text class=\"heading\" x=\"%d\" y=\"-26\">%s: ", MARGIN,
		linger_domain__name(graph->domain));
	page->put_heading(out, page, graph);
	fputs("<tspan class=\"matched\" dx=\"16\"></tspan></text>\n", out);
	fprintf(out, "<text class=\"remark\" x=\"%d\" y=\"-9\">%s</text>\n", MARGIN,
		domain_text(graph->domain));
	for (i = 0; i < graph->n_nodes; i++)
		put_node(out, page, graph, &graph->nodes[i]);
	fputs("</g>\n", out);
}

/*
 * --- the file --------------------------------------------------------------------------------------------
 */

static void put_header(FILE *out, const struct svg_page *page)
{
	fprintf(out, "<style>\n%s</style>\n", embedded_render_svg_css);
	fputs("<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n", out);
	fprintf(out, "<text class=\"title\" x=\"%d\" y=\"28\">linger: %s</text>\n", MARGIN, page->title);
	put_remark(out, page->explanation, 52);
}

/* Returns the height of everything up to here. */
static size_t put_foot(FILE *out, const struct svg_page *page, size_t n_hidden, size_t y)
{
	char count[RENDER_NUMBER_BYTES];
	char text[160];
	size_t i;

	y += LINE_HEIGHT;
	if (n_hidden) {
		snprintf(text, sizeof(text),
			 "Not drawn: %s %s below %.2f %% of the domain; the callers' widths include them.",
			 render_count(n_hidden, count), n_hidden == 1 ? "frame" : "frames",
			 SVG_MIN_SHARE_PERCENT);
		y = put_remark(out, text, y);
	}
	for (i = 0; i < page->n_notes; i++)
		y = put_remark(out, page->note(page->source, i), y);
	return y;
}

static size_t put_body(FILE *out, const struct svg_page *page)
{
	size_t y = HEADER_HEIGHT;
	size_t n_hidden = 0;
	int domain;

	put_header(out, page);
	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		if (!page->graphs[domain].total)
			continue;
		put_graph(out, page, &page->graphs[domain], y);
		y += graph_height(&page->graphs[domain]);
		n_hidden += page->graphs[domain].n_hidden;
	}
	if (y == HEADER_HEIGHT)
		y = put_remark(out, page->nothing, y + LINE_HEIGHT);
	return put_foot(out, page, n_hidden, y);
}

/* The height is known only at the end, when the notes have been broken into lines: the body comes from
 * memory. */
static int put_file(FILE *out, const char *body, size_t height)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 %d "
		"%zu\" "
		"data-margin=\"%d\" data-row=\"%d\" data-column=\"%.2f\" data-label-columns=\"%d\">\n",
		WIDTH, height, WIDTH, height, MARGIN, ROW_HEIGHT, COLUMN_WIDTH, MIN_LABEL_COLUMNS);
	if (fputs(body, out) == EOF)
		return -errno; /* larger than the buffer: not found out again at the end */
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", embedded_render_svg_js);
	return render_finish(out);
}

int svg_page__put(const struct svg_page *page, FILE *out)
{
	char *body = NULL;
	size_t body_bytes;
	size_t height;
	FILE *memory;
	int err;

	memory = open_memstream(&body, &body_bytes);
	if (!memory)
		return -ENOMEM;
	height = put_body(memory, page);
	if (fclose(memory)) {
		free(body);
		return -ENOMEM;
	}
	err = put_file(out, body, height);
	free(body);
	return err;
}
