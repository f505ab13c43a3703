/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_KERNEL_H
#define LINGER_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/*
 * What this kernel and this user can do, each asked for by trying it, never by a version number.
 * LINGER_WITHOUT=name[,name] in the environment makes features count as missing, for tests of the other way.
 */
enum feature_id {
	FEATURE_BTF,
	FEATURE_BPF,
	FEATURE_RINGBUF,
	FEATURE_BPF_LOOP,
	FEATURE_ATTACH_COOKIE,
	FEATURE_UPROBE_MULTI,
	FEATURE_TRACEPOINTS,
	FEATURE_OPEN_GATE,
	FEATURE_SECCOMP_RETURNS,
	FEATURES,
};

struct feature {
	const char *name;
	const char *purpose; /* what it is needed for */
	const char *since;   /* the Linux version that has it */
	const char *advice;  /* what to do when it is missing */
	bool required;
	bool present;
	bool untold; /* this user lacks a capability, without which one cannot tell */
};

struct kernel_features {
	struct feature list[FEATURES];
};

void kernel__probe(struct kernel_features *ret_features);

/*
 * 0, or -EOPNOTSUPP with a sentence that names the first capability or feature that is required and missing.
 */
int kernel__check(const struct kernel_features *features, struct error *error);

/* 0, or -EPERM, -EOPNOTSUPP with a sentence if programs cannot be recorded from their start. */
int kernel__check_gate(const struct kernel_features *features, struct error *error);

/* Whether functions of a target may have return probes, with or without a seccomp filter. 0 or -EOPNOTSUPP.
 */
int kernel__check_returns(const struct kernel_features *features, bool has_filter, struct error *error);

/* A capability that tracing needs and this process lacks, "CAP_BPF" say; NULL if there is none. */
const char *kernel__missing_capability(void);

#endif /* LINGER_KERNEL_H */
