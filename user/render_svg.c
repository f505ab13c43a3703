/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flame graph for each domain, one under the other, in one file that needs nothing else. What is written
 * here is already a complete picture, for viewers that run no script; render_svg.js, embedded at the end,
 * reads it back from the elements and lays it out again when the reader zooms, searches or turns it over.
 *
 * A frame is <g class="f" data-f="START VALUE DEPTH"> with its name, bytes, blocks and share, a line each, in
 * <title>. Names come from the target: they go into text nodes only, cleaned and escaped.
 */
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "embedded/render_svg.css.h"
#include "embedded/render_svg.js.h"
#include "render_common.h"

#define WIDTH 1200 /* until the script fits it to the window */
#define MARGIN 10
#define ROW_HEIGHT 18
#define COLUMN_WIDTH 7.25 /* of the fixed-width font in render_svg.css */
#define MIN_LABEL_COLUMNS 3
#define N_COLOURS 12 /* .c0 to .c11 in render_svg.css */

#define HEADER_HEIGHT 64
#define HEADING_HEIGHT 46
#define GAP_HEIGHT 16
#define LINE_HEIGHT 16
#define NOTE_COLUMNS 108 /* what the narrowest window shows */

/* A frame this much narrower than its domain is not drawn; its callers include it. */
#define MIN_SHARE_PERCENT 0.01

struct node {
	const struct profile_frame *frame;
	size_t depth; /* 0: the domain */
	uint64_t start;
	uint64_t value;
	uint64_t bytes;
	uint64_t blocks;
};

struct graph {
	enum linger_domain domain;
	enum profile_value value;
	uint64_t total;
	struct profile_frame root; /* "[object]" */
	char root_name[32];
	struct node *nodes; /* those that are drawn, callees before callers */
	size_t n_nodes;
	size_t max_nodes;
	size_t n_hidden;
	size_t depth; /* of the deepest node */
};

/* The stack of nodes that the samples seen last have in common; samples come in order, so each node opens
 * once. */
struct walk {
	struct node *open;
	size_t n_open;
	uint64_t position;
};

/*
 * --- from samples to nodes -------------------------------------------------------------------------------
 */

static int graph__add_node(struct graph *graph, const struct node *node)
{
	if (render_share(node->value, graph->total) < MIN_SHARE_PERCENT) {
		graph->n_hidden++;
		return 0;
	}
	if (graph->n_nodes == graph->max_nodes) {
		size_t max_nodes = graph->max_nodes ? graph->max_nodes * 2 : 256;
		struct node *nodes = reallocarray(graph->nodes, max_nodes, sizeof(*nodes));

		if (!nodes)
			return -ENOMEM;
		graph->nodes = nodes;
		graph->max_nodes = max_nodes;
	}
	graph->nodes[graph->n_nodes++] = *node;
	if (node->depth > graph->depth)
		graph->depth = node->depth;
	return 0;
}

static int walk__close(struct walk *walk, struct graph *graph, size_t n_open)
{
	int err;

	while (walk->n_open > n_open) {
		err = graph__add_node(graph, &walk->open[--walk->n_open]);
		if (err)
			return err;
	}
	return 0;
}

static void walk__open(struct walk *walk, const struct profile_frame *frame)
{
	walk->open[walk->n_open] =
		(struct node){.frame = frame, .depth = walk->n_open, .start = walk->position};
	walk->n_open++;
}

static int walk__step(struct walk *walk, struct graph *graph, const struct profile_sample *sample)
{
	size_t common = 0;
	size_t i;
	int err;

	while (common < sample->n_frames && common + 1 < walk->n_open &&
	       walk->open[common + 1].frame == sample->frames[common])
		common++;
	err = walk__close(walk, graph, common + 1);
	if (err)
		return err;
	for (i = common; i < sample->n_frames; i++)
		walk__open(walk, sample->frames[i]);
	for (i = 0; i < walk->n_open; i++) {
		walk->open[i].value += sample->values[graph->value];
		walk->open[i].bytes += sample->values[render_value_bytes(graph->value)];
		walk->open[i].blocks += sample->values[render_value_blocks(graph->value)];
	}
	walk->position += sample->values[graph->value];
	return 0;
}

