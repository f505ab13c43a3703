// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "code_names.h"
#include "coverage.h"
#include "kernel.h"
#include "mappings.h"
#include "memory_reader.h"
#include "probe_plan.h"
#include "python.h"
#include "sampled_profile.h"
#include "session.h"
#include "target.h"

/* Mapping events are applied this much later than they happened, so that calls that overlap can be sorted. */
#define MAPPING_DELAY_NS 500000000ull

#define HOUSEKEEPING_NS 200000000ull

struct recorder {
	uint32_t domains;
	struct target *target;
	struct memory_reader *reader;
	struct python python;
	enum python_allocator allocator;
	struct kernel_features features;
	struct probe_plan plan;
	struct raw_allocator raw_allocator;
	struct raw_plan raw_plan;
	struct session *session;
	struct code_names *names;
	struct mappings *mappings;
	struct coverage coverage; /* exact mode */
	struct sampler *sampler;  /* sampled mode */
	struct sampling_options sampling;
	struct error sampling_error, raw_error;
	uint64_t failed_windows;
	uint64_t housekeeping_ns; /* when it is due */
	uint64_t started_ns, stopped_ns;
	double attach_ms, detach_ms;
	bool target_ended;
	bool probes_lost; /* before the end */
	int err;          /* the first that kept something of what was recorded from being taken over */
};

static bool has_domain(const struct recorder *recorder, enum linger_domain domain)
{
	return recorder->domains >> domain & 1;
}

static bool has_finalized(const struct recorder *recorder)
{
	return session__pools(recorder->session).state->finalized;
}

/* --- opening ----------------------------------------------------------------------------------------- */

static int make_plan(struct recorder *recorder, struct error *error)
{
	const struct python *python = &recorder->python;
	bool objects = has_domain(recorder, LINGER_DOMAIN_OBJECT);
	int err = probe_plan__make(python->image, objects, python->code_dealloc, &recorder->plan);

	if (!err || !objects)
		return 0;
	error__set(error, -EOPNOTSUPP, "failed to find pymalloc in '%s': %s", python->path,
		   err == -ENOENT ? "no code of the expected shape" : strerror(-err));
	error__hint(error, "'--domain mapping' records mappings without it");
	return err == -ENOENT ? -EOPNOTSUPP : err;
}

static int check_features(struct kernel_features *features, const struct recorder_options *options,
			  struct error *error)
{
	int err;

	kernel__probe(features);
	err = kernel__check(features, error);
	if (err)
		return err;
	if (options->domains >> LINGER_DOMAIN_MAPPING & 1 && !features->list[FEATURE_TRACEPOINTS].present) {
		error__set(error, -EOPNOTSUPP, "failed to record mappings: this kernel lacks %s",
			   features->list[FEATURE_TRACEPOINTS].name);
		error__hint(error, "%s; or record without them: '--domain object'",
			    features->list[FEATURE_TRACEPOINTS].advice);
		return -EOPNOTSUPP;
	}
	if (options->sampled && !features->list[FEATURE_UPROBE_MULTI].present) {
		error__set(error, -EOPNOTSUPP, "failed to record in windows: this kernel lacks %s (Linux %s)",
			   features->list[FEATURE_UPROBE_MULTI].name,
			   features->list[FEATURE_UPROBE_MULTI].since);
		error__hint(error,
			    "'--mode exact' records a few seconds without it, '--mode mapping' any time");
		return -EOPNOTSUPP;
	}
	return options->at_start ? kernel__check_gate(features, error) : 0;
}

int recorder__check(const struct recorder_options *options, struct error *error)
{
	struct kernel_features features;

	return check_features(&features, options, error);
}

static int find_raw_allocator(struct recorder *recorder, const struct recorder_options *options,
			      struct error *error)
{
	if (options->at_start)
		return raw_allocator__find_at_start(recorder->target, options->libc_file,
						    &recorder->raw_allocator, error);
	return raw_allocator__find(recorder->target, &recorder->python, recorder->reader,
				   &recorder->raw_allocator, error);
}

static int make_raw_plan(struct recorder *recorder, const struct recorder_options *options,
			 struct error *error)
{
	int err = kernel__check_returns(&recorder->features, target__has_seccomp_filter(recorder->target),
					error);

