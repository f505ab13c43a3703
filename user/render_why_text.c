/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chains for a terminal, in 100 columns: from the root to what it holds, broken before an arrow. The dict of
 * a module, a class or an instance is not shown: what it holds are their attributes.
 */
#include "render_why.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render_common.h"

#define COLUMNS 100
#define INDENT 2
#define COUNT_COLUMNS 11 /* of a group, and behind them INDENT */
#define ARROW " -> "
#define MAX_REPEATED 2 /* steps of the same kind; more are only counted */
#define NOTE_BYTES 256

const char *holder_link__type(const struct holder_link *link)
{
	return link->type ? link->type : "[type]";
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* --- a chain ----------------------------------------------------------------------------------------- */

struct line {
	FILE *out;
	size_t indent, column;
	bool has_arrow; /* something stands in front of what comes next */
};

static void put(struct line *line, const char *text)
{
	render_string(line->out, text, render_put_utf8);
	line->column += render_string_columns(text);
}

/* A link in one piece, on the next line if it does not fit on this one. */
static void put_link(struct line *line, const char *name, const char *steps)
{
	size_t columns = render_string_columns(name) + render_string_columns(steps);

	if (line->has_arrow && line->column + strlen(ARROW) + columns > COLUMNS) {
		fprintf(line->out, "\n%*s%s", (int)line->indent + INDENT, "", &ARROW[1]);
		line->column = line->indent + INDENT + strlen(ARROW) - 1;
	} else if (line->has_arrow) {
		put(line, ARROW);
	}
	put(line, name);
	put(line, steps);
	line->has_arrow = true;
}

/*
 * "module app.Registry -> class app.Registry.items" says nothing more than its end. The dict of the module
 * stands between them.
 */
static size_t first_link(const struct holders_group *group)
{
	const struct holder_link *links = group->links;
	const char *module, *name;

	if (group->n_links < 4 || group->root != HOLDER_MODULE || !links[0].name || !links[1].is_joined ||
	    links[2].is_joined || !links[2].name)
		return 0;
	module = strchr(links[0].name, ' ');
	name = strchr(links[2].name, ' ');
	if (!module || !name || strncmp(module, name, strlen(module)) || name[strlen(module)] != '.')
		return 0;
	return 2;
}

/* The steps of a link and of those that are joined to it; where the next one begins. */
static size_t join_steps(const struct holders_group *group, size_t i, bool is_shape, FILE *steps)
{
	do {
		const struct holder_link *link = &group->links[i];
		const char *step = is_shape ? link->shape : link->step;

		if (step)
			fputs(step, steps);
		i++;
	} while (i < group->n_links && group->links[i].is_joined);
	return i;
}

static size_t count_repeated(const struct holders_group *group, size_t i)
{
	size_t n = 0;

	while (i + n < group->n_links && group->links[i + n].is_repeated && !group->links[i + n].is_joined)
		n++;
	return n;
}

static void put_left_out(struct line *line, size_t n, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "… %zu more%s …", n, what);
	put_link(line, text, "");
}

static size_t put_one(struct line *line, const struct holders_group *group, size_t i, bool is_shape)
{
	const struct holder_link *link = &group->links[i];
	char *text = NULL;
	size_t bytes, next = i + 1;
	FILE *steps = open_memstream(&text, &bytes);

	if (steps) {
		next = join_steps(group, i, is_shape, steps);
		if (next == group->n_links && !is_shape)
			fprintf(steps, " at 0x%" PRIx64, group->links[next - 1].address);
		fclose(steps);
	}
	put_link(line, link->name ? link->name : holder_link__type(link), text ? text : "");
	free(text);
	return next;
}

/* Its first line is indented already. */
static void put_chain(const struct holders_group *group, bool is_shape, size_t indent, FILE *out)
{
	struct line line = {.out = out, .indent = indent, .column = indent};
	size_t middle = group->n_left_out ? group->n_links / 2 : SIZE_MAX;

	if (group->root == HOLDER_UNKNOWN)
		put_link(&line, "[C code, not any Python object]", "");
	for (size_t i = first_link(group); i < group->n_links;) {
		size_t n_repeated = count_repeated(group, i);

		if (i >= middle) {
			put_left_out(&line, group->n_left_out, "");
			middle = SIZE_MAX;
		}
		if (n_repeated > MAX_REPEATED) {
			put_left_out(&line, n_repeated, " of the same");
			i += n_repeated;
		} else {
			i = put_one(&line, group, i, is_shape);
		}
	}
	putc('\n', out);
}

