/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two profiles as one flame graph. A stack is as wide as it is in the profile where it is larger, so that
 * what has gone is still there to be seen; the colour says which way it went and how far.
 */
#include "render.h"

#include <stdlib.h>

#include "render_common.h"
#include "svg_page.h"

#define N_LEVELS 6 /* .grown1 to .grown6 and .shrunk1 to .shrunk6 in render_svg.css */

/* What a node sums up. */
enum { BYTES_BEFORE, BLOCKS_BEFORE, BYTES_AFTER, BLOCKS_AFTER };

/*
 * --- nodes -----------------------------------------------------------------------------------------------
 */

static int64_t change_in_bytes(const struct svg_node *node)
{
	return (int64_t)(node->amounts[BYTES_AFTER] - node->amounts[BYTES_BEFORE]);
}

static int64_t change_in_blocks(const struct svg_node *node)
{
	return (int64_t)(node->amounts[BLOCKS_AFTER] - node->amounts[BLOCKS_BEFORE]);
}

static int64_t change_of(const struct svg_node *node, enum profile_value value)
{
	return value == render_value_bytes(value) ? change_in_bytes(node) : change_in_blocks(node);
}

/* Any change at all has a colour: levels are rounded up. */
static int level_of(uint64_t size, uint64_t largest)
{
	double exact = (double)size * N_LEVELS / largest;
	int level = (int)exact;

	return level < exact && level < N_LEVELS ? level + 1 : level;
}

static void put_class(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
		      const struct svg_node *node)
{
	int64_t change = change_of(node, page->value);

	if (change)
		fprintf(out, "%s%d", change > 0 ? "grown" : "shrunk",
			level_of(llabs(change), graph->colour_scale));
	else
		fputs("same", out);
}

/* "+12.3 MiB (+12,345,678 bytes), +1,234 blocks" */
static void put_change(FILE *out, const struct svg_node *node)
{
	int64_t bytes = change_in_bytes(node), blocks = change_in_blocks(node);
	char human[RENDER_NUMBER_BYTES], exact[RENDER_NUMBER_BYTES], count[RENDER_NUMBER_BYTES];

	fprintf(out, "%s%s (%s %s), %s %s", bytes < 0 ? "-" : "+", render_bytes(llabs(bytes), human),
		render_change(bytes, exact), llabs(bytes) == 1 ? "byte" : "bytes",
		render_change(blocks, count), llabs(blocks) == 1 ? "block" : "blocks");
}

static void put_details(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
			const struct svg_node *node)
{
	fputs("before: ", out);
	render_amount(out, node->amounts[BYTES_BEFORE], node->amounts[BLOCKS_BEFORE]);
	fputs("\nafter: ", out);
	render_amount(out, node->amounts[BYTES_AFTER], node->amounts[BLOCKS_AFTER]);
	fputs("\nchange: ", out);
	put_change(out, node);
}

static void put_heading(FILE *out, const struct svg_page *page, const struct svg_graph *graph)
{
	put_change(out, svg_graph__root(graph));
}

/*
 * --- graphs ----------------------------------------------------------------------------------------------
 */

static uint64_t width_of(const struct profile_pair *pair, enum profile_value value)
{
	return pair->before[value] > pair->after[value] ? pair->before[value] : pair->after[value];
}

static int add_pairs(struct svg_graph *graph, const struct profile_pair *const *pairs, size_t n_pairs,
		     enum profile_value value)
{
	enum profile_value bytes = render_value_bytes(value), blocks = render_value_blocks(value);
	int err = 0;

	for (size_t i = 0; i < n_pairs && !err; i++) {
		const uint64_t amounts[SVG_AMOUNTS] = {
			[BYTES_BEFORE] = pairs[i]->before[bytes],
			[BLOCKS_BEFORE] = pairs[i]->before[blocks],
			[BYTES_AFTER] = pairs[i]->after[bytes],
			[BLOCKS_AFTER] = pairs[i]->after[blocks],
		};

		err = svg_graph__add(graph, pairs[i]->stack, width_of(pairs[i], value), amounts);
	}
	return err ? err : svg_graph__finish(graph);
}

static void scale_colours(struct svg_graph *graph, enum profile_value value)
{
	for (size_t i = 0; i < graph->n_nodes; i++) {
		uint64_t size = llabs(change_of(&graph->nodes[i], value));

		if (size > graph->colour_scale)
			graph->colour_scale = size;
	}
}

/* A domain in which nothing changed stays empty. */
static int fill_graph(struct svg_graph *graph, const struct profile_diff *diff, enum linger_domain domain,
		      enum profile_value value)
{
	const struct profile_pair **pairs;
	uint64_t total = 0;
	size_t n_pairs;
	int err;

	if (!profile_diff__n_changes(diff, domain, value))
		return 0;
	err = render_pairs(diff, domain, &pairs, &n_pairs);
	if (err)
		return err;
	for (size_t i = 0; i < n_pairs; i++)
		total += width_of(pairs[i], value);
	err = svg_graph__init(graph, domain, total);
	if (!err)
		err = add_pairs(graph, pairs, n_pairs, value);
	scale_colours(graph, value);
	free(pairs);
	return err;
}

static const char *note(const void *diff, size_t i)
{
	return profile_diff__note(diff, i);
}

int render_svg_diff(const struct profile_diff *diff, enum profile_value value, FILE *out)
{
	struct svg_graph graphs[LINGER_DOMAINS] = {0};
	char title[96];
	const struct svg_page page = {
		.title = title,
		.explanation =
			"Red grew, blue shrank, the stronger the more. A stack is as wide as the larger of "
			"before and after.",
		.nothing = "No change.",
		.value = value,
		.graphs = graphs,
		.source = diff,
		.n_notes = profile_diff__n_notes(diff),
		.note = note,
		.put_class = put_class,
		.put_details = put_details,
		.put_heading = put_heading,
	};
	int err = 0;

	snprintf(title, sizeof(title), "change in %s", render_value_text(value));
	for (int domain = 0; domain < LINGER_DOMAINS && !err; domain++)
		err = fill_graph(&graphs[domain], diff, domain, value);
	if (!err)
		err = svg_page__put(&page, out);
	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		svg_graph__free(&graphs[domain]);
	return err;
}
