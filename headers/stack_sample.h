/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_SAMPLE_H
#define LINGER_STACK_SAMPLE_H

/* The contract of the stack sampler program (bpf/stack_sampler.bpf.c) with user space. */

#include "py_layout.h"
#include "trace.h"

/* A frame that runs Python code. */
struct sampled_frame {
	__u64 address;
	__u64 code;
	__s32 instr; /* bytes from the start of the code */
	__u32 pad;
};
_Static_assert(sizeof(struct sampled_frame) == 24, "sampled_frame is shared with BPF");

struct stack_sampler_config {
	__u32 frame_start; /* as in struct trace_config */
	__u32 frame_bytes;
	__u32 tstate_thread_id;
	__u32 pad;
	struct py_layout py;
};
_Static_assert(sizeof(struct stack_sampler_config) == 64, "stack_sampler_config is shared with BPF");

enum stack_sample_state {
	SAMPLE_WANTED,
	SAMPLE_TAKEN,
	SAMPLE_FAILED, /* something could not be read */
};

struct stack_sample {
	__u64 thread_state; /* of the thread that is to be interrupted */
	__u32 state;        /* enum stack_sample_state */
	__u32 n_frames;
	__u32 truncated; /* there are more frames */
	__u32 pad;
	struct sampled_frame frames[LINGER_MAX_FRAMES]; /* innermost first */
};

#endif /* LINGER_STACK_SAMPLE_H */
