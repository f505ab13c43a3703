// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sampled mode. Nothing is attached but in windows (window.h); what outlives its window is a sample.
 *
 * Whether a sample still lives is read from the heap: often at first and ever more rarely as it ages, at
 * irregular times. An address is used again at once, by the same kind of object where a program repeats
 * itself; but one look that finds the block free, or somebody else in it, ends the sample, and an object that
 * comes and goes does not survive many looks. Those that do, as they are rarely gone, are seen to be freed by
 * a later window.
 *
 * The weight of a sample is how many blocks it stands for. Almost all of a busy target's time in a window is
 * ours, so time tells nothing about how much of the program's own work the window has seen. CPU time less
 * what the probes cost does; where that is a small difference of large numbers, the number of hits does. The
 * weight is the program's own work since the window before, over that in the window.
 *
 * What it costs is counted: the hits, the cost of a trap as measured on this machine, the programs' own time
 * as they take it, and this process's CPU time. The governor decides from that when the next window may
 * begin.
 */
#include "sampler.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "governor.h"
#include "inspector.h"
#include "pools.h"
#include "sample_set.h"
#include "sample_types.h"
#include "stack_sums.h"
#include "window.h"

#define MAX_SAMPLES 16384

/* Before the first window it has to be known how busy the target is; and recorders that are started together
 * for many targets should not all open theirs at once. */
#define BEGIN_NS 200000000ull
#define SHARE_MIN_NS 100000000ull

/* CPython at full speed allocates or frees every 20 (a JSON loop) to 34 ns (a web service). */
#define NATIVE_HIT_NS 25.0
#define FIRST_RUN_NS 600.0 /* what a program is taken to need until it has been measured */

/* The heap is counted again after a fifth of the time that has been recorded, within these bounds: what a
 * target held when it was last counted is all that is known of it once it has ended. */
#define CENSUS_SHARE 5
#define CENSUS_MIN_PAUSE_NS 500000000ull
#define CENSUS_MAX_PAUSE_NS 10000000000ull
/* And it may take so small a part of the time; more of a program that was recorded from its start, which is
 * likely to be recorded to its end. */
#define CENSUS_PART 500
#define CENSUS_PART_FROM_START 100
#define CENSUS_LIMIT_NS 2000000000ull /* a heap that takes longer cannot be sampled */

/* A sample is looked at again after a third to all of its age, within these bounds. */
#define FIRST_LOOK_NS 30000000ull
#define LAST_LOOK_NS 20000000000ull
#define LOOK_TICK_NS 300000000ull /* looks are gathered for at most so long */

struct sampler {
	struct sampling_options options;
	struct session *session;
	const struct target *target;
	struct memory_reader *reader;
	const struct python *python;
	struct governor governor;
	struct inspector *inspector;
	struct window *window;
	struct sample_set *samples;
	struct sample_types *types; /* of the samples */
	uint64_t next_look_ns;
	struct stack_sums sums;
	int64_t first_census[ESTIMATE_CLASSES], last_census[ESTIMATE_CLASSES];
	uint64_t stock_ns;         /* when samples and heap were last looked at as a whole */
	struct estimate *estimate; /* of that moment; NULL: there was none yet */
	uint64_t next_census_ns;
	uint64_t census_part;              /* it may take one so-many-th of the time */
	struct window_reading first, last; /* at the beginning, at the end of the last window */
	uint64_t first_tracer_ns, last_tracer_ns;
	double native_ns;  /* the program's own work since a window last saw something */
	double weight;     /* of what the last window saw */
	double run_ns;     /* what a program takes, on average */
	double cpu_share;  /* CPUs that the target kept busy before the last window */
	uint64_t begin_ns; /* of the first window, not before */
	double cost_ns;    /* of all windows, to the target */
	double draw;       /* the random number for the pause that is under way */
	uint64_t random;
	struct sampler_totals totals;
};

/* --- helpers ----------------------------------------------------------------------------------------- */

/* Linger's own, with that of the processes that attached and detached for it. */
static uint64_t tracer_ns(void)
{
	struct rusage usage = {};

	getrusage(RUSAGE_CHILDREN, &usage);
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) +
	       (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ull +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
}

