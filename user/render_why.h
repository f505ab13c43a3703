/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RENDER_WHY_H
#define LINGER_RENDER_WHY_H

#include <stdio.h>

#include "holders.h"

/* Who holds what was asked for: for people, for graphviz, and as JSON (linger.8 describes the fields). 0,
 * -ENOMEM, or why writing failed. */
int render_why_text(const struct holders *holders, FILE *out);
int render_why_dot(const struct holders *holders, FILE *out);
int render_why_json(const struct holders *holders, FILE *out);

/* "[type]" for what has no name that could be read. */
const char *holder_link__type(const struct holder_link *link);

#endif /* LINGER_RENDER_WHY_H */
