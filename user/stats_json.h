/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_STATS_JSON_H
#define LINGER_STATS_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "recorder.h"

/* Writes a report and lets go of it; NULL: there was no memory for it. 0 or a negative errno. */
int stats_json__finish(json_t *report, FILE *out);

/* The totals, losses and costs of a recording as JSON (linger.8 describes the fields). 0 or a negative errno.
 */
int stats_json__write(const struct recorder_summary *summary, const struct profile *profile, FILE *out);

/* A path or name of the target: JSON has to be UTF-8, paths need not be. NULL when out of memory. */
json_t *stats_json__text(const char *text);

/* A frame: function, file, line; and a stack of them. */
json_t *stats_json__frame(const struct profile_frame *frame);
json_t *stats_json__frames(const struct profile_frame *const *frames, size_t n);

#endif /* LINGER_STATS_JSON_H */