/* --- groups ------------------------------------------------------------------------------------------ */

static void put_title(const struct holders *holders, FILE *out)
{
	char instances[RENDER_NUMBER_BYTES], targets[RENDER_NUMBER_BYTES];

	render_string(out, holders->type ? holders->type : "[type]", render_put_utf8);
	if (holders->address)
		fprintf(out, " at 0x%" PRIx64, holders->address);
	else
		fprintf(out, ": %s instance%s", render_count(holders->n_instances, instances),
			plural(holders->n_instances));
	if (holders->n_targets != holders->n_instances)
		fprintf(out, ", of which %s were looked at", render_count(holders->n_targets, targets));
	fputs(", held by\n\n", out);
}

/* How many, and in which way; then one of them in full, which is enough where there is only one. */
static void put_group(const struct holders *holders, const struct holders_group *group, FILE *out)
{
	size_t indent = holders->address ? INDENT : COUNT_COLUMNS + INDENT;
	char count[RENDER_NUMBER_BYTES];

	if (!holders->address)
		fprintf(out, "%*s", COUNT_COLUMNS, render_count(group->n_targets, count));
	if (!holders->address && group->n_targets > 1) {
		fprintf(out, "%*s", INDENT, "");
		put_chain(group, true, indent, out);
		fprintf(out, "%*s", COUNT_COLUMNS, "such as");
	}
	fprintf(out, "%*s", INDENT, "");
	put_chain(group, false, indent, out);
}

/* Who holds what no chain was found for. */
static const char *unknown_holders(const struct holders *holders)
{
	switch (holders->end) {
	case HOLDERS_TOO_DEEP:
		return "by a longer chain (--depth)";
	case HOLDERS_INTERRUPTED:
		return "not yet known: the search was interrupted";
	default:
		return holders->losses.left_out
			       ? "by too many to look at all of them"
			       : "only by each other: garbage that the collector has not found yet";
	}
}

static void put_rest(const struct holders *holders, FILE *out)
{
	char count[RENDER_NUMBER_BYTES];

	if (holders->n_unheld && !holders->address)
		fprintf(out, "%*s", COUNT_COLUMNS, render_count(holders->n_unheld, count));
	if (holders->n_unheld)
		fprintf(out, "%*s[%s]\n", INDENT, "", unknown_holders(holders));
	if (holders->n_more_groups)
		fprintf(out, "%*s[and in %zu other way%s]\n", COUNT_COLUMNS + INDENT, "",
			holders->n_more_groups, plural(holders->n_more_groups));
}

/* --- notes ------------------------------------------------------------------------------------------- */

static void put_losses(const struct holder_losses *losses, FILE *out)
{
	char note[NOTE_BYTES], numbers[3][RENDER_NUMBER_BYTES];
	uint64_t n_missing = losses->referents.unreadable + losses->referents.implausible;

	snprintf(note, sizeof(note),
		 "torn: %s block%s in pools that changed at each reading; of %s object%s references are "
		 "missing",
		 render_count(losses->torn.blocks, numbers[0]), plural(losses->torn.blocks),
		 render_count(n_missing, numbers[1]), plural(n_missing));
	render_note(out, note);
	if (losses->torn_threads) {
		snprintf(note, sizeof(note), "%s thread%s too fast: what only those frames hold is not known",
			 render_count(losses->torn_threads, numbers[2]),
			 losses->torn_threads == 1 ? " was" : "s were");
		render_note(out, note);
	}
	if (!losses->left_out)
		return;
	snprintf(note, sizeof(note), "%s holder%s left out: too many hold the same object",
		 render_count(losses->left_out, numbers[2]), losses->left_out == 1 ? " was" : "s were");
	render_note(out, note);
}

int render_why_text(const struct holders *holders, FILE *out)
{
	char note[NOTE_BYTES];

	put_title(holders, out);
	for (size_t i = 0; i < holders->n_groups; i++)
		put_group(holders, &holders->groups[i], out);
	put_rest(holders, out);
	putc('\n', out);
	snprintf(note, sizeof(note),
		 "process %d, Python %s, searched %u step%s back in %.2f s while it ran on%s", holders->pid,
		 holders->python_version, holders->n_steps, plural(holders->n_steps), holders->elapsed_s,
		 holders->end == HOLDERS_INTERRUPTED ? ", until interrupted" : "");
	render_note(out, note);
	put_losses(&holders->losses, out);
	return render_finish(out);
}
