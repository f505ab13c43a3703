/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_MAPPINGS_H
#define LINGER_MAPPINGS_H

#include <stdint.h>

#include <linux/types.h>

#include "mapping_set.h"
#include "trace.h"

/*
 * Mapping events in the order in which they took effect. A call's removal counts from its beginning, its
 * addition from its end; events arrive when calls return, so they are held back for a moment and sorted.
 * Pure: no I/O, no clock of its own.
 */
struct mappings;

struct mappings *mappings__new(void);
void mappings__free(struct mappings *mappings);

/* Takes an event. Errors (memory) are kept and returned by mappings__apply. */
void mappings__take(struct mappings *mappings, const struct mapping_event *event);

/*
 * Applies all changes up to a moment of the events' clock (CLOCK_MONOTONIC); UINT64_MAX: all. 0 or -ENOMEM.
 */
int mappings__apply(struct mappings *mappings, uint64_t until_ns);

const struct mapping_set *mappings__set(const struct mappings *mappings);

/* Removals that met nothing known: mappings older than the recording. */
uint64_t mappings__unmatched(const struct mappings *mappings);

#endif /* LINGER_MAPPINGS_H */
