/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SVG_PAGE_H
#define LINGER_SVG_PAGE_H

#include <stdio.h>

#include "render_common.h"
#include "svg_graph.h"

/*
 * Flame graphs, one for each domain, one under the other, in one file that needs nothing else. What the
 * graphs tell is the caller's: a profile, or how two of them differ.
 */
struct svg_page {
	const char *title;
	const char *explanation;
	const char *nothing; /* what is written when no graph has anything */
	enum profile_value value;
	const struct svg_graph *graphs; /* LINGER_DOMAINS of them */
	const void *source;             /* of the notes */
	size_t n_notes;
	const char *(*note)(const void *source, size_t i);
	/* The colour of a node, as a class of render_svg.css. */
	void (*put_class)(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
			  const struct svg_node *node);
	/* What the tip tells of a node below its name, as lines; and what stands above a graph. */
	void (*put_details)(FILE *out, const struct svg_page *page, const struct svg_graph *graph,
			    const struct svg_node *node);
	void (*put_heading)(FILE *out, const struct svg_page *page, const struct svg_graph *graph);
};

/* 0, -ENOMEM or -EIO. */
int svg_page__put(const struct svg_page *page, FILE *out);

/* A render_put for the text of an element. */
void svg_put(FILE *out, uint32_t code_point);

#endif /* LINGER_SVG_PAGE_H */
