// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* When each address was last freed, by pymalloc's push sites, which have this program for a whole run. */
#include "site_register.bpf.h"

#include "frees.h"

#define MAX_ADDRESSES (2 << 20)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ADDRESSES);
	__type(key, __u64);
	__type(value, struct free_times);
} frees SEC(".maps");

__u32 phase; /* enum frees_phase */
__u64 n_frees;
__u64 n_failed; /* frees that could not be kept: with one of them, nothing is proven */

SEC("uprobe.multi")
int see_free(struct pt_regs *ctx)
{
	__u64 address = site_block(ctx, (union site_cookie){.value = bpf_get_attach_cookie(ctx)});
	struct free_times times = {}, *known;

	if (phase == FREES_IGNORED)
		return 0;
	count(&n_frees, 1);
	known = address ? bpf_map_lookup_elem(&frees, &address) : NULL;
	if (phase == FREES_CERTAIN)
		*(known ? &known->certain_ns : &times.certain_ns) = bpf_ktime_get_ns();
	else
		*(known ? &known->doubtful_ns : &times.doubtful_ns) = bpf_ktime_get_ns();
	if (!address || (!known && bpf_map_update_elem(&frees, &address, &times, BPF_ANY)))
		count(&n_failed, 1);
	return 0;
}
