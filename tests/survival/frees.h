/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FREES_H
#define LINGER_FREES_H

/* What the program that sees every free (frees.bpf.c) shares with user space. */

enum frees_phase {
	FREES_CERTAIN,  /* nobody looks at the heap for the last time yet */
	FREES_DOUBTFUL, /* somebody does: whether the block was still seen is not known */
	FREES_IGNORED,
};

/* The last frees of an address, by CLOCK_MONOTONIC; 0: none. */
struct free_times {
	__u64 certain_ns;
	__u64 doubtful_ns;
};

#endif /* LINGER_FREES_H */
