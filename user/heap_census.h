/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_CENSUS_H
#define LINGER_HEAP_CENSUS_H

#include "census.h"
#include "python.h"

/* Takes the census of a target's heap, with names. 0 or a negative errno with its sentence. */
int heap_census__take(const struct target *target, struct memory_reader *reader, const struct python *python,
		      struct census **ret_census, struct heap_torn *ret_torn, struct error *error);

#endif /* LINGER_HEAP_CENSUS_H */
