/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STACK_TABLE_BPF_H
#define LINGER_STACK_TABLE_BPF_H

#include "maps.bpf.h"

/* The id of the current thread's Python stack; the domain's own id (counted as lost) when there is no room
 * for it. */
extern __u32 stack_table__current(__u32 domain);

#endif /* LINGER_STACK_TABLE_BPF_H */
