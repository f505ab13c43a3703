// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The raw domain: the malloc family of whichever library serves the target.
 *
 * A probe near a function's entry sees the arguments, a return probe the block. Between the two the call is
 * kept with its thread. Allocators call each other (calloc malloc, reallocarray realloc), and only the
 * outermost call counts: it is told by the stack pointer, which points at the call's return address at entry
 * and just past it at return. A call found at a lower address is inside the one that is kept; one at the same
 * address is the same call, which has jumped on to another function; one at a higher address means that the
 * kept one is over, whether its return was seen or not.
 *
 * What realloc is given leaves the set of live blocks at entry, because another thread may get its address
 * before the return is seen, and comes back if the call fails.
 */
#include "block_set.bpf.h"
#include "site_register.bpf.h"

struct raw_call {
	__u64 sp; /* where the return address is; 0: no call under way */
	__u64 bytes;
	__u64 result_at;
	__u64 old;              /* block that is given back, 0: none */
	struct block_value was; /* what was known of it */
	__u32 window;           /* in which it began: its return may be behind the window's end */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct raw_call);
} raw_calls SEC(".maps");

static __always_inline struct raw_call *thread_call(__u64 flags)
{
	return bpf_task_storage_get(&raw_calls, bpf_get_current_task_btf(), NULL, flags);
}

/* --- calls ------------------------------------------------------------------------------------------- */

/* size * count; an overflow makes a size that no allocator grants. */
static __always_inline __u64 requested_bytes(struct pt_regs *ctx, union raw_cookie cookie)
{
	__u64 size = site_register(ctx, cookie.size), n, most;

	if (cookie.count == SITE_NO_REG)
		return size;
	n = site_register(ctx, cookie.count);
	most = n ? ~0ULL / n : ~0ULL;
	barrier_var(most); /* or the compiler makes a 128-bit multiplication of it */
	return size > most ? ~0ULL : size * n;
}

static __always_inline void begin_call(struct pt_regs *ctx, union raw_cookie cookie, struct raw_call *call)
{
	struct trace_state *state = get_state();

	call->sp = ctx->sp;
	call->window = state ? state->window : 0;
	call->bytes = requested_bytes(ctx, cookie);
	call->result_at = cookie.result_at == SITE_NO_REG ? 0 : site_register(ctx, cookie.result_at);
	call->old = cookie.old == SITE_NO_REG ? 0 : site_register(ctx, cookie.old);
	if (call->old)
		call->was = block_set__take(call->old);
}

/* The kernel had no memory to keep a call: what it allocates is not recorded. */
static __always_inline void lose_call(struct linger_counters *c)
{
	count(&c->seen_allocs, 1);
	count_drop(c, LINGER_DROP_NO_MEMORY, 0);
}

/* A call that is under way in this thread, not left over from another window. */
static __always_inline bool is_under_way(const struct raw_call *call)
{
	struct trace_state *state = get_state();

	return call && call->sp && state && call->window == state->window;
}

static __always_inline void on_entry(struct pt_regs *ctx)
{
	union raw_cookie cookie = {.value = bpf_get_attach_cookie(ctx)};
	struct linger_counters *c = enter(ctx, LINGER_DOMAIN_RAW);
	bool frees = cookie.size == SITE_NO_REG;
	struct raw_call *call;
	__u64 old;

	if (!c)
		return;
	call = thread_call(frees ? 0 : BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (is_under_way(call) && ctx->sp <= call->sp)
		return;
	old = frees ? site_register(ctx, cookie.old) : 0;
	if (old)
		block_set__free(old, c);
	else if (!frees && call)
		begin_call(ctx, cookie, call);
	else if (!frees)
		lose_call(c);
}

SEC("uprobe")
int raw_entry(struct pt_regs *ctx)
{
	__u64 began_ns = begin_run();

	use_the_threads_stack(ctx);
	on_entry(ctx);
	end_run(began_ns);
	return 0;
}

/* The block that a call has given, 0 if it failed. */
static __always_inline __u64 call_result(struct pt_regs *ctx, const struct raw_call *call)
{
	__u64 block = 0;

	if (!call->result_at)
		return ctx->ax;
	return (__u32)ctx->ax || !read_pointer(call->result_at, &block) ? 0 : block;
}

/* The block that a failed realloc has left alone. If its place is taken by now, nobody will see it freed. */
static __always_inline void put_back(const struct raw_call *call, struct linger_counters *c)
{
	if (!block_set__put(call->old, &call->was))
		return;
	count(&c->missed_frees, 1);
	stack_totals__free(call->was.stack_id, call->was.bytes);
}

static __always_inline void on_return(struct pt_regs *ctx)
{
	struct linger_counters *c = enter(ctx, LINGER_DOMAIN_RAW);
	struct raw_call *call = c ? thread_call(0) : NULL;
	__u64 block;

	if (!is_under_way(call) || ctx->sp != call->sp + sizeof(__u64))
		return;
	call->sp = 0;
	block = call_result(ctx, call);
	/* realloc(old, 0) may free and return NULL; any other NULL leaves the old block as it was. */
	if (call->old && (block || !call->bytes))
		block_set__account_free(&call->was, c);
	else if (call->old && call->was.bytes != LINGER_UNKNOWN_BYTES)
		put_back(call, c);
	if (block && takes_allocs())
		block_set__alloc(block, call->bytes, LINGER_DOMAIN_RAW, c);
}

SEC("uprobe")
int raw_return(struct pt_regs *ctx)
{
	__u64 began_ns = begin_run();

	use_the_threads_stack(ctx);
	on_return(ctx);
	end_run(began_ns);
	return 0;
}
