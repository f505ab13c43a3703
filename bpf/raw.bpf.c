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
#include "raw_set.bpf.h"
#include "site_register.bpf.h"
#include "stack_table.bpf.h"
#include "stack_totals.bpf.h"

struct raw_call {
	__u64 sp; /* where the return address is; 0: no call under way */
	__u64 bytes;
	__u64 result_at;
	__u64 old;            /* block that is given back, 0: none */
	struct raw_block was; /* what was known of it */
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

/* --- accounting -------------------------------------------------------------------------------------- */

static __always_inline void account_free(const struct raw_block *was, struct linger_counters *c)
{
	count(&c->seen_frees, 1);
	count(was->bytes == UNKNOWN_BYTES ? &c->unmatched_frees : &c->matched_frees, 1);
	if (was->bytes != UNKNOWN_BYTES)
		stack_totals__free(was->stack_id, was->bytes);
}

static __always_inline void account_alloc(__u64 address, __u64 bytes, struct linger_counters *c)
{
	struct raw_block block = {.bytes = bytes}, before = raw_set__take(address);
	int err;

	count(&c->seen_allocs, 1);
	/* Handed out again without a free: the free was missed, and the old block is gone for certain. */
	if (before.bytes != UNKNOWN_BYTES) {
		count(&c->missed_frees, 1);
		stack_totals__free(before.stack_id, before.bytes);
	}
	block.stack_id = stack_table__current(LINGER_DOMAIN_RAW);
	err = raw_set__put(address, &block);
	if (err) {
		count_drop(c, drop_reason(err), bytes);
		return;
	}
	count(&c->recorded_allocs, 1);
	stack_totals__alloc(block.stack_id, bytes);
}

/* --- calls ------------------------------------------------------------------------------------------- */

static __always_inline void on_free(__u64 address, struct linger_counters *c)
{
	struct raw_block was;

	if (!address)
		return;
	was = raw_set__take(address);
	account_free(&was, c);
}

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
	call->sp = ctx->sp;
	call->bytes = requested_bytes(ctx, cookie);
	call->result_at = cookie.result_at == SITE_NO_REG ? 0 : site_register(ctx, cookie.result_at);
	call->old = cookie.old == SITE_NO_REG ? 0 : site_register(ctx, cookie.old);
	if (call->old)
		call->was = raw_set__take(call->old);
}

/* The kernel had no memory to keep a call: what it allocates is not recorded. */
static __always_inline void lose_call(struct linger_counters *c)
{
	count(&c->seen_allocs, 1);
	count_drop(c, LINGER_DROP_NO_MEMORY, 0);
}

SEC("uprobe")
int raw_entry(struct pt_regs *ctx)
{
	union raw_cookie cookie = {.value = bpf_get_attach_cookie(ctx)};
	struct linger_counters *c = enter(LINGER_DOMAIN_RAW);
	bool frees = cookie.size == SITE_NO_REG;
	struct raw_call *call;

	if (!c)
		return 0;
	call = thread_call(frees ? 0 : BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (call && call->sp && ctx->sp <= call->sp)
		return 0;
	if (frees)
		on_free(site_register(ctx, cookie.old), c);
	else if (call)
		begin_call(ctx, cookie, call);
	else
		lose_call(c);
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
	if (!raw_set__put(call->old, &call->was))
		return;
	count(&c->missed_frees, 1);
	stack_totals__free(call->was.stack_id, call->was.bytes);
}

SEC("uprobe")
int raw_return(struct pt_regs *ctx)
{
	struct linger_counters *c = enter(LINGER_DOMAIN_RAW);
	struct raw_call *call = c ? thread_call(0) : NULL;
	__u64 block;

	if (!call || !call->sp || ctx->sp != call->sp + sizeof(__u64))
		return 0;
	call->sp = 0;
	block = call_result(ctx, call);
	/* realloc(old, 0) may free and return NULL; any other NULL leaves the old block as it was. */
	if (call->old && (block || !call->bytes))
		account_free(&call->was, c);
	else if (call->old && call->was.bytes != UNKNOWN_BYTES)
		put_back(call, c);
	if (block)
		account_alloc(block, call->bytes, c);
	return 0;
}
