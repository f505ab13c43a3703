/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_DROPS_H
#define LINGER_DROPS_H

#include <linux/types.h>
#include <stdint.h>

#include "counters.h"
#include "trace.h"

/* The words of the catalogue of drop reasons (headers/counters.h). */
const char *drop__name(enum linger_drop reason);
const char *drop__help(enum linger_drop reason);
const char *drop__hint(enum linger_drop reason);

/* Events that were dropped for any reason. */
uint64_t drop__sum(const struct linger_counters *counters);

#endif /* LINGER_DROPS_H */
