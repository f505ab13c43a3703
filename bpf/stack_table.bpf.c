// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Python stacks. Walking one is most of what an event costs, so the walk only hashes, and what is slow
 * (names, storing the frames) happens once per distinct stack.
 *
 * Reading the target's memory costs about 75 ns a call and hardly anything a byte (4 KiB: 105 ns). From 3.11
 * the frames of a thread lie back to back, callers below callees; so the walk reads from the start of the
 * page up to the end of the frame at once, and finds the callers in what it has. It does not reach below the
 * page: what is there may not be mapped.
 *
 * A stack is keyed by 128 bits of hash over its frames (code object, generation, instruction) and its domain
 * and thread name. Stacks that differ in one field of a frame are told apart by 64 of them at least: among a
 * million two collide with a probability of 3e-8 at most.
 */

#include "stack_table.bpf.h"

#include "code_table.bpf.h"
#include "frame.bpf.h"
#include "thread_path.h"

#define FRAMES_PER_CALL 4

/*
 * Scratch space for a walk. Programs on one CPU can interleave (they may be preempted, not migrated), so each
 * claims a slot of its CPU. NULL when all are taken.
 */
static __always_inline struct walk *walk__claim(void)
{
#pragma unroll
	for (int i = 0; i < LINGER_SCRATCH_SLOTS; i++) {
		__u32 slot = i;
		struct walk *walk = bpf_map_lookup_elem(&walks, &slot);

		if (walk && !__sync_lock_test_and_set(&walk->busy, 1))
			return walk;
	}
	return NULL;
}

static __always_inline void walk__release(struct walk *walk)
{
	*(volatile __u32 *)&walk->busy = 0; /* of this CPU alone: a plain store will do */
}

/*
 * Looks up the key of the thread states, once the interpreter has made it: a program that is recorded from
 * its start has none yet. Those who come at the same time store the same.
 */
static __noinline __u64 find_thread_path(void)
{
	struct trace_state *state = get_state();
	struct py_tss tss = {};

	if (!state || bpf_probe_read_user(&tss, sizeof(tss), (void *)linger_config.thread_key) ||
	    !tss.is_initialized)
		return 0;
	state->thread_path = thread_path__of_key(tss.key, linger_config.thread_library);
	return state->thread_path;
}

/*
 * The thread state of the current thread, 0 if it never ran Python. Up to 3.11 the interpreter says whose
 * thread state holds the GIL, sub-interpreters included; the thread's own key knows only the first of its
 * states there. Who allocates objects holds the GIL; in other domains the thread state tells whether it is
 * this thread's. Later versions keep the key up to date.
 */
static __always_inline __u64 current_thread_state(const struct trace_state *state, __u32 domain)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	__u64 p = 0, owner = 0, fsbase = task->thread.fsbase, path;

	if (linger_config.current_tstate) {
		if (!read_pointer(linger_config.current_tstate, &p))
			p = 0;
		if (domain == LINGER_DOMAIN_OBJECT)
			return p;
		if (p && read_pointer(p + linger_config.tstate_thread_id, &owner) && owner == fsbase)
			return p;
	}
	/* fsbase is what pthread_self() returns. */
	path = state->thread_path ?: find_thread_path();
	if (!path || !read_pointer(fsbase + THREAD_PATH_FIRST(path), &p))
		return 0;
	if (THREAD_PATH_IS_BEHIND(path) && !read_pointer(p + THREAD_PATH_OFFSET(path), &p))
		return 0;
	return p;
}

static __always_inline __u64 innermost_frame(__u64 p)
{
	if (!p || !read_pointer(p + linger_config.py.tstate_frame, &p))
		return 0;
	if (linger_config.py.cframe_current != PY_NO_FIELD &&
	    !read_pointer(p + linger_config.py.cframe_current, &p))
		return 0;
	return p;
}

static __always_inline void hash_frame(struct stack_key *key, const struct raw_frame *frame)
{
	__u64 a = key->hash[0], b = key->hash[1],
	      where = (__u64)frame->generation << 32 | (__u32)frame->instr;

	/* Each half takes in the other's upper bits, which the multiplications have mixed most. */
	key->hash[0] = (a ^ frame->code ^ b >> 32) * 0x9e3779b97f4a7c15ULL;
	key->hash[1] = (b ^ where ^ a >> 32) * 0xc2b2ae3d27d4eb4fULL;
}

struct cursor {
	struct walk *walk;
	__u64 frame;        /* to be read next */
	__u64 window_start; /* what walk->window shows of the target's memory */
	__u64 window_end;
	struct stack_key key;
};

/* The words of the frame at cursor->frame, in the window; NULL if they cannot be read. */
static __always_inline const char *read_frame(struct cursor *cursor)
{
	__u64 start = cursor->frame + linger_config.frame_start, end = start + linger_config.frame_bytes;
	__u32 at, bytes;

	if (start < cursor->window_start || end > cursor->window_end) {
		/* Up to 3.10 frames are objects of their own, without neighbours worth reading. */
		cursor->window_start = start;
		if (linger_config.py.instr_kind == PY_INSTR_POINTER)
			cursor->window_start &= ~(__u64)(PAGE_BYTES - 1);
		cursor->window_end = end;
		bytes = end - cursor->window_start;
		if (bytes > PAGE_BYTES + PY_FRAME_BYTES ||
		    bpf_probe_read_user(cursor->walk->window, bytes, (void *)cursor->window_start))
			return NULL;
	}
	at = start - cursor->window_start;
	return at < PAGE_BYTES ? cursor->walk->window + at : NULL;
}

