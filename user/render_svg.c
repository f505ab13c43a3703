/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A profile as flame graphs: how wide a frame is says how much of the domain came through it. */
#include "render.h"

#include <stdlib.h>

#include "render_common.h"
#include "svg_page.h"

#define N_COLOURS 12 /* .c0 to .c11 in render_svg.css */

/* What a node sums up. */
enum { BYTES, BLOCKS };

static int fill_graph(struct svg_graph *graph, const struct profile *profile, enum linger_domain domain,
		      enum profile_value value)
{
	const struct profile_sample **samples;
	size_t n_samples;
	int err = svg_graph__init(graph, domain, profile__total(profile, domain, value));

	if (err || !graph->total)
		return err;
	err = render_samples(profile, domain, value, &samples, &n_samples);
	if (err)
		return err;
	for (size_t i = 0; i < n_samples && !err; i++) {
		const uint64_t amounts[SVG_AMOUNTS] = {
			[BYTES] = samples[i]->values[render_value_bytes(value)],
			[BLOCKS] = samples[i]->values[render_value_blocks(value)],
		};

		err = svg_graph__add(graph, samples[i], samples[i]->values[value], amounts);
	}
	free(samples);
	return err ? err : svg_graph__finish(graph);
}

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

static void put_class(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
		      const struct svg_node *node)
{
	if (node->depth)
		fprintf(out, "c%u", colour_of(node->frame));
	else
		fputs("root", out);
}

static void put_details(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
			const struct svg_node *node)
{
	render_amount(out, node->amounts[BYTES], node->amounts[BLOCKS]);
	fprintf(out, "\n%.2f %% of %s by %s", render_share(node->width, graph->total),
		linger_domain__name(graph->domain), render_value_text(page->value));
}

static void put_heading(FILE *out, const struct svg_page *page, const struct svg_graph *graph)
{
	const struct svg_node *root = svg_graph__root(graph);

	if (profile__is_estimate(page->source, graph->domain))
		fputs("estimated ", out);
	render_amount(out, root->amounts[BYTES], root->amounts[BLOCKS]);
}

static const char *note(const void *profile, size_t i)
{
	return profile__note(profile, i);
}

static int put_svg(const struct profile *profile, enum profile_value value, FILE *out)
{
	struct svg_graph graphs[LINGER_DOMAINS] = {0};
	const struct svg_page page = {
		.title = render_value_text(value),
		.explanation =
			"A frame's width is its share of its domain. Domains nest: each is drawn alone, "
			"they do not add up.",
		.nothing = "No allocations in this profile.",
		.value = value,
		.graphs = graphs,
		.source = profile,
		.n_notes = profile__n_notes(profile),
		.note = note,
		.put_class = put_class,
		.put_details = put_details,
		.put_heading = put_heading,
	};
	int err = 0;
	int domain;

	for (domain = 0; domain < LINGER_DOMAINS && !err; domain++)
		err = fill_graph(&graphs[domain], profile, domain, value);
	if (!err)
		err = svg_page__put(&page, out);
	for (domain = 0; domain < LINGER_DOMAINS; domain++)
		svg_graph__free(&graphs[domain]);
	return err;
}

const struct renderer render_svg = {
	.name = "svg",
	.suffix = ".svg",
	.render = put_svg,
	.render_diff = render_svg_diff,
};