	if (err)
		return err;
	err = find_raw_allocator(recorder, options, error);
	if (err)
		return err;
	err = raw_plan__make(recorder->raw_allocator.image, &recorder->raw_plan);
	if (!err)
		return 0;
	error__set(error, -EOPNOTSUPP, "failed to find malloc's code in '%s': %s",
		   recorder->raw_allocator.path, strerror(-err));
	error__hint(error, "'--domain object,mapping' records without it");
	return err == -ENOENT ? -EOPNOTSUPP : err;
}

/* The raw domain, where it is wanted; the others may be worth recording without it. */
static int plan_raw(struct recorder *recorder, const struct recorder_options *options, struct error *error)
{
	int err = has_domain(recorder, LINGER_DOMAIN_RAW) ? make_raw_plan(recorder, options, error) : 0;

	if (!err || !options->raw_may_miss || err == -ESRCH || err == -ENOMEM)
		return err;
	recorder->raw_error = *error;
	recorder->domains &= ~(1u << LINGER_DOMAIN_RAW);
	return 0;
}

static int inspect(struct recorder *recorder, const struct recorder_options *options, struct error *error)
{
	int err = target__open(options->pid, &recorder->target, error);

	if (!err)
		err = check_features(&recorder->features, options, error);
	if (!err)
		err = memory_reader__open(options->pid, &recorder->reader, error);
	if (!err)
		err = python__inspect(recorder->target, recorder->reader, &recorder->python, error);
	if (!err && !options->at_start)
		err = python__check_started(&recorder->python, recorder->reader, error);
	if (!err)
		err = make_plan(recorder, error);
	return err ? err : plan_raw(recorder, options, error);
}

static int open_session(struct recorder *recorder, const struct recorder_options *options,
			struct error *error)
{
	struct session_options session_options = {
		.features = &recorder->features,
		.python = &recorder->python,
		.plan = &recorder->plan,
		.raw_plan = has_domain(recorder, LINGER_DOMAIN_RAW) ? &recorder->raw_plan : NULL,
		.raw_image = recorder->raw_allocator.image,
		.raw_path = recorder->raw_allocator.path,
		.pid = options->pid,
		.tgid = memory_reader__tgid(recorder->reader),
		.mappings = has_domain(recorder, LINGER_DOMAIN_MAPPING),
		.sampled = options->sampled,
		.live_max_mib = options->live_max_mib,
	};

	recorder->names = code_names__new(&recorder->python.layout);
	recorder->mappings = mappings__new();
	if (!recorder->names || !recorder->mappings)
		return error__set(error, -ENOMEM, "failed to record: out of memory");
	return session__open(&session_options, &recorder->session, error);
}

/* Hooks can be put in at any time; those that were seen once are told of in the end. */
static void update_allocator(struct recorder *recorder)
{
	struct error error;

	if (recorder->allocator != PYTHON_PYMALLOC && recorder->allocator != PYTHON_ALLOCATOR_UNKNOWN)
		return;
	if (!python__check_started(&recorder->python, recorder->reader, &error))
		recorder->allocator = python__allocator(&recorder->python, recorder->reader);
}

/* The account of the heap's growth. It begins with the recording. */
static int begin_account(struct recorder *recorder, const struct recorder_options *options,
			 struct error *error)
{
	if (options->sampled)
		return sampler__new(&options->sampling, recorder->session, recorder->target, recorder->reader,
				    &recorder->python, options->at_start, &recorder->sampler, error);
	recorder->coverage = (struct coverage){
		.session = recorder->session,
		.target = recorder->target,
		.reader = recorder->reader,
		.pool_bytes = recorder->python.runtime.pool_bytes,
	};
	if (has_domain(recorder, LINGER_DOMAIN_OBJECT))
		coverage__begin(&recorder->coverage, options->at_start);
	return 0;
}

int recorder__open(const struct recorder_options *options, struct recorder **ret_recorder,
		   struct error *error)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	uint64_t begin = now_ns();
	int err;

	if (!recorder)
		return error__set(error, -ENOMEM, "failed to record: out of memory");
	recorder->domains = options->domains;
	recorder->sampling = options->sampling;
	recorder->allocator = PYTHON_ALLOCATOR_UNKNOWN;
	err = inspect(recorder, options, error);
	if (!err)
		err = open_session(recorder, options, error);
	if (!err) {
		session__start(recorder->session);
		recorder->started_ns = now_ns();
		recorder->attach_ms = (recorder->started_ns - begin) / 1e6;
		err = begin_account(recorder, options, error);
	}
	if (err) {
		recorder__free(recorder);
		return err;
	}
	update_allocator(recorder);
	*ret_recorder = recorder;
	return 0;
}

