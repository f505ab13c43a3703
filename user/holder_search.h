/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HOLDER_SEARCH_H
#define LINGER_HOLDER_SEARCH_H

#include <signal.h>

#include "address_map.h"
#include "error.h"
#include "heap_walk.h"
#include "holder_graph.h"
#include "memory_reader.h"
#include "object_layout.h"
#include "python.h"
#include "referents.h"
#include "stack_image.h"
#include "stack_sampler.h"
#include "target.h"

/*
 * Looks for who holds some objects, and who holds the holders: one pass over the heap for each step
 * backwards, so that what has to be kept is what was met, and not the heap.
 */
struct holder_search;

/* The process and its interpreter; all has to outlive the search. */
struct holder_subject {
	const struct target *target;
	struct memory_reader *reader;
	const struct python *python;
	struct stack_sampler *sampler; /* for the frames of threads that run */
	const struct object_layout *layout;
	struct referents *referents;
	const volatile sig_atomic_t *is_interrupted; /* then a pass ends with -EINTR */
};

/* Looks at the running frames, too. 0 or a negative errno with its sentence. */
int holder_search__new(const struct holder_subject *subject, struct holder_search **ret_search,
		       struct error *error);
void holder_search__free(struct holder_search *search);

/* Its targets are added by the owner. */
struct holder_graph *holder_search__graph(struct holder_search *search);

/* Adds instances of some types, of which there are n: as many as limit, from all over the heap. */
int holder_search__add_instances(struct holder_search *search, const struct address_map *types, uint64_t n,
				 uint64_t limit, struct error *error);

/* Goes one step back. How many objects the next one would look for. */
int holder_search__step(struct holder_search *search, size_t *ret_n_sought, struct error *error);

/* Of a type; OBJECT_PLAIN: also where it cannot be told. */
enum object_kind holder_search__kind(const struct holder_search *search, uint64_t type);
/* The running frame at this address, or NULL. */
const struct stack_frame *holder_search__frame(const struct holder_search *search, uint64_t address);

/* What was torn at worst in one pass, and what is missing from all of them. */
struct holder_losses {
	struct heap_torn torn;
	struct referent_losses referents;
	uint64_t torn_threads; /* that were too fast, so that their frames are not known */
	uint64_t left_out;     /* holders, because there were too many */
};

struct holder_losses holder_search__losses(const struct holder_search *search);

#endif /* LINGER_HOLDER_SEARCH_H */
