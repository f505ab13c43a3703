/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SAMPLER_H
#define LINGER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "estimate.h"
#include "fingerprint.h"
#include "memory_reader.h"
#include "python.h"
#include "session.h"
#include "stack_sums.h"
#include "target.h"

/*
 * Sampled mode. Nothing is attached but in windows; what outlives its window is a sample, and whether it
 * still lives is read from the heap itself afterwards. How much grew is read from the heap as well; the
 * samples only tell who shares it. See the essay in sampler.c.
 */
struct sampler;

struct sampling_options {
	double overhead;        /* what the recording may cost, a share of the target's time */
	uint64_t window_max_ns; /* the longest window */
	uint64_t min_age_ns;    /* what survived for less is told apart */
	uint64_t older_ns;      /* only what survived for longer; 0: everything */
};

struct sampler_totals {
	uint64_t windows;
	uint64_t attached_ns; /* from before the first probe is put in until after the last is taken out */
	uint64_t hits;        /* of probes */
	double cost;          /* share of the target's time, over the whole recording */
	double recent_cost;   /* over the last ten seconds */
	double trap_ns;       /* what a hit costs before its program does anything */
	uint64_t tracer_ns;   /* CPU time of this process and its keepers */
	uint64_t target_ns;   /* CPU time of the target up to the end of the last window */
	double census_s;      /* into the recording: when the heap was last counted */
	uint64_t samples;     /* blocks that outlived their window */
	uint64_t verdicts[VERDICTS]; /* what became of them */
	uint64_t thinned;            /* let go of, their weight given to others, when there were too many */
};

/* Samples of which it is not certain that they were freed. */
uint64_t sampler_totals__lost(const struct sampler_totals *totals);

/* The session is open. Takes the first census, unless at_start: before its start a program holds nothing. The
 * pointers stay the caller's. 0 or a negative errno. */
int sampler__new(const struct sampling_options *options, struct session *session, const struct target *target,
		 struct memory_reader *reader, const struct python *python, bool at_start,
		 struct sampler **ret_sampler, struct error *error);
void sampler__free(struct sampler *sampler);

/* How long nothing is to be done, in ms. */
int sampler__wait_ms(struct sampler *sampler);

/* Does what is due: looks at samples, a census, a window, which takes a tenth of a second longer than it may
 * be. 0, or why no window could be opened; -ESRCH: the target has ended. */
int sampler__run(struct sampler *sampler, struct error *error);

/* Whether the heap says no more of the program: it is another program, or its interpreter takes itself down.
 */
bool sampler__is_over(const struct sampler *sampler);

/* Looks at all samples, counts the heap and makes the estimate, for a profile of this moment; of a target
 * that has ended, or is about to, from what was known before. 0 or -ENOMEM. */
int sampler__take_stock(struct sampler *sampler);

struct sampler_totals sampler__totals(const struct sampler *sampler);

/* Who shares the heap's growth, as of the last stock; NULL: none was taken. */
const struct estimate *sampler__estimate(const struct sampler *sampler);

/* The name of a type in that estimate. */
const char *sampler__type_name(const struct sampler *sampler, uint32_t type);

/* What a stack allocated since the beginning, by the windows' account. */
struct stack_sum sampler__sum(const struct sampler *sampler, uint32_t stack_id);

#endif /* LINGER_SAMPLER_H */
