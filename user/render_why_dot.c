/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The chains as one graph for graphviz. An object that is on several of them is one node, named by its
 * address. Everything in quotes: there only a quotation mark and a backslash mean something, and what looks
 * like a character of HTML by its number or name.
 */
#include "render_why.h"

#include <inttypes.h>

#include "render_common.h"

static void put_escaped(FILE *out, uint32_t code_point)
{
	if (code_point == '&') {
		fputs("&amp;", out);
		return;
	}
	if (code_point == '"' || code_point == '\\')
		putc('\\', out);
	render_put_utf8(out, code_point);
}

static void put_node(const struct holder_link *link, FILE *out)
{
	fprintf(out, "\t\"0x%" PRIx64 "\" [label=\"", link->address);
	render_string(out, link->name ? link->name : holder_link__type(link), put_escaped);
	fputs("\"];\n", out);
}

static void put_edge(const struct holder_link *link, FILE *out)
{
	fprintf(out, "\t\"0x%" PRIx64 "\" -> \"0x%" PRIx64 "\" [label=\"", link[0].address, link[1].address);
	render_string(out, link->step ? link->step : "", put_escaped);
	fputs("\"];\n", out);
}

/* What was left out in the middle is an edge of another kind. */
static void put_gap(const struct holder_link *link, size_t n_left_out, FILE *out)
{
	fprintf(out, "\t\"0x%" PRIx64 "\" -> \"0x%" PRIx64 "\" [style=dashed, label=\"%zu more\"];\n",
		link[0].address, link[1].address, n_left_out);
}

static void put_root(const struct holders_group *group, FILE *out)
{
	const char *note = group->root == HOLDER_UNKNOWN ? ", xlabel=\"not held by any Python object\"" : "";

	fprintf(out, "\t\"0x%" PRIx64 "\" [style=filled, fillcolor=lightgrey%s];\n", group->links[0].address,
		note);
}

static void put_group(const struct holders *holders, const struct holders_group *group, FILE *out)
{
	const struct holder_link *last = &group->links[group->n_links - 1];

	for (size_t i = 0; i < group->n_links; i++)
		put_node(&group->links[i], out);
	put_root(group, out);
	for (size_t i = 0; i + 1 < group->n_links; i++) {
		if (group->n_left_out && i + 1 == group->n_links / 2)
			put_gap(&group->links[i], group->n_left_out, out);
		else
			put_edge(&group->links[i], out);
	}
	fprintf(out, "\t\"0x%" PRIx64 "\" [style=bold", last->address);
	if (!holders->address)
		fprintf(out, ", xlabel=\"one of %" PRIu64 " of %" PRIu64 "\"", group->n_targets,
			holders->n_targets);
	fputs("];\n", out);
}

int render_why_dot(const struct holders *holders, FILE *out)
{
	fputs("digraph why {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"sans-serif\"];\n"
	      "\tedge [fontname=\"sans-serif\"];\n\tlabelloc=t;\n\tlabel=\"who holds ",
	      out);
	render_string(out, holders->type ? holders->type : "[type]", put_escaped);
	if (holders->address)
		fprintf(out, " at 0x%" PRIx64, holders->address);
	fprintf(out, " in process %d\";\n", holders->pid);
	for (size_t i = 0; i < holders->n_groups; i++)
		put_group(holders, &holders->groups[i], out);
	fputs("}\n", out);
	return render_finish(out);
}
