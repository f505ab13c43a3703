// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Holds what sampled mode says of its samples to the truth: survival -p PID -d SECONDS [-o PERCENT].
 *
 * The sampler runs as in a recording, and all the while another program sees every free (frees.bpf.c). In the
 * end a sample is alive in truth if its address was not freed since its window was held; what the sampler
 * says is where it has it: among the living, or buried with a verdict. To see that, the calls of the sampler
 * to its set of samples are led through here by the linker (--wrap).
 *
 * Blocks are compared, because frees of blocks are what can be traced. CPython keeps some dead objects on
 * free lists of its own (floats, tuples, lists, dicts, frames) without giving the block back: such a block is
 * alive for the tracing and rightly not for linger, which reports objects. They are told apart.
 *
 * What is freed while all samples are looked at for the last time may be judged either way and is left out.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "clock.h"
#include "frees.h"
#include "frees.skel.h"
#include "memory_reader.h"
#include "probe_plan.h"
#include "probes.h"
#include "python.h"
#include "sample_set.h"
#include "sampler.h"
#include "session.h"
#include "stats_json.h"
#include "target.h"

#define TICK_MS 100
#define TYPE_NAME 24 /* PyTypeObject.tp_name */
#define MAX_NAME_BYTES 64

/* A sample and what was said of it last. */
struct judged {
	uint64_t address, birth_ns, judged_ns;
	uint64_t type; /* address; 0: no Python object, or dead when it was first looked at */
	uint32_t window;
	uint16_t bytes;
	uint8_t verdict;
};

static struct {
	struct sample_set *set;
	struct judged *buried;
	size_t n_buried, capacity;
	bool is_short_of_memory;
} seen;

struct survival {
	struct target *target;
	struct memory_reader *reader;
	struct kernel_features features;
	struct python python;
	struct probe_plan plan;
	struct session *session;
	struct sampler *sampler;
	struct frees_bpf *frees;
	struct links links;
	uint64_t stock_ns;
};

/* --- what the sampler says --------------------------------------------------------------------------- */

void __real_sample_set__bury(struct sample_set *set, uint64_t verdicts[VERDICTS]);
void __wrap_sample_set__bury(struct sample_set *set, uint64_t verdicts[VERDICTS]);

static struct judged as_judged(const struct sample *sample, uint64_t judged_ns)
{
	return (struct judged){
		.address = sample->block.address,
		.birth_ns = sample->birth_ns,
		.judged_ns = judged_ns,
		.type = sample->block.print.type,
		.window = sample->window,
		.bytes = sample->block.bytes,
		.verdict = sample->block.verdict,
	};
}

static void keep_buried(const struct sample *sample, uint64_t now)
{
	if (seen.n_buried == seen.capacity) {
		size_t capacity = seen.capacity ? seen.capacity * 2 : 4096;
		struct judged *grown = reallocarray(seen.buried, capacity, sizeof(*grown));

		seen.is_short_of_memory |= !grown;
		if (!grown)
			return;
		seen.buried = grown;
		seen.capacity = capacity;
	}
	seen.buried[seen.n_buried++] = as_judged(sample, now);
}

void __wrap_sample_set__bury(struct sample_set *set, uint64_t verdicts[VERDICTS])
{
	uint64_t now = now_ns();
	size_t n;
	const struct sample *samples = sample_set__samples(set, &n);

	seen.set = set;
	for (size_t i = 0; i < n; i++)
		if (verdict__is_dead(samples[i].block.verdict))
			keep_buried(&samples[i], now);
	__real_sample_set__bury(set, verdicts);
}

/* --- running ----------------------------------------------------------------------------------------- */

static int inspect(struct survival *survival, pid_t pid, struct error *error)
{
	int err = target__open(pid, &survival->target, error);

	kernel__probe(&survival->features);
	if (!err)
		err = kernel__check(&survival->features, error);
	if (!err)
		err = memory_reader__open(pid, &survival->reader, error);
	if (!err)
		err = python__inspect(survival->target, survival->reader, &survival->python, error);
	if (err)
		return err;
	err = probe_plan__make(survival->python.image, true, survival->python.code_dealloc, &survival->plan);
	return err ? error__set(error, err, "failed to find pymalloc: %s", strerror(-err)) : 0;
}