static int graph__walk(struct graph *graph, const struct profile_sample *const *samples, size_t n_samples)
{
	struct walk walk = {0};
	size_t deepest = 0;
	size_t i;
	int err = 0;

	for (i = 0; i < n_samples; i++)
		if (samples[i]->n_frames > deepest)
			deepest = samples[i]->n_frames;
	walk.open = calloc(deepest + 1, sizeof(*walk.open));
	if (!walk.open)
		return -ENOMEM;
	walk__open(&walk, &graph->root);
	for (i = 0; i < n_samples && !err; i++)
		err = walk__step(&walk, graph, samples[i]);
	if (!err)
		err = walk__close(&walk, graph, 0);
	free(walk.open);
	return err;
}

static int graph__fill(struct graph *graph, const struct profile *profile, enum linger_domain domain,
		       enum profile_value value)
{
	const struct profile_sample **samples;
	size_t n_samples;
	int err;

	graph->domain = domain;
	graph->value = value;
	graph->total = profile__total(profile, domain, value);
	if (!graph->total)
		return 0;
	snprintf(graph->root_name, sizeof(graph->root_name), "[%s]", linger_domain__name(domain));
	graph->root.function = graph->root_name;
	err = render_samples(profile, domain, value, &samples, &n_samples);
	if (err)
		return err;
	err = graph__walk(graph, samples, n_samples);
	free(samples);
	return err;
}

/*
 * --- text ------------------------------------------------------------------------------------------------
 */

static void put_xml(FILE *out, uint32_t code_point)
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
		render_string(out, line, put_xml);
		fputs("</text>\n", out);
		y += LINE_HEIGHT;
	}
	return y;
}

/* "12.3 MiB (12,345,678 bytes) in 1,234 blocks" */
static void put_amount(FILE *out, uint64_t bytes, uint64_t blocks)
{
	char human[RENDER_NUMBER_BYTES], exact[RENDER_NUMBER_BYTES], count[RENDER_NUMBER_BYTES];

	fprintf(out, "%s (%s %s) in %s %s", render_bytes(bytes, human), render_count(bytes, exact),
		bytes == 1 ? "byte" : "bytes", render_count(blocks, count), blocks == 1 ? "block" : "blocks");
}

/*
 * --- nodes -----------------------------------------------------------------------------------------------
 */

