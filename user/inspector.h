/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_INSPECTOR_H
#define LINGER_INSPECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "fingerprint.h"
#include "memory_reader.h"
#include "py_layouts.h"
#include "target.h"

/*
 * Tells from outside which blocks of pymalloc are still the allocations that they were: reads their pools'
 * headers, their content, and free lists where the content leaves a doubt. The target runs on meanwhile.
 */
struct inspector;

/* A block under inspection. */
struct inspected {
	uint64_t address;
	uint16_t bytes;  /* of its size class */
	uint8_t verdict; /* enum verdict, of the last inspection */
	struct fingerprint print;
};

/* What is passed in has to outlive the inspector. 0 or -ENOMEM. */
int inspector__new(const struct target *target, struct memory_reader *reader,
		   const struct py_runtime_layout *layout, struct inspector **ret_inspector);
void inspector__free(struct inspector *inspector);

/*
 * Takes the first fingerprints, while the target is traced: as few reads as possible and nothing else. Puts
 * the blocks into the order of their addresses. 0 or -ESRCH; a block that cannot be read is gone.
 */
int inspector__take(struct inspector *inspector, struct inspected **blocks, size_t n);

/*
 * Judges blocks whose fingerprints were taken, and lets the fingerprints of the living follow. Puts the
 * blocks into the order of their addresses. 0; -ESRCH: the target has ended, and what was not judged before
 * has the verdict that it had.
 */
int inspector__inspect(struct inspector *inspector, struct inspected **blocks, size_t n);

#endif /* LINGER_INSPECTOR_H */
