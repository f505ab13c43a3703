/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SITE_REGISTER_BPF_H
#define LINGER_SITE_REGISTER_BPF_H

#include "maps.bpf.h"

/*
 * A register that is known only at run time. The verifier wants a constant offset in every load from the
 * context; the assembly keeps the compiler from merging the loads into one.
 */
static __always_inline __u64 site_register(struct pt_regs *ctx, __u8 reg)
{
	__u64 value = 0;

#define SITE_CASE(id, member)                                                                                \
	case id:                                                                                             \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                                                        \
			     : "=r"(value)                                                                   \
			     : "r"(ctx), "i"(__builtin_offsetof(struct pt_regs, member)));                   \
		break
	switch (reg) {
		SITE_CASE(SITE_RAX, ax);
		SITE_CASE(SITE_RCX, cx);
		SITE_CASE(SITE_RDX, dx);
		SITE_CASE(SITE_RBX, bx);
		SITE_CASE(SITE_RSP, sp);
		SITE_CASE(SITE_RBP, bp);
		SITE_CASE(SITE_RSI, si);
		SITE_CASE(SITE_RDI, di);
		SITE_CASE(SITE_R8, r8);
		SITE_CASE(SITE_R9, r9);
		SITE_CASE(SITE_R10, r10);
		SITE_CASE(SITE_R11, r11);
		SITE_CASE(SITE_R12, r12);
		SITE_CASE(SITE_R13, r13);
		SITE_CASE(SITE_R14, r14);
		SITE_CASE(SITE_R15, r15);
	}
#undef SITE_CASE
	return value;
}

/* The block that a site of pymalloc is about; 0 if it could not be read. */
static __always_inline __u64 site_block(struct pt_regs *ctx, union site_cookie cookie)
{
	__u64 value = site_register(ctx, cookie.reg);

	if (cookie.place == SITE_IN_MEMORY && !read_pointer(value + cookie.disp, &value))
		return 0;
	return value;
}

#endif /* LINGER_SITE_REGISTER_BPF_H */