/* One frame. False ends the walk. */
static __always_inline bool walk_frame(struct cursor *cursor)
{
	const_layout *py = &linger_config.py;
	__u32 start = linger_config.frame_start;
	struct walk *walk = cursor->walk;
	struct raw_frame *to = &walk->frames[walk->n_frames & (LINGER_MAX_FRAMES - 1)];
	const char *words = cursor->frame ? read_frame(cursor) : NULL;

	if (!words)
		return false;
	cursor->frame = frame__previous(words, start, py);
	if (frame__marks_c_call(words, start, py))
		return true;
	to->code = frame__code(words, start, py);
	to->generation = walk->codes_ended ? code_generation__of(to->code) : 0;
	to->instr = frame__instr(words, start, py, to->code);
	hash_frame(&cursor->key, to);
	walk->n_frames++;
	return true;
}

/* Several frames: between two calls the cursor is in memory, within one in registers, an eighth less per
 * event. */
static long walk_frames(__u64 i, struct cursor *cursor)
{
#pragma unroll
	for (int j = 0; j < FRAMES_PER_CALL; j++)
		if (!walk_frame(cursor))
			return 1;
	return 0;
}

static __always_inline void read_thread_name(char name[LINGER_THREAD_NAME_BYTES])
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	bpf_probe_read_kernel(name, LINGER_THREAD_NAME_BYTES, task->comm);
}

/* Stacks of different domains and of threads of different names are different stacks. */
static __always_inline struct stack_key first_key(const struct walk *walk, __u32 domain)
{
	const __u64 *name = (const __u64 *)walk->thread;

	return (struct stack_key){{name[0] + domain + 1, name[1] ^ 0x27d4eb2f165667c5ULL}};
}

/* Walks the current thread's Python frames, innermost first, into walk->frames, and hashes them. */
static __always_inline void walk__run(struct walk *walk, __u32 domain)
{
	struct trace_state *state = get_state();
	__u64 thread_state = state ? current_thread_state(state, domain) : 0;
	struct cursor cursor = {
		.walk = walk,
		.frame = innermost_frame(thread_state),
	};

	read_thread_name(walk->thread);
	cursor.key = first_key(walk, domain);
	walk->native = !thread_state;

	walk->codes_ended = state && state->codes_ended;
	walk->n_frames = 0; /* not in the cursor: the verifier would follow each of its values */
	bpf_loop(LINGER_MAX_FRAMES / FRAMES_PER_CALL, walk_frames, &cursor, 0);
	walk->truncated = cursor.frame != 0;
	cursor.key.hash[0] ^= walk->truncated;
	walk->key = cursor.key;
}

struct storing {
	struct walk *walk;
	__u32 first;
	__u32 failed;
	struct linger_counters *counters;
};

static long store_frame(__u64 i, struct storing *storing)
{
	const struct raw_frame *from = &storing->walk->frames[i & (LINGER_MAX_FRAMES - 1)];
	__u32 index = storing->first + i;
	__u64 *to = bpf_map_lookup_elem(&frame_pool, &index);
	__u32 code_id = code_table__intern(from->code, from->generation);

	storing->failed = !to;
	if (code_id == LINGER_NO_CODE && storing->counters)
		count(&storing->counters->lost_names, 1);
	if (to)
		*to = LINGER_FRAME(code_id, from->instr);
	return !to;
}

/* Stores the frames of a new stack. False when the frame pool is full. */
static __always_inline bool store_frames(struct walk *walk, struct linger_stack *info,
					 struct linger_counters *c)
{
	struct trace_state *state = get_state();
	struct storing storing = {.walk = walk, .counters = c};

	if (!state || state->next_frame + walk->n_frames > linger_config.max_frames)
		return false;
	storing.first = __sync_fetch_and_add(&state->next_frame, walk->n_frames);
	bpf_loop(walk->n_frames, store_frame, &storing, 0);
	info->first_frame = storing.first;
	info->n_frames = walk->n_frames;
	info->truncated = walk->truncated;
	return !storing.failed;
}

/* Gives a stack that is not in the table an id; the domain's own id when there is no room. */
static __always_inline __u32 stack_table__add(struct walk *walk, __u32 domain)
{
	struct trace_state *state = get_state();
	struct linger_stack *info;
	__u32 id, *known;

	if (!state || state->next_stack >= linger_config.max_stacks)
		return domain;
	id = __sync_fetch_and_add(&state->next_stack, 1);
	info = bpf_map_lookup_elem(&stack_info, &id);
	if (!info || !store_frames(walk, info, get_counters(domain)))
		return domain;
	info->domain = domain;
	info->native = walk->native;
	__builtin_memcpy(info->thread, walk->thread, sizeof(info->thread));
	if (!bpf_map_update_elem(&stacks, &walk->key, &id, BPF_NOEXIST))
		return id;
	/* Another thread has just added the same stack. */
	known = bpf_map_lookup_elem(&stacks, &walk->key);
	return known ? *known : domain;
}

__noinline __u32 stack_table__current(__u32 domain)
{
	struct walk *walk = walk__claim();
	struct linger_counters *c;
	__u32 id = domain, *known;

	if (walk) {
		walk__run(walk, domain);
		known = bpf_map_lookup_elem(&stacks, &walk->key);
		id = known ? *known : stack_table__add(walk, domain);
		walk__release(walk);
	}
	if (id != domain)
		return id;
	c = get_counters(domain);
	if (c)
		count(&c->lost_stacks, 1);
	return domain;
}
