// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probes.h"
#include "trace.skel.h"
#include "tracepoint.h"
#include "trap_cost.h"

#define MAX_STACKS (64u << 10)
#define MAX_FRAMES (2u << 20)
#define MAX_CODES (32u << 10)
#define MAX_CHUNKS (384u << 10)
#define RING_BYTES (4u << 20)
#define RAW_BLOCKS_PER_MIB 512 /* of room: blocks of 2 KiB on average */
#define MAX_RAW_BUCKETS (32u << 10)
#define WINDOW_BUCKETS (8u << 10)
#define FOLLOWED_IN_BUCKET (LINGER_BUCKET_SLOTS - 2) /* the window's own blocks need room too */

/* The sets of probes for blocks, in the order in which they are attached. */
enum {
	PROBES_RAW_RETURN, /* first: a call that is seen to begin is then seen to end */
	PROBES_RAW_ENTRY,
	PROBES_OBJECT,
	PROBES,
};

struct session {
	struct trace_bpf *skeleton;
	pid_t pid;
	bool sampled;
	bool has_multi; /* uprobe_multi */
	struct links links;
	struct links slow_links; /* closing one waits for a grace period of the kernel */
	struct links window_links;
	struct probe_set probes[PROBES];
	const char *paths[PROBES]; /* of the files that they are in */
	struct ring_buffer *ring;
	struct trace_state *state;
	struct linger_stack *stacks;
	uint64_t *frames;
	struct linger_code *codes;
	char *text;
	struct block_bucket *buckets; /* sampled mode only */
	void (*take)(const struct mapping_event *event, void *arg);
	void *take_arg;
};

/* --- loading ----------------------------------------------------------------------------------------- */

/* Places in the buckets for a quarter of the raw blocks that there is room for. A power of two. */
static uint32_t n_buckets(const struct session_options *options)
{
	uint32_t buckets = 1, wanted = options->live_max_mib * RAW_BLOCKS_PER_MIB / LINGER_BUCKET_SLOTS / 4;

	if (options->sampled)
		return WINDOW_BUCKETS;
	while (buckets < MAX_RAW_BUCKETS && buckets < wanted)
		buckets *= 2;
	return buckets;
}

static void size_maps(struct trace_bpf *skeleton, const struct session_options *options)
{
	if (!options->sampled && options->plan->n_pushes)
		bpf_map__set_max_entries(skeleton->maps.live_set,
					 ((uint64_t)options->live_max_mib << 20) / LINGER_STRETCH_BYTES + 1);
	if (!options->sampled && options->raw_plan)
		bpf_map__set_max_entries(skeleton->maps.spilled_blocks,
					 (uint64_t)options->live_max_mib * RAW_BLOCKS_PER_MIB);
	if (options->sampled || options->raw_plan)
		bpf_map__set_max_entries(skeleton->maps.block_buckets, n_buckets(options));
	bpf_map__set_max_entries(skeleton->maps.stacks, MAX_STACKS);
	bpf_map__set_max_entries(skeleton->maps.stack_info, MAX_STACKS);
	bpf_map__set_max_entries(skeleton->maps.frame_pool, MAX_FRAMES);
	bpf_map__set_max_entries(skeleton->maps.codes, MAX_CODES);
	bpf_map__set_max_entries(skeleton->maps.code_info, MAX_CODES);
	bpf_map__set_max_entries(skeleton->maps.text_pool, MAX_CHUNKS);
	bpf_map__set_max_entries(skeleton->maps.mapping_events, RING_BYTES);
}

static void configure(struct trace_bpf *skeleton, const struct session_options *options)
{
	struct frame_extent extent = python__frame_extent(&options->python->layout);

	skeleton->rodata->linger_config = (struct trace_config){
		.tgid = options->tgid,
		.pool_bytes = options->python->runtime.pool_bytes,
		.max_stacks = MAX_STACKS,
		.max_frames = MAX_FRAMES,
		.max_codes = MAX_CODES,
		.max_chunks = MAX_CHUNKS,
		.current_tstate = options->python->current_tstate,
		.tstate_thread_id = options->python->runtime.thread_id,
		.finalizing = options->python->finalizing,
		.thread_key = options->python->thread_key,
		.block_buckets = n_buckets(options),
		.sampled = options->sampled,
		.thread_library = options->python->thread_library,
		.frame_start = extent.start,
		.frame_bytes = extent.bytes,
		.py = options->python->layout,
	};
}

