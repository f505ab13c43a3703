/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SVG_GRAPH_H
#define LINGER_SVG_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "profile.h"

/*
 * A flame graph before it is drawn: stacks, given in order, become nodes, each as wide as the stacks that
 * pass through it together. Beside the width a node sums up whatever else its picture tells of the stacks.
 */
#define SVG_AMOUNTS 4

struct svg_node {
	const struct profile_frame *frame;
	size_t depth; /* 0: the domain */
	uint64_t start, width;
	uint64_t amounts[SVG_AMOUNTS];
};

struct svg_graph {
	enum linger_domain domain;
	uint64_t total;            /* the width of all stacks together */
	struct profile_frame root; /* "[object]" */
	char root_name[32];
	struct svg_node *nodes; /* those that are drawn, callees before callers: the root is the last */
	size_t n_nodes, max_nodes;
	size_t n_hidden;
	size_t depth;          /* of the deepest node */
	struct svg_node *open; /* those that the stack seen last went through */
	size_t n_open, max_open;
	uint64_t position;
	uint64_t colour_scale; /* the caller's: what the colours of nodes are relative to */
};

/* A frame this much narrower than its domain is not drawn; its callers include it. */
#define SVG_MIN_SHARE_PERCENT 0.01

/* 0 or -ENOMEM. A graph of zeros, and one whose total is 0, has nothing to draw and can be freed too. */
int svg_graph__init(struct svg_graph *graph, enum linger_domain domain, uint64_t total);
void svg_graph__free(struct svg_graph *graph);

/* Stacks come in the order of render_compare_stacks, with frames equal exactly when their addresses are. */
int svg_graph__add(struct svg_graph *graph, const struct profile_sample *stack, uint64_t width,
		   const uint64_t amounts[SVG_AMOUNTS]);

/* After the last stack. */
int svg_graph__finish(struct svg_graph *graph);

const struct svg_node *svg_graph__root(const struct svg_graph *graph);

#endif /* LINGER_SVG_GRAPH_H */