void recorder__free(struct recorder *recorder)
{
	if (!recorder)
		return;
	sampler__free(recorder->sampler);
	session__free(recorder->session);
	mappings__free(recorder->mappings);
	code_names__free(recorder->names);
	probe_plan__free(&recorder->plan);
	raw_allocator__free(&recorder->raw_allocator);
	python__free(&recorder->python);
	memory_reader__free(recorder->reader);
	target__free(recorder->target);
	free(recorder);
}

/* --- running ----------------------------------------------------------------------------------------- */

bool recorder__reads_by_ptrace(const struct recorder *recorder)
{
	return !memory_reader__is_bpf(recorder->reader);
}

int recorder__pidfd(const struct recorder *recorder)
{
	return target__pidfd(recorder->target);
}

static void take_event(const struct mapping_event *event, void *arg)
{
	mappings__take(arg, event);
}

static void note_error(struct recorder *recorder, int err)
{
	if (err < 0 && !recorder->err)
		recorder->err = err;
}

static int update_names(struct recorder *recorder)
{
	struct session_pools pools = session__pools(recorder->session);

	return code_names__update(recorder->names, &pools, recorder->target_ended ? NULL : recorder->reader);
}

static void update_mappings(struct recorder *recorder, uint64_t until_ns)
{
	note_error(recorder, session__drain_mappings(recorder->session, take_event, recorder->mappings));
	note_error(recorder, mappings__apply(recorder->mappings, until_ns));
}

static bool has_ended(const struct recorder *recorder)
{
	return !target__is_alive(recorder->target) || session__pools(recorder->session).state->execed;
}

static void keep_house(struct recorder *recorder, uint64_t now)
{
	update_names(recorder); /* the next one takes what this one had no memory for */
	if (!recorder->target_ended)
		update_allocator(recorder);
	update_mappings(recorder, now - MAPPING_DELAY_NS);
	if (!recorder->target_ended && !recorder->sampler && now >= recorder->coverage.next_ns)
		coverage__update(&recorder->coverage);
	recorder->housekeeping_ns = now + HOUSEKEEPING_NS;
}

static bool can_sample(const struct recorder *recorder)
{
	return recorder->sampler && !recorder->target_ended && !sampler__is_over(recorder->sampler);
}

/* A window that failed is not the last: what stands in the way may go. */
static void sample(struct recorder *recorder)
{
	struct error error;
	int err = sampler__run(recorder->sampler, &error);

	/* That the target has ended meanwhile is no failure; the next tick will see it. */
	if (!err || err == -ESRCH)
		return;
	recorder->sampling_error = error;
	recorder->failed_windows++;
}

const struct error *recorder__window_failure(const struct recorder *recorder)
{
	return recorder->failed_windows ? &recorder->sampling_error : NULL;
}

int recorder__wait_ms(struct recorder *recorder)
{
	uint64_t now = now_ns();
	int wait_ms = recorder->housekeeping_ns > now ? (recorder->housekeeping_ns - now) / 1000000 + 1 : 0;
	int sampler_ms = can_sample(recorder) ? sampler__wait_ms(recorder->sampler) : wait_ms;

	return sampler_ms < wait_ms ? sampler_ms : wait_ms;
}

bool recorder__tick(struct recorder *recorder)
{
	uint64_t now = now_ns();

	recorder->target_ended = has_ended(recorder);
	if (can_sample(recorder))
		sample(recorder);
	if (recorder->target_ended || now >= recorder->housekeeping_ns)
		keep_house(recorder, now);
	return recorder->target_ended;
}

void recorder__take_stock(struct recorder *recorder)
{
	if (recorder->sampler)
		note_error(recorder, sampler__take_stock(recorder->sampler));
}

void recorder__stop(struct recorder *recorder)
{
	uint64_t begin;

	recorder->target_ended = has_ended(recorder);
	keep_house(recorder, now_ns());
	recorder__take_stock(recorder);
	if (!recorder->sampler && !recorder->target_ended)
		coverage__update(&recorder->coverage);
	session__stop(recorder->session);
	recorder->stopped_ns = begin = now_ns();
	recorder->probes_lost = session__detach(recorder->session) < 0;
	recorder->detach_ms = (now_ns() - begin) / 1e6;
	note_error(recorder, update_names(recorder));
	update_mappings(recorder, UINT64_MAX);
}

/* --- results ----------------------------------------------------------------------------------------- */

