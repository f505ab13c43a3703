/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_DICT_SEARCH_H
#define LINGER_DICT_SEARCH_H

#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "python.h"
#include "referents.h"

#define DICT_SEARCH_MAX_BYTES 1024 /* of a key */

/*
 * The value in a dict of the target under a key that is a str. All entries are looked at: hashes are the
 * target's secret. 0; -ENOENT: no such key; -ENAMETOOLONG; -ESRCH, -ENOMEM.
 */
int dict_search__find(struct memory_reader *reader, const struct python *python, struct referents *referents,
		      uint64_t dict, const char *key, uint64_t *ret_value);

#endif /* LINGER_DICT_SEARCH_H */
