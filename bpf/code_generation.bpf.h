/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CODE_GENERATION_BPF_H
#define LINGER_CODE_GENERATION_BPF_H

/*
 * Code objects end and their addresses are used again, by exec() in a loop for instance. A probe on their
 * deallocator raises the generation of the address's slot; the generation is part of every stack's hash, so a
 * reused address leads to a new stack and a new reading. Slots are shared by addresses that collide, which
 * costs a second reading of the same code object and nothing else.
 */

#include "maps.bpf.h"

static __always_inline __u32 generation_slot(__u64 code)
{
	return (code >> 4) & (LINGER_GENERATIONS - 1);
}

static __always_inline __u32 code_generation__of(__u64 code)
{
	__u32 slot = generation_slot(code);
	__u32 *generation = bpf_map_lookup_elem(&code_generations, &slot);

	return generation ? *generation : 0;
}

static __always_inline void code_generation__end(__u64 code)
{
	__u32 slot = generation_slot(code);
	__u32 *generation = bpf_map_lookup_elem(&code_generations, &slot);

	struct trace_state *state = get_state();

	if (!generation || !state)
		return;
	__sync_fetch_and_add(generation, 1);
	state->codes_ended = 1;
}

#endif /* LINGER_CODE_GENERATION_BPF_H */
