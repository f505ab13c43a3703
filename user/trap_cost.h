/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TRAP_COST_H
#define LINGER_TRAP_COST_H

#include <bpf/libbpf.h>

/*
 * What a probe costs a process on this machine before its program does anything: measured on this process,
 * with a program that leaves at once, at an instruction that the kernel emulates, as nearly all probe sites
 * are. Takes some 60 ms, most of it attaching and detaching. 0 or a negative errno.
 */
int trap_cost__measure(const struct bpf_program *program, double *ret_ns);

#endif /* LINGER_TRAP_COST_H */
