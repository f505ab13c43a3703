/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PPROF_READ_H
#define LINGER_PPROF_READ_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "profile.h"

/*
 * Reads a heap profile in pprof's format, ours or another tool's. Of the values of its samples those are
 * taken that are called as ours are; of its labels, domain, thread and those of estimates, which a sample is
 * that says how many survivors it has. A sample without a domain of ours counts as raw, and a note says so.
 * The file is not trusted: everything in it is checked, and what it may make us keep in memory is bounded.
 */
struct pprof_content {
	struct profile *profile;
	uint32_t values; /* those that the file has: a bit per enum profile_value, at least one */
	enum profile_value default_value;
};

/* domains: those to read, a bit per enum linger_domain. 0, -EBADMSG: not such a file; -EFBIG, other errors.
 */
int pprof_read__file(const char *path, uint32_t domains, struct pprof_content *ret_content,
		     struct error *error);

#endif /* LINGER_PPROF_READ_H */
