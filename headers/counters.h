/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_COUNTERS_H
#define LINGER_COUNTERS_H

/*
 * Why an event was not recorded: id, name in outputs, what it means, what to do about it. The one catalogue
 * from which the enum, --stats and the advice on stderr are made.
 */
#define LINGER_DROPS(X)                                                                                      \
	X(LIVE_SET_FULL, "live_set_full", "the live set had no room for another block",                      \
	  "record fewer blocks: a shorter -d, or a larger --live-max")                                       \
	X(NO_MEMORY, "no_memory", "the kernel had no memory for another block of the live set",              \
	  "the machine is short of memory; record for a shorter time")                                       \
	X(BAD_BLOCK, "bad_block", "the address at a probe site was not a pymalloc block",                    \
	  "please report this build of CPython: 'linger doctor -p PID --json' describes it")                 \
	X(RING_FULL, "ring_full", "mapping events came faster than they were read",                          \
	  "leave linger more CPU time")

enum linger_drop {
#define LINGER_DROP_ENUM(id, name, help, hint) LINGER_DROP_##id,
	LINGER_DROPS(LINGER_DROP_ENUM)
#undef LINGER_DROP_ENUM
		LINGER_DROP_REASONS,
};

/*
 * Where every event of a domain ends. Identities, which tests hold us to:
 *   seen_allocs = recorded_allocs + sum(dropped)
 *   seen_frees  = matched_frees + unmatched_frees + dropped_frees
 * and for objects and raw blocks:
 *   live        = recorded_allocs - matched_frees - missed_frees
 */
struct linger_counters {
	__u64 seen_allocs;
	__u64 recorded_allocs;
	__u64 seen_frees;
	__u64 matched_frees;
	__u64 unmatched_frees; /* of blocks that were allocated before the recording, or dropped */
	__u64 dropped_frees;   /* not recorded: what they freed still counts as live */
	__u64 missed_frees;    /* blocks handed out again although no free was seen, or lost when the set was
				  full */
	__u64 lost_stacks;     /* recorded, but the stack table had no room for a new stack */
	__u64 lost_names;      /* code objects that found no room: their frames are [unknown] */
	__u64 skipped;  /* mapping calls of any process for which the kernel did not run the program, and
			   those of the target that could not be kept until their return */
	__u64 filtered; /* hits of other processes that share the probed file */
	__u64 dropped[LINGER_DROP_REASONS];
	__u64 dropped_bytes[LINGER_DROP_REASONS]; /* where the size was known */
};

#endif /* LINGER_COUNTERS_H */
