// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats_json.h"

#include <errno.h>
#include <stdlib.h>

#include "drops.h"
#include "render_common.h"

int stats_json__finish(json_t *report, FILE *out)
{
	if (!report)
		return -ENOMEM;
	json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(13));
	putc('\n', out);
	json_decref(report);
	return render_finish(out);
}

json_t *stats_json__text(const char *text)
{
	char *cleaned = render_cleaned(text);
	json_t *json = json_string(cleaned);

	free(cleaned);
	return json;
}

json_t *stats_json__frame(const struct profile_frame *frame)
{
	return json_pack("{so so si}", "function", stats_json__text(frame->function), "file",
			 stats_json__text(frame->file ?: ""), "line", frame->line);
}

json_t *stats_json__frames(const struct profile_frame *const *frames, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, stats_json__frame(frames[i]));
	return list;
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

	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI sI so}", "seen_allocs",
			 (json_int_t)c->seen_allocs, "recorded_allocs", (json_int_t)c->recorded_allocs,
			 "seen_frees", (json_int_t)c->seen_frees, "unmatched_frees",
			 (json_int_t)c->unmatched_frees, "missed_frees", (json_int_t)c->missed_frees,
			 "dropped_frees", (json_int_t)c->dropped_frees, "lost_names",
			 (json_int_t)c->lost_names, "skipped", (json_int_t)c->skipped, "live_blocks",
			 (json_int_t)totals->live_blocks, "live_bytes", (json_int_t)totals->live_bytes,
			 "alloc_blocks", (json_int_t)totals->alloc_blocks, "alloc_bytes",
			 (json_int_t)totals->alloc_bytes, "lost_stacks", (json_int_t)c->lost_stacks,
			 "filtered", (json_int_t)c->filtered, "dropped", make_dropped(c));
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

static json_t *make_samples(const struct sampler_totals *t)
{
	return json_pack("{sI sI sI sI sI sI sI}", "taken", (json_int_t)t->samples, "alive",
			 (json_int_t)t->verdicts[VERDICT_ALIVE], "freed",
			 (json_int_t)t->verdicts[VERDICT_FREED], "changed",
			 (json_int_t)t->verdicts[VERDICT_CHANGED], "reused",
			 (json_int_t)t->verdicts[VERDICT_REUSED], "gone",
			 (json_int_t)t->verdicts[VERDICT_GONE], "thinned", (json_int_t)t->thinned);
}

/* What windows there were, and what they cost; null in other modes. */
static json_t *make_sampling(const struct recorder_summary *summary)
{
	const struct sampler_totals *t = &summary->sampler;
	const struct estimate *estimate = summary->estimate;

	if (!summary->sampled)
		return json_null();
	return json_pack("{sI sf sI sf sf sf sf sf so sf sf sf sI sI}", "windows", (json_int_t)t->windows,
			 "attached_ms", t->attached_ns / 1e6, "events", (json_int_t)t->hits, "cost", t->cost,
			 "recent_cost", t->recent_cost, "trap_ns", t->trap_ns, "tracer_cpu_s",
			 t->tracer_ns / 1e9, "target_cpu_s", t->target_ns / 1e9, "samples", make_samples(t),
			 "overhead", summary->sampling.overhead, "min_age_s",
			 summary->sampling.min_age_ns / 1e9, "census_s", t->census_s, "growth_bytes",
			 (json_int_t)(estimate ? estimate__growth(estimate).bytes : 0), "shrunk_bytes",
			 (json_int_t)(estimate ? estimate__shrunk(estimate).bytes : 0));
}

static json_t *make_frames(const struct profile_sample *sample)
{
	bool has_group = profile_sample__group(sample) != PROFILE_NO_GROUP;

	return stats_json__frames(sample->frames + has_group, sample->n_frames - has_group);
}

static json_t *make_group(const struct profile_sample *sample)
{
	static const char *const names[PROFILE_GROUPS] = {
		[PROFILE_YOUNG] = "young",
		[PROFILE_TOO_FEW] = "too_few",
		[PROFILE_NO_SURVIVOR] = "unsampled",
		[PROFILE_OUTLIVED] = "outlived_window",
	};
	const char *name = names[profile_sample__group(sample)];

	return name ? json_string(name) : json_null();
}

static json_t *make_newest(const struct profile_estimate *estimate)
{
	return estimate->newest_ms == UINT64_MAX ? json_null() : json_real(estimate->newest_ms / 1e3);
}

static json_t *make_types(const struct profile_estimate *estimate)
{
	json_t *types = json_array();

	for (size_t i = 0; i < PROFILE_TYPES && estimate->types[i].survivors; i++)
		json_array_append_new(types,
				      json_pack("{so sI}", "type", stats_json__text(estimate->types[i].name),
						"survivors", (json_int_t)estimate->types[i].survivors));
	return types;
}

static json_t *make_stack(const struct recorder_summary *summary, const struct profile_sample *sample)
{
	const struct profile_estimate *estimate = sample->estimate;
	struct profile_interval interval = profile_sample__interval(sample);
	enum profile_growth growth =
		profile_estimate__growth(estimate, summary->elapsed_s,
					 (summary->sampling.older_ns ?: summary->sampling.min_age_ns) / 1e9);

	return json_pack("{ss so sI sI sI sI sI so sI so sb ss so}", "domain",
			 linger_domain__name(sample->domain), "frames", make_frames(sample), "inuse_bytes",
			 (json_int_t)sample->values[PROFILE_INUSE_SPACE], "inuse_blocks",
			 (json_int_t)sample->values[PROFILE_INUSE_OBJECTS], "low_bytes",
			 (json_int_t)interval.low_bytes, "high_bytes", (json_int_t)interval.high_bytes,
			 "survivors", (json_int_t)estimate->survivors, "types", make_types(estimate),
			 "windows", (json_int_t)estimate->windows, "newest_s", make_newest(estimate),
			 "growing", growth == PROFILE_GROWING, "age", profile_age__name(estimate->age),
			 "group", make_group(sample));
}

/* The estimates, one for each stack and age. */
static json_t *make_stacks(const struct recorder_summary *summary, const struct profile *profile)
{
	json_t *stacks = json_array();

	for (size_t i = 0; i < profile__n_samples(profile); i++) {
		const struct profile_sample *sample = profile__sample(profile, i);

		if (sample->estimate &&
		    (sample->values[PROFILE_INUSE_OBJECTS] || sample->values[PROFILE_INUSE_SPACE]))
			json_array_append_new(stacks, make_stack(summary, sample));
	}
	return stacks;
}

int stats_json__write(const struct recorder_summary *summary, const struct profile *profile, FILE *out)
{
	json_t *coverage = summary->coverage < 0 ? json_null() : json_real(summary->coverage);
	json_t *stats = json_pack(
		"{so so s{si si si si} sf sf sf sI si so so so so}", "domains", make_domains(summary),
		"coverage", coverage, "sites", "pop", (int)summary->n_pops, "push", (int)summary->n_pushes,
		"slow", (int)summary->n_slow, "unlocated", (int)summary->n_unlocated, "attach_ms",
		summary->attach_ms, "detach_ms", summary->detach_ms, "elapsed_s", summary->elapsed_s,
		"kernel_bytes", (json_int_t)summary->kernel_bytes, "forks", (int)summary->forks, "target",
		make_target(summary), "raw", make_raw(summary), "sampling", make_sampling(summary), "stacks",
		make_stacks(summary, profile));

	return stats_json__finish(stats, out);
}
