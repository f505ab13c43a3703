// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The mapping domain: mmap, munmap, mremap and brk, at the tracepoints of these four system calls.
 *
 * A hash cannot answer "which mapping does this part belong to", so the ranges go to user space in order,
 * through a ring buffer; these calls are rare next to allocations. What a call removes can be handed out to
 * another thread before the call returns, so each event carries both times: removed as of begin_ns, added as
 * of end_ns.
 */
#include "stack_table.bpf.h"

#define MREMAP_DONTUNMAP_FLAG 4
#define MAP_FIXED_FLAG 0x10
#define MAX_ERRNO_VALUE 4095

/* A system call under way in a thread. */
struct mapping_call {
	__u64 begin_ns;
	__u64 args[4];
};

struct mapping_calls_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct mapping_call);
};

struct mapping_calls_map mapping_calls SEC(".maps");

static __always_inline __u64 page_up(__u64 address)
{
	return (address + PAGE_BYTES - 1) & ~(__u64)(PAGE_BYTES - 1);
}

static __always_inline int on_enter(__u64 arg0, __u64 arg1, __u64 arg2, __u64 arg3)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct mapping_call call = {.args = {arg0, arg1, arg2, arg3}};

	if (!is_target())
		return 0;
	call.begin_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&mapping_calls, &thread, &call, BPF_ANY);
	return 0;
}

/*
 * The call that returns, with the event's times filled in. False for other processes, for calls that began
 * before the recording, and for calls that failed.
 */
static __always_inline bool on_exit(long ret, struct mapping_call *ret_call, struct mapping_event *event)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct trace_state *state = get_state();
	struct mapping_call *call;

	if (!is_target())
		return false;
	call = bpf_map_lookup_elem(&mapping_calls, &thread);
	if (!call)
		return false;
	*ret_call = *call;
	bpf_map_delete_elem(&mapping_calls, &thread);
	event->begin_ns = ret_call->begin_ns;
	event->end_ns = bpf_ktime_get_ns();
	return is_active(state) && (unsigned long)ret < (unsigned long)-MAX_ERRNO_VALUE;
}

static __always_inline int emit(struct mapping_event *event)
{
	struct linger_counters *c = get_counters(LINGER_DOMAIN_MAPPING);

	if (!c)
		return 0;
	if (event->remove_bytes)
		count(&c->seen_frees, 1);
	if (event->add_bytes) {
		count(&c->seen_allocs, 1);
		event->stack_id = stack_table__current(LINGER_DOMAIN_MAPPING);
	}
	if (!bpf_ringbuf_output(&mapping_events, event, sizeof(*event), 0))
		return 0;
	if (event->add_bytes)
		count_drop(c, LINGER_DROP_RING_FULL, event->add_bytes);
	if (event->remove_bytes)
		count(&c->dropped_frees, 1);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_mmap")
int mmap_enter(struct syscall_trace_enter *ctx)
{
	return on_enter(ctx->args[0], ctx->args[1], 0, ctx->args[3]);
}

SEC("tracepoint/syscalls/sys_exit_mmap")
int mmap_exit(struct syscall_trace_exit *ctx)
{
	struct mapping_event event = {};
	struct mapping_call call;

	if (!on_exit(ctx->ret, &call, &event))
		return 0;
	event.add_start = ctx->ret;
	event.add_bytes = page_up(call.args[1]);
	/* What lay there is gone from the beginning of the call on. */
	if (call.args[3] & MAP_FIXED_FLAG) {
		event.remove_start = event.add_start;
		event.remove_bytes = event.add_bytes;
	}
	return emit(&event);
}

SEC("tracepoint/syscalls/sys_enter_munmap")
int munmap_enter(struct syscall_trace_enter *ctx)
{
	return on_enter(ctx->args[0], ctx->args[1], 0, 0);
}

SEC("tracepoint/syscalls/sys_exit_munmap")
int munmap_exit(struct syscall_trace_exit *ctx)
{
	struct mapping_event event = {};
	struct mapping_call call;

	if (!on_exit(ctx->ret, &call, &event))
		return 0;
	event.remove_start = call.args[0];
	event.remove_bytes = page_up(call.args[1]);
	return emit(&event);
}

SEC("tracepoint/syscalls/sys_enter_mremap")
int mremap_enter(struct syscall_trace_enter *ctx)
{
	return on_enter(ctx->args[0], ctx->args[1], ctx->args[2], ctx->args[3]);
}

SEC("tracepoint/syscalls/sys_exit_mremap")
int mremap_exit(struct syscall_trace_exit *ctx)
{
	struct mapping_event event = {};
	struct mapping_call call;

	if (!on_exit(ctx->ret, &call, &event))
		return 0;
	if (!(call.args[3] & MREMAP_DONTUNMAP_FLAG)) {
		event.remove_start = call.args[0];
		event.remove_bytes = page_up(call.args[1]);
	}
	event.add_start = ctx->ret;
	event.add_bytes = page_up(call.args[2]);
	return emit(&event);
}

SEC("tracepoint/syscalls/sys_enter_brk")
int brk_enter(struct syscall_trace_enter *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	return on_enter(BPF_CORE_READ(task, mm, brk), 0, 0, 0);
}

SEC("tracepoint/syscalls/sys_exit_brk")
int brk_exit(struct syscall_trace_exit *ctx)
{
	struct mapping_event event = {};
	struct mapping_call call;
	__u64 before, after = page_up(ctx->ret);

	if (!on_exit(ctx->ret, &call, &event))
		return 0;
	before = page_up(call.args[0]);
	if (after > before) {
		event.add_start = before;
		event.add_bytes = after - before;
	} else if (after < before) {
		event.remove_start = after;
		event.remove_bytes = before - after;
	} else {
		return 0;
	}
	return emit(&event);
}
