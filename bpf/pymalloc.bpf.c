// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The object domain: probes on every copy of pymalloc's fast path, and behind every call of its slow path.
 *
 * At a pop the block has just left its pool's free list; its size class stands in the pool's header, which is
 * checked before it is believed. At a push the block is on its way back. See user/probe_plan.c for how the
 * sites are found.
 */
#include "block_set.bpf.h"
#include "live_set.bpf.h"
#include "site_register.bpf.h"

#define POOL_HEADER_BYTES 48
#define SIZE_CLASSES 32 /* of 16 bytes each, up to 512 */

/* struct pool_header (CPython Objects/obmalloc.c), from arenaindex on. */
#define POOL_TAIL_OFFSET 32
struct pool_tail {
	__u32 arenaindex;
	__u32 szidx;
	__u32 nextoffset;
	__u32 maxnextoffset;
};

/* The size of a pool's blocks, from its header; 0 if it is not a pymalloc pool. */
static __always_inline __u32 read_pool(__u64 pool)
{
	struct pool_tail tail;
	__u32 bytes;

	if (bpf_probe_read_user(&tail, sizeof(tail), (void *)(pool + POOL_TAIL_OFFSET)) ||
	    tail.szidx >= SIZE_CLASSES)
		return 0;
	bytes = (tail.szidx + 1) * 16;
	return tail.maxnextoffset == linger_config.pool_bytes - bytes ? bytes : 0;
}

/*
 * The size of a block; 0 if it is not a pymalloc block. A pool gets another size only in the slow path, which
 * then hands out its first block; so what a pool's header said is remembered, as pool + size, and read again
 * (`fresh`) when a block comes from there. In windows, which do not see the slow path, it is always read.
 */
static __always_inline __u32 block_bytes(__u64 block, bool fresh)
{
	__u64 pool = block & ~(__u64)(linger_config.pool_bytes - 1), bytes;
	/* Neighbours get slots of their own, whether pools are of 4 or 16 KiB. */
	__u32 slot = (pool >> 12 ^ pool >> 14) & (SIZE_CACHE_SLOTS - 1);
	__u64 *known = bpf_map_lookup_elem(&size_cache, &slot);
	__u32 offset = block - pool;

	if (!known)
		return 0;
	bytes = *known - pool; /* large if another pool was here last */
	if (fresh || bytes >= linger_config.pool_bytes) {
		bytes = read_pool(pool);
		*known = pool + bytes;
	}
	if (!bytes || offset < POOL_HEADER_BYTES || (offset - POOL_HEADER_BYTES) % (__u32)bytes)
		return 0;
	return bytes;
}

/*
 * Every block of the heap is followed in a shadow of it; those of a window are few, and are listed when it
 * ends.
 */
static __always_inline void on_alloc(__u64 address, bool fresh, struct linger_counters *c)
{
	__u32 bytes = block_bytes(address, fresh);

	if (!bytes) {
		count(&c->seen_allocs, 1);
		count_drop(c, LINGER_DROP_BAD_BLOCK, 0);
	} else if (linger_config.sampled) {
		block_set__alloc(address, bytes, LINGER_DOMAIN_OBJECT, c);
	} else {
		count(&c->seen_allocs, 1);
		live_set__alloc(address, bytes, stack_table__current(LINGER_DOMAIN_OBJECT), c);
	}
}

static __always_inline void on_free(__u64 address, struct linger_counters *c)
{
	if (linger_config.sampled)
		block_set__free(address, c);
	else
		live_set__free(address, c);
}

static __always_inline void on_site(struct pt_regs *ctx)
{
	union site_cookie cookie = {.value = bpf_get_attach_cookie(ctx)};
	struct linger_counters *c = enter(ctx, LINGER_DOMAIN_OBJECT);
	__u64 address;

	if (!c || (cookie.kind != SITE_PUSH && !takes_allocs()))
		return;
	address = site_block(ctx, cookie);
	if (cookie.kind == SITE_PUSH)
		on_free(address, c);
	else if (cookie.kind == SITE_POP || address)
		on_alloc(address, linger_config.sampled || cookie.kind == SITE_SLOW_RESULT, c);
}

SEC("uprobe")
int pymalloc_site(struct pt_regs *ctx)
{
	__u64 began_ns = begin_run();

	use_the_threads_stack(ctx);
	on_site(ctx);
	end_run(began_ns);
	return 0;
}