/* xorshift64*. */
static uint64_t next_random(struct sampler *sampler)
{
	uint64_t x = sampler->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	sampler->random = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* Uniform in [0, 1). */
static double random_share(struct sampler *sampler)
{
	return (next_random(sampler) >> 11) / 9007199254740992.0;
}

static double smoothed(double before, double value)
{
	return before * 0.8 + value * 0.2;
}

bool sampler__is_over(const struct sampler *sampler)
{
	const struct trace_state *state = session__pools(sampler->session).state;

	return state->execed || (state->ending && python__is_finalizing(sampler->python, sampler->reader));
}

/* --- census ------------------------------------------------------------------------------------------ */

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
	return value < min ? min : value < max ? value : max;
}

static int count_heap(struct sampler *sampler, int64_t counts[ESTIMATE_CLASSES])
{
	struct pool_count count;
	uint64_t begin = now_ns(), end, pause;
	int err = pools__count(sampler->target, sampler->reader, sampler->python->runtime.pool_bytes,
			       CENSUS_LIMIT_NS, &count);

	end = now_ns();
	pause = clamp((end - sampler->first.now_ns) / CENSUS_SHARE, CENSUS_MIN_PAUSE_NS, CENSUS_MAX_PAUSE_NS);
	if (pause < (end - begin) * sampler->census_part)
		pause = (end - begin) * sampler->census_part;
	sampler->next_census_ns = end + pause;
	if (!err && sampler__is_over(sampler))
		err = -ESRCH;
	if (err)
		return err;
	sampler->totals.census_s = (begin - sampler->first.now_ns) / 1e9;
	for (int i = 0; i < ESTIMATE_CLASSES; i++)
		counts[i] = count.class_blocks[i];
	return 0;
}

/* --- what a window tells ----------------------------------------------------------------------------- */

/* What hits between two moments cost the target. It cannot have paid more CPU time than it used. */
static double hits_cost_ns(const struct sampler *sampler, const struct window_reading *from,
			   const struct window_reading *to)
{
	double cost = (to->hits - from->hits) * sampler->totals.trap_ns +
		      (double)(to->timed_ns - from->timed_ns) * LINGER_TIMED_RUNS;
	double used = (double)to->target_ns - from->target_ns;

	return used < 0 ? 0 : cost < used ? cost : used;
}

/* Raw blocks that outlived their window are counted and not looked at again. */
static void add_outlived(struct sampler *sampler)
{
	size_t n;
	const struct block_value *blocks = window__raw_blocks(sampler->window, &n);

	for (size_t i = 0; i < n; i++)
		stack_sums__add_outlived(&sampler->sums, &blocks[i], sampler->weight);
}

static void add_samples(struct sampler *sampler, uint64_t birth_ns)
{
	size_t n;
	struct sample *samples = window__objects(sampler->window, &n);

	for (size_t i = 0; i < n; i++) {
		samples[i].window = sampler->totals.windows;
		samples[i].birth_ns = birth_ns;
		samples[i].look_ns = birth_ns + FIRST_LOOK_NS;
		samples[i].weight = sampler->weight;
	}
	sampler->totals.samples += n;
	sampler->totals.thinned += sample_set__add(sampler->samples, samples, n, next_random(sampler));
	if (n)
		sampler->next_look_ns = birth_ns + FIRST_LOOK_NS;
}

/* The program's own work while the window ran. */
static double native_work_ns(const struct sampler *sampler, const struct window_times *t)
{
	double used = (double)t->held.target_ns - t->begun.target_ns;
	double by_clock = used - hits_cost_ns(sampler, &t->begun, &t->held);
	double by_hits = (t->held.hits - t->begun.hits) * NATIVE_HIT_NS;

	return by_clock > by_hits ? by_clock : by_hits;
}

/* The program's work since a window last saw something, over that in this one; and how busy it is. */
static void weigh(struct sampler *sampler, const struct window_times *t, double cost_ns)
{
	double native_ns = native_work_ns(sampler, t);
	double work_ns = (double)t->closed.target_ns - sampler->last.target_ns - cost_ns;

	if (work_ns < 0)
		work_ns = 0;
	sampler->native_ns += work_ns;
	sampler->weight = native_ns > 0 ? sampler->native_ns / native_ns : 1;
	if (sampler->weight < 1)
		sampler->weight = 1;
}

