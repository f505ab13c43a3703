/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RECORDER_H
#define LINGER_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "profile.h"
#include "raw_allocator.h"
#include "raw_plan.h"
#include "sampler.h"
#include "snapshot.h"

/*
 * One recording of one target, from inspection to profile: it joins the modules and decides the order in
 * which things happen.
 */
struct recorder;

struct recorder_options {
	pid_t pid;
	bool at_start;     /* it waits before its first allocation, opening its C library */
	int libc_file;     /* that library, if at_start */
	uint32_t domains;  /* a bit per enum linger_domain */
	bool raw_may_miss; /* do without the raw domain where it cannot be recorded */
	bool sampled;      /* objects and raw blocks in windows, by these options: */
	struct sampling_options sampling;
	uint32_t live_max_mib; /* exact: room in the live set, as so much of the heap */
};

/* What there is to say about a recording, apart from its stacks. */
struct recorder_summary {
	pid_t pid;
	const char *python_version;
	const char *python_path;
	const char *build_id;
	const char *allocator;
	bool allocator_is_known;    /* not while the interpreter starts */
	bool allocator_is_pymalloc; /* possibly behind hooks */
	uint32_t domains;           /* those that are recorded */
	struct domain_totals totals[LINGER_DOMAINS];
	size_t n_pops, n_pushes, n_slow, n_unlocated;
	const struct raw_allocator *raw_allocator; /* whose malloc is recorded; image NULL: none */
	const struct raw_plan *raw_plan;
	double coverage;            /* 0-1; negative: not measured */
	int64_t heap_growth_blocks; /* by the pool headers; meaningful if coverage was measured */
	double attach_ms, detach_ms, elapsed_s;
	uint64_t kernel_bytes;
	bool reads_by_ptrace; /* the BPF memory reader is not available */
	bool target_ended, target_execed, target_finalized;
	bool probes_lost; /* before the end: some time at the end was not seen */
	uint32_t forks;   /* processes forked by the target meanwhile, which run into the same probes */
	bool sampled;
	struct sampling_options sampling;
	struct sampler_totals sampler;
	const struct estimate *estimate; /* of the object domain; NULL: none */
	uint64_t failed_windows;
	const struct error *sampling_error; /* of the last of these; NULL: there was none */
	const struct error *raw_error;      /* why there is no raw domain, which may miss */
};

/* Whether this kernel and this user can record at all: what recorder__open would say of them. */
int recorder__check(const struct recorder_options *options, struct error *error);

/* Inspects the target, plans and attaches; events count when it returns. -ENOEXEC: it is no Python process.
 */
int recorder__open(const struct recorder_options *options, struct recorder **ret_recorder,
		   struct error *error);
void recorder__free(struct recorder *recorder);

/* The BPF memory reader is not available. */
bool recorder__reads_by_ptrace(const struct recorder *recorder);

/* Readable when the target has ended. */
int recorder__pidfd(const struct recorder *recorder);

/* Why a window failed, once one has; NULL. */
const struct error *recorder__window_failure(const struct recorder *recorder);

/* How long nothing is to be done, in ms; at most a fifth of a second. */
int recorder__wait_ms(struct recorder *recorder);

/* To be called when that is over: takes over what would otherwise be lost when the target ends. True: the
 * target has ended or become another program, and the recording with it. */
bool recorder__tick(struct recorder *recorder);

/* Sampled mode: looks at everything, for the profile of this moment. */
void recorder__take_stock(struct recorder *recorder);

/* Ends the recording: nothing counts any more, the probes are taken out. */
void recorder__stop(struct recorder *recorder);

/* 0 or a negative errno. */
int recorder__summary(const struct recorder *recorder, struct recorder_summary *ret_summary);
int recorder__profile(const struct recorder *recorder, struct profile *profile);

#endif /* LINGER_RECORDER_H */
