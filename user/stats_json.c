// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats_json.h"

#include <errno.h>
#include <stdlib.h>

#include "drops.h"
#include "render_common.h"

json_t *stats_json__text(const char *text)
{
	char *cleaned = render_cleaned(text);
	json_t *json = json_string(cleaned);

	free(cleaned);
	return json;
}

static json_t *make_dropped(const struct linger_counters *c)
{
	json_t *dropped = json_object();

	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
		json_object_set_new(dropped, drop__name(reason), json_integer(c->dropped[reason]));
	return dropped;
}

static json_t *make_domain(const struct domain_totals *totals)
{
	const struct linger_counters *c = &totals->counters;

	return json_pack(
		"{sI sI sI sI sI sI sI sI sI sI sI sI sI so}", "seen_allocs", (json_int_t)c->seen_allocs,
		"seen_frees", (json_int_t)c->seen_frees, "unmatched_frees", (json_int_t)c->unmatched_frees,
		"missed_frees", (json_int_t)c->missed_frees, "dropped_frees", (json_int_t)c->dropped_frees,
		"lost_names", (json_int_t)c->lost_names, "skipped", (json_int_t)c->skipped, "live_blocks",
		(json_int_t)totals->live_blocks, "live_bytes", (json_int_t)totals->live_bytes, "alloc_blocks",
		(json_int_t)totals->alloc_blocks, "alloc_bytes", (json_int_t)totals->alloc_bytes,
		"lost_stacks", (json_int_t)c->lost_stacks, "filtered", (json_int_t)c->filtered, "dropped",
		make_dropped(c));
}

static json_t *make_domains(const struct recorder_summary *summary)
{
	json_t *domains = json_object();

	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		if (summary->domains >> domain & 1)
			json_object_set_new(domains, linger_domain__name(domain),
					    make_domain(&summary->totals[domain]));
	return domains;
}

static json_t *make_target(const struct recorder_summary *summary)
{
	return json_pack("{si ss so ss ss}", "pid", (int)summary->pid, "python", summary->python_version,
			 "path", stats_json__text(summary->python_path), "build", summary->build_id,
			 "allocator", summary->allocator);
}

/* The library whose malloc is recorded, and the functions whose probes cost twenty times the usual. */
static json_t *make_raw(const struct recorder_summary *summary)
{
	const struct raw_plan *plan = summary->raw_plan;
	json_t *stepped;

	if (!(summary->domains >> LINGER_DOMAIN_RAW & 1))
		return json_null();
	stepped = json_array();
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].stepped)
			json_array_append_new(stepped, json_string(plan->sites[i].function));
	return json_pack("{ss so ss si so sb}", "allocator", summary->raw_allocator->name, "path",
			 stats_json__text(summary->raw_allocator->path), "build",
			 elf_image__build_id(summary->raw_allocator->image), "sites", (int)plan->n_sites,
			 "slow_sites", stepped, "leaves_out_new", plan->leaves_out_new);
}

int stats_json__write(const struct recorder_summary *summary, FILE *out)
{
	json_t *coverage = summary->coverage < 0 ? json_null() : json_real(summary->coverage);
	json_t *stats = json_pack(
		"{so so s{si si si si} sf sf sf sI si so so}", "domains", make_domains(summary), "coverage",
		coverage, "sites", "pop", (int)summary->n_pops, "push", (int)summary->n_pushes, "slow",
		(int)summary->n_slow, "unlocated", (int)summary->n_unlocated, "attach_ms", summary->attach_ms,
		"detach_ms", summary->detach_ms, "elapsed_s", summary->elapsed_s, "kernel_bytes",
		(json_int_t)summary->kernel_bytes, "forks", (int)summary->forks, "target",
		make_target(summary), "raw", make_raw(summary));
	int err;

	if (!stats)
		return -ENOMEM;
	err = json_dumpf(stats, out, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) || fputc('\n', out) == EOF
		      ? -EIO
		      : 0;
	json_decref(stats);
	return err;
}