static bool is_probe_program(const struct bpf_program *program)
{
	return !strcmp(bpf_program__section_name(program), "uprobe");
}

/* Loads what will be attached and nothing else: verifying a program takes a while. */
static void choose_programs(struct trace_bpf *skeleton, const struct session_options *options)
{
	bool multi = options->features->list[FEATURE_UPROBE_MULTI].present;
	struct bpf_program *program;

	bpf_object__for_each_program(program, skeleton->obj)
	{
		if (is_probe_program(program) && multi)
			bpf_program__set_expected_attach_type(program, BPF_TRACE_UPROBE_MULTI);
	}
	bpf_program__set_autoload(skeleton->progs.mapping_enter, options->mappings);
	bpf_program__set_autoload(skeleton->progs.mapping_exit, options->mappings);
	bpf_program__set_autoload(skeleton->progs.pymalloc_site, options->plan->n_pushes);
	bpf_program__set_autoload(skeleton->progs.raw_entry, options->raw_plan);
	bpf_program__set_autoload(skeleton->progs.raw_return, options->raw_plan);
}

static void *map_pool(const struct bpf_map *map, size_t bytes, int protection)
{
	void *memory = mmap(NULL, bytes, protection, MAP_SHARED, bpf_map__fd(map), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int map_pools(struct session *session)
{
	struct trace_bpf *skeleton = session->skeleton;

	session->state =
		map_pool(skeleton->maps.trace_state, sizeof(*session->state), PROT_READ | PROT_WRITE);
	session->stacks =
		map_pool(skeleton->maps.stack_info, MAX_STACKS * sizeof(*session->stacks), PROT_READ);
	session->frames =
		map_pool(skeleton->maps.frame_pool, MAX_FRAMES * sizeof(*session->frames), PROT_READ);
	session->codes = map_pool(skeleton->maps.code_info, MAX_CODES * sizeof(*session->codes), PROT_READ);
	session->text = map_pool(skeleton->maps.text_pool, (size_t)MAX_CHUNKS * LINGER_TEXT_CHUNK, PROT_READ);
	if (session->sampled)
		session->buckets =
			map_pool(skeleton->maps.block_buckets, WINDOW_BUCKETS * sizeof(*session->buckets),
				 PROT_READ | PROT_WRITE);
	if (!session->state || !session->stacks || !session->frames || !session->codes || !session->text ||
	    (session->sampled && !session->buckets))
		return -ENOMEM;
	session->state->next_stack = LINGER_FIRST_STACK;
	session->state->next_code = LINGER_NO_CODE + 1;
	return 0;
}

static int take_mapping(void *arg, void *data, size_t size)
{
	struct session *session = arg;

	if (size >= sizeof(struct mapping_event) && session->take)
		session->take(data, session->take_arg);
	return 0;
}

static int load(struct session *session, const struct session_options *options, struct error *error)
{
	int err;

	session->skeleton = trace_bpf__open();
	if (!session->skeleton)
		return error__set(error, -errno, "failed to open the BPF programs: %s", strerror(errno));
	size_maps(session->skeleton, options);
	configure(session->skeleton, options);
	choose_programs(session->skeleton, options);
	err = trace_bpf__load(session->skeleton);
	if (err) {
		error__set(error, err, "failed to load the BPF programs: %s", strerror(-err));
		if (err == -ENOMEM)
			error__hint(error,
				    "a memory limit, of a container say, has to leave room for the kernel's "
				    "tables as well: where there is more, '-v' tells how much they take");
		else
			error__hint(error,
				    "'linger doctor' shows what this kernel lacks; '-v' shows the kernel's "
				    "own words");
		return err;
	}
	err = map_pools(session);
	session->ring = ring_buffer__new(bpf_map__fd(session->skeleton->maps.mapping_events), take_mapping,
					 session, NULL);
	if (err || !session->ring)
		return error__set(error, -ENOMEM, "failed to map the kernel's pools: out of memory");
	return 0;
}

/* --- attaching --------------------------------------------------------------------------------------- */

/*
 * Putting a probe in and taking it out stops the processors that run the target for some microseconds. The
 * slow path has as many sites as all pops and serves one allocation in a hundred; windows do without it, as
 * those that it serves are no different from their neighbours of the same pool. Where the fast path is not
 * copied, all allocations come out of a function like the slow one.
 */
static bool is_block_site(const struct session *session, const struct probe_plan *plan,
			  const struct probe_site *site)
{
	if (site_kind__is_of_interpreter(site->cookie.kind))
		return false;
	return !session->sampled || site->cookie.kind != SITE_SLOW_RESULT || !plan->n_pops;
}

static void plan_objects(struct session *session, const struct session_options *options)
{
	struct probe_set *objects = &session->probes[PROBES_OBJECT];

	*objects = (struct probe_set){
		.program = session->skeleton->progs.pymalloc_site,
		.image = options->python->image,
	};
	session->paths[PROBES_OBJECT] = options->python->path;
	for (size_t i = 0; i < options->plan->n_sites; i++)
		if (is_block_site(session, options->plan, &options->plan->sites[i]))
			probe_set__add(objects, options->plan->sites[i].address,
				       options->plan->sites[i].cookie.value);
}

static void plan_raw(struct session *session, const struct session_options *options)
{
	struct probe_set *returns = &session->probes[PROBES_RAW_RETURN];
	struct probe_set *entries = &session->probes[PROBES_RAW_ENTRY];
	const struct raw_plan *plan = options->raw_plan;

	*returns = (struct probe_set){
		.program = session->skeleton->progs.raw_return,
		.image = options->raw_image,
		.returns = true,
	};
	*entries = (struct probe_set){
		.program = session->skeleton->progs.raw_entry,
		.image = options->raw_image,
	};
	session->paths[PROBES_RAW_RETURN] = session->paths[PROBES_RAW_ENTRY] = options->raw_path;
	for (size_t i = 0; plan && i < plan->n_sites; i++) {
		probe_set__add(entries, plan->sites[i].address, plan->sites[i].cookie.value);
		if (plan->sites[i].returns)
			probe_set__add(returns, plan->sites[i].address, 0);
	}
}

static int attach_probes(struct session *session, const struct probe_set *set, struct links *links)
{
	return session->has_multi ? probe_set__attach(set, session->pid, links)
				  : probe_set__attach_singly(set, session->pid, &session->slow_links);
}

static int attach_failed(struct error *error, int err, const char *path)
{
	error__set(error, err, "failed to attach probes to '%s': %s", path, strerror(-err));
	if (err == -EINVAL)
		error__hint(error, "another tool may hold probes there that exclude others, as memleak of "
				   "libbpf-tools does; 'dmesg' tells");
	return err;
}

static int attach_blocks(struct session *session, struct links *links, struct error *error)
{
	for (int i = 0; i < PROBES; i++) {
		int err = attach_probes(session, &session->probes[i], links);

		if (err)
			return attach_failed(error, err, session->paths[i]);
	}
	return 0;
}

static int attach_interpreter(struct session *session, const struct session_options *options)
{
	struct probe_set set = {
		.program = session->skeleton->progs.interpreter_site,
		.image = options->python->image,
	};
	int err;

	for (size_t i = 0; i < options->plan->n_sites; i++)
		if (site_kind__is_of_interpreter(options->plan->sites[i].cookie.kind))
			probe_set__add(&set, options->plan->sites[i].address,
				       options->plan->sites[i].cookie.value);
	err = attach_probes(session, &set, &session->links);
	probe_set__free(&set);
	return err;
}

static int attach_tracepoint(struct session *session, struct bpf_program *program, const char *name)
{
	int fd = tracepoint__open("syscalls", name);
	struct bpf_link *link;

	if (fd < 0)
		return fd;
	link = bpf_program__attach_perf_event(program, fd);
	if (!link)
		close(fd);
	return links__add(&session->slow_links, link);
}

static int attach_mappings(struct session *session)
{
	static const char *const calls[] = {"mmap", "munmap", "mremap", "brk"};
	int err = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++) {
		char enter[32], exit[32];

		snprintf(enter, sizeof(enter), "sys_enter_%s", calls[i]);
		snprintf(exit, sizeof(exit), "sys_exit_%s", calls[i]);
		err = attach_tracepoint(session, session->skeleton->progs.mapping_enter, enter);
		if (!err)
			err = attach_tracepoint(session, session->skeleton->progs.mapping_exit, exit);
	}
	return err;
}

static int attach_life_cycle(struct session *session)
{
	int err = links__add(&session->links, bpf_program__attach(session->skeleton->progs.process_exec));

	return err ?: links__add(&session->links, bpf_program__attach(session->skeleton->progs.process_fork));
}

static int attach(struct session *session, const struct session_options *options, struct error *error)
{
	int err = attach_life_cycle(session);

	if (err)
		return error__set(error, err, "failed to watch process %d for exec and fork: %s",
				  options->pid, strerror(-err));
	err = attach_interpreter(session, options);
	if (err)
		return attach_failed(error, err, options->python->path);
	plan_raw(session, options);
	plan_objects(session, options);
	err = session->sampled ? 0 : attach_blocks(session, &session->links, error);
	if (err || !options->mappings)
		return err;
	err = attach_mappings(session);
	if (err)
		error__set(error, err, "failed to attach to the mapping system calls: %s", strerror(-err));
	if (err == -E2BIG)
		error__hint(error,
			    "the kernel lets 64 programs attach to a system call, so no more recordings of "
			    "mappings at a time; record this process with '--domain object,raw'");
	return err;
}

/* --- the module -------------------------------------------------------------------------------------- */

int session__open(const struct session_options *options, struct session **ret_session, struct error *error)
{
	struct session *session = calloc(1, sizeof(*session));
	int err;

	if (!session)
		return error__set(error, -ENOMEM, "failed to record: out of memory");
	session->pid = options->pid;
	session->sampled = options->sampled;
	session->has_multi = options->features->list[FEATURE_UPROBE_MULTI].present;
	err = load(session, options, error);
	if (!err)
		err = attach(session, options, error);
	if (err) {
		session__free(session);
		return err;
	}
	*ret_session = session;
	return 0;
}

void session__free(struct session *session)
{
	if (!session)
		return;
	session__detach(session);
	for (int i = 0; i < PROBES; i++)
		probe_set__free(&session->probes[i]);
	ring_buffer__free(session->ring);
	trace_bpf__destroy(session->skeleton);
	free(session);
}

void session__start(struct session *session)
{
	if (!session->sampled)
		session->state->phase = TRACE_ALL;
	__atomic_store_n(&session->state->active, 1, __ATOMIC_SEQ_CST);
}

void session__stop(struct session *session)
{
	__atomic_store_n(&session->state->active, 0, __ATOMIC_SEQ_CST);
}

int session__detach(struct session *session)
{
	int err = links__close(&session->window_links);

	err = links__close(&session->links) ?: err;
	if (session->slow_links.n)
		links__close_slow(&session->slow_links, session->state->late_hits);
	return err;
}

struct session_pools session__pools(const struct session *session)
{
	return (struct session_pools){
		.state = session->state,
		.stacks = session->stacks,
		.frames = session->frames,
		.codes = session->codes,
		.text = session->text,
		.max_stacks = MAX_STACKS,
		.max_frames = MAX_FRAMES,
		.max_codes = MAX_CODES,
		.max_chunks = MAX_CHUNKS,
	};
}

static void add_counters(struct linger_counters *sum, const struct linger_counters *part)
{
	const __u64 *from = (const __u64 *)part;
	__u64 *to = (__u64 *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(__u64); i++)
		to[i] += from[i];
}

static __u64 missed_runs(const struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_program__fd(program) < 0 || bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &len))
		return 0;
	return info.recursion_misses;
}

