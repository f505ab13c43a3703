/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SAMPLED_PROFILE_H
#define LINGER_SAMPLED_PROFILE_H

#include "code_names.h"
#include "profile.h"
#include "sampler.h"
#include "session.h"

/*
 * Turns a sampler's last stock into a profile: estimates, in bands of age, with what cannot be said of a
 * stack by itself in groups of its own, so that the object domain's total is the growth of the heap.
 */

/* domains: a bit each; those that are not sampled are left out. 0 or -ENOMEM. */
int sampled_profile__add(const struct sampler *sampler, const struct session *session,
			 const struct code_names *names, uint32_t domains,
			 const struct sampling_options *options, struct profile *profile);

#endif /* LINGER_SAMPLED_PROFILE_H */
