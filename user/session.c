// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "trace.skel.h"
#include "tracepoint.h"

#define MAX_STACKS (64u << 10)
#define MAX_FRAMES (2u << 20)
#define MAX_CODES (32u << 10)
#define MAX_CHUNKS (384u << 10)
#define RING_BYTES (4u << 20)
#define RAW_BLOCKS_PER_MIB 512 /* of room: blocks of 2 KiB on average */
#define MAX_RAW_BUCKETS (32u << 10)
#define MAX_LINKS 4096
#define RELEASE_DELAY_US 100000

struct links {
	struct bpf_link *list[MAX_LINKS];
	size_t n;
};

struct session {
	struct trace_bpf *skeleton;
	struct links links;
	struct links slow_links; /* letting go of one waits for a grace period of the kernel */
	struct ring_buffer *ring;
	struct trace_state *state;
	struct linger_stack *stacks;
	uint64_t *frames;
	struct linger_code *codes;
	char *text;
	void (*take)(const struct mapping_event *event, void *arg);
	void *take_arg;
};

/* --- loading ----------------------------------------------------------------------------------------- */

/* Places in the buckets for a quarter of the raw blocks that there is room for. A power of two. */
static uint32_t raw_buckets(const struct session_options *options)
{
	uint32_t buckets = 1, wanted = options->live_max_mib * RAW_BLOCKS_PER_MIB / LINGER_RAW_SLOTS / 4;

	while (buckets < MAX_RAW_BUCKETS && buckets < wanted)
		buckets *= 2;
	return buckets;
}

static void size_maps(struct trace_bpf *skeleton, const struct session_options *options)
{
	bpf_map__set_max_entries(skeleton->maps.live_set,
				 ((uint64_t)options->live_max_mib << 20) / LINGER_STRETCH_BYTES + 1);
	if (options->raw_plan) {
		bpf_map__set_max_entries(skeleton->maps.raw_set,
					 (uint64_t)options->live_max_mib * RAW_BLOCKS_PER_MIB);
		bpf_map__set_max_entries(skeleton->maps.raw_buckets, raw_buckets(options));
	}
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
		.raw_buckets = raw_buckets(options),
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
	bpf_program__set_autoload(skeleton->progs.pymalloc_site, options->plan->n_sites);
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
	if (!session->state || !session->stacks || !session->frames || !session->codes || !session->text)
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
		error__hint(
			error,
			"'linger doctor' shows what this kernel lacks; '-v' shows the kernel's own words");
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

static int add_link(struct links *links, struct bpf_link *link)
{
	if (!link)
		return -errno;
	if (links->n == MAX_LINKS) {
		bpf_link__destroy(link);
		return -E2BIG;
	}
	links->list[links->n++] = link;
	return 0;
}

static void destroy_links(struct links *links)
{
	while (links->n)
		bpf_link__destroy(links->list[--links->n]);
}

/* Probes of one program in one file. */
struct probe_set {
	struct bpf_program *program;
	const struct elf_image *image;
	unsigned long *offsets; /* in the file */
	__u64 *cookies;
	size_t n, capacity;
	bool returns; /* on the functions' returns */
	int err;      /* the first that adding a probe met */
};

static int probe_set__grow(struct probe_set *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : 64;
	unsigned long *offsets = reallocarray(set->offsets, capacity, sizeof(*offsets));
	__u64 *cookies = reallocarray(set->cookies, capacity, sizeof(*cookies));

	set->offsets = offsets ?: set->offsets;
	set->cookies = cookies ?: set->cookies;
	if (!offsets || !cookies)
		return -ENOMEM;
	set->capacity = capacity;
	return 0;
}

static void probe_set__add(struct probe_set *set, uint64_t address, __u64 cookie)
{
	uint64_t offset;

	if (!set->err && set->n == set->capacity)
		set->err = probe_set__grow(set);
	if (!set->err)
		set->err = elf_image__offset(set->image, address, &offset);
	if (set->err)
		return;
	set->offsets[set->n] = offset;
	set->cookies[set->n++] = cookie;
}

/* The probed file by descriptor: the same in every mount namespace, whatever its name means by now. */
static void probe_path(const struct probe_set *set, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d", elf_image__fd(set->image));
}

static int attach_multi(struct session *session, pid_t pid, const struct probe_set *set)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = set->offsets, .cookies = set->cookies,
		    .cnt = set->n, .retprobe = set->returns);
	char path[64];

	probe_path(set, path);
	return add_link(&session->links,
			bpf_program__attach_uprobe_multi(set->program, pid, path, NULL, &opts));
}

/* One perf event per site, for kernels before 6.6. */
static int attach_singly(struct session *session, pid_t pid, const struct probe_set *set)
{
	char path[64];
	int err = 0;

	probe_path(set, path);
	for (size_t i = 0; i < set->n && !err; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = set->cookies[i], .retprobe = set->returns);

		err = add_link(&session->slow_links, bpf_program__attach_uprobe_opts(set->program, pid, path,
										     set->offsets[i], &opts));
	}
	return err;
}

/* Attaches the probes and frees the set. */
static int attach_probes(struct session *session, const struct session_options *options,
			 struct probe_set *set)
{
	int err = set->err;

	if (!err && set->n)
		err = options->features->list[FEATURE_UPROBE_MULTI].present
			      ? attach_multi(session, options->pid, set)
			      : attach_singly(session, options->pid, set);
	free(set->offsets);
	free(set->cookies);
	return err;
}

