// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "cmd_record.h"
#include "drops.h"
#include "render_common.h"

#define PROBES_LOST                                                                                          \
	"some probes were gone before the end, as the process that kept them was killed: what came "         \
	"after is not seen"

/* --- notes in the profile ---------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) add_note(struct profile *profile, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	profile__add_note(profile, text);
}

static void add_domain_note(struct profile *profile, enum linger_domain domain, const struct domain_totals *t)
{
	const struct linger_counters *c = &t->counters;

	add_note(profile,
		 "%s: %llu allocations seen = %" PRIu64 " recorded + %" PRIu64
		 " dropped; %llu frees seen, %llu of them of older blocks; live %" PRIu64 " blocks, %s",
		 linger_domain__name(domain), c->seen_allocs, t->alloc_blocks, drop__sum(c), c->seen_frees,
		 c->unmatched_frees, t->live_blocks,
		 render_bytes(t->live_bytes, (char[RENDER_NUMBER_BYTES]){}));
	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
		if (c->dropped[reason])
			add_note(profile, "%s: %llu dropped (%s): %s", linger_domain__name(domain),
				 c->dropped[reason], drop__name(reason), drop__help(reason));
}

/* What sampled mode saw, and how that becomes what is shown. */
static void add_sampling_notes(struct profile *profile, const struct recorder_summary *s)
{
	const struct sampler_totals *t = &s->sampler;
	char bytes[RENDER_NUMBER_BYTES];

	add_note(profile,
		 "sampled: %" PRIu64 " windows, probes attached for %.0f ms, %" PRIu64
		 " hits; estimated cost %.2f %% of the time, linger's own %.2f s of CPU time included",
		 t->windows, t->attached_ns / 1e6, t->hits, t->cost * 100, t->tracer_ns / 1e9);
	add_note(profile,
		 "sampled: %" PRIu64 " blocks outlived their window: %" PRIu64 " alive, %" PRIu64
		 " freed, %" PRIu64 " lost (%" PRIu64 " content changed, %" PRIu64 " address reused, %" PRIu64
		 " pool gone)",
		 t->samples, t->verdicts[VERDICT_ALIVE], t->verdicts[VERDICT_FREED], sampler_totals__lost(t),
		 t->verdicts[VERDICT_CHANGED], t->verdicts[VERDICT_REUSED], t->verdicts[VERDICT_GONE]);
	add_note(profile,
		 "allocated: what the windows saw, times the process's CPU time since the window before "
		 "over that in the window without what the probes cost; of a busy process a rough "
		 "figure");
	if (s->domains >> LINGER_DOMAIN_RAW & 1)
		add_note(profile,
			 "raw: blocks that outlived their window of milliseconds; whether they live on is "
			 "not known");
	if (s->failed_windows)
		add_note(profile, "sampled: %" PRIu64 " windows failed, the last: %s", s->failed_windows,
			 s->sampling_error->message);
	if (!s->estimate || !(s->domains >> LINGER_DOMAIN_OBJECT & 1))
		return;
	add_note(profile,
		 "object: live bytes are what the heap's size classes grew by their own count after %.1f s, "
		 "%s, shared by the survivors of each; other classes shrank by %s",
		 t->census_s, render_bytes(estimate__growth(s->estimate).bytes, bytes),
		 render_bytes(estimate__shrunk(s->estimate).bytes, (char[RENDER_NUMBER_BYTES]){}));
}

static void add_coverage_note(struct profile *profile, const struct recorder_summary *s)
{
	if (s->coverage < 0)
		add_note(profile, "coverage: not measured (the process ended before its heap could be "
				  "counted again, or the heap takes too long to count)");
	else
		add_note(profile,
			 "coverage: %.3f %% of the allocations (the heap grew by %" PRId64
			 " blocks by its own count)",
			 s->coverage * 100, s->heap_growth_blocks);
}

void record__add_notes(struct profile *profile, const struct recorder_summary *s)
{
	add_note(profile, "process %d, Python %s, recorded for %.1f s%s", s->pid, s->python_version,
		 s->elapsed_s,
		 s->target_execed      ? ", until it became another program"
		 : s->target_finalized ? ", until its interpreter shut down"
		 : s->target_ended     ? ", until it ended"
				       : "");
	if (s->probes_lost)
		add_note(profile, "%s", PROBES_LOST);
	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		if (s->domains >> domain & 1 && !(s->sampled && domain != LINGER_DOMAIN_MAPPING))
			add_domain_note(profile, domain, &s->totals[domain]);
	if (s->sampled)
		add_sampling_notes(profile, s);
	if (s->domains >> LINGER_DOMAIN_RAW & 1 && s->raw_plan->leaves_out_new)
		add_note(profile, "raw: what C++'s operator new of %s gave out is not recorded",
			 s->raw_allocator->path);
	if (s->domains >> LINGER_DOMAIN_OBJECT & 1 && !s->sampled)
		add_coverage_note(profile, s);
}

/* --- what is said ------------------------------------------------------------------------------------ */

static void say_dropped(const char *domain, const struct linger_counters *c)
{
	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++) {
		if (!c->dropped[reason])
			continue;
		say("%s: %llu events dropped (%s): %s", domain, c->dropped[reason], drop__name(reason),
		    drop__help(reason));
		say_hint("%s", drop__hint(reason));
	}
}

static void say_domain_losses(const char *domain, const struct linger_counters *c)
{
	say_dropped(domain, c);
	if (c->lost_stacks)
		say("%s: %llu blocks are shown as [stack table full]: too many different stacks", domain,
		    c->lost_stacks);
	if (c->lost_names)
		say("%s: %llu frames are shown as [unknown]: too many different functions", domain,
		    c->lost_names);
	if (c->dropped_frees)
		say("%s: %llu removals dropped: what they freed still counts as live", domain,
		    c->dropped_frees);
	if (c->skipped)
		say("%s: the kernel let %llu calls of any process pass unseen", domain, c->skipped);
	if (c->missed_frees)
		say("%s: %llu frees were missed and found out later", domain, c->missed_frees);
}

void record__say_losses(const struct recorder_summary *s)
{
	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		say_domain_losses(linger_domain__name(domain), &s->totals[domain].counters);
	if (s->probes_lost)
		say("%s", PROBES_LOST);
	if (s->failed_windows)
		say("%" PRIu64 " windows failed, the last: %s", s->failed_windows,
		    s->sampling_error->message);
	if (s->forks)
		say("the process forked %u %s; its children are not recorded, but were slowed by the same "
		    "probes",
		    s->forks, s->forks == 1 ? "time" : "times");
	if (s->sampled || s->coverage < 0 || s->coverage >= 0.995)
		return;
	say("the probes saw only %.1f %% of the allocations", s->coverage * 100);
	say_hint("please report this build: 'linger doctor -p PID --json' describes it");
}