static int attach_frees(struct survival *survival, pid_t pid, struct error *error)
{
	struct probe_set pushes = {.image = survival->python.image};
	int err;

	survival->frees = frees_bpf__open_and_load();
	if (!survival->frees)
		return error__set(error, -errno, "failed to load the program that sees frees: %s",
				  strerror(errno));
	pushes.program = survival->frees->progs.see_free;
	for (size_t i = 0; i < survival->plan.n_sites; i++)
		if (survival->plan.sites[i].cookie.kind == SITE_PUSH)
			probe_set__add(&pushes, survival->plan.sites[i].address,
				       survival->plan.sites[i].cookie.value);
	err = probe_set__attach(&pushes, pid, &survival->links);
	probe_set__free(&pushes);
	return err ? error__set(error, err, "failed to attach to the frees: %s", strerror(-err)) : 0;
}

static int open_all(struct survival *survival, pid_t pid, double overhead, struct error *error)
{
	const struct sampling_options sampling = {
		.overhead = overhead,
		.window_max_ns = 20000000,
		.min_age_ns = 10000000000,
	};
	int err = inspect(survival, pid, error);
	const struct session_options options = {
		.features = &survival->features,
		.python = &survival->python,
		.plan = &survival->plan,
		.pid = pid,
		.tgid = err ? 0 : memory_reader__tgid(survival->reader),
		.sampled = true,
	};

	if (!err)
		err = attach_frees(survival, pid, error);
	if (!err)
		err = session__open(&options, &survival->session, error);
	if (err)
		return err;
	session__start(survival->session);
	return sampler__new(&sampling, survival->session, survival->target, survival->reader,
			    &survival->python, false, &survival->sampler, error);
}

static void close_all(struct survival *survival)
{
	sampler__free(survival->sampler);
	session__free(survival->session);
	links__close(&survival->links);
	frees_bpf__destroy(survival->frees);
	probe_plan__free(&survival->plan);
	python__free(&survival->python);
	memory_reader__free(survival->reader);
	target__free(survival->target);
	free(seen.buried);
}

static void set_phase(struct survival *survival, enum frees_phase phase)
{
	__atomic_store_n(&survival->frees->bss->phase, phase, __ATOMIC_SEQ_CST);
}

static int sample(struct survival *survival, double seconds, struct error *error)
{
	uint64_t end_ns = now_ns() + seconds * 1e9;
	int err = 0;

	while (!err && now_ns() < end_ns) {
		int wait_ms = sampler__wait_ms(survival->sampler);

		usleep((wait_ms < TICK_MS ? wait_ms : TICK_MS) * 1000);
		err = sampler__run(survival->sampler, error);
	}
	if (err)
		return err;
	set_phase(survival, FREES_DOUBTFUL);
	survival->stock_ns = now_ns();
	err = sampler__take_stock(survival->sampler);
	set_phase(survival, FREES_IGNORED);
	if (!err && !target__is_alive(survival->target))
		err = -ESRCH;
	return err ? error__set(error, err, "failed to look at the samples: %s", strerror(-err)) : 0;
}

/* --- comparing --------------------------------------------------------------------------------------- */

enum outcome {
	KEPT,           /* alive, and said to be */
	BURIED,         /* freed, and said to be dead */
	DOUBTFUL,       /* freed while the samples were looked at for the last time */
	FALSE_SURVIVOR, /* freed, and said to be alive */
	FREE_LIST,      /* never freed, but on a free list of the interpreter */
	MISSED,         /* alive, and said to be dead */
	OUTCOMES,
};

static const char *const outcome_names[OUTCOMES] = {"kept",      "buried", "doubtful", "false_survivors",
						    "free_list", "missed"};

struct comparison {
	uint64_t n[OUTCOMES];
	json_t *cases[OUTCOMES]; /* of those that ask for an explanation */
};

static enum outcome compare(const struct survival *survival, const struct judged *judged)
{
	struct free_times times = {};
	bool is_dead = verdict__is_dead(judged->verdict);

	bpf_map_lookup_elem(bpf_map__fd(survival->frees->maps.frees), &judged->address, &times);
	if (times.certain_ns > judged->birth_ns)
		return is_dead ? BURIED : FALSE_SURVIVOR;
	if (times.doubtful_ns)
		return DOUBTFUL;
	if (!is_dead)
		return KEPT;
	return judged->verdict == VERDICT_FREED ? FREE_LIST : MISSED;
}

static void read_type_name(const struct survival *survival, uint64_t type, char name[MAX_NAME_BYTES])
{
	uint64_t address;

	strcpy(name, type ? "?" : "of no type");
	if (!type || memory_reader__read(survival->reader, type + TYPE_NAME, &address, sizeof(address)) ||
	    memory_reader__read(survival->reader, address, name, MAX_NAME_BYTES))
		return;
	name[MAX_NAME_BYTES - 1] = '\0';
}