static int attach_objects(struct session *session, const struct session_options *options)
{
	const struct probe_plan *plan = options->plan;
	struct probe_set set = {
		.program = session->skeleton->progs.pymalloc_site,
		.image = options->python->image,
	};

	for (size_t i = 0; i < plan->n_sites; i++)
		probe_set__add(&set, plan->sites[i].address, plan->sites[i].cookie.value);
	return attach_probes(session, options, &set);
}

/* The returns first: a call that is seen to begin is then seen to end. */
static int attach_raw(struct session *session, const struct session_options *options)
{
	struct probe_set returns = {
		.program = session->skeleton->progs.raw_return,
		.image = options->raw_image,
		.returns = true,
	};
	struct probe_set entries = {
		.program = session->skeleton->progs.raw_entry,
		.image = options->raw_image,
	};
	const struct raw_plan *plan = options->raw_plan;
	int err;

	for (size_t i = 0; i < plan->n_sites; i++) {
		probe_set__add(&entries, plan->sites[i].address, plan->sites[i].cookie.value);
		if (plan->sites[i].returns)
			probe_set__add(&returns, plan->sites[i].address, 0);
	}
	err = attach_probes(session, options, &returns);
	return attach_probes(session, options, &entries) ?: err;
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
	return add_link(&session->slow_links, link);
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

static int attach_failed(struct error *error, int err, const char *path)
{
	error__set(error, err, "failed to attach probes to '%s': %s", path, strerror(-err));
	if (err == -EINVAL)
		error__hint(error, "another tool may hold probes there that exclude others, as memleak of "
				   "libbpf-tools does; 'dmesg' tells");
	return err;
}

static int attach_life(struct session *session)
{
	int err = add_link(&session->links, bpf_program__attach(session->skeleton->progs.process_exec));

	return err ? err
		   : add_link(&session->links, bpf_program__attach(session->skeleton->progs.process_fork));
}

static int attach(struct session *session, const struct session_options *options, struct error *error)
{
	int err = attach_life(session);

	if (err)
		return error__set(error, err, "failed to watch process %d for exec and fork: %s",
				  options->pid, strerror(-err));
	err = attach_objects(session, options);
	if (err)
		return attach_failed(error, err, options->python->path);
	err = options->raw_plan ? attach_raw(session, options) : 0;
	if (err)
		return attach_failed(error, err, options->raw_path);
	if (options->mappings) {
		err = attach_mappings(session);
		if (err)
			return error__set(error, err, "failed to attach to the mapping system calls: %s",
					  strerror(-err));
	}
	return 0;
}

/* --- the module -------------------------------------------------------------------------------------- */

int session__open(const struct session_options *options, struct session **ret_session, struct error *error)
{
	struct session *session = calloc(1, sizeof(*session));
	int err;

	if (!session)
		return error__set(error, -ENOMEM, "failed to record: out of memory");
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
	ring_buffer__free(session->ring);
	trace_bpf__destroy(session->skeleton);
	free(session);
}

void session__start(struct session *session)
{
	__atomic_store_n(&session->state->active, 1, __ATOMIC_SEQ_CST);
}

void session__stop(struct session *session)
{
	__atomic_store_n(&session->state->active, 0, __ATOMIC_SEQ_CST);
}

static bool holds(const struct links *links, int fd)
{
	for (size_t i = 0; i < links->n; i++)
		if (bpf_link__fd(links->list[i]) == fd)
			return true;
	return false;
}

/* Closes all descriptors but those of the links. */
static void close_others(const struct links *links)
{
	int last = 0;

	for (size_t i = 0; i < links->n; i++)
		last = bpf_link__fd(links->list[i]) > last ? bpf_link__fd(links->list[i]) : last;
	for (int fd = 0; fd < last; fd++)
		if (!holds(links, fd))
			close(fd);
	close_range(last + 1, UINT_MAX, 0);
}

/*
 * Letting go of a perf event waits for a grace period of the kernel, almost a tenth of a second: for eight
 * tracepoints, and before Linux 6.6 for each probe site. The programs return at once by now and nobody
 * depends on when it is over, so a process that holds the links does the waiting. It is a child's child, so
 * that nobody has to wait for it in turn, and keeps no other descriptor, or the reader of a pipe, or who
 * wants a lock, would wait too.
 */
static void release_slow_links(struct session *session)
{
	pid_t child;

	if (!session->slow_links.n)
		return;
	child = fork();
	if (child == 0) {
		if (fork())
			_exit(0);
		close_others(&session->slow_links);
		usleep(RELEASE_DELAY_US); /* until the parent has closed its own */
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	destroy_links(&session->slow_links);
}

void session__detach(struct session *session)
{
	destroy_links(&session->links);
	release_slow_links(session);
}

struct session_pools session__pools(const struct session *session)
{
	return (struct session_pools){
		.state = session->state,
		.stacks = session->stacks,
		.frames = session->frames,
		.codes = session->codes,
		.text = session->text,
	};
}

static uint32_t filled(const __u32 *next, uint32_t max)
{
	uint32_t n = __atomic_load_n(next, __ATOMIC_ACQUIRE);

	return n < max ? n : max;
}

uint32_t session_pools__n_stacks(const struct session_pools *pools)
{
	return filled(&pools->state->next_stack, MAX_STACKS);
}

uint32_t session_pools__n_codes(const struct session_pools *pools)
{
	return filled(&pools->state->next_code, MAX_CODES);
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
