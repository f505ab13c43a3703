// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "code_names.h"
#include "kernel.h"
#include "mappings.h"
#include "memory_reader.h"
#include "pools.h"
#include "probe_plan.h"
#include "python.h"
#include "session.h"
#include "target.h"

/* Mapping events are applied this much later than they happened, so that calls that overlap can be sorted. */
#define MAPPING_DELAY_NS 500000000ull

/* The heap is counted again when the last count was this many times its own duration ago, and not more often
 * than once a second. */
#define COUNT_PAUSE_FACTOR 50
#define COUNT_PAUSE_NS 1000000000ull
#define COUNT_LIMIT_NS 1000000000ull /* a heap that takes longer is not counted */

/*
 * The heap by its own account at one moment, and by ours. Counting takes a while and the target runs on, so
 * our account is the mean of before and after, and half their distance off at most.
 */
struct heap_count {
	int64_t blocks;   /* pool headers */
	int64_t net_seen; /* allocations seen minus frees seen */
	int64_t slack;
};

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
	struct heap_count first_count, last_count;
	bool counted, counted_again;
	uint64_t next_count_ns;
	uint64_t started_ns, stopped_ns;
	double attach_ms, detach_ms;
	bool target_ended;
	int err; /* the first that kept something of what was recorded from being taken over */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static bool has_domain(const struct recorder *recorder, enum linger_domain domain)
{
	return recorder->domains >> domain & 1;
}

/* --- coverage ---------------------------------------------------------------------------------------- */

static int net_seen(const struct recorder *recorder, int64_t *ret_net)
{
	struct linger_counters c;
	int err = session__counters(recorder->session, LINGER_DOMAIN_OBJECT, &c);

	if (!err)
		*ret_net = c.seen_allocs - c.seen_frees;
	return err;
}

static int count_heap(const struct recorder *recorder, struct heap_count *ret_count)
{
	struct pool_count pools;
	int64_t before, after;
	int err = net_seen(recorder, &before);

	if (!err)
		err = pools__count(recorder->target, recorder->reader, recorder->python.runtime.pool_bytes,
				   COUNT_LIMIT_NS, &pools);
	if (!err)
		err = net_seen(recorder, &after);
	if (err)
		return err;
	*ret_count = (struct heap_count){
		.blocks = pools.blocks,
		.net_seen = (before + after) / 2,
		.slack = (llabs(after - before) + 1) / 2,
	};
	return 0;
}

static bool has_finalized(const struct recorder *recorder)
{
	return session__pools(recorder->session).state->finalized;
}

static void update_coverage(struct recorder *recorder)
{
	uint64_t begin = now_ns(), end, pause;
	struct heap_count count;

	if (!has_domain(recorder, LINGER_DOMAIN_OBJECT) || !recorder->counted)
		return;
	/* Events count no more when the interpreter takes itself down, and the heap shrinks. */
	if (!count_heap(recorder, &count) && !has_finalized(recorder)) {
		recorder->last_count = count;
		recorder->counted_again = true;
	}
	end = now_ns();
	pause = (end - begin) * COUNT_PAUSE_FACTOR;
	recorder->next_count_ns = end + (pause > COUNT_PAUSE_NS ? pause : COUNT_PAUSE_NS);
}

/*
 * The share of the allocations that was seen. What was missed shows in the difference between how much the
 * heap grew and how much we saw it grow, apart from what happened while we counted; that is a lower bound of
 * what was missed, and exact where nothing was freed unseen.
 */
static double coverage(const struct recorder *recorder, uint64_t seen_allocs, int64_t *ret_growth)
{
	int64_t growth, seen_growth, missed;

	if (!recorder->counted_again)
		return -1;
	growth = recorder->last_count.blocks - recorder->first_count.blocks;
	seen_growth = recorder->last_count.net_seen - recorder->first_count.net_seen;
	missed = llabs(growth - seen_growth) - recorder->first_count.slack - recorder->last_count.slack;
	if (missed < 0)
		missed = 0;
	*ret_growth = growth;
	return missed + seen_allocs ? (double)seen_allocs / (seen_allocs + missed) : 1;
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
	int err;

	if (!has_domain(recorder, LINGER_DOMAIN_RAW))
		return 0;
	err = kernel__check_returns(&recorder->features, target__has_seccomp_filter(recorder->target), error);
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
	return err ? err : make_raw_plan(recorder, options, error);
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

/* What the heap holds as the recording begins. Before its start a program holds nothing. */
static void count_first(struct recorder *recorder, const struct recorder_options *options)
{
	if (has_domain(recorder, LINGER_DOMAIN_OBJECT))
		recorder->counted = options->at_start || !count_heap(recorder, &recorder->first_count);
	/* Many programs are over within a second. */
	recorder->next_count_ns = options->at_start ? 0 : now_ns() + COUNT_PAUSE_NS;
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
	recorder->allocator = PYTHON_ALLOCATOR_UNKNOWN;
	err = inspect(recorder, options, error);
	if (!err)
		err = open_session(recorder, options, error);
	if (err) {
		recorder__free(recorder);
		return err;
	}
	session__start(recorder->session);
	recorder->started_ns = now_ns();
	recorder->attach_ms = (recorder->started_ns - begin) / 1e6;
	count_first(recorder, options);
	update_allocator(recorder);
	*ret_recorder = recorder;
	return 0;
}

void recorder__free(struct recorder *recorder)
{
	if (!recorder)
		return;
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

bool recorder__tick(struct recorder *recorder)
{
	struct session_pools pools = session__pools(recorder->session);
	uint64_t now = now_ns();

	recorder->target_ended = !target__is_alive(recorder->target) || pools.state->execed;
	update_names(recorder); /* the next one takes what this one had no memory for */
	if (!recorder->target_ended)
		update_allocator(recorder);
	update_mappings(recorder, now - MAPPING_DELAY_NS);
	if (!recorder->target_ended && now >= recorder->next_count_ns)
		update_coverage(recorder);
	return recorder->target_ended;
}

void recorder__stop(struct recorder *recorder)
{
	uint64_t begin;

	if (!recorder__tick(recorder))
		update_coverage(recorder);
	session__stop(recorder->session);
	recorder->stopped_ns = begin = now_ns();
	session__detach(recorder->session);
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
	summary->target_finalized = has_finalized(recorder);
	summary->forks = session__pools(recorder->session).state->forked;
	summary->reads_by_ptrace = !memory_reader__is_bpf(recorder->reader);
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
	summary.coverage = coverage(recorder, summary.totals[LINGER_DOMAIN_OBJECT].counters.seen_allocs,
				    &summary.heap_growth_blocks);
	*ret_summary = summary;
	return 0;
}

/* When the recording began, as people count time. */
static uint64_t started_realtime_ns(const struct recorder *recorder)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec - (now_ns() - recorder->started_ns);
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
	return snapshot__profile(recorder->session, recorder->mappings, recorder->names, recorder->domains,
				 profile);
}