static void account(struct sampler *sampler, const struct window_times *t,
		    const struct governor_window *granted, double cost_ns)
{
	uint64_t tracer = tracer_ns(), hits = t->closed.hits - t->opened.hits;
	struct window_reading closed = t->closed;
	struct governor_spending spending = {
		.begin_ns = t->opened.now_ns,
		.end_ns = t->closed.now_ns,
		.cost_ns = cost_ns + (tracer - sampler->last_tracer_ns),
		.cut_short = t->cut_short,
	};

	if (hits > LINGER_TIMED_RUNS)
		sampler->run_ns =
			smoothed(sampler->run_ns, (double)(t->closed.timed_ns - t->opened.timed_ns) *
							  LINGER_TIMED_RUNS / hits);
	governor__spent(&sampler->governor, granted, &spending);
	sampler->draw = random_share(sampler);
	if (!t->closed.target_ns) /* it is gone */
		closed.target_ns = sampler->last.target_ns;
	sampler->last = closed;
	sampler->last_tracer_ns = tracer;
	sampler->cost_ns += cost_ns;
	sampler->totals.windows++;
	sampler->totals.hits += hits;
	sampler->totals.attached_ns += t->closed.now_ns - t->opened.now_ns;
}

/* CPUs that the target has kept busy since the last window; before that, of late. */
static double cpu_share(const struct sampler *sampler, const struct window_reading *now)
{
	double busy_ns = (double)now->target_ns - sampler->last.target_ns;
	uint64_t elapsed_ns = now->now_ns - sampler->last.now_ns;

	return elapsed_ns < SHARE_MIN_NS || busy_ns < 0 ? sampler->cpu_share : busy_ns / elapsed_ns;
}

static int run_window(struct sampler *sampler, const struct governor_window *granted, struct error *error)
{
	const struct window_limits limits = {
		.length_ns = granted->length_ns,
		.hits = 1 + granted->cost_ns / (sampler->totals.trap_ns + sampler->run_ns),
	};
	struct session_pools pools = session__pools(sampler->session);
	struct window_reading now = window__read_clocks(sampler->window);
	struct window_times times;
	double cost_ns;
	size_t n;
	struct sample *samples = sample_set__samples(sampler->samples, &n);
	int err;

	sampler->cpu_share = cpu_share(sampler, &now);
	err = window__run(sampler->window, &limits, samples, n, &times, error);
	sample_set__bury(sampler->samples, sampler->totals.verdicts);
	if (!err && stack_sums__grow(&sampler->sums, &pools))
		err = error__set(error, -ENOMEM, "failed to record: out of memory");
	cost_ns = hits_cost_ns(sampler, &times.opened, &times.closed);
	weigh(sampler, &times, cost_ns);
	if (!err && stack_sums__add_allocated(&sampler->sums, &pools, sampler->weight)) {
		sampler->native_ns = 0;
		add_outlived(sampler);
		add_samples(sampler, times.held.now_ns);
	}
	account(sampler, &times, granted, cost_ns);
	return err;
}

/* --- looking at samples ------------------------------------------------------------------------------ */

static uint64_t look_again_ns(struct sampler *sampler, const struct sample *sample, uint64_t now)
{
	uint64_t age = now - sample->birth_ns, pause = age * (1 + 2 * random_share(sampler)) / 3;

	if (sample->block.verdict == VERDICT_UNDECIDED || pause < FIRST_LOOK_NS)
		pause = FIRST_LOOK_NS;
	return now + (pause < LAST_LOOK_NS ? pause : LAST_LOOK_NS);
}

/* Those that were looked at lived before. */
static void revive(struct inspected *const *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (verdict__is_dead(blocks[i]->verdict))
			blocks[i]->verdict = VERDICT_ALIVE;
}

/* Where the target has begun to end meanwhile, what was seen says nothing: no pools, or what is freed then.
 */
static int inspect(struct sampler *sampler, struct inspected **blocks, size_t n)
{
	int err = inspector__inspect(sampler->inspector, blocks, n);

	if (!err && (!target__has_memory(sampler->target) || sampler__is_over(sampler)))
		err = -ESRCH;
	if (err)
		revive(blocks, n);
	return err;
}

static int inspect_due(struct sampler *sampler, uint64_t now, bool all)
{
	size_t n, n_due = 0;
	struct sample *samples = sample_set__samples(sampler->samples, &n);
	struct inspected **due = calloc(n + 1, sizeof(*due));
	int err;

	if (!due)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (all || samples[i].look_ns <= now)
			due[n_due++] = &samples[i].block;
	err = inspect(sampler, due, n_due);
	free(due);
	return err;
}

