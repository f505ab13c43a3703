/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render_why.h"

#include <inttypes.h>

#include "stats_json.h"

static json_t *make_text(const char *text)
{
	return text ? stats_json__text(text) : json_null();
}

static json_t *make_address(uint64_t address)
{
	return address ? json_sprintf("0x%" PRIx64, address) : json_null();
}

static json_t *make_chain(const struct holders_group *group)
{
	json_t *list = json_array();

	for (size_t i = 0; i < group->n_links; i++) {
		const struct holder_link *link = &group->links[i];

		json_array_append_new(list, json_pack("{so so so so so}", "type", make_text(link->type),
						      "address", make_address(link->address), "name",
						      make_text(link->name), "step", make_text(link->step),
						      "shape", make_text(link->shape)));
	}
	return list;
}

static const char *root_name(enum holder_root root)
{
	static const char *const names[] = {
		[HOLDER_MODULE] = "module",
		[HOLDER_FRAME] = "frame",
		[HOLDER_CLASS] = "class",
		[HOLDER_UNKNOWN] = "not_python",
	};

	return names[root];
}

static json_t *make_groups(const struct holders *holders)
{
	json_t *list = json_array();

	for (size_t i = 0; i < holders->n_groups; i++) {
		const struct holders_group *group = &holders->groups[i];

		json_array_append_new(list,
				      json_pack("{ss sI sI so}", "root", root_name(group->root), "held",
						(json_int_t)group->n_targets, "left_out",
						(json_int_t)group->n_left_out, "chain", make_chain(group)));
	}
	return list;
}

static json_t *make_losses(const struct holder_losses *losses)
{
	return json_pack("{sI sI sI sI sI}", "blocks", (json_int_t)losses->torn.blocks, "unreadable",
			 (json_int_t)losses->referents.unreadable, "implausible",
			 (json_int_t)losses->referents.implausible, "threads",
			 (json_int_t)losses->torn_threads, "holders_left_out", (json_int_t)losses->left_out);
}

static const char *end_name(enum holders_end end)
{
	static const char *const names[] = {
		[HOLDERS_COMPLETE] = "complete",
		[HOLDERS_TOO_DEEP] = "depth",
		[HOLDERS_INTERRUPTED] = "interrupted",
	};

	return names[end];
}

int render_why_json(const struct holders *holders, FILE *out)
{
	json_t *report = json_pack(
		"{s{si ss sf} so so sI sI sI so sI sI ss so}", "target", "pid", (int)holders->pid, "python",
		holders->python_version, "elapsed_s", holders->elapsed_s, "type", make_text(holders->type),
		"address", make_address(holders->address), "instances", (json_int_t)holders->n_instances,
		"looked_at", (json_int_t)holders->n_targets, "not_held", (json_int_t)holders->n_unheld,
		"ways", make_groups(holders), "other_ways", (json_int_t)holders->n_more_groups, "steps",
		(json_int_t)holders->n_steps, "end", end_name(holders->end), "losses",
		make_losses(&holders->losses));

	return stats_json__finish(report, out);
}
