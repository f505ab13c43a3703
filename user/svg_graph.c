/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "svg_graph.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "array.h"
#include "render_common.h"

static int add_node(struct svg_graph *graph, const struct svg_node *node)
{
	struct svg_node *nodes;

	if (render_share(node->width, graph->total) < SVG_MIN_SHARE_PERCENT) {
		graph->n_hidden++;
		return 0;
	}
	nodes = array__grow(graph->nodes, graph->n_nodes, &graph->max_nodes, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	graph->nodes = nodes;
	graph->nodes[graph->n_nodes++] = *node;
	if (node->depth > graph->depth)
		graph->depth = node->depth;
	return 0;
}

static int close_nodes(struct svg_graph *graph, size_t n_open)
{
	int err = 0;

	while (graph->n_open > n_open && !err)
		err = add_node(graph, &graph->open[--graph->n_open]);
	return err;
}

static int open_node(struct svg_graph *graph, const struct profile_frame *frame)
{
	struct svg_node *open = array__grow(graph->open, graph->n_open, &graph->max_open, sizeof(*open));

	if (!open)
		return -ENOMEM;
	graph->open = open;
	open[graph->n_open] =
		(struct svg_node){.frame = frame, .depth = graph->n_open, .start = graph->position};
	graph->n_open++;
	return 0;
}

int svg_graph__init(struct svg_graph *graph, enum linger_domain domain, uint64_t total)
{
	*graph = (struct svg_graph){.domain = domain, .total = total};
	snprintf(graph->root_name, sizeof(graph->root_name), "[%s]", linger_domain__name(domain));
	graph->root.function = graph->root_name;
	return open_node(graph, &graph->root);
}

void svg_graph__free(struct svg_graph *graph)
{
	free(graph->nodes);
	free(graph->open);
}

int svg_graph__add(struct svg_graph *graph, const struct profile_sample *stack, uint64_t width,
		   const uint64_t amounts[SVG_AMOUNTS])
{
	size_t common = 0;
	int err;

	while (common < stack->n_frames && common + 1 < graph->n_open &&
	       graph->open[common + 1].frame == stack->frames[common])
		common++;
	err = close_nodes(graph, common + 1);
	for (size_t i = common; i < stack->n_frames && !err; i++)
		err = open_node(graph, stack->frames[i]);
	if (err)
		return err;
	for (size_t i = 0; i < graph->n_open; i++) {
		graph->open[i].width += width;
		for (int amount = 0; amount < SVG_AMOUNTS; amount++)
			graph->open[i].amounts[amount] += amounts[amount];
	}
	graph->position += width;
	return 0;
}

int svg_graph__finish(struct svg_graph *graph)
{
	return close_nodes(graph, 0);
}

const struct svg_node *svg_graph__root(const struct svg_graph *graph)
{
	return &graph->nodes[graph->n_nodes - 1];
}
