/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SNAPSHOT_H
#define LINGER_SNAPSHOT_H

#include "code_names.h"
#include "mappings.h"
#include "profile.h"
#include "session.h"

/*
 * Turns what the kernel maps hold at this moment into a profile and into totals.
 */

/* One domain's totals and losses. */
struct domain_totals {
	struct linger_counters counters;
	uint64_t live_blocks, live_bytes;
	uint64_t alloc_blocks, alloc_bytes;
};

/* 0 or a negative errno. mappings may be NULL. */
int snapshot__totals(const struct session *session, const struct mappings *mappings,
		     enum linger_domain domain, struct domain_totals *ret_totals);

/*
 * Adds values to one stack. root: a frame to put in front of its own, NULL: none. estimate: what the values
 * rest on, NULL: they are exact. 0 or -ENOMEM.
 */
int snapshot__add_stack(const struct session *session, const struct code_names *names, uint32_t id,
			const char *root, const uint64_t values[PROFILE_VALUES],
			const struct profile_estimate *estimate, struct profile *profile);

/* Adds the stacks of the given domains (a bit each), and what was dropped, to the profile. 0 or -ENOMEM. */
int snapshot__profile(const struct session *session, const struct mappings *mappings,
		      const struct code_names *names, uint32_t domains, struct profile *profile);

#endif /* LINGER_SNAPSHOT_H */
