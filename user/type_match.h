/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TYPE_MATCH_H
#define LINGER_TYPE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "census.h"

/* Types by what people call them: "app.Session", or "Session" where no other type has that name. Pure. */
#define TYPE_MATCH_NAMES 4

struct type_match {
	const char *name; /* of the types that are meant; NULL: none */
	/* Then, what else could have been meant: types that are all called so, or that are called alike. */
	bool is_ambiguous;
	const char *others[TYPE_MATCH_NAMES];
	size_t n_others;
};

/* The strings are those of the types. */
struct type_match type_match__find(const struct census_type *types, size_t n, const char *name);

#endif /* LINGER_TYPE_MATCH_H */