static void summarize_target(const struct recorder *recorder, struct recorder_summary *summary)
{
	const struct python *python = &recorder->python;

	summary->pid = target__pid(recorder->target);
	summary->python_version = python->version;
	summary->python_path = python->path;
	summary->build_id = elf_image__build_id(python->image);
	summary->allocator = python_allocator__name(recorder->allocator);
	summary->allocator_is_known = recorder->allocator != PYTHON_ALLOCATOR_UNKNOWN;
	summary->allocator_is_pymalloc =
		recorder->allocator != PYTHON_MALLOC && recorder->allocator != PYTHON_MALLOC_HOOKED;
	summary->target_ended = recorder->target_ended;
	summary->target_execed = session__pools(recorder->session).state->execed;
	summary->target_finalized =
		has_finalized(recorder) ||
		(recorder->sampler && sampler__is_over(recorder->sampler) && !summary->target_execed);
	summary->forks = session__pools(recorder->session).state->forked;
	summary->raw_error = recorder->raw_error.message[0] ? &recorder->raw_error : NULL;
	summary->reads_by_ptrace = recorder__reads_by_ptrace(recorder);
}

static void summarize_sampling(const struct recorder *recorder, struct recorder_summary *summary)
{
	summary->sampled = true;
	summary->sampling = recorder->sampling;
	summary->sampler = sampler__totals(recorder->sampler);
	summary->estimate = sampler__estimate(recorder->sampler);
	summary->failed_windows = recorder->failed_windows;
	summary->sampling_error = recorder__window_failure(recorder);
}

int recorder__summary(const struct recorder *recorder, struct recorder_summary *ret_summary)
{
	struct recorder_summary summary = {
		.domains = recorder->domains,
		.n_pops = recorder->plan.n_pops,
		.n_pushes = recorder->plan.n_pushes,
		.n_slow = recorder->plan.n_slow,
		.n_unlocated = recorder->plan.n_unlocated,
		.raw_allocator = &recorder->raw_allocator,
		.raw_plan = &recorder->raw_plan,
		.attach_ms = recorder->attach_ms,
		.detach_ms = recorder->detach_ms,
		.elapsed_s =
			((recorder->stopped_ns ? recorder->stopped_ns : now_ns()) - recorder->started_ns) /
			1e9,
		.kernel_bytes = session__kernel_bytes(recorder->session),
		.probes_lost = recorder->probes_lost,
	};

	if (recorder->err)
		return recorder->err;
	summarize_target(recorder, &summary);
	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		int err = has_domain(recorder, domain)
				  ? snapshot__totals(recorder->session, recorder->mappings, domain,
						     &summary.totals[domain])
				  : 0;
		if (err)
			return err;
	}
	summary.coverage = coverage__share(&recorder->coverage,
					   summary.totals[LINGER_DOMAIN_OBJECT].counters.seen_allocs,
					   &summary.heap_growth_blocks);
	if (recorder->sampler)
		summarize_sampling(recorder, &summary);
	*ret_summary = summary;
	return 0;
}

/* When the recording began, as people count time. */
static uint64_t started_realtime_ns(const struct recorder *recorder)
{
	return clock_ns(CLOCK_REALTIME) - (now_ns() - recorder->started_ns);
}

/* The files whose code serves the memory; an interpreter may have malloc linked into it. */
static int add_objects(const struct recorder *recorder, struct profile *profile)
{
	const struct python *python = &recorder->python;
	const struct raw_allocator *raw = &recorder->raw_allocator;
	int err = profile__add_object(profile, python->path, elf_image__build_id(python->image));

	if (err || !raw->image || !strcmp(raw->path, python->path))
		return err;
	return profile__add_object(profile, raw->path, elf_image__build_id(raw->image));
}

int recorder__profile(const struct recorder *recorder, struct profile *profile)
{
	uint64_t end_ns = recorder->stopped_ns ? recorder->stopped_ns : now_ns();
	int err = add_objects(recorder, profile);

	profile__set_time(profile, started_realtime_ns(recorder), end_ns - recorder->started_ns);
	if (err)
		return err;
	if (!recorder->sampler)
		return snapshot__profile(recorder->session, recorder->mappings, recorder->names,
					 recorder->domains, profile);
	err = sampled_profile__add(recorder->sampler, recorder->session, recorder->names, recorder->domains,
				   &recorder->sampling, profile);
	if (err)
		return err;
	return snapshot__profile(recorder->session, recorder->mappings, recorder->names,
				 recorder->domains & 1u << LINGER_DOMAIN_MAPPING, profile);
}