int session__counters(const struct session *session, enum linger_domain domain,
		      struct linger_counters *ret_counters)
{
	int n_cpus = libbpf_num_possible_cpus(), err;
	struct linger_counters *per_cpu, sum = {};
	__u32 key = domain;

	if (n_cpus < 0)
		return n_cpus;
	per_cpu = calloc(n_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(bpf_map__fd(session->skeleton->maps.counters), &key, per_cpu);
	for (int i = 0; i < n_cpus && !err; i++)
		add_counters(&sum, &per_cpu[i]);
	free(per_cpu);
	if (err)
		return err;
	/* The kernel skips such a program when the CPU was inside another BPF operation. */
	if (domain == LINGER_DOMAIN_MAPPING)
		sum.skipped += missed_runs(session->skeleton->progs.mapping_enter) +
			       missed_runs(session->skeleton->progs.mapping_exit);
	*ret_counters = sum;
	return 0;
}

int session__drain_mappings(struct session *session,
			    void (*take)(const struct mapping_event *event, void *arg), void *arg)
{
	session->take = take;
	session->take_arg = arg;
	return ring_buffer__consume(session->ring);
}

/* --- windows ----------------------------------------------------------------------------------------- */

static void set_phase(struct session *session, enum trace_phase phase)
{
	__atomic_store_n(&session->state->phase, phase, __ATOMIC_SEQ_CST);
}

int session__trap_ns(const struct session *session, double *ret_ns)
{
	return trap_cost__measure(session->skeleton->progs.interpreter_site, ret_ns);
}

void session__clear_window(struct session *session)
{
	memset(session->buckets, 0, WINDOW_BUCKETS * sizeof(*session->buckets));
}

bool session__follow(struct session *session, uint64_t address, struct block_slot *ret_slot)
{
	struct block_bucket *bucket = &session->buckets[block_bucket__index(address, WINDOW_BUCKETS)];

	for (int i = 0; i < FOLLOWED_IN_BUCKET; i++) {
		if (bucket->addresses[i])
			continue;
		bucket->blocks[i].bytes = LINGER_UNKNOWN_BYTES;
		bucket->addresses[i] = address;
		*ret_slot = (struct block_slot){&bucket->addresses[i], &bucket->blocks[i]};
		return true;
	}
	return false;
}

int session__open_window(struct session *session, struct error *error)
{
	session->state->window++;
	return attach_blocks(session, &session->window_links, error);
}

void session__begin_window(struct session *session, uint64_t max_hits)
{
	session->state->hit_limit = session->state->hits + max_hits;
	set_phase(session, TRACE_ALL);
}

void session__hold_window(struct session *session)
{
	set_phase(session, TRACE_FREES);
}

bool session__holds_window(const struct session *session)
{
	return __atomic_load_n(&session->state->phase, __ATOMIC_ACQUIRE) == TRACE_FREES;
}

int session__close_window(struct session *session)
{
	set_phase(session, TRACE_NOTHING);
	return links__close(&session->window_links);
}

const struct block_bucket *session__window_blocks(const struct session *session, size_t *ret_n)
{
	*ret_n = WINDOW_BUCKETS;
	return session->buckets;
}

/* --- memory ------------------------------------------------------------------------------------------ */

static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (file)
		fclose(file);
	return bytes;
}

uint64_t session__kernel_bytes(const struct session *session)
{
	struct bpf_map *map;
	uint64_t bytes = 0;

	bpf_object__for_each_map(map, session->skeleton->obj) bytes += map_bytes(bpf_map__fd(map));
	return bytes;
}
