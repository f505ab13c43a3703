// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The target's life cycle: a pidfd tells when it ends; only the kernel tells that it became another program. */
#include "maps.bpf.h"

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec)
{
	struct trace_state *state = get_state();

	if (state && is_target()) {
		state->active = 0;
		state->execed = 1;
	}
	return 0;
}