/* Looks at the samples that are due, or at all. */
static int look(struct sampler *sampler, uint64_t now, bool all)
{
	size_t n;
	struct sample *samples = sample_set__samples(sampler->samples, &n);
	uint64_t gathered_ns;
	int err = inspect_due(sampler, now, all);

	/* Not at once again. */
	sampler->next_look_ns = err ? now + LOOK_TICK_NS : UINT64_MAX;
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (all || samples[i].look_ns <= now)
			samples[i].look_ns = look_again_ns(sampler, &samples[i], now);
		if (samples[i].look_ns < sampler->next_look_ns)
			sampler->next_look_ns = samples[i].look_ns;
	}
	/* Each run of the reader costs as much as a hundred samples in it. */
	gathered_ns = now + FIRST_LOOK_NS + LOOK_TICK_NS * random_share(sampler);
	if (sampler->next_look_ns < gathered_ns)
		sampler->next_look_ns = gathered_ns;
	sample_set__bury(sampler->samples, sampler->totals.verdicts);
	samples = sample_set__samples(sampler->samples, &n);
	return sample_types__meet(sampler->types, samples, n);
}

/* --- the module -------------------------------------------------------------------------------------- */

static int start_clocks(struct sampler *sampler, struct error *error)
{
	pid_t pid = target__pid(sampler->target);
	clockid_t target_clock;
	int err = clock_getcpuclockid(pid, &target_clock);

	if (err)
		return error__set(error, -err, "failed to read the CPU time of process %d: %s", pid,
				  strerror(err));
	err = window__new(sampler->session, sampler->inspector, target_clock, &sampler->window);
	if (err)
		return error__set(error, err, "failed to record: out of memory");
	sampler->first = sampler->last = window__read_clocks(sampler->window);
	sampler->first_tracer_ns = sampler->last_tracer_ns = tracer_ns();
	sampler->random = sampler->first.now_ns | 1;
	return 0;
}

static int start(struct sampler *sampler, bool at_start, struct error *error)
{
	const struct governor_options options = {
		.overhead = sampler->options.overhead,
		.window_max_ns = sampler->options.window_max_ns,
	};
	int err;

	sampler->samples = sample_set__new(MAX_SAMPLES);
	sampler->types = sample_types__new(sampler->reader, sampler->python);
	if (!sampler->samples || !sampler->types ||
	    inspector__new(sampler->target, sampler->reader, &sampler->python->runtime, &sampler->inspector))
		return error__set(error, -ENOMEM, "failed to record: out of memory");
	err = start_clocks(sampler, error);
	if (err)
		return err;
	governor__init(&sampler->governor, &options);
	sampler->run_ns = FIRST_RUN_NS;
	sampler->census_part = at_start ? CENSUS_PART_FROM_START : CENSUS_PART;
	sampler->cpu_share = 1;
	sampler->begin_ns = sampler->first.now_ns + BEGIN_NS * (1 + 2 * random_share(sampler));
	sampler->next_look_ns = UINT64_MAX;
	/* Before its start a program holds nothing. */
	err = at_start ? 0 : count_heap(sampler, sampler->first_census);
	if (err)
		return error__set(error, err, "failed to count the heap of process %d: %s",
				  target__pid(sampler->target), strerror(-err));
	memcpy(sampler->last_census, sampler->first_census, sizeof(sampler->last_census));
	sampler->stock_ns = now_ns();
	return 0;
}

int sampler__new(const struct sampling_options *options, struct session *session, const struct target *target,
		 struct memory_reader *reader, const struct python *python, bool at_start,
		 struct sampler **ret_sampler, struct error *error)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));
	int err;

	if (!sampler)
		return error__set(error, -ENOMEM, "failed to record: out of memory");
	sampler->options = *options;
	sampler->session = session;
	sampler->target = target;
	sampler->reader = reader;
	sampler->python = python;
	err = start(sampler, at_start, error);
	if (err) {
		sampler__free(sampler);
		return err;
	}
	*ret_sampler = sampler;
	return 0;
}

void sampler__free(struct sampler *sampler)
{
	if (!sampler)
		return;
	window__free(sampler->window);
	inspector__free(sampler->inspector);
	sample_set__free(sampler->samples);
	sample_types__free(sampler->types);
	estimate__free(sampler->estimate);
	stack_sums__free(&sampler->sums);
	free(sampler);
}

static struct governor_window next_window(struct sampler *sampler)
{
	struct window_reading now = window__read_clocks(sampler->window);
	struct governor_window next =
		governor__next(&sampler->governor, now.now_ns, cpu_share(sampler, &now), sampler->draw);

	if (next.start_ns < sampler->begin_ns)
		next.start_ns = sampler->begin_ns;
	return next;
}

