// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Python stack of a thread that runs, as it is at one moment: a timer of the kernel's interrupts the
 * thread, and while this program runs the thread does not. The timer counts for that thread alone.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "frame.bpf.h"
#include "stack_sample.h"

/* Frames that only mark C calls are between the others, never more of them. */
#define MAX_LINKS (2 * LINGER_MAX_FRAMES)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct stack_sampler_config sampler_config = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_sample);
} stack_samples SEC(".maps");

struct walk {
	struct stack_sample *sample;
	__u64 frame; /* to be read next */
	__u32 failed;
	__u32 pad;
};

static __always_inline bool read_pointer(__u64 address, __u64 *ret_value)
{
	return !bpf_probe_read_user(ret_value, sizeof(*ret_value), (void *)address);
}

static long walk_frame(__u64 i, struct walk *walk)
{
	const_layout *py = &sampler_config.py;
	__u32 start = sampler_config.frame_start, bytes = sampler_config.frame_bytes;
	__u32 n = walk->sample->n_frames;
	char words[PY_FRAME_BYTES];
	struct sampled_frame *to;
	__u64 frame = walk->frame;

	if (!frame || n >= LINGER_MAX_FRAMES || bytes > sizeof(words))
		return 1;
	if (bpf_probe_read_user(words, bytes, (void *)(frame + start))) {
		walk->failed = 1;
		return 1;
	}
	walk->frame = frame__previous(words, start, py);
	if (frame__marks_c_call(words, start, py))
		return 0;
	to = &walk->sample->frames[n & (LINGER_MAX_FRAMES - 1)];
	to->address = frame;
	to->code = frame__code(words, start, py);
	to->instr = frame__instr(words, start, py, to->code);
	walk->sample->n_frames = n + 1;
	return 0;
}

static __always_inline bool find_innermost(__u64 thread_state, __u64 *ret_frame)
{
	__u64 p;

	if (!read_pointer(thread_state + sampler_config.py.tstate_frame, &p))
		return false;
	if (sampler_config.py.cframe_current != PY_NO_FIELD &&
	    !read_pointer(p + sampler_config.py.cframe_current, &p))
		return false;
	*ret_frame = p;
	return true;
}

/* By now the thread state may be that of another thread, which does not stand still. */
static __always_inline bool is_of_this_thread(__u64 thread_state)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	__u64 owner;

	/* fsbase is what pthread_self() returns. */
	return read_pointer(thread_state + sampler_config.tstate_thread_id, &owner) &&
	       owner == task->thread.fsbase;
}

SEC("perf_event")
int sample_stack(void *ctx)
{
	__u32 zero = 0;
	struct walk walk = {.sample = bpf_map_lookup_elem(&stack_samples, &zero)};

	if (!walk.sample || walk.sample->state != SAMPLE_WANTED)
		return 0;
	walk.sample->n_frames = 0;
	if (!is_of_this_thread(walk.sample->thread_state) ||
	    !find_innermost(walk.sample->thread_state, &walk.frame))
		walk.failed = 1;
	else
		bpf_loop(MAX_LINKS, walk_frame, &walk, 0);
	walk.sample->truncated = walk.frame != 0;
	walk.sample->state = walk.failed ? SAMPLE_FAILED : SAMPLE_TAKEN;
	return 0;
}
