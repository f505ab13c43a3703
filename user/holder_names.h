/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HOLDER_NAMES_H
#define LINGER_HOLDER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holder_graph.h"
#include "holder_search.h"

/*
 * What people call the objects of a chain and the ways in which they hold each other, read from the target
 * when the chain is known. What cannot be read is left out; nothing here fails.
 */

/* An object of a chain, and how it holds the next. All strings may be NULL, and none is cleaned. */
struct holder_link {
	uint64_t address;
	char *type;       /* "dict" */
	char *name;       /* "module app"; NULL: the type says all */
	char *step;       /* "['user-17']", ".cache", "[3]"; NULL: goes without saying */
	char *shape;      /* the same for all chains of this shape: "[…]" */
	bool is_joined;   /* belongs to the one before, as the dict of a module does */
	bool is_repeated; /* in the same way as the one before it */
};

struct holder_names;

/* NULL when memory is short. */
struct holder_names *holder_names__new(const struct holder_subject *subject, struct holder_search *search);
void holder_names__free(struct holder_names *names);

/* What instances of a type are called; a new string or NULL. */
char *holder_names__type(struct holder_names *names, uint64_t type);

/* The objects from the first holder to the last and what that holds: n holds make n + 1 links. */
void holder_names__links(struct holder_names *names, const struct hold *holds, size_t n, uint32_t target,
			 struct holder_link ret_links[]);
void holder_link__free(struct holder_link *link);

#endif /* LINGER_HOLDER_NAMES_H */