int sampler__wait_ms(struct sampler *sampler)
{
	uint64_t next = next_window(sampler).start_ns, now = now_ns();

	if (sampler->next_look_ns < next)
		next = sampler->next_look_ns;
	if (next <= now)
		return 0;
	return next - now < INT_MAX * 1000000ull ? (next - now) / 1000000 + 1 : INT_MAX;
}

/* Before the first window: a program that is recorded from its start should not have to wait for it. */
static int measure_trap(struct sampler *sampler, struct error *error)
{
	int err = sampler->totals.trap_ns > 0 ? 0
					      : session__trap_ns(sampler->session, &sampler->totals.trap_ns);

	return err ? error__set(error, err, "failed to measure what a probe costs: %s", strerror(-err)) : 0;
}

int sampler__run(struct sampler *sampler, struct error *error)
{
	struct governor_window granted = next_window(sampler);
	uint64_t now = now_ns();
	int err;

	if (now >= sampler->next_look_ns)
		look(sampler, now, false);
	if (now >= sampler->next_census_ns)
		count_heap(sampler, sampler->last_census);
	if (now < granted.start_ns)
		return 0;
	err = measure_trap(sampler, error);
	return err ? err : run_window(sampler, &granted, error);
}

static struct estimate_sample as_estimate_sample(const struct sampler *sampler, const struct sample *sample)
{
	return (struct estimate_sample){
		.stack_id = sample->stack_id,
		.window = sample->window,
		.age_ns = sampler->stock_ns > sample->birth_ns ? sampler->stock_ns - sample->birth_ns : 0,
		.weight = sample->weight,
		.type = sample_types__number(sampler->types, sample),
		.size_class = sample->block.bytes / 16 - 1,
	};
}

static int make_estimate(struct sampler *sampler, struct estimate **ret_estimate)
{
	const struct estimate_options options = {
		.min_age_ns = sampler->options.older_ns ?: sampler->options.min_age_ns,
	};
	int64_t growth[ESTIMATE_CLASSES];
	struct estimate_sample *samples;
	size_t n;
	const struct sample *alive = sample_set__samples(sampler->samples, &n);
	int err;

	samples = calloc(n + 1, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		samples[i] = as_estimate_sample(sampler, &alive[i]);
	for (int i = 0; i < ESTIMATE_CLASSES; i++)
		growth[i] = sampler->last_census[i] - sampler->first_census[i];
	err = estimate__make(samples, n, growth, &options, ret_estimate);
	free(samples);
	return err;
}

int sampler__take_stock(struct sampler *sampler)
{
	struct estimate *estimate;
	uint64_t now = now_ns();
	int err;

	if (!sampler__is_over(sampler) && !look(sampler, now, true)) {
		size_t n;
		const struct sample *samples = sample_set__samples(sampler->samples, &n);

		sample_types__meet_again(sampler->types, samples, n);
		count_heap(sampler, sampler->last_census);
	}
	sampler->stock_ns = now;
	err = make_estimate(sampler, &estimate);
	if (err)
		return err;
	estimate__free(sampler->estimate);
	sampler->estimate = estimate;
	return 0;
}

const struct estimate *sampler__estimate(const struct sampler *sampler)
{
	return sampler->estimate;
}

const char *sampler__type_name(const struct sampler *sampler, uint32_t type)
{
	return sample_types__name(sampler->types, type);
}

uint64_t sampler_totals__lost(const struct sampler_totals *totals)
{
	uint64_t lost = 0;

	for (int verdict = VERDICT_FREED + 1; verdict < VERDICTS; verdict++)
		lost += totals->verdicts[verdict];
	return lost;
}

struct sampler_totals sampler__totals(const struct sampler *sampler)
{
	struct sampler_totals totals = sampler->totals;
	uint64_t now = now_ns();
	size_t n;

	sample_set__samples(sampler->samples, &n);
	totals.verdicts[VERDICT_ALIVE] = n;
	totals.tracer_ns = tracer_ns() - sampler->first_tracer_ns;
	totals.target_ns = sampler->last.target_ns - sampler->first.target_ns;
	totals.cost = (sampler->cost_ns + totals.tracer_ns) / (now - sampler->first.now_ns + 1.0);
	totals.recent_cost = governor__cost(&sampler->governor, now);
	return totals;
}

struct stack_sum sampler__sum(const struct sampler *sampler, uint32_t stack_id)
{
	return stack_sums__of(&sampler->sums, stack_id);
}