static json_t *explain(const struct survival *survival, const struct judged *judged)
{
	char name[MAX_NAME_BYTES];

	read_type_name(survival, judged->type, name);
	return json_pack("{so si ss si sf}", "type", stats_json__text(name), "bytes", judged->bytes,
			 "verdict", verdict__name(judged->verdict), "later_windows",
			 (int)(sampler__totals(survival->sampler).windows - 1 - judged->window), "age_s",
			 (judged->judged_ns - judged->birth_ns) / 1e9);
}

static void count(const struct survival *survival, const struct judged *judged, struct comparison *comparison)
{
	enum outcome outcome = compare(survival, judged);

	comparison->n[outcome]++;
	if (outcome >= FALSE_SURVIVOR)
		json_array_append_new(comparison->cases[outcome], explain(survival, judged));
}

static void compare_all(const struct survival *survival, struct comparison *comparison)
{
	size_t n = 0;
	const struct sample *alive = seen.set ? sample_set__samples(seen.set, &n) : NULL;

	for (int outcome = FALSE_SURVIVOR; outcome < OUTCOMES; outcome++)
		comparison->cases[outcome] = json_array();
	for (size_t i = 0; i < seen.n_buried; i++)
		count(survival, &seen.buried[i], comparison);
	for (size_t i = 0; i < n; i++) {
		const struct judged judged = as_judged(&alive[i], survival->stock_ns);

		count(survival, &judged, comparison);
	}
}

/* --- the report -------------------------------------------------------------------------------------- */

static uint64_t missed_runs(const struct survival *survival)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	bpf_prog_get_info_by_fd(bpf_program__fd(survival->frees->progs.see_free), &info, &len);
	return info.recursion_misses;
}

static json_t *make_report(const struct survival *survival, const struct comparison *comparison)
{
	struct sampler_totals totals = sampler__totals(survival->sampler);
	struct linger_counters counters = {};
	json_t *report;

	session__counters(survival->session, LINGER_DOMAIN_OBJECT, &counters);
	report = json_pack("{ss sI sI sI sI sI sI sI sI}", "python", survival->python.version, "windows",
			   (json_int_t)totals.windows, "allocations", (json_int_t)counters.recorded_allocs,
			   "dropped_allocations",
			   (json_int_t)(counters.seen_allocs - counters.recorded_allocs), "samples",
			   (json_int_t)totals.samples, "thinned", (json_int_t)totals.thinned, "frees_seen",
			   (json_int_t)survival->frees->bss->n_frees, "frees_lost",
			   (json_int_t)(survival->frees->bss->n_failed + missed_runs(survival)), "sites",
			   (json_int_t)survival->plan.n_pushes);
	for (int outcome = 0; outcome < OUTCOMES; outcome++)
		json_object_set_new(report, outcome_names[outcome], json_integer(comparison->n[outcome]));
	for (int outcome = FALSE_SURVIVOR; outcome < OUTCOMES; outcome++) {
		char name[32];

		snprintf(name, sizeof(name), "%s_cases", outcome_names[outcome]);
		json_object_set_new(report, name, comparison->cases[outcome]);
	}
	return report;
}

static int run(struct survival *survival, pid_t pid, double seconds, double overhead, struct error *error)
{
	struct comparison comparison = {};
	json_t *report;
	int err = open_all(survival, pid, overhead, error);

	if (!err)
		err = sample(survival, seconds, error);
	if (err)
		return err;
	if (seen.is_short_of_memory)
		return error__set(error, -ENOMEM, "failed to keep what was judged: out of memory");
	compare_all(survival, &comparison);
	report = make_report(survival, &comparison);
	json_dumpf(report, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(report);
	return 0;
}

int main(int argc, char **argv)
{
	struct survival survival = {};
	struct error error = {};
	double seconds = 10, percent = 10;
	pid_t pid = 0;
	int option, err;

	while ((option = getopt(argc, argv, "p:d:o:")) != -1) {
		if (option == 'p')
			pid = atoi(optarg);
		else if (option == 'd')
			seconds = atof(optarg);
		else if (option == 'o')
			percent = atof(optarg);
	}
	if (pid <= 0) {
		fprintf(stderr, "usage: survival -p PID -d SECONDS [-o PERCENT]\n");
		return 2;
	}
	err = run(&survival, pid, seconds, percent / 100, &error);
	if (err)
		fprintf(stderr, "survival: %s\n", error.message);
	close_all(&survival);
	return err ? 1 : 0;
}
