/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_CENSUS_H
#define LINGER_HEAP_CENSUS_H

#include "census.h"
#include "python.h"

/* What a census leaves out. */
struct heap_losses {
	struct heap_torn torn;
	uint64_t owners; /* objects whose buffers could not be read, or made no sense */
};

/* Takes the census of a target's heap, with names. 0 or a negative errno with its sentence. */
int heap_census__take(const struct target *target, struct memory_reader *reader, const struct python *python,
		      enum census_by by, struct census **ret_census, struct heap_losses *ret_losses,
		      struct error *error);

/* Called for some objects at a time. Anything but 0 ends the visit, and is its result. */
typedef int heap_objects_visit(void *context, const struct object_ref *objects, size_t n);

/* All living objects of the heap. 0, what the visitor returned, or a negative errno with its sentence. */
int heap_census__visit(const struct target *target, struct memory_reader *reader, const struct python *python,
		       heap_objects_visit *visit, void *context, struct heap_torn *ret_torn,
		       struct error *error);

#endif /* LINGER_HEAP_CENSUS_H */
