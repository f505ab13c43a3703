/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ERROR_H
#define LINGER_ERROR_H

/* Why something failed and what to do next, for a person. Modules fill it in; only commands print it. */
struct error {
	char message[512]; /* "failed to <verb> '<object>': <reason>" */
	char hint[256];    /* empty if there is nothing to say */
};

/* Sets the message and returns err, so that a failure can be reported on the line that detects it. */
int error__set(struct error *error, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__
/* It sees one file at a time, and would not know what comes back. */
#define error__set(error, err, ...) ((void)error__set(error, err, __VA_ARGS__), (err))
#endif
void error__hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* LINGER_ERROR_H */
