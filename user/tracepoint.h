/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TRACEPOINT_H
#define LINGER_TRACEPOINT_H

/*
 * Kernel tracepoints by name. Their numbers stand in tracefs, which many containers do not have mounted; a
 * private instance that no other process sees is made for reading them, and nothing on the machine changes.
 */

/* The number of a tracepoint; negative errno: there is none, or tracefs cannot be had. */
int tracepoint__id(const char *category, const char *name);

/* A perf event on it that a BPF program can be attached to. A descriptor or a negative errno. */
int tracepoint__open(const char *category, const char *name);

#endif /* LINGER_TRACEPOINT_H */
