/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CLOCK_H
#define LINGER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* 0: there is no such clock, or none any more, as that of a process that is gone. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) ? 0 : ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif /* LINGER_CLOCK_H */
