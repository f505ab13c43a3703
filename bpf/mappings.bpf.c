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

/* System call numbers of x86-64 (asm/unistd_64.h). */
#define NR_MMAP 9
#define NR_MUNMAP 11
#define NR_BRK 12
#define NR_MREMAP 25

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

SEC("tracepoint")
int mapping_enter(struct syscall_trace_enter *ctx)
{
	struct linger_counters *c = get_counters(LINGER_DOMAIN_MAPPING);
	__u64 thread = bpf_get_current_pid_tgid();
	struct mapping_call call;

	if (!c || !is_target())
		return 0;
	/* A plain load of the fourth argument could not be attached to calls that have fewer. */
	if (bpf_probe_read_kernel(call.args, sizeof(call.args), ctx->args))
		return 0;
	if (ctx->nr == NR_BRK)
		call.args[0] = BPF_CORE_READ((struct task_struct *)bpf_get_current_task_btf(), mm, brk);
	call.begin_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&mapping_calls, &thread, &call, BPF_ANY))
		count(&c->skipped, 1);
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

static __always_inline void on_mmap(const struct mapping_call *call, __u64 address,
				    struct mapping_event *event)
{
	event->add_start = address;
	event->add_bytes = page_up(call->args[1]);
	/* What lay there is gone from the beginning of the call on. */
	if (call->args[3] & MAP_FIXED_FLAG) {
		event->remove_start = event->add_start;
		event->remove_bytes = event->add_bytes;
	}
}

static __always_inline void on_munmap(const struct mapping_call *call, struct mapping_event *event)
{
	event->remove_start = call->args[0];
	event->remove_bytes = page_up(call->args[1]);
}

static __always_inline void on_mremap(const struct mapping_call *call, __u64 address,
				      struct mapping_event *event)
{
	if (!(call->args[3] & MREMAP_DONTUNMAP_FLAG))
		on_munmap(call, event);
	event->add_start = address;
	event->add_bytes = page_up(call->args[2]);
}

static __always_inline void on_brk(const struct mapping_call *call, __u64 now, struct mapping_event *event)
{
	__u64 before = page_up(call->args[0]), after = page_up(now);

	if (after > before) {
		event->add_start = before;
		event->add_bytes = after - before;
	} else {
		event->remove_start = after;
		event->remove_bytes = before - after;
	}
}

/* One program for all four: verifying the stack walk takes long, and once is enough. */
SEC("tracepoint")
int mapping_exit(struct syscall_trace_exit *ctx)
{
	struct mapping_event event = {};
	struct mapping_call call;

	if (!on_exit(ctx->ret, &call, &event))
		return 0;
	if (ctx->nr == NR_MMAP)
		on_mmap(&call, ctx->ret, &event);
	else if (ctx->nr == NR_MUNMAP)
		on_munmap(&call, &event);
	else if (ctx->nr == NR_MREMAP)
		on_mremap(&call, ctx->ret, &event);
	else if (ctx->nr == NR_BRK)
		on_brk(&call, ctx->ret, &event);
	return event.add_bytes || event.remove_bytes ? emit(&event) : 0;
}
