/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_MAPS_BPF_H
#define LINGER_MAPS_BPF_H

/* Maps and configuration that the tracing units share; defined in maps.bpf.c, sized by user space. */

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "trace.h"

#define PAGE_BYTES 4096
#define E_EXIST 17
#define E_2BIG 7

struct live_set_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct live_key);
	__type(value, struct live_stretch);
};

/* Block sizes of pools that have been looked at; see pymalloc.bpf.c. */
#define SIZE_CACHE_SLOTS 65536

struct size_cache_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SIZE_CACHE_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
};

/* What a new stretch of the live set is copied from. */
struct empty_stretch_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct live_stretch);
};

struct spilled_blocks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct block_key);
	__type(value, struct block_value);
};

struct block_buckets_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct block_bucket);
};

struct stacks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct stack_key);
	__type(value, __u32);
};

struct codes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct code_key);
	__type(value, __u32);
};

struct stack_info_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct linger_stack);
};

struct frame_pool_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

struct code_info_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct linger_code);
};

struct text_chunk {
	char bytes[LINGER_TEXT_CHUNK];
};

struct text_pool_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct text_chunk);
};

/* Counts how often a code object ended in each slot of addresses; part of a stack's hash. */
struct code_generations_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINGER_GENERATIONS);
	__type(key, __u32);
	__type(value, __u32);
};

struct trace_state_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_state);
};

struct counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LINGER_DOMAINS);
	__type(key, __u32);
	__type(value, struct linger_counters);
};

/* A frame as the walk finds it, and the scratch space of a walk (see stack_table.bpf.c). */
struct raw_frame {
	__u64 code;
	__u32 generation;
	__s32 instr;
};

struct walk {
	__u32 busy;
	__u32 n_frames;
	__u32 truncated;
	__u32 codes_ended; /* so that generations count at all */
	struct stack_key key;
	char thread[LINGER_THREAD_NAME_BYTES] __attribute__((aligned(8)));
	__u64 native; /* the thread never ran Python */
	struct raw_frame frames[LINGER_MAX_FRAMES];
	char window[PAGE_BYTES + PY_FRAME_BYTES]; /* of the target's memory */
};

struct walks_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LINGER_SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct walk);
};

struct mapping_events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PAGE_BYTES);
};

/* Always empty; see use_the_threads_stack. */
struct no_programs_map {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

extern struct live_set_map live_set SEC(".maps");
extern struct size_cache_map size_cache SEC(".maps");
extern struct block_buckets_map block_buckets SEC(".maps");
extern struct spilled_blocks_map spilled_blocks SEC(".maps");
extern struct empty_stretch_map empty_stretch SEC(".maps");
extern struct stacks_map stacks SEC(".maps");
extern struct codes_map codes SEC(".maps");
extern struct stack_info_map stack_info SEC(".maps");
extern struct frame_pool_map frame_pool SEC(".maps");
extern struct code_info_map code_info SEC(".maps");
extern struct text_pool_map text_pool SEC(".maps");
extern struct code_generations_map code_generations SEC(".maps");
extern struct trace_state_map trace_state SEC(".maps");
extern struct counters_map counters SEC(".maps");
extern struct walks_map walks SEC(".maps");
extern struct mapping_events_map mapping_events SEC(".maps");
extern struct no_programs_map no_programs SEC(".maps");

extern const volatile struct trace_config linger_config;

/*
 * Every program of a uprobe says this. From Linux 6.13 on a function of a tracing program that needs 64 bytes
 * of stack gets them from memory that each processor has once, which is safe where a program cannot be
 * interrupted by itself. Those of uprobes can: on a kernel that preempts, a second thread runs the same one
 * in between and overwrites what the first had there, pointers too, and the kernel panics (seen on 7.2). A
 * program with a tail call is left on its thread's own stack, and it is enough that the call stands there:
 * the verifier, who knows that the target has an id, takes it out.
 */
static __always_inline void use_the_threads_stack(void *ctx)
{
	if (!linger_config.tgid)
		bpf_tail_call(ctx, &no_programs, 0);
}

static __always_inline struct trace_state *get_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&trace_state, &zero);
}

