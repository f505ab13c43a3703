// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the target's memory from a task iterator: no ptrace access check, so ptrace_scope does not matter,
 * and pages that are not resident are faulted in as the target itself would. Nothing is ever written to the
 * target.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "reader.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The target's thread group in the initial pid namespace; 0: the iterator visits the target alone. */
const volatile __u32 reader_tgid = 0;

struct reader_buffer {
	char bytes[READER_BUFFER_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reader_state);
} reader_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reader_buffer);
} reader_buffer SEC(".maps");

struct reading {
	struct task_struct *task;
	struct reader_state *state;
	struct reader_buffer *buffer;
};

static long read_one(__u64 i, struct reading *reading)
{
	struct reader_request *request;
	__u32 bytes, offset;

	if (i >= READER_MAX_REQUESTS)
		return 1;
	request = &reading->state->requests[i];
	bytes = request->bytes;
	offset = request->offset;
	if (bytes > READER_MAX_BYTES || offset > READER_BUFFER_BYTES - READER_MAX_BYTES) {
		request->error = -22; /* EINVAL */
		return 0;
	}
	request->error = bpf_copy_from_user_task(&reading->buffer->bytes[offset], bytes,
						 (void *)request->address, reading->task, 0);
	return 0;
}

SEC("iter.s/task")
int read_memory(struct bpf_iter__task *ctx)
{
	__u32 zero = 0;
	struct reading reading = {
		.task = ctx->task,
		.state = bpf_map_lookup_elem(&reader_requests, &zero),
		.buffer = bpf_map_lookup_elem(&reader_buffer, &zero),
	};

	if (!reading.task || !reading.state || !reading.buffer || reading.state->done)
		return 0;
	if (reader_tgid && (__u32)reading.task->tgid != reader_tgid)
		return 0;
	reading.state->done = 1;
	reading.state->tgid = reading.task->tgid;
	bpf_loop(reading.state->n_requests, read_one, &reading, 0);
	return 0;
}
