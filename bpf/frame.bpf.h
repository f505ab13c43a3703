/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FRAME_BPF_H
#define LINGER_FRAME_BPF_H

/* What the words of a frame say, which were read from the first of its fields on. Needs bpf_helpers.h. */

#include "py_layout.h"

typedef const volatile struct py_layout const_layout; /* of the configuration, which is set at load time */

/*
 * A field in the words. The difference is hidden from the compiler, which would otherwise subtract the start
 * from the pointer, and the verifier refuses that.
 */
static __always_inline const char *frame__field(const char *words, __u32 start, __u32 offset)
{
	__u32 at = offset - start;

	barrier_var(at);
	return words + at;
}

static __always_inline __u64 frame__previous(const char *words, __u32 start, const_layout *py)
{
	return *(__u64 *)frame__field(words, start, py->frame_previous) & ~(__u64)py->code_tag_mask;
}

static __always_inline __u64 frame__code(const char *words, __u32 start, const_layout *py)
{
	return *(__u64 *)frame__field(words, start, py->frame_code) & ~(__u64)py->code_tag_mask;
}

/* It runs no Python code. */
static __always_inline bool frame__marks_c_call(const char *words, __u32 start, const_layout *py)
{
	return py->frame_owner != PY_NO_FIELD &&
	       *(__u8 *)frame__field(words, start, py->frame_owner) >= py->owner_c_stack;
}

/* The instruction's offset in bytes from the start of the code. */
static __always_inline __s32 frame__instr(const char *words, __u32 start, const_layout *py, __u64 code)
{
	const char *instr = frame__field(words, start, py->frame_instr);

	if (py->instr_kind == PY_INSTR_POINTER)
		return *(__u64 *)instr - (code + py->code_instrs);
	if (py->instr_kind == PY_INSTR_UNIT_INDEX)
		return *(__s32 *)instr * 2;
	return *(__s32 *)instr;
}

#endif /* LINGER_FRAME_BPF_H */