/* The same function has the same colour everywhere, whatever its line. */
static unsigned int colour_of(const struct profile_frame *frame)
{
	uint32_t hash = 5381;
	const char *c;

	for (c = frame->function; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	for (c = frame->file ? frame->file : ""; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	return hash % N_COLOURS;
}

static void put_label(FILE *out, const struct node *node, double x, double width, size_t y)
{
	double columns = (width - 6) / COLUMN_WIDTH;

	if (columns < MIN_LABEL_COLUMNS)
		return;
	fprintf(out, "<text x=\"%.1f\" y=\"%zu\">", x + 3, y + ROW_HEIGHT - 5);
	render_frame_fitted(out, node->frame, columns, put_xml);
	fputs("</text>", out);
}

static void put_node(FILE *out, const struct graph *graph, const struct node *node)
{
	double scale = (WIDTH - 2.0 * MARGIN) / graph->total;
	double x = MARGIN + node->start * scale;
	double width = node->value * scale;
	size_t y = (graph->depth - node->depth) * ROW_HEIGHT;

	if (node->depth)
		fprintf(out, "<g class=\"f c%u\"", colour_of(node->frame));
	else
		fputs("<g class=\"f root\"", out);
	fprintf(out, " data-f=\"%" PRIu64 " %" PRIu64 " %zu\"><title>", node->start, node->value,
		node->depth);
	render_frame(out, node->frame, put_xml);
	putc('\n', out);
	put_amount(out, node->bytes, node->blocks);
	fprintf(out, "\n%.2f %% of %s by %s</title>", render_share(node->value, graph->total),
		linger_domain__name(graph->domain), render_value_text(graph->value));
	fprintf(out, "<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>", x, y,
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

static size_t graph__height(const struct graph *graph)
{
	return graph->total ? HEADING_HEIGHT + (graph->depth + 1) * ROW_HEIGHT + GAP_HEIGHT : 0;
}

static void put_graph(FILE *out, const struct graph *graph, size_t y)
{
	const struct node *root = &graph->nodes[graph->n_nodes - 1];
	size_t i;

	fprintf(out, "<g class=\"graph\" data-depth=\"%zu\" transform=\"translate(0 %zu)\">\n", graph->depth,
		y + HEADING_HEIGHT);
	fprintf(out, "<text class=\"heading\" x=\"%d\" y=\"-26\">%s: ", MARGIN,
		linger_domain__name(graph->domain));
	put_amount(out, root->bytes, root->blocks);
	fputs("<tspan class=\"matched\" dx=\"16\"></tspan></text>\n", out);
	fprintf(out, "<text class=\"remark\" x=\"%d\" y=\"-9\">%s</text>\n", MARGIN,
		domain_text(graph->domain));
	for (i = 0; i < graph->n_nodes; i++)
		put_node(out, graph, &graph->nodes[i]);
	fputs("</g>\n", out);
}

/*
 * --- the file --------------------------------------------------------------------------------------------
 */

static void put_header(FILE *out, enum profile_value value)
{
	fprintf(out, "<style>\n%s</style>\n", embedded_render_svg_css);
	fputs("<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n", out);
	fprintf(out, "<text class=\"title\" x=\"%d\" y=\"28\">linger: %s</text>\n", MARGIN,
		render_value_text(value));
	put_remark(out,
		   "A frame's width is its share of its domain. Domains nest: each is drawn alone, they do "
		   "not add up.",
		   52);
}

/* Returns the height of everything up to here. */
static size_t put_foot(FILE *out, const struct profile *profile, size_t n_hidden, size_t y)
{
	char count[RENDER_NUMBER_BYTES];
	char text[160];
	size_t i;

	y += LINE_HEIGHT;
	if (n_hidden) {
		snprintf(text, sizeof(text),
			 "Not drawn: %s %s below %.2f %% of the domain; the callers' widths include them.",
			 render_count(n_hidden, count), n_hidden == 1 ? "frame" : "frames",
			 MIN_SHARE_PERCENT);
		y = put_remark(out, text, y);
	}
	for (i = 0; i < profile__n_notes(profile); i++)
		y = put_remark(out, profile__note(profile, i), y);
	return y;
}

/* The height is known only at the end, when the notes have been broken into lines: the body comes from
 * memory. */
static void put_file(FILE *out, const char *body, size_t height)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 %d "
		"%zu\" "
		"data-margin=\"%d\" data-row=\"%d\" data-column=\"%.2f\" data-label-columns=\"%d\">\n",
		WIDTH, height, WIDTH, height, MARGIN, ROW_HEIGHT, COLUMN_WIDTH, MIN_LABEL_COLUMNS);
	fputs(body, out);
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", embedded_render_svg_js);
}

static size_t put_body(FILE *out, const struct profile *profile, enum profile_value value,
		       const struct graph graphs[LINGER_DOMAINS])
{
	size_t y = HEADER_HEIGHT;
	size_t n_hidden = 0;
	int domain;

	put_header(out, value);
	for (domain = 0; domain < LINGER_DOMAINS; domain++) {
		if (!graphs[domain].total)
			continue;
		put_graph(out, &graphs[domain], y);
		y += graph__height(&graphs[domain]);
		n_hidden += graphs[domain].n_hidden;
	}
	if (y == HEADER_HEIGHT)
		y = put_remark(out, "No allocations in this profile.", y + LINE_HEIGHT);
	return put_foot(out, profile, n_hidden, y);
}

static int put_graphs(FILE *out, const struct profile *profile, enum profile_value value,
		      const struct graph graphs[LINGER_DOMAINS])
{
	char *body = NULL;
	size_t body_bytes;
	size_t height;
	FILE *memory;

	memory = open_memstream(&body, &body_bytes);
	if (!memory)
		return -ENOMEM;
	height = put_body(memory, profile, value, graphs);
	if (fclose(memory)) {
		free(body);
		return -ENOMEM;
	}
	put_file(out, body, height);
	free(body);
	return render_finish(out);
}

static int put_svg(const struct profile *profile, enum profile_value value, FILE *out)
{
	struct graph graphs[LINGER_DOMAINS] = {0};
	int err = 0;
	int domain;

	for (domain = 0; domain < LINGER_DOMAINS && !err; domain++)
		err = graph__fill(&graphs[domain], profile, domain, value);
	if (!err)
		err = put_graphs(out, profile, value, graphs);
	for (domain = 0; domain < LINGER_DOMAINS; domain++)
		free(graphs[domain].nodes);
	return err;
}

const struct renderer render_svg = {
	.name = "svg",
	.suffix = ".svg",
	.render = put_svg,
};
