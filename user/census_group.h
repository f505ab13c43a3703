/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CENSUS_GROUP_H
#define LINGER_CENSUS_GROUP_H

#include <stddef.h>

#include "census.h"

/* Puts types that are named into rows together, and nothing is lost. The rows that are left come first; both
 * return how many there are. */

/* One row for each module, named after it. */
size_t census_group__modules(struct census_type *types, size_t n);

/* Classes of the program, of libraries and of extensions, and exceptions; all others become one row. */
size_t census_group__classes(struct census_type *types, size_t n);

#endif /* LINGER_CENSUS_GROUP_H */
