// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The target's life cycle: a pidfd tells when it ends; only the kernel tells that it became another program,
 * and that it forked. A child inherits the breakpoints: it is not recorded, but it pays for the traps.
 */
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

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct trace_state *state = get_state();

	if (state && is_target() && child->tgid != parent->tgid)
		__sync_fetch_and_add(&state->forked, 1);
	return 0;
}