static __always_inline struct linger_counters *get_counters(__u32 domain)
{
	return bpf_map_lookup_elem(&counters, &domain);
}

/*
 * A program can be preempted by another thread of the target on the same CPU: per-CPU counters need atomics.
 */
static __always_inline void count(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline void count_drop(struct linger_counters *c, enum linger_drop reason, __u64 bytes)
{
	count(&c->dropped[reason], 1);
	count(&c->dropped_bytes[reason], bytes);
}

/*
 * Puts a new element into a hash. 0 or a negative errno, as an int: before Linux 6.4 the kernel calls
 * functions that return an int here, and the upper half of the long is not the sign's.
 */
static __always_inline int add_element(void *map, const void *key, const void *value)
{
	return (int)bpf_map_update_elem(map, key, value, BPF_NOEXIST);
}

/* Why a block is dropped whose element could not be added. */
static __always_inline enum linger_drop drop_reason(int err)
{
	return err == -E_2BIG ? LINGER_DROP_LIVE_SET_FULL : LINGER_DROP_NO_MEMORY;
}

static __always_inline bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == linger_config.tgid;
}

static __always_inline bool read_pointer(__u64 address, __u64 *ret_value)
{
	return !bpf_probe_read_user(ret_value, sizeof(*ret_value), (void *)address);
}

/*
 * What an interpreter frees as it takes itself down says nothing about the program: events count until then.
 * That moment is not that of the call which ends it, which waits for other threads first and runs what was
 * registered with atexit; only the interpreter's own flag tells it.
 */
static __noinline bool has_finalized(struct trace_state *state)
{
	__u64 finalizing;

	if (!state || !read_pointer(linger_config.finalizing, &finalizing) || !finalizing)
		return false;
	state->finalized = 1;
	state->active = 0;
	return true;
}

/* Whether events count. */
static __always_inline bool is_active(struct trace_state *state)
{
	return state && state->active && !(state->ending && has_finalized(state));
}

/* Counts a hit of a window, and ends what is recorded when the window has had its share. */
static __always_inline void count_hit(struct trace_state *state)
{
	count(&state->hits, 1);
	if (state->phase == TRACE_ALL && state->hits >= state->hit_limit)
		state->phase = TRACE_FREES;
}

/* The counters of the object or raw domain if an event that is under way counts, else NULL. */
static __always_inline struct linger_counters *enter(struct pt_regs *ctx, __u32 domain)
{
	struct linger_counters *c = get_counters(domain);
	struct trace_state *state = get_state();

	if (!c || !state)
		return NULL;
	if (!state->active) {
		state->late_hits[late_place(ctx->ip)]++; /* tells which probes are hot: need not be exact */
		return NULL;
	}
	if (!is_target()) {
		count(&c->filtered, 1);
		return NULL;
	}
	if (linger_config.sampled)
		count_hit(state);
	return state->phase != TRACE_NOTHING && is_active(state) ? c : NULL;
}

/* Whether allocations are recorded, not only frees. */
static __always_inline bool takes_allocs(void)
{
	struct trace_state *state = get_state();

	return state && state->phase == TRACE_ALL;
}

/* When the run began, if it is one of those that are timed; else 0. */
static __always_inline __u64 begin_run(void)
{
	struct trace_state *state = linger_config.sampled ? get_state() : NULL;

	return state && !(state->hits & (LINGER_TIMED_RUNS - 1)) ? bpf_ktime_get_ns() : 0;
}

static __always_inline void end_run(__u64 began_ns)
{
	struct trace_state *state = began_ns ? get_state() : NULL;

	if (state)
		count(&state->timed_ns, bpf_ktime_get_ns() - began_ns);
}

#endif /* LINGER_MAPS_BPF_H */
