/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SESSION_H
#define LINGER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "error.h"
#include "kernel.h"
#include "probe_plan.h"
#include "python.h"
#include "raw_plan.h"
#include "session_pools.h"
#include "trace.h"

/*
 * A recording under way: the loaded programs, the kernel maps they fill and the probes that run them. This
 * module and snapshot.c are the only ones that know BPF.
 */

struct session_options {
	const struct kernel_features *features;
	const struct python *python;
	const struct probe_plan *plan;
	const struct raw_plan *raw_plan;   /* NULL: without the raw domain */
	const struct elf_image *raw_image; /* the file that it is about */
	const char *raw_path;
	pid_t pid;
	uint32_t tgid;         /* of the target, in the initial pid namespace */
	bool mappings;         /* the mapping domain */
	bool sampled;          /* objects and raw blocks in windows only; needs uprobe_multi */
	uint32_t live_max_mib; /* room in the live set, as so much of the heap */
};

struct session;

/* Loads the programs and attaches them; nothing counts yet. */
int session__open(const struct session_options *options, struct session **ret_session, struct error *error);
void session__free(struct session *session);

/* From here on events count; from stop on they do not. */
void session__start(struct session *session);
void session__stop(struct session *session);

/* Takes the probes out; the maps stay readable. 0, or -EOWNERDEAD: some were gone before. */
int session__detach(struct session *session);

/*
 * Sampled mode. The blocks of a window, those of the object and the raw domain that it saw allocated and not
 * freed, are in the buckets from its beginning until the next one is opened. While it is held, allocations
 * are not recorded any more, but what is freed still leaves the buckets.
 */

/* What a probe costs the target before its program does anything. 0 or a negative errno. */
int session__trap_ns(const struct session *session, double *ret_ns);

/* Forgets the blocks of the last window. */
void session__clear_window(struct session *session);

/*
 * Puts in a block of an earlier window before the next one is opened. It goes from its slot when it is freed,
 * or handed out again because it was; then another may be there. False: there is no room.
 */
struct block_slot {
	const __u64 *address;
	const struct block_value *block;
};
bool session__follow(struct session *session, uint64_t address, struct block_slot *ret_slot);

static inline bool block_slot__is_followed(const struct block_slot *slot, uint64_t address)
{
	return __atomic_load_n(slot->address, __ATOMIC_ACQUIRE) == address &&
	       slot->block->bytes == LINGER_UNKNOWN_BYTES;
}

/* Attaches the probes; nothing is recorded yet. */
int session__open_window(struct session *session, struct error *error);

/* It is held after so many hits of probes, or when session__hold_window is called. */
void session__begin_window(struct session *session, uint64_t max_hits);
void session__hold_window(struct session *session);
bool session__holds_window(const struct session *session);

/* Takes the probes out. 0, or -EOWNERDEAD: some were gone before. */
int session__close_window(struct session *session);

const struct block_bucket *session__window_blocks(const struct session *session, size_t *ret_n);

struct session_pools session__pools(const struct session *session);

/* Sums over all CPUs. 0 or a negative errno. */
int session__counters(const struct session *session, enum linger_domain domain,
		      struct linger_counters *ret_counters);

/* Hands over the mapping events that have arrived, in no particular order. Returns how many, or a negative
 * errno. */
int session__drain_mappings(struct session *session,
			    void (*take)(const struct mapping_event *event, void *arg), void *arg);

/* Kernel memory of the maps, in bytes, by the kernel's account: before Linux 6.4 it counts all that there is
 * room for. */
uint64_t session__kernel_bytes(const struct session *session);

#endif /* LINGER_SESSION_H */
