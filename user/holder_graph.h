/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HOLDER_GRAPH_H
#define LINGER_HOLDER_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "referents.h"

/*
 * Who holds whom, as far as a search backwards from some objects has come, and the shortest chains from what
 * needs no holder down to these objects. Pure: the references come from its owner, one pass over the heap at
 * a time. Objects are known by the numbers that they get here.
 */
struct holder_graph;

#define HOLDER_NONE UINT32_MAX

/* What a chain may begin with, the better the earlier. */
enum holder_root {
	HOLDER_MODULE,
	HOLDER_FRAME,   /* of a running thread */
	HOLDER_CLASS,   /* held by something too; for where that is not found */
	HOLDER_UNKNOWN, /* nothing in the heap refers to it */
	HOLDER_NO_ROOT,
};

/* How one object holds another; see enum referent_label. */
struct hold {
	uint32_t holder, held;
	enum referent_label label;
	uint64_t key;
};

struct holder_limits {
	uint32_t new_objects; /* met in one pass, roots apart */
	uint32_t holds;       /* of one object */
	uint32_t chains;      /* of one object, each of another shape */
	uint32_t more_passes; /* after the one that found a target's first chain from a module or a frame */
};

int holder_graph__new(const struct holder_limits *limits, struct holder_graph **ret_graph);
void holder_graph__free(struct holder_graph *graph);

/* An object whose holders are asked for. 0 or -ENOMEM. */
int holder_graph__add_target(struct holder_graph *graph, uint64_t address, uint64_t type);

/* The number of an object whose holders this pass looks for, or HOLDER_NONE. */
uint32_t holder_graph__sought(const struct holder_graph *graph, uint64_t address);

/* A holder at an address: another object, or a root. */
struct holder {
	uint64_t address, type;
	enum holder_root root;
};

/* Adds the holder too, unless it is known; hold->holder is not looked at. 0, also where a limit leaves it
 * out; -ENOMEM. */
int holder_graph__add_hold(struct holder_graph *graph, const struct holder *holder, const struct hold *hold);

void holder_graph__set_root(struct holder_graph *graph, uint32_t object, enum holder_root root);

/* The keys of this dict are names of attributes. */
void holder_graph__set_namespace(struct holder_graph *graph, uint32_t object);

/* This object needs no holders but a module, or a namespace that is closed itself: what a module has under a
 * name, and the dict of its names. */
void holder_graph__close(struct holder_graph *graph, uint32_t object);

/* After a pass, when the roots that it met are marked: finds the chains, and says how many objects the next
 * pass has to look for. 0 or -ENOMEM. */
int holder_graph__advance(struct holder_graph *graph, size_t *ret_n_sought);

/* Objects have the numbers from 0 on, the targets first, in the order in which they were met. */
size_t holder_graph__n_objects(const struct holder_graph *graph);
size_t holder_graph__n_targets(const struct holder_graph *graph);
uint64_t holder_graph__address(const struct holder_graph *graph, uint32_t object);
uint64_t holder_graph__type(const struct holder_graph *graph, uint32_t object);
bool holder_graph__is_namespace(const struct holder_graph *graph, uint32_t object);
/* Whether a holder of it is a module, or a namespace that is closed. */
bool holder_graph__is_held_by_closed(const struct holder_graph *graph, uint32_t object);

/* How many holders were left out because there were too many. */
uint64_t holder_graph__n_left_out(const struct holder_graph *graph);

/* --- chains ------------------------------------------------------------------------------------------ */

/* From a root to a target. Two have the same shape if they differ in objects, keys and indices only, or in
 * how often the same step is repeated. */
struct holder_chain {
	enum holder_root root;
	uint32_t target;
	uint64_t shape;
	uint32_t n_holds;
	uint32_t way; /* the graph's own */
};

/* For a pass that was not finished: finds the chains that there are so far. 0 or -ENOMEM. */
int holder_graph__find_chains(struct holder_graph *graph);

/* How many of the targets hang on a module or a frame. */
size_t holder_graph__n_rooted(const struct holder_graph *graph);

/* The shortest chain of a target is number 0; false: there are no more. */
bool holder_graph__chain(const struct holder_graph *graph, uint32_t target, uint32_t number,
			 struct holder_chain *ret_chain);

/* Its n_holds holds, from the root to the target. A root that is a target itself has none. */
void holder_graph__holds(const struct holder_graph *graph, const struct holder_chain *chain,
			 struct hold ret_holds[]);

#endif /* LINGER_HOLDER_GRAPH_H */
