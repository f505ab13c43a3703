/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SAMPLE_SET_H
#define LINGER_SAMPLE_SET_H

#include <stddef.h>
#include <stdint.h>

#include "inspector.h"

/*
 * The samples that are alive as far as is known. When there are too many, half of them are let go of at
 * random and the others stand for twice as much: a recording of hours takes no more memory than one of a
 * minute. Pure.
 */
struct sample_set;

struct sample {
	struct inspected block;
	uint32_t stack_id;
	uint32_t window;   /* running number of the window that saw its allocation */
	uint64_t birth_ns; /* CLOCK_MONOTONIC */
	uint64_t look_ns;  /* when to look at it again */
	double weight;     /* blocks that it stands for */
};

/* max: samples kept. NULL when memory is short. */
struct sample_set *sample_set__new(size_t max);
void sample_set__free(struct sample_set *set);

/* In no particular order; the array stays valid until the next call that takes samples in or out. */
struct sample *sample_set__samples(struct sample_set *set, size_t *ret_n);

/* Copies samples in. random: any number, a new one for each call. Returns how many were let go of. */
size_t sample_set__add(struct sample_set *set, const struct sample *samples, size_t n, uint64_t random);

/* Takes out those of which the verdict is that they are dead, counting the verdicts. */
void sample_set__bury(struct sample_set *set, uint64_t verdicts[VERDICTS]);

#endif /* LINGER_SAMPLE_SET_H */
